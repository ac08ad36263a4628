// SPDX-License-Identifier: MIT
/* Tensors in shared memory, over /v2: the bits of JSON, whatever the datatype,
 * and an answer whatever the client does to its regions. */
#include <setjmp.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/shared_object.h"

/* ---- registration ------------------------------------------------------- */

static void registered_regions_are_listed(void **state)
{
    (void)state;
    char want[400];
    shared_open();
    shared_remove_all();
    struct roundtrip trip =
        shared_send("GET", "/v2/systemsharedmemory/status", NULL);
    assert_string_equal(trip.answer, "[]");
    roundtrip_free(&trip);
    shared_add(REGION("a/register"), 16, 64);
    shared_add(REGION("b c/register"), 0, 8);
    trip = shared_send("GET", REGION("a/status"), NULL);
    snprintf(want, sizeof want,
             "[{\"name\":\"a\",\"key\":\"%s\",\"offset\":16,"
             "\"byte_size\":64}]",
             shared_key);
    assert_string_equal(trip.answer, want);
    roundtrip_free(&trip);
    trip = shared_send("GET", "/v2/systemsharedmemory/status", NULL);
    snprintf(want, sizeof want,
             "[{\"name\":\"a\",\"key\":\"%s\",\"offset\":16,"
             "\"byte_size\":64},{\"name\":\"b c\",\"key\":\"%s\",\"offset\":0,"
             "\"byte_size\":8}]",
             shared_key, shared_key);
    assert_string_equal(trip.answer, want);
    roundtrip_free(&trip);
    assert_empty(shared_send("POST", REGION("a/unregister"), ""));
    assert_empty(
        shared_send("POST", REGION("a/unregister"), "")); /* again, too */
    assert_error(shared_send("GET", REGION("a/status"), NULL), 404,
                 "Unable to find system shared memory region: 'a'");
    trip = shared_send("GET", "/v2", NULL);
    assert_has(&trip, ",\"system_shared_memory\"]");
    roundtrip_free(&trip);
    shared_close();
}

static const struct {
    const char *path, *body;
    int status;
    const char *sentence;
} registrations[] = {
    {REGION("x/register"), "{}", 400,
     "Shared memory register request has no 'key' field"},
    {REGION("x/register"), "{\"key\":7,\"byte_size\":8}", 400,
     "key: got 7, must be a string"},
    {REGION("x/register"), "{\"key\":\"k\"}", 400,
     "Shared memory register request has no 'byte_size' field"},
    {REGION("x/register"), "{\"key\":\"k\",\"byte_size\":-1}", 400,
     "byte_size: got -1, must be a number of bytes"},
    {REGION("x/register"), "{\"key\":\"k\",\"byte_size\":8,\"offset\":1e99}",
     400, "offset: got 1e+99, must be a number of bytes"},
    {REGION("x/register"), "{\"key\":\"k\",\"byte_size\":18446744073709551616}",
     400, "byte_size: got 1.8446744073709552e+19, must be a number of bytes"},
    {REGION("x/register"), "{\"key\":\"/../x\",\"byte_size\":8}", 400,
     "key: got something else, must be the name of a shared memory object"},
    {REGION("x/register"), "{\"key\":\"softmaxd-none\",\"byte_size\":8}", 400,
     "Unable to open shared memory region: 'x'"},
    {REGION("r/register"), "{\"key\":\"k\",\"byte_size\":8}", 400,
     "shared memory region 'r' already in manager"},
    {REGION("x/register"), "[", 400, "body: got end of file"},
    {REGION("x/register"), "[]", 400, "body: got [], must be an object"},
    {REGION("x/register"), "", 400, "body: got end of file"},
    {"/v2/systemsharedmemory/register", "{\"key\":\"k\",\"byte_size\":8}", 400,
     "'region name' is necessary to register system shared memory region"},
    {REGION("x/forget"), "", 404, "path: got"},
    {REGION("/register"), "", 404, "path: got"},
    {"/v2/systemsharedmemory/", "", 404, "path: got"},
    {"/v2/systemsharedmemory/region/register", "", 404, "path: got"},
    {REGION("x/status"), "", 405, "method: got POST, must be GET"},
    {"/v2/cudasharedmemory/region/x/register", "{}", 501,
     "CUDA shared memory is not supported"},
};

