// SPDX-License-Identifier: MIT
/*
 * Inference over Open Inference Protocol v2, body in and body out, without a
 * socket: tensors both ways, the same bits as the native endpoints.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/inference.h"

static void json_answers_in_the_native_digits(void **state)
{
    (void)state;
    char v2[200], native[200];
    struct roundtrip a = send_json(SOFTMAX, THREE);
    struct roundtrip b = send_native("/softmax", "{\"logits\":[1,2,3]}");
    assert_int_equal(a.status, 200);
    assert_string_equal(a.type, "application/json");
    assert_string_equal(a.text_length, "");
    assert_has(&a, "{\"model_name\":\"softmax\",\"model_version\":\"1\","
                   "\"outputs\":[{\"name\":\"probabilities\",\"shape\":[3],"
                   "\"datatype\":\"FP32\",\"data\":[");
    copy_array(v2, sizeof v2, &a, "\"data\":[");
    copy_array(native, sizeof native, &b, "\"probabilities\":[");
    assert_string_equal(v2, native);
    roundtrip_free(&a);
    roundtrip_free(&b);
}

static void nested_data_and_late_members_are_the_same(void **state)
{
    (void)state;
    struct roundtrip flat =
        send_json(SOFTMAX, "{\"inputs\":[{\"name\":\"logits\",\"shape\":[2,2],"
                           "\"datatype\":\"FP32\",\"data\":[1,2.5,-3,4]}]}");
    static const char *const others[] = {
        "{\"inputs\":[{\"name\":\"logits\",\"shape\":[2,2],"
        "\"datatype\":\"FP32\",\"data\":[[1,2.5],[-3,4]]}]}",
        "{\"inputs\":[{\"data\":[[[1],[2.5],[-3],[4]]],"
        "\"datatype\":\"FP32\",\"shape\":[2,2],\"name\":\"logits\"}]}",
    };
    assert_int_equal(flat.status, 200);
    for (size_t i = 0; i < 2; i++) {
        struct roundtrip other = send_json(SOFTMAX, others[i]);
        assert_string_equal(other.answer, flat.answer);
        roundtrip_free(&other);
    }
    roundtrip_free(&flat);
}

static void id_is_echoed_and_the_version_accepted(void **state)
{
    (void)state;
    struct roundtrip trip =
        send_json("/v2/models/log_softmax/versions/1/infer",
                  "{\"id\":\"a \\\"b\\\" \\u00e9\",\"inputs\":[{\"name\":"
                  "\"logits\",\"shape\":[1],\"datatype\":\"FP64\","
                  "\"data\":[7]}]}");
    assert_int_equal(trip.status, 200);
    assert_has(&trip, "\"id\":\"a \\\"b\\\" ");
    assert_has(&trip, "\"name\":\"log_probabilities\",\"shape\":[1],"
                      "\"datatype\":\"FP64\",\"data\":[0]");
    roundtrip_free(&trip);
}

static const float logits6[6] = {0.5f, -1, 3, 1e-3f, 88, -INFINITY};

static void binary_is_the_same_in_slices_of_every_size(void **state)
{
    (void)state;
    struct body body =
        body_of(BINARY_LOGITS("[2,3]", "FP32", "24") BINARY_OUT, logits6, 24);
    struct roundtrip whole = send_body(SOFTMAX, &body, 0);
    assert_int_equal(whole.status, 200);
    assert_string_equal(whole.type, "application/octet-stream");
    assert_int_equal(whole.answer_bytes, whole.text_bytes + 24);
    assert_int_equal(strtoul(whole.text_length, NULL, 10), whole.text_bytes);
    for (size_t slice = 1; slice < body.bytes; slice++) {
        struct roundtrip cut = send_body(SOFTMAX, &body, slice);
        assert_int_equal(cut.answer_bytes, whole.answer_bytes);
        assert_memory_equal(cut.answer, whole.answer, whole.answer_bytes);
        roundtrip_free(&cut);
    }
    roundtrip_free(&whole);
}

static void binary_has_the_bits_of_json(void **state)
{
    (void)state;
    struct body body =
        body_of(BINARY_LOGITS("[2,3]", "FP32", "24") BINARY_OUT, logits6, 24);
    struct roundtrip binary = send_body(SOFTMAX, &body, 0);
    struct roundtrip rows = send_native(
        "/softmax", "{\"logits\":[[0.5,-1,3],[1e-3,88,\"-Infinity\"]]}");
    float out[6];
    memcpy(out, binary.answer + binary.text_bytes, sizeof out);
    const char *at = strstr(rows.answer, "[[") + 2;
    for (int i = 0; i < 6; i++) {
        char *end;
        float expected = strtof(at, &end);
        assert_memory_equal(&out[i], &expected, sizeof expected);
        at = end + strspn(end, "],[");
    }
    roundtrip_free(&binary);
    roundtrip_free(&rows);
}

static void a_masked_class_has_no_gradient(void **state)
{
    (void)state;
    char got[80];
    struct roundtrip trip = send_json(
        "/v2/models/gradient/infer",
        "{\"inputs\":[{\"name\":\"logits\",\"shape\":[3],\"datatype\":"
        "\"FP32\",\"data\":[0,0,3]},{\"name\":\"mask\",\"shape\":[3],"
        "\"datatype\":\"BOOL\",\"data\":[true,true,false]},{\"name\":"
        "\"labels\",\"shape\":[],\"datatype\":\"INT64\",\"data\":[2]}]}");
    assert_int_equal(trip.status, 200);
    copy_array(got, sizeof got, &trip,
               "\"name\":\"gradient\",\"shape\":[3],\"datatype\":\"FP32\","
               "\"data\":[");
    assert_string_equal(got, "0.5,0.5,0");
    roundtrip_free(&trip);
}

/* The same three logits in each datatype give the same text. */
static void narrow_and_wide_datatypes_are_converted(void **state)
{
    (void)state;
    static const double wide[] = {1, 2, 3};
    static const uint16_t half[] = {0x3c00, 0x4000, 0x4200};
    static const uint16_t brain[] = {0x3f80, 0x4000, 0x4040};
    static const struct {
        const char *json;
        const void *data;
        size_t bytes;
        const char *datatype;
    } cases[] = {
        {BINARY_LOGITS("[3]", "FP16", "6") "}", half, 6, "FP32"},
        {BINARY_LOGITS("[3]", "BF16", "6") "}", brain, 6, "FP32"},
        {BINARY_LOGITS("[3]", "FP64", "24") "}", wide, 24, "FP64"},
    };
    struct roundtrip single = send_json(SOFTMAX, THREE);
    struct roundtrip twice =
        send_json(SOFTMAX, "{\"inputs\":[{\"name\":\"logits\",\"shape\":[3],"
                           "\"datatype\":\"FP64\",\"data\":[1,2,3]}]}");
    for (size_t i = 0; i < 3; i++)
        for (size_t slice = 0; slice < 4; slice++) {
            struct body body =
                body_of(cases[i].json, cases[i].data, cases[i].bytes);
            struct roundtrip trip = send_body(SOFTMAX, &body, slice);
            const char *expected = strcmp(cases[i].datatype, "FP64") == 0
                                       ? twice.answer
                                       : single.answer;
            assert_string_equal(trip.answer, expected);
            roundtrip_free(&trip);
        }
    roundtrip_free(&single);
    roundtrip_free(&twice);
}

