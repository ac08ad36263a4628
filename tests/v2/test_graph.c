// SPDX-License-Identifier: MIT
/*
 * A step of a KServe InferenceGraph: its router posts the answer of the step
 * before, byte for byte, as Content-Type: application/json. The answers here
 * have the forms in which Triton, MLServer, OpenVINO and KServe's own servers
 * give them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../support/inference.h"

#define ROWS "\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1.0,2.0,3.0]"

static void answers_of_other_models_are_requests(void **state)
{
    (void)state;
    static const char *const answers[] = {
        /* Triton */
        "{\"model_name\":\"dense\",\"model_version\":\"1\",\"parameters\":{"
        "\"sequence_id\":0,\"sequence_start\":false,\"sequence_end\":false},"
        "\"outputs\":[{\"name\":\"output__0\"," ROWS "}]}",
        /* MLServer */
        "{\"model_name\":\"dense\",\"model_version\":\"v1.0\",\"id\":\"f1\","
        "\"parameters\":{\"content_type\":\"np\",\"headers\":null,\"shards\":"
        "[1]},\"outputs\":[{\"name\":\"predict\",\"shape\":[1,3],\"datatype\":"
        "\"FP32\",\"parameters\":{\"content_type\":\"np\"},\"data\":"
        "[1.0,2.0,3.0]}]}",
        /* KServe's SDK; nested, members in another order, blanks */
        "{\"model_name\": \"dense\", \"model_version\": null, \"id\": \"9\", "
        "\"parameters\": null, \"outputs\": [{\"data\": [[1.0, 2.0, 3.0]], "
        "\"datatype\": \"FP32\", \"shape\": [1, 3], \"name\": \"logits\", "
        "\"parameters\": {}}]}",
        /* several outputs: those that are no input here are passed over */
        "{\"model_name\":\"dense\",\"outputs\":[{\"name\":\"classes\","
        "\"shape\":[1,2],\"datatype\":\"BYTES\",\"data\":[\"cat\",\"dog\"]},"
        "{\"name\":\"hidden\",\"shape\":[1],\"datatype\":\"FP64\",\"data\":[7]}"
        ","
        "{\"name\":\"logits\"," ROWS "}]}",
    };
    struct roundtrip expected =
        send_json(SOFTMAX, "{\"inputs\":[{\"name\":\"logits\"," ROWS "}]}");
    char want[200], got[200];
    assert_int_equal(expected.status, 200);
    copy_array(want, sizeof want, &expected, "\"data\":[");
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        for (size_t slice = 0; slice < 3; slice++) {
            struct body body = body_of(answers[i], "", 0);
            struct roundtrip trip = {.path = SOFTMAX,
                                     .body = body.text,
                                     .bytes = body.bytes,
                                     .slice = slice};
            inference_do(&trip);
            if (trip.status != 200)
                fail_msg("%s: %s", answers[i], trip.answer);
            assert_has(&trip, "\"outputs\":[{\"name\":\"probabilities\","
                              "\"shape\":[1,3]");
            copy_array(got, sizeof got, &trip, "\"data\":[");
            assert_string_equal(got, want);
            roundtrip_free(&trip);
        }
    roundtrip_free(&expected);
}

/* The graph of a chain: what softmax answers may go on to another step. */
static void an_answer_of_ours_is_a_request(void **state)
{
    (void)state;
    struct roundtrip first = send_json(SOFTMAX, THREE);
    struct roundtrip second = send_json(SOFTMAX, first.answer);
    assert_int_equal(second.status, 200);
    roundtrip_free(&first);
    roundtrip_free(&second);
}

static void a_lone_tensor_of_any_name_is_the_logits(void **state)
{
    (void)state;
    struct roundtrip trip =
        send_json(SOFTMAX, "{\"inputs\":[{\"name\":\"input-0\"," ROWS "}]}");
    assert_int_equal(trip.status, 200);
    roundtrip_free(&trip);
    const float bytes[] = {1, 2, 3};
    struct body body = body_of(
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[3],\"datatype\":\"FP32\","
        "\"parameters\":{\"binary_data_size\":12}}]}",
        bytes, 12);
    trip = send_body(SOFTMAX, &body, 1);
    assert_int_equal(trip.status, 200);
    roundtrip_free(&trip);
    assert_error(send_json(SOFTMAX, "{\"inputs\":[{\"name\":\"x\"," ROWS
                                    "},{\"name\":\"y\"," ROWS "}]}"),
                 400,
                 "inputs[0].name: got \\\"x\\\", must be one of logits, "
                 "mask, classes, which model softmax takes");
}

static void what_is_neither_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *sentence;
    } cases[] = {
        {"{\"outputs\":[{\"name\":\"logits\"," ROWS "}],\"inputs\":[{\"name\":"
         "\"logits\"," ROWS "}]}",
         "outputs: got data beside inputs, must be one of the two that has "
         "tensors"},
        {"{\"inputs\":[{\"name\":\"logits\"," ROWS "}],\"outputs\":[{\"name\":"
         "\"probabilities\"," ROWS "}]}",
         "outputs: got data beside inputs, must be one of the two that has "
         "tensors"},
        {"{\"inputs\":[{\"name\":\"logits\",\"shape\":[3],\"datatype\":"
         "\"FP32\",\"parameters\":{\"binary_data_size\":12}}],\"outputs\":[{"
         "\"name\":\"probabilities\"," ROWS "}]}",
         "outputs: got data beside inputs, must be one of the two that has "
         "tensors"},
        {"{\"outputs\":[{\"name\":\"logits\"}]}",
         "outputs[0].name: got \\\"logits\\\", must be one of probabilities,"},
        {"{\"outputs\":[{\"name\":\"a\"," ROWS "},{\"name\":\"b\"," ROWS "}]}",
         "logits: got nothing, must be an array of numbers"},
        {"{\"outputs\":[{\"name\":\"predict\",\"shape\":[2],\"datatype\":"
         "\"INT64\",\"data\":[1,2]}]}",
         "input 'predict': datatype got INT64, must be FP32, FP64"},
        {"{\"outputs\":[{\"name\":\"z\",\"shape\":[2],\"datatype\":\"FP32\","
         "\"data\":[1]}]}",
         "input 'z': data got 1 elements, must be 2 by its shape"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_error(send_json(SOFTMAX, cases[i].json), 400, cases[i].sentence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_other_models_are_requests),
        cmocka_unit_test(an_answer_of_ours_is_a_request),
        cmocka_unit_test(a_lone_tensor_of_any_name_is_the_logits),
        cmocka_unit_test(what_is_neither_is_refused),
    };
    return cmocka_run_group_tests(tests, inference_start, inference_stop);
}