static void what_is_wrong_with_a_registration_is_said(void **state)
{
    (void)state;
    shared_open();
    for (size_t i = 0; i < sizeof registrations / sizeof registrations[0]; i++)
        assert_error(
            shared_send("POST", registrations[i].path, registrations[i].body),
            registrations[i].status, registrations[i].sentence);
    assert_error(shared_send("GET", REGION("x/register"), NULL), 405,
                 "method: got GET, must be POST");
    assert_error(
        shared_send("GET", "/v2/cudasharedmemory/region/x/status", NULL), 404,
        "Unable to find cuda shared memory region");
    shared_close();
}

/* The longest has 255 bytes, and is the name of no region but its own. */
static void long_names_are_refused(void **state)
{
    (void)state;
    shared_open();
    char name[257], path[400];
    memset(name, 'x', 256);
    name[256] = '\0';
    snprintf(path, sizeof path, REGION("%s/register"), name);
    assert_error(shared_send("POST", path, "{\"key\":\"k\",\"byte_size\":8}"),
                 400, "region: got a name of 256 bytes, must be at most 255");
    snprintf(path, sizeof path, REGION("%s/status"), name);
    assert_error(shared_send("GET", path, NULL), 404,
                 "Unable to find system shared memory region");
    snprintf(path, sizeof path, REGION("%s/register"), name + 1);
    assert_error(shared_send("POST", path, "{\"key\":\"k\",\"byte_size\":8}"),
                 400, "Unable to open shared memory region");
    shared_close();
}

/* As a server without CUDA, which every example of Triton's asks first. */
static void cuda_has_no_regions(void **state)
{
    (void)state;
    assert_empty(shared_send("POST", "/v2/cudasharedmemory/unregister", ""));
    assert_empty(
        shared_send("POST", "/v2/cudasharedmemory/region/x/unregister", ""));
    struct roundtrip trip =
        shared_send("GET", "/v2/cudasharedmemory/status", NULL);
    assert_string_equal(trip.answer, "[]");
    roundtrip_free(&trip);
}

static void off_until_it_is_asked_for(void **state)
{
    (void)state;
    struct regions *regions = inference_server.service.regions;
    inference_server.service.regions = NULL;
    assert_error(shared_send("POST", REGION("x/register"),
                             "{\"key\":\"k\",\"byte_size\":8}"),
                 501, "start softmaxd with --shared-memory to enable it");
    assert_error(shared_send("POST", "/v2/systemsharedmemory/unregister", ""),
                 501, "shared memory is disabled");
    struct roundtrip trip =
        shared_send("GET", "/v2/systemsharedmemory/status", NULL);
    assert_string_equal(trip.answer, "[]");
    roundtrip_free(&trip);
    trip = shared_send("GET", "/v2", NULL);
    assert_null(strstr(trip.answer, "system_shared_memory"));
    roundtrip_free(&trip);
    inference_server.service.regions = regions;
}

/* ---- inference ---------------------------------------------------------- */

/* The array behind the name in an answer of JSON, as doubles; how many. */
static size_t numbers_of(const struct roundtrip *trip, const char *name,
                         double *numbers)
{
    char before[64];
    size_t count = 0;
    snprintf(before, sizeof before, "\"name\":\"%s\"", name);
    const char *at = strstr(trip->answer, before);
    at = at ? strstr(at, "\"data\":[") : NULL;
    if (!at)
        fail_msg("no %s in %.300s", name, trip->answer);
    for (char *end = (char *)(uintptr_t)at + 7; *end != ']'; count++)
        numbers[count] = strtod(end + 1, &end);
    return count;
}