/* JSON labels beside binary logits; a JSON and a binary tensor come back. */
static void json_and_binary_tensors_mix(void **state)
{
    (void)state;
    struct body body = body_of(
        "{\"inputs\":[{\"name\":\"labels\",\"shape\":[2],\"datatype\":"
        "\"INT32\",\"data\":[2,1]},{\"name\":\"logits\",\"shape\":[2,3],"
        "\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":24}}],"
        "\"outputs\":[{\"name\":\"loss\"},{\"name\":\"gradient\","
        "\"parameters\":{\"binary_data\":true}},{\"name\":\"argmax\"}]}",
        logits6, 24);
    struct roundtrip mixed = send_body(GRADIENT, &body, 0);
    struct roundtrip native = send_native(
        "/gradient", "{\"logits\":[[0.5,-1,3],[1e-3,88,\"-Infinity\"]],"
                     "\"labels\":[2,1]}");
    assert_int_equal(mixed.status, 200);
    assert_has(&mixed, "{\"name\":\"gradient\",\"shape\":[2,3],\"datatype\":"
                       "\"FP32\",\"parameters\":{\"binary_data_size\":24}}");
    assert_has(&mixed, "{\"name\":\"argmax\",\"shape\":[2],\"datatype\":"
                       "\"INT64\",\"data\":[2,1]}");
    assert_int_equal(mixed.answer_bytes, mixed.text_bytes + 24);
    char loss[64], text[80];
    copy_array(loss, sizeof loss, &mixed, "\"data\":[");
    snprintf(text, sizeof text, "\"loss\":%s,", loss);
    assert_has(&native, text);
    roundtrip_free(&mixed);
    roundtrip_free(&native);
}

