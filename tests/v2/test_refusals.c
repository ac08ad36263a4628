// SPDX-License-Identifier: MIT
/* Every way to get an inference request wrong, and what it is told. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/api/request.h"
#include "../support/inference.h"
#include "../support/random.h"

#define INPUT(rest) "{\"inputs\":[{" rest "}]}"
#define LOGITS3(rest)                                                          \
    INPUT("\"name\":\"logits\",\"shape\":[3],\"datatype\":\"FP32\"" rest)
#define WITH(rest)                                                             \
    "{\"inputs\":[{\"name\":\"logits\",\"shape\":[3],\"datatype\":\"FP32\","   \
    "\"data\":[1,2,3]}]," rest "}"

#define X90                                                                    \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"                            \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct {
    const char *path, *json, *sentence;
} documents[] = {
    /* a long value is cut */
    {SOFTMAX,
     INPUT("\"name\":\"logits\",\"shape\":[\"" X90
           "xyzzy\"],\"datatype\":\"FP32\",\"data\":[1]"),
     "input 'logits': shape got \\\"" X90 "x... at index 0"},
    {SOFTMAX, "{\"inputs\":[",
     "body: got end of file, must be a value or ']', at byte 11 (line 1, "
     "column 12)"},
    {SOFTMAX, "[]",
     "body: got [], must be an object such as {\\\"inputs\\\":[{\\\"name\\\":"},
    {SOFTMAX, "{}", "inputs: got nothing, must be an array"},
    {SOFTMAX, "{\"inputs\":[]}", "logits: got nothing"},
    {SOFTMAX, "{\"inputs\":[3]}", "inputs[0]: got 3, must be an object"},
    {SOFTMAX, "{\"inputs\":7}", "inputs: got 7, must be an array"},
    {SOFTMAX,
     INPUT("\"name\":7,\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]"),
     "inputs[0].name: got 7, must be a string"},
    {SOFTMAX,
     INPUT("\"name\":\"logits\",\"shape\":[1],\"datatype\":7,\"data\":[1]"),
     "input 'logits': datatype: got 7, must be FP32, FP64,"},
    {SOFTMAX, WITH("\"outputs\":[{\"name\":7}]"),
     "outputs[0].name: got 7, must be a string"},
    {SOFTMAX, WITH("\"outputs\":[{}]"),
     "outputs[0].name: got nothing, must be a string"},
    {SOFTMAX,
     WITH("\"outputs\":[{\"name\":\"probabilities\",\"parameters\":7}]"),
     "parameters: got 7, must be an object"},
    {SOFTMAX, WITH("\"id\":7"), "id: got 7, must be a string"},
    {SOFTMAX, INPUT("\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]"),
     "inputs[0].name: got nothing, must be a string"},
    {SOFTMAX, LOGITS3(""), "input 'logits': got neither"},
    {SOFTMAX,
     LOGITS3(",\"data\":[1,2,3],\"parameters\":{\"binary_data_size\":12}"),
     "input 'logits': got both"},
    {SOFTMAX, LOGITS3(",\"parameters\":{\"binary_data_size\":12}"),
     "Inference-Header-Content-Length: got nothing"},
    {SOFTMAX, LOGITS3(",\"parameters\":{\"shared_memory_region\":\"a\"}"),
     "input 'logits': got a shared_memory_region"},
    {SOFTMAX, LOGITS3(",\"data\":[1,2,3,4]"),
     "input 'logits': data got 4 elements, must be 3"},
    {SOFTMAX, LOGITS3(",\"data\":[1,2]"),
     "input 'logits': data got 2 elements, must be 3"},
    {SOFTMAX, LOGITS3(",\"data\":7"), "input 'logits': data got a single"},
    {SOFTMAX, LOGITS3(",\"data\":[1,2,NaN]"),
     "data: got NaN, must be finite or -Infinity, at /inputs/0/data/2"},
    {SOFTMAX, LOGITS3(",\"data\":[1,Infinity,2]"),
     "data: got Infinity, must be finite or -Infinity, at /inputs/0/data/1"},
    {SOFTMAX, LOGITS3(",\"data\":[1,null,2]"),
     "data: got null, must be a number or \\\"-Infinity"},
    {SOFTMAX, LOGITS3(",\"data\":null"), "input 'logits': got neither"},
    {SOFTMAX, LOGITS3(",\"data\":[1,[2,3]]"),
     "data: got an array, must be a number, at /inputs/0/data/1"},
    {SOFTMAX, LOGITS3(",\"data\":[\"a\",2,3]"),
     "data: got \\\"a\\\", must be a number, at /inputs/0/data/0"},
    /* the datatype stands behind the data */
    {SOFTMAX,
     INPUT("\"name\":\"logits\",\"data\":[1,1e39],\"shape\":[2],"
           "\"datatype\":\"FP32\""),
     "inputs/0/data: got 1e39, must be within the range of float32, at "
     "/inputs/0/data/1"},
    {LOSS,
     "{\"inputs\":[{\"name\":\"logits\",\"shape\":[3],\"datatype\":\"FP32\","
     "\"data\":[1,2,3]},{\"name\":\"labels\",\"data\":[1.5],\"shape\":[1],"
     "\"datatype\":\"INT64\"}]}",
     "inputs/1/data: got 1.5, must be an integer, at /inputs/1/data/0"},
    {SOFTMAX,
     INPUT("\"name\":\"logits\",\"shape\":[2,-3],\"datatype\":\"FP32\","
           "\"data\":[]"),
     "input 'logits': shape got -3 at index 1"},
    {SOFTMAX,
     INPUT("\"name\":\"logits\",\"shape\":[1.5],\"datatype\":\"FP32\","
           "\"data\":[]"),
     "input 'logits': shape got 1.5 at index 0"},
    {SOFTMAX,
     INPUT("\"name\":\"logits\",\"shape\":[4294967296,4294967296],"
           "\"datatype\":\"FP32\",\"data\":[]"),
     "input 'logits': shape: got [4294967296"},
    {SOFTMAX,
     INPUT("\"name\":\"logits\",\"shape\":[1,1,1,1,1,1,1,1,1],"
           "\"datatype\":\"FP32\",\"data\":[1]"),
     "got 9 dimensions, must be at most 8"},
    {SOFTMAX,
     INPUT("\"name\":\"logits\",\"shape\":3,\"datatype\":\"FP32\","
           "\"data\":[]"),
     "input 'logits': shape: got 3, must be an array"},
    {SOFTMAX,
     INPUT("\"name\":\"logits\",\"shape\":[1],\"datatype\":\"BYTES\","
           "\"data\":[1]"),
     "input 'logits': datatype: got \\\"BYTES\\\", must be FP32"},
    {SOFTMAX, INPUT("\"name\":\"logits\",\"shape\":[1],\"data\":[1]"),
     "input 'logits': datatype: got nothing"},
    {SOFTMAX,
     INPUT("\"name\":\"logits\",\"shape\":[1],\"datatype\":\"FP16\","
           "\"data\":[1]"),
     "input 'logits': got FP16 as JSON, must be binary"},
    {SOFTMAX,
     INPUT("\"name\":\"logits\",\"shape\":[1],\"datatype\":\"INT64\","
           "\"data\":[1]"),
     "input 'logits': datatype got INT64, must be FP32"},
    {SOFTMAX,
     INPUT("\"name\":\"labels\",\"shape\":[1],\"datatype\":\"INT64\","
           "\"data\":[1]"),
     "input 'labels': datatype got INT64, must be FP32, FP64, FP16 or BF16"},
    {SOFTMAX, WITH("\"outputs\":[{\"name\":\"probs\"}]"),
     "outputs[0].name: got \\\"probs\\\", must be one of probabilities, "
     "log_probabilities, indices, logsumexp, entropy, argmax, rank, which "
     "model softmax gives"},
    {SOFTMAX, WITH("\"outputs\":[{\"name\":\"indices\"}]"),
     "output 'indices': must be one of probabilities, logsumexp, entropy, "
     "argmax, which these parameters and inputs give"},
    {GRADIENT,
     WITH("\"outputs\":[{\"name\":\"loss\"}],"
          "\"parameters\":{\"of\":\"softmax\"}"),
     "output 'loss': must be one of jacobian, which these parameters and "
     "inputs give"},
    {SOFTMAX, WITH("\"outputs\":[{\"name\":\"argmax\"},{\"name\":\"argmax\"}]"),
     "output 'argmax': got it twice"},
    {SOFTMAX, WITH("\"outputs\":7"), "outputs: got 7, must be an array"},
    {SOFTMAX,
     WITH("\"outputs\":[{\"name\":\"argmax\",\"parameters\":{"
          "\"classification\":2}}]"),
     "output 'argmax': got classification"},
    {SOFTMAX,
     WITH("\"outputs\":[{\"name\":\"argmax\",\"parameters\":{"
          "\"binary_data\":1}}]"),
     "binary_data: got 1, must be true or false"},
    {SOFTMAX, WITH("\"parameters\":{\"axis\":[0]}"),
     "parameters.axis: got [0], must be a string, a number"},
    {SOFTMAX, WITH("\"parameters\":7"), "parameters: got 7"},
    {SOFTMAX, WITH("\"parameters\":{\"temprature\":1}"),
     "temprature: got an unknown parameter, must be one of axis, dtype,"},
    {SOFTMAX, WITH("\"parameters\":{\"temperature\":-1}"),
     "temperature: got -1, must be a number above 0"},
    {SOFTMAX, WITH("\"parameters\":{\"include\":\"variance\"}"),
     "include: got \\\"variance\\\", must be \\\"logsumexp\\\", "
     "\\\"entropy\\\", \\\"argmax\\\" or \\\"rank\\\"\""},
    {SOFTMAX, WITH("\"parameters\":{\"include\":\"argmax,\"}"),
     "include: got \\\"\\\", must be"},
    {SOFTMAX, WITH("\"parameters\":{\"include\":7}"),
     "include: got 7, must be a string of names with commas between them"},
    {SOFTMAX, WITH("\"parameters\":{\"include\":\"argmax\\\"\"}"),
     "include: got \\\"argmax\\\"\\\", must be \\\"logsumexp\\\", "
     "\\\"entropy\\\", \\\"argmax\\\" or \\\"rank\\\""},
    {SOFTMAX, WITH("\"parameters\":{\"temperature\":1e400}"),
     "parameters/temperature: got 1e400, must be between -1.8e308 and "
     "1.8e308, at byte"},
    {SOFTMAX, WITH("\"parameters\":{\"axis\":0,\"axis\":0}"),
     "parameters/axis: got it twice, must be given once, at byte"},
    {SOFTMAX,
     INPUT("\"name\":\"logits\",\"shape\":[1],\"datatype\":\"FP32\","
           "\"data\":[1],\"data\":[1]"),
     "inputs/0/data: got it twice, must be given once, at byte"},
    {"/v2/models/log_softmax/infer", WITH("\"parameters\":{\"log\":false}"),
     "log: got false, must be true for model log_softmax"},
    {SOFTMAX, WITH("\"parameters\":{\"dtype\":\"float64\"}"),
     "dtype: got \\\"float64\\\", must be \\\"float32\\\""},
    {LOSS, THREE, "labels: got none, must be exactly one of labels, targets"},
    {LOSS,
     "{\"inputs\":[{\"name\":\"logits\",\"shape\":[1,3],\"datatype\":"
     "\"FP32\",\"data\":[1,2,3]},{\"name\":\"labels\",\"shape\":[1],"
     "\"datatype\":\"INT64\",\"data\":[5]}]}",
     "labels: got 5 in row 0, must be in [0, 3)"},
    {LOSS,
     "{\"inputs\":[{\"name\":\"logits\",\"shape\":[1,3],\"datatype\":"
     "\"FP32\",\"data\":[1,2,3]},{\"name\":\"targets\",\"shape\":[1,3],"
     "\"datatype\":\"FP64\",\"data\":[0,0,1]}]}",
     "input 'targets': datatype got FP64, must be FP32"},
};