/* Rows in the region and in JSON, large enough to stay where they are if
 * large: the same bits, and no byte more is written. */
static void same_bits(size_t rows, size_t at, size_t to)
{
    enum { CLASSES = 100 };
    size_t count = rows * CLASSES, bytes = count * sizeof(float);
    char *json = malloc(count * 16 + 200), body[600];
    double *want = malloc(count * sizeof *want);
    float *z = (void *)(shared_bytes + at), *p = (void *)(shared_bytes + to);
    char *end = json;
    end += snprintf(end, 200,
                    "{\"inputs\":[{\"name\":\"logits\",\"shape\":[%zu,%d],"
                    "\"datatype\":\"FP32\",\"data\":[",
                    rows, CLASSES);
    memset(shared_bytes + to, 0xa5, bytes + 8);
    for (size_t i = 0; i < count; i++) {
        float value = (float)((double)(i * 7919 % 1000) / 64 - 7);
        memcpy(z + i, &value, sizeof value);
        end += snprintf(end, 16, "%s%.6f", i ? "," : "", (double)value);
    }
    memcpy(end, "]}]}", 5);
    struct roundtrip trip = send_json(SOFTMAX, json);
    assert_int_equal(trip.status, 200);
    assert_int_equal(numbers_of(&trip, "probabilities", want), count);
    roundtrip_free(&trip);
    snprintf(
        body, sizeof body,
        "{\"inputs\":[{\"name\":\"logits\",\"shape\":[%zu,%d],"
        "\"datatype\":\"FP32\"," SHARED(
            "%zu", "%zu") "}],"
                          "\"outputs\":[{\"name\":\"probabilities\"," SHARED(
                              "%zu", "%zu") "}]}",
        rows, CLASSES, at, bytes, to, bytes);
    trip = send_json(SOFTMAX, body);
    snprintf(body, sizeof body,
             "{\"model_name\":\"softmax\",\"model_version\":\"1\",\"outputs\":"
             "[{\"name\":\"probabilities\",\"shape\":[%zu,%d],\"datatype\":"
             "\"FP32\"}]}",
             rows, CLASSES);
    assert_string_equal(trip.answer, body);
    roundtrip_free(&trip);
    for (size_t i = 0; i < count; i++) {
        float got;
        memcpy(&got, p + i, sizeof got);
        if (got != (float)want[i])
            fail_msg("element %zu: got %a, expected %a", i, (double)got,
                     want[i]);
    }
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(shared_bytes[to + bytes + i], 0xa5);
    free(want);
    free(json);
}

static void the_same_bits_as_json(void **state)
{
    (void)state;
    shared_open();
    same_bits(1, 0, SHARED_OUT);   /* small: copied */
    same_bits(300, 0, SHARED_OUT); /* large: in place */
    same_bits(300, 1, SHARED_OUT); /* where no float may lie */
    same_bits(300, 4, SHARED_OUT + 3);
    same_bits(300, 0, 0);       /* over its own logits */
    same_bits(300, 4096, 8192); /* over some of them */
    shared_close();
}

static void a_refused_request_writes_nothing(void **state)
{
    (void)state;
    enum { ROWS = 300, CLASSES = 100, BYTES = ROWS * CLASSES * sizeof(float) };
    const float bad_logit = NAN;
    shared_open();
    memset(shared_bytes, 0, BYTES);
    memcpy(shared_bytes + BYTES - sizeof bad_logit, &bad_logit,
           sizeof bad_logit);
    memset(shared_bytes + SHARED_OUT, 0xa5, BYTES);
    char body[600];
    snprintf(body, sizeof body,
             "{\"inputs\":[{\"name\":\"logits\",\"shape\":[%d,%d],"
             "\"datatype\":\"FP32\"," SHARED(
                 "0", "%zu") "}],\"outputs\":[{\"name\":"
                             "\"probabilities\"," SHARED("%d", "%zu") "}]}",
             ROWS, CLASSES, (size_t)BYTES, (int)SHARED_OUT, (size_t)BYTES);
    assert_error(send_json(SOFTMAX, body), 400,
                 "got NaN, must be finite or -Infinity, at /logits/299/99");
    for (size_t i = 0; i < BYTES; i++)
        if (shared_bytes[SHARED_OUT + i] != 0xa5)
            fail_msg("byte %zu is written", i);
    shared_close();
}