static void labels_and_mask_come_as_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *datatype;
        size_t bytes;
        unsigned char data[16];
    } labels[] = {{"INT32", 8, {2, 0, 0, 0, 0x9c, 0xff, 0xff, 0xff}},
                  {"INT64",
                   16,
                   {2, 0, 0, 0, 0, 0, 0, 0, 0x9c, 0xff, 0xff, 0xff, 0xff, 0xff,
                    0xff, 0xff}}};
    for (size_t i = 0; i < 2; i++)
        for (size_t slice = 0; slice < 6; slice++) {
            char json[500], data[64];
            snprintf(
                json, sizeof json,
                "{\"inputs\":[{\"name\":\"labels\",\"shape\":[2],"
                "\"datatype\":\"%s\",\"parameters\":{\"binary_data_size\":"
                "%zu}},{\"name\":\"logits\",\"shape\":[2,3],\"datatype\":"
                "\"FP32\",\"data\":[1,2,3,4,5,6]},{\"name\":\"mask\","
                "\"shape\":[3],\"datatype\":\"BOOL\",\"parameters\":{"
                "\"binary_data_size\":3}}],\"outputs\":[{\"name\":\"rows\"},"
                "{\"name\":\"loss\"}]}",
                labels[i].datatype, labels[i].bytes);
            memcpy(data, labels[i].data, labels[i].bytes);
            memcpy(data + labels[i].bytes, "\0\1\1", 3);
            struct body body = body_of(json, data, labels[i].bytes + 3);
            struct roundtrip trip = send_body(LOSS, &body, slice);
            struct roundtrip native = send_native(
                "/loss", "{\"logits\":[[1,2,3],[4,5,6]],\"labels\":[2,-100],"
                         "\"mask\":[false,true,true]}");
            char loss[64], text[80];
            assert_int_equal(trip.status, 200);
            assert_has(&trip, "\"name\":\"rows\",\"shape\":[1],"
                              "\"datatype\":\"INT64\",\"data\":[1]");
            copy_array(loss, sizeof loss, &trip,
                       "\"datatype\":\"FP32\",\"data\":[");
            snprintf(text, sizeof text, "\"loss\":%s,", loss);
            assert_has(&native, text);
            roundtrip_free(&trip);
            roundtrip_free(&native);
        }
}

/* A random byte is false where it is 0, else true. */
static void bool_bytes_are_true_unless_zero(void **state)
{
    (void)state;
    static const char json[] =
        "{\"inputs\":[{\"name\":\"mask\",\"shape\":[4],\"datatype\":\"BOOL\","
        "\"parameters\":{\"binary_data_size\":4}},{\"name\":\"logits\","
        "\"shape\":[4],\"datatype\":\"FP32\",\"data\":[1,2,3,4]}]}";
    struct body ones = body_of(json, "\1\0\1\1", 4);
    struct body random = body_of(json, "\147\0\377\200", 4);
    struct roundtrip expected = send_body(SOFTMAX, &ones, 0);
    assert_int_equal(expected.status, 200);
    for (size_t slice = 0; slice < 4; slice++) {
        struct roundtrip trip = send_body(SOFTMAX, &random, slice);
        assert_string_equal(trip.answer, expected.answer);
        roundtrip_free(&trip);
    }
    roundtrip_free(&expected);
}