static void wrong_json_is_a_400_that_names_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++)
        assert_error(send_json(documents[i].path, documents[i].json), 400,
                     documents[i].sentence);
}

static void duplicate_inputs_are_refused(void **state)
{
    (void)state;
    assert_error(send_json(SOFTMAX,
                           "{\"inputs\":[{\"name\":\"logits\",\"shape\":[1],"
                           "\"datatype\":\"FP32\",\"data\":[1]},{\"name\":"
                           "\"logits\",\"shape\":[1],\"datatype\":\"FP32\","
                           "\"data\":[1]}]}"),
                 400, "input 'logits': got it twice, must be once");
    char json[2000] = "{\"inputs\":[{}";
    for (int i = 0; i < 16; i++)
        strncat(json, ",{}", sizeof json - strlen(json) - 1);
    strncat(json, "]}", sizeof json - strlen(json) - 1);
    assert_error(send_json(SOFTMAX, json), 400,
                 "inputs: got 17, must be at most 16");
    snprintf(json, sizeof json, "{\"inputs\":[],\"outputs\":[{}");
    for (int i = 0; i < OUTPUT_COUNT; i++)
        strncat(json, ",{}", sizeof json - strlen(json) - 1);
    strncat(json, "]}", sizeof json - strlen(json) - 1);
    assert_error(send_json(SOFTMAX, json), 400, "outputs: got");
}