static void every_datatype_is_taken(void **state)
{
    (void)state;
    shared_open();
    static const uint16_t halves[] = {0x3c00, 0x4000, 0x4200, 0, 0, 0};
    static const int32_t labels[] = {2, -100};
    static const unsigned char mask[] = {9, 255, 0};
    memcpy(shared_bytes, halves, sizeof halves);
    memcpy(shared_bytes + 64, labels, sizeof labels);
    memcpy(shared_bytes + 128, mask, sizeof mask);
    struct roundtrip trip = send_json(
        LOSS,
        "{\"inputs\":[{\"name\":\"logits\",\"shape\":[2,3],\"datatype\":"
        "\"FP16\"," SHARED(
            "0",
            "12") "},{\"name\":\"labels\",\"shape\":"
                  "[2],\"datatype\":\"INT32\"," SHARED(
                      "64",
                      "8") "}],\"outputs\":["
                           "{\"name\":\"loss\"," SHARED(
                               "256",
                               "4") "},{\"name\":\"rows\"," SHARED("260",
                                                                   "8") "},{"
                                                                        "\"name"
                                                                        "\":"
                                                                        "\"divi"
                                                                        "sor\"}"
                                                                        "]}");
    assert_int_equal(trip.status, 200);
    assert_has(&trip,
               "{\"name\":\"loss\",\"shape\":[1],\"datatype\":\"FP32\"}");
    assert_has(&trip,
               "\"divisor\",\"shape\":[1],\"datatype\":\"FP64\",\"data\":"
               "[1]");
    roundtrip_free(&trip);
    float loss;
    int64_t rows;
    memcpy(&loss, shared_bytes + 256, sizeof loss);
    memcpy(&rows, shared_bytes + 260, sizeof rows);
    assert_true(loss > 0.4076058f && loss < 0.4076061f);
    assert_int_equal(rows, 1);
    trip = send_json(
        SOFTMAX,
        "{\"inputs\":[{\"name\":\"logits\",\"shape\":[1,3],"
        "\"datatype\":\"FP16\"," SHARED(
            "0", "6") "},{\"name\":\"mask\",\"shape\":[3],\"datatype\":"
                      "\"BOOL\"," SHARED("128", "3") "}]}");
    assert_has(&trip, "\"data\":[0.26894143,0.7310586,0]");
    roundtrip_free(&trip);
    /* an empty list of weights is none */
    trip = send_json(
        LOSS,
        "{\"inputs\":[{\"name\":\"logits\",\"shape\":[2,3],\"datatype\":"
        "\"FP16\"," SHARED(
            "0", "12") "},{\"name\":\"labels\",\"shape\":"
                       "[2],\"datatype\":\"INT32\"," SHARED(
                           "64", "8") "},{\"name\":"
                                      "\"weights\",\"shape\":[0],\"datatype\":"
                                      "\"FP32\"," SHARED("0", "0") "}]}");
    assert_int_equal(trip.status, 200);
    roundtrip_free(&trip);
    shared_close();
}

#define LOGITS(parameters)                                                     \
    "{\"inputs\":[{\"name\":\"logits\",\"shape\":[3],\"datatype\":"            \
    "\"FP32\"" parameters "}]"
#define AT(region, rest)                                                       \
    ",\"parameters\":{\"shared_memory_region\":" region rest "}"
#define SIZE ",\"shared_memory_byte_size\":"
#define OFFSET ",\"shared_memory_offset\":"
#define OUTPUT(parameters)                                                     \
    LOGITS(",\"data\":[1,2,3]")                                                \
    ",\"outputs\":[{\"name\":\"probabilities\"" parameters "}]}"