static void raw_bytes_are_one_row(void **state)
{
    (void)state;
    struct roundtrip raw = {.path = SOFTMAX,
                            .header_length = "0",
                            .body = (const char *)logits6,
                            .bytes = 20};
    for (raw.slice = 0; raw.slice < 7; raw.slice++) {
        inference_do(&raw);
        assert_int_equal(raw.status, 200);
        assert_has(&raw, "\"shape\":[1,5],\"datatype\":\"FP32\","
                         "\"parameters\":{\"binary_data_size\":20}}");
        assert_int_equal(raw.answer_bytes, raw.text_bytes + 20);
        roundtrip_free(&raw);
    }
    raw.bytes = 6;
    inference_do(&raw);
    assert_error(raw, 400, "input 'logits': got 6 bytes, must be a multiple");
    raw = (struct roundtrip){.path = LOSS, .header_length = "0"};
    inference_do(&raw);
    assert_error(raw, 400, "model loss takes more than one input");
}

static void raw_rows_may_be_long(void **state)
{
    (void)state;
    size_t count = 300000;
    float *row = calloc(count, sizeof *row);
    assert_non_null(row);
    struct roundtrip raw = {.path = SOFTMAX,
                            .header_length = "0",
                            .body = (const char *)row,
                            .bytes = count * sizeof *row,
                            .slice = 16383};
    inference_do(&raw);
    assert_int_equal(raw.status, 200);
    float first;
    memcpy(&first, raw.answer + raw.text_bytes, sizeof first);
    assert_true(first == 1.0f / 300000);
    roundtrip_free(&raw);
    free(row);
}

static void tensors_without_elements_are_legal(void **state)
{
    (void)state;
    struct body body =
        body_of(BINARY_LOGITS("[0,3]", "FP32", "0") BINARY_OUT, NULL, 0);
    struct roundtrip binary = send_body(SOFTMAX, &body, 0);
    assert_int_equal(binary.status, 200);
    assert_has(&binary, "\"shape\":[0,3],\"datatype\":\"FP32\","
                        "\"parameters\":{\"binary_data_size\":0}");
    assert_int_equal(binary.answer_bytes, binary.text_bytes);
    roundtrip_free(&binary);
    struct roundtrip json =
        send_json(SOFTMAX, "{\"inputs\":[{\"name\":\"logits\",\"shape\":[0,3],"
                           "\"datatype\":\"FP32\",\"data\":[]}]}");
    assert_int_equal(json.status, 200);
    assert_has(&json, "\"data\":[]");
    roundtrip_free(&json);
}

static void options_are_parameters(void **state)
{
    (void)state;
    struct roundtrip trip = send_json(
        SOFTMAX,
        "{\"parameters\":{\"temperature\":2,\"top_k\":2,\"include\":"
        "\"argmax, logsumexp\",\"sequence_id\":3,\"priority\":1,"
        "\"timeout\":500,\"content_type\":\"np\"},\"inputs\":[{\"name\":"
        "\"logits\",\"shape\":[4],\"datatype\":\"FP32\",\"parameters\":"
        "{\"content_type\":\"np\"},\"data\":[3,1,2,3]}]}");
    struct roundtrip native = send_native(
        "/softmax", "{\"logits\":[3,1,2,3],\"temperature\":2,\"top_k\":2,"
                    "\"include\":[\"argmax\",\"logsumexp\"]}");
    char v2[100], text[100];
    assert_int_equal(trip.status, 200);
    copy_array(v2, sizeof v2, &trip, "\"data\":[");
    copy_array(text, sizeof text, &native, "\"probabilities\":[");
    assert_string_equal(v2, text);
    assert_has(&trip, "\"name\":\"indices\",\"shape\":[2],\"datatype\":"
                      "\"INT64\",\"data\":[0,3]");
    assert_has(&trip, "\"name\":\"argmax\",\"shape\":[1]");
    assert_has(&trip, "\"name\":\"logsumexp\",\"shape\":[1]");
    roundtrip_free(&trip);
    roundtrip_free(&native);
    trip = send_json(
        SOFTMAX,
        "{\"parameters\":{\"include\":\"\"},\"inputs\":[{\"name\":"
        "\"logits\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[3]}]}");
    assert_int_equal(trip.status, 200);
    roundtrip_free(&trip);
}