static void wrong_sizes_name_the_tensor_and_both_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        size_t bytes;
        const char *sentence;
    } cases[] = {
        {BINARY_LOGITS("[2,3]", "FP32", "20") "}", 20,
         "input 'logits': binary_data_size got 20, must be 24"},
        {BINARY_LOGITS("[2,3]", "FP32", "-1") "}", 24,
         "input 'logits': binary_data_size got -1, must be 24"},
        {BINARY_LOGITS("[2,3]", "FP32", "1e1") "}", 24,
         "input 'logits': binary_data_size got 10.0, must be 24 by its shape "
         "and "
         "datatype"},
        {BINARY_LOGITS("[2,3]", "FP32", "24") "}", 23,
         "input 'logits': got 23 bytes, must be 24"},
        {BINARY_LOGITS("[2,3]", "FP32", "24") "}", 0,
         "input 'logits': got 0 bytes, must be 24"},
        {BINARY_LOGITS("[2,3]", "FP32", "24") "}", 25,
         "body: got 124 bytes, must be 123: 99 of JSON and 24 of binary "
         "tensors"},
        {"{\"inputs\":[{\"name\":\"logits\",\"shape\":[1],\"datatype\":"
         "\"FP32\",\"data\":[1]}]}",
         4,
         "body: got 75 bytes, must be 71: 71 of JSON and 0 of binary tensors"},
    };
    unsigned char zeros[64] = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t slice = 0; slice < 3; slice++) {
            struct body body = body_of(cases[i].json, zeros, cases[i].bytes);
            assert_error(send_body(SOFTMAX, &body, slice), 400,
                         cases[i].sentence);
        }
}