static const struct {
    const char *body;
    int status;
    const char *sentence;
} bad[] = {
    {LOGITS(AT("\"none\"", SIZE "12")) "}", 404,
     "Unable to find shared memory region: 'none'"},
    {LOGITS(AT("7", SIZE "12")) "}", 400,
     "shared_memory_region: got 7, must be a string"},
    {LOGITS(AT("\"r\"", "")) "}", 400,
     "shared_memory_byte_size: got nothing, must be a number of bytes"},
    {LOGITS(AT("\"r\"", SIZE "-12")) "}", 400,
     "shared_memory_byte_size: got -12, must be a number of bytes"},
    {LOGITS(AT("\"r\"", SIZE "12" OFFSET "\"1\"")) "}", 400,
     "shared_memory_offset: got \\\"1\\\", must be a number of bytes"},
    {LOGITS(AT("\"r\"", SIZE "8")) "}", 400,
     "input 'logits': shared_memory_byte_size got 8, must be 12 by its shape "
     "and datatype"},
    {LOGITS(AT("\"r\"", SIZE "12" OFFSET "4194300")) "}", 400,
     "Invalid offset + byte size for shared memory region: 'r'"},
    {LOGITS(AT("\"r\"", SIZE "12" OFFSET "9223372036854775807")) "}", 400,
     "Invalid offset + byte size for shared memory region: 'r'"},
    {LOGITS(AT("\"r\"", SIZE "12") ",\"data\":[1,2,3]") "}", 400,
     "input 'logits': got both, must be exactly one of data, "
     "parameters.binary_data_size and parameters.shared_memory_region"},
    {LOGITS(AT("\"r\"", SIZE "12,\"binary_data_size\":12")) "}", 400,
     "input 'logits': got both, must be exactly one of data"},
    {OUTPUT(AT("\"none\"", SIZE "12")), 404,
     "Unable to find shared memory region: 'none'"},
    {OUTPUT(AT("\"r\"", SIZE "11")), 400,
     "for output 'probabilities' (11 bytes) should be at least 12 bytes to "
     "hold the results"},
    {OUTPUT(AT("\"r\"", SIZE "12" OFFSET "4194293")), 400,
     "Invalid offset + byte size for shared memory region: 'r'"},
    {OUTPUT(AT("\"r\"", SIZE "12,\"binary_data\":true")), 400,
     "output 'probabilities': got both shared_memory_region and binary_data"},
    {LOGITS(AT("\"r\"", SIZE "12")) "}", 400,
     "logits: got NaN, must be finite"},
};

static void what_is_wrong_with_a_tensor_is_said(void **state)
{
    (void)state;
    shared_open();
    memset(shared_bytes, 0xff, 12);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_error(send_json(SOFTMAX, bad[i].body), bad[i].status,
                     bad[i].sentence);
        for (size_t k = 12; k < 64; k++)
            assert_int_equal(shared_bytes[k], 0); /* nothing is written */
    }
    struct roundtrip trip = send_json(
        SOFTMAX, OUTPUT(AT("\"r\"", SIZE "12,\"binary_data\":false")));
    assert_int_equal(trip.status, 200);
    roundtrip_free(&trip);
    shared_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registered_regions_are_listed),
        cmocka_unit_test(what_is_wrong_with_a_registration_is_said),
        cmocka_unit_test(long_names_are_refused),
        cmocka_unit_test(cuda_has_no_regions),
        cmocka_unit_test(off_until_it_is_asked_for),
        cmocka_unit_test(the_same_bits_as_json),
        cmocka_unit_test(a_refused_request_writes_nothing),
        cmocka_unit_test(every_datatype_is_taken),
        cmocka_unit_test(what_is_wrong_with_a_tensor_is_said),
    };
    return cmocka_run_group_tests(tests, shared_start, shared_stop);
}