/* The parameter makes one model of the other. */
static void log_is_a_parameter_too(void **state)
{
    (void)state;
    struct roundtrip option = send_json(
        SOFTMAX, "{\"parameters\":{\"log\":true},\"inputs\":[{\"name\":"
                 "\"logits\",\"shape\":[3],\"datatype\":\"FP32\",\"data\":"
                 "[1,2,3]}]}");
    struct roundtrip model = send_json("/v2/models/log_softmax/infer", THREE);
    char a[100], b[100];
    assert_int_equal(option.status, 200);
    assert_has(&option, "\"outputs\":[{\"name\":\"log_probabilities\"");
    copy_array(a, sizeof a, &option, "\"data\":[");
    copy_array(b, sizeof b, &model, "\"data\":[");
    assert_string_equal(a, b);
    roundtrip_free(&option);
    roundtrip_free(&model);
}

/* As the clients write what is not set, and shapes that were floats. */
static void null_is_absent_and_sizes_may_have_a_point(void **state)
{
    (void)state;
    struct roundtrip trip = send_json(
        SOFTMAX,
        "\xef\xbb\xbf{\"id\":null,\"parameters\":null,\"outputs\":null,"
        "\"inputs\":[{\"name\":\"logits\",\"shape\":[1.0,2e0],\"datatype\":"
        "\"FP32\",\"parameters\":null,\"data\":[3,\"-Inf\"]}]}");
    assert_int_equal(trip.status, 200);
    assert_has(&trip, "\"data\":[1,0]");
    roundtrip_free(&trip);
    trip = send_json(
        SOFTMAX,
        "{\"parameters\":{\"temperature\":null,\"binary_data_output\":null},"
        "\"outputs\":[{\"name\":\"probabilities\",\"parameters\":null}],"
        "\"inputs\":[{\"name\":\"logits\",\"shape\":[1],\"datatype\":"
        "\"FP32\",\"data\":[3]}]}");
    assert_int_equal(trip.status, 200);
    roundtrip_free(&trip);
}

/* Even numbers that no type holds, wherever no member is known. */
static void unknown_members_may_be_any_json(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool good;
    } cases[] = {
#define LOGITS                                                                 \
    "\"name\":\"logits\",\"shape\":[3],\"datatype\":\"FP32\",\"data\":[1,2,3]"
#define ANY "[1e999,{\"y\":[-1e999]}]"
        {"{\"x\":" ANY ",\"inputs\":[{" LOGITS "}]}", true},
        {"{\"inputs\":[{\"x\":" ANY "," LOGITS "}]}", true},
        {"{\"inputs\":[{" LOGITS ",\"x\":{\"x\":" ANY "}}]}", true},
        {"{\"inputs\":[{" LOGITS ",\"id\":1e999}]}", true},
        {"{\"inputs\":[{" LOGITS "}],\"data\":1e999}", true},
        {"{\"id\":1e999,\"inputs\":[{" LOGITS "}]}", false},
        {"{\"parameters\":{\"temperature\":1e999},\"inputs\":[{" LOGITS "}]}",
         false},
        {"{\"inputs\":[{" LOGITS ",\"parameters\":{\"x\":1e999}}]}", false},
        {"{\"inputs\":[{" LOGITS "}],\"outputs\":[{\"name\":1e999}]}", false},
        {"{\"inputs\":[{" LOGITS "}],\"outputs\":[{\"name\":"
         "\"probabilities\",\"x\":1e999}]}",
         true},
#undef LOGITS
#undef ANY
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct roundtrip trip = send_json(SOFTMAX, cases[i].json);
        if ((trip.status == 200) != cases[i].good)
            fail_msg("%s: %d %s", cases[i].json, trip.status, trip.answer);
        roundtrip_free(&trip);
    }
}