/* Shapes that no body can fill cost no memory. */
static void sizes_beyond_the_body_are_a_413(void **state)
{
    (void)state;
    struct body body = body_of(
        BINARY_LOGITS("[1048576,1048576]", "FP32", "4398046511104") "}", "", 0);
    assert_error(send_body(SOFTMAX, &body, 0), 413,
                 "input 'logits': got 4398046511104 bytes, must be at most 8");
}

static void header_lengths_out_of_range_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *length, *sentence;
    } cases[] = {
        {"1000", "got 1000, must be at most"},
        {"18446744073709551615", "got 18446744073709551615, must be"},
        {"18446744073709551616", "must be a number of bytes"},
        {"-1", "got -1, must be a number of bytes"},
        {"", "must be a number of bytes"},
        {"12x", "got 12x, must be a number of bytes"},
        {" 5", "must be a number of bytes"},
        {"20", "at byte 20 (line 1, column 21)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct roundtrip trip = {.path = SOFTMAX,
                                 .header_length = cases[i].length,
                                 .body = THREE,
                                 .bytes = strlen(THREE)};
        inference_do(&trip);
        assert_error(trip, 400, cases[i].sentence);
    }
}

static void non_finite_bytes_name_the_element(void **state)
{
    (void)state;
    const float bad[] = {1, NAN, 3};
    struct body body =
        body_of(BINARY_LOGITS("[1,3]", "FP32", "12") "}", bad, 12);
    assert_error(
        send_body(SOFTMAX, &body, 0), 400,
        "logits: got NaN, must be finite or -Infinity, at /logits/0/1");
}