/* Where the native form has a bare number, shape [1] and shape [] are one. */
static void scalars_are_tensors_of_one_element(void **state)
{
    (void)state;
    static const char *const shapes[] = {"[1]", "[]"};
    for (size_t i = 0; i < 2; i++) {
        char json[500];
        snprintf(json, sizeof json,
                 "{\"inputs\":[{\"name\":\"logits\",\"shape\":[3],"
                 "\"datatype\":\"FP32\",\"data\":[1,2,3]},{\"name\":"
                 "\"labels\",\"shape\":%s,\"datatype\":\"INT64\",\"data\":"
                 "[1]},{\"name\":\"upstream\",\"shape\":%s,\"datatype\":"
                 "\"FP32\",\"data\":[0.5]}]}",
                 shapes[i], shapes[i]);
        struct roundtrip trip = send_json(GRADIENT, json);
        struct roundtrip native = send_native(
            "/gradient", "{\"logits\":[1,2,3],\"labels\":1,\"upstream\":0.5}");
        char v2[100], text[100];
        assert_int_equal(trip.status, 200);
        copy_array(v2, sizeof v2, &trip, "\"data\":[");
        copy_array(text, sizeof text, &native, "\"gradient\":[");
        assert_string_equal(v2, text);
        roundtrip_free(&trip);
        roundtrip_free(&native);
    }
}

static void gradients_of_softmax_itself(void **state)
{
    (void)state;
    struct roundtrip trip = send_json(
        GRADIENT, "{\"parameters\":{\"of\":\"softmax\"},\"inputs\":[{\"name\":"
                  "\"logits\",\"shape\":[2],\"datatype\":\"FP64\",\"data\":"
                  "[1,1]}]}");
    assert_int_equal(trip.status, 200);
    assert_has(&trip, "\"outputs\":[{\"name\":\"jacobian\",\"shape\":[2,2],"
                      "\"datatype\":\"FP64\",\"data\":[0.25,-0.25,-0.25,"
                      "0.25]}]");
    roundtrip_free(&trip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_answers_in_the_native_digits),
        cmocka_unit_test(nested_data_and_late_members_are_the_same),
        cmocka_unit_test(id_is_echoed_and_the_version_accepted),
        cmocka_unit_test(binary_is_the_same_in_slices_of_every_size),
        cmocka_unit_test(binary_has_the_bits_of_json),
        cmocka_unit_test(a_masked_class_has_no_gradient),
        cmocka_unit_test(narrow_and_wide_datatypes_are_converted),
        cmocka_unit_test(json_and_binary_tensors_mix),
        cmocka_unit_test(labels_and_mask_come_as_bytes),
        cmocka_unit_test(bool_bytes_are_true_unless_zero),
        cmocka_unit_test(raw_bytes_are_one_row),
        cmocka_unit_test(raw_rows_may_be_long),
        cmocka_unit_test(tensors_without_elements_are_legal),
        cmocka_unit_test(options_are_parameters),
        cmocka_unit_test(log_is_a_parameter_too),
        cmocka_unit_test(null_is_absent_and_sizes_may_have_a_point),
        cmocka_unit_test(unknown_members_may_be_any_json),
        cmocka_unit_test(scalars_are_tensors_of_one_element),
        cmocka_unit_test(gradients_of_softmax_itself),
    };
    return cmocka_run_group_tests(tests, inference_start, inference_stop);
}