static void memory_that_is_never_there_is_a_413(void **state)
{
    (void)state;
    inference_server.service.budget.limit = 1 << 20;
    struct body body =
        body_of(BINARY_LOGITS("[1024,1024]", "FP32", "4194304") "}", "", 0);
    struct roundtrip trip = send_body(SOFTMAX, &body, 0);
    inference_server.service.budget.limit = 64 << 20;
    assert_error(trip, 413,
                 "memory: got a request that needs 4194304 bytes or more, must "
                 "be at most the 1048576 of --memory-limit");
}

static void memory_that_others_have_is_a_503(void **state)
{
    (void)state;
    struct budget *budget = &inference_server.service.budget;
    size_t others = budget->limit - (1 << 20);
    assert_true(budget_take(budget, others));
    struct body body =
        body_of(BINARY_LOGITS("[1024,1024]", "FP32", "4194304") "}", "", 0);
    struct roundtrip trip = send_body(SOFTMAX, &body, 0);
    budget_give(budget, others);
    assert_error(trip, 503, "memory: the request does not fit into the memory");
}

/* ---- anything at all ---------------------------------------------------- */

/* Lengths, sizes, shapes and bytes at random: an answer or an error, and no
 * byte of the budget kept. */
static void nonsense_is_survived(void **state)
{
    (void)state;
    static const char *const sizes[] = {
        "0", "1", "4", "12", "24", "-1", "2147483648", "9223372036854775807"};
    static const char *const names[] = {"FP32", "FP64",  "FP16", "BF16",
                                        "BOOL", "INT64", "INT32"};
    struct random random;
    random_seed(&random);
    for (int i = 0; i < 20000; i++) {
        char json[300], length[32];
        char body[INFERENCE_BODY] = {0};
        snprintf(
            json, sizeof json,
            "{\"inputs\":[{\"name\":\"logits\",\"shape\":[%s,%s],"
            "\"datatype\":\"%s\",\"parameters\":{\"binary_data_size\":"
            "%s}}]}",
            sizes[random_below(&random, 8)], sizes[random_below(&random, 8)],
            names[random_below(&random, 7)], sizes[random_below(&random, 8)]);
        size_t bytes = strlen(json);
        memcpy(body, json, bytes);
        snprintf(length, sizeof length, "%zu",
                 random_once_in(&random, 4) ? random_below(&random, 200)
                                            : bytes);
        if (random_once_in(&random, 8))
            body[random_below(&random, bytes)] ^=
                (char)(1 + random_below(&random, 255));
        struct roundtrip trip = {.path = SOFTMAX,
                                 .header_length = length,
                                 .body = body,
                                 .bytes = bytes + random_below(&random, 30),
                                 .slice = random_below(&random, 40)};
        inference_do(&trip);
        /* An answer of its own length, or an error with a sentence. */
        if (trip.status == 200)
            assert_memory_equal(trip.answer, "{\"model_name\":", 14);
        else
            assert_memory_equal(trip.answer, "{\"error\":\"", 10);
        assert_true(trip.status == 200 || trip.status == 400 ||
                    trip.status == 413);
        roundtrip_free(&trip);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_json_is_a_400_that_names_it),
        cmocka_unit_test(duplicate_inputs_are_refused),
        cmocka_unit_test(wrong_sizes_name_the_tensor_and_both_numbers),
        cmocka_unit_test(sizes_beyond_the_body_are_a_413),
        cmocka_unit_test(header_lengths_out_of_range_are_refused),
        cmocka_unit_test(non_finite_bytes_name_the_element),
        cmocka_unit_test(memory_that_is_never_there_is_a_413),
        cmocka_unit_test(memory_that_others_have_is_a_503),
        cmocka_unit_test(nonsense_is_survived),
    };
    return cmocka_run_group_tests(tests, inference_start, inference_stop);
}
