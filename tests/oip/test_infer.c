// SPDX-License-Identifier: MIT
/*
 * Inference over Open Inference Protocol v2, body in and body out, without a
 * socket: tensors both ways, the same bits as the native endpoints, and every
 * way to get a request wrong.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/api/native.h"
#include "../../server/protocol/protocol.h"
#include "../support/exchange.h"

#define SOFTMAX "/v2/models/softmax/infer"
#define LOSS "/v2/models/loss/infer"
#define GRADIENT "/v2/models/gradient/infer"

static struct service service;

static bool always_ready(const struct service *unused)
{
    (void)unused;
    return true;
}

static int start(void **state)
{
    (void)state;
    service = (struct service){.budget = {.limit = 64 << 20},
                               .max_body = 8 << 20,
                               .is_ready = always_ready};
    return smx_context_create(&service.compute, NULL);
}

static int stop(void **state)
{
    (void)state;
    smx_context_free(service.compute);
    return 0;
}

/* ---- one request -------------------------------------------------------- */

enum { MAX_BODY = 4096 };

/* A body of JSON and bytes behind it, and the header that tells its length. */
struct body {
    char text[MAX_BODY];
    size_t bytes;
    char length[32];
};

static struct body body_of(const char *json, const void *data, size_t bytes)
{
    struct body body = {.bytes = strlen(json) + bytes};
    assert_true(body.bytes <= sizeof body.text);
    memcpy(body.text, json, strlen(json));
    if (bytes)
        memcpy(body.text + strlen(json), data, bytes);
    snprintf(body.length, sizeof body.length, "%zu", strlen(json));
    return body;
}

static struct exchange send(const char *path, const struct body *body,
                            size_t slice)
{
    struct exchange exchange = {.path = path,
                                .header_length = body->length,
                                .body = body->text,
                                .bytes = body->bytes,
                                .slice = slice};
    exchange_do(&exchange, &service, protocol_routes, protocol_route_count);
    return exchange;
}

static struct exchange send_json(const char *path, const char *json)
{
    struct exchange exchange = {
        .path = path, .body = json, .bytes = strlen(json)};
    exchange_do(&exchange, &service, protocol_routes, protocol_route_count);
    return exchange;
}

static struct exchange send_native(const char *path, const char *json)
{
    struct exchange exchange = {
        .path = path, .body = json, .bytes = strlen(json)};
    exchange_do(&exchange, &service, api_routes, api_route_count);
    return exchange;
}

static void assert_has(const struct exchange *exchange, const char *text)
{
    if (!strstr(exchange->answer, text))
        fail_msg("%s is not in %s", text, exchange->answer);
}

static void assert_error(struct exchange exchange, int status,
                         const char *sentence)
{
    if (exchange.status != status)
        fail_msg("got %d, expected %d: %s", exchange.status, status,
                 exchange.answer);
    assert_string_equal(exchange.type, "application/json");
    assert_memory_equal(exchange.answer, "{\"error\":\"", 10);
    assert_has(&exchange, sentence);
    exchange_free(&exchange);
}

/* Text between the first `before` and the ']' that follows. */
static void copy_array(char *to, size_t bytes, const struct exchange *exchange,
                       const char *before)
{
    const char *at = strstr(exchange->answer, before);
    if (!at)
        fail_msg("%s is not in %s", before, exchange->answer);
    at += strlen(before);
    snprintf(to, bytes, "%.*s", (int)strcspn(at, "]"), at);
}

/* ---- what comes in and goes out ----------------------------------------- */

#define THREE                                                                  \
    "{\"inputs\":[{\"name\":\"logits\",\"shape\":[3],\"datatype\":\"FP32\","   \
    "\"data\":[1,2,3]}]}"

static void json_answers_in_the_native_digits(void **state)
{
    (void)state;
    char v2[200], native[200];
    struct exchange a = send_json(SOFTMAX, THREE);
    struct exchange b = send_native("/softmax", "{\"logits\":[1,2,3]}");
    assert_int_equal(a.status, 200);
    assert_string_equal(a.type, "application/json");
    assert_string_equal(a.text_length, "");
    assert_has(&a, "{\"model_name\":\"softmax\",\"model_version\":\"1\","
                   "\"outputs\":[{\"name\":\"probabilities\",\"shape\":[3],"
                   "\"datatype\":\"FP32\",\"data\":[");
    copy_array(v2, sizeof v2, &a, "\"data\":[");
    copy_array(native, sizeof native, &b, "\"probabilities\":[");
    assert_string_equal(v2, native);
    exchange_free(&a);
    exchange_free(&b);
}

static void nested_data_and_late_members_are_the_same(void **state)
{
    (void)state;
    struct exchange flat =
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
        struct exchange other = send_json(SOFTMAX, others[i]);
        assert_string_equal(other.answer, flat.answer);
        exchange_free(&other);
    }
    exchange_free(&flat);
}

static void id_is_echoed_and_the_version_accepted(void **state)
{
    (void)state;
    struct exchange exchange =
        send_json("/v2/models/log_softmax/versions/1/infer",
                  "{\"id\":\"a \\\"b\\\" \\u00e9\",\"inputs\":[{\"name\":"
                  "\"logits\",\"shape\":[1],\"datatype\":\"FP64\","
                  "\"data\":[7]}]}");
    assert_int_equal(exchange.status, 200);
    assert_has(&exchange, "\"id\":\"a \\\"b\\\" ");
    assert_has(&exchange, "\"name\":\"log_probabilities\",\"shape\":[1],"
                          "\"datatype\":\"FP64\",\"data\":[0]");
    exchange_free(&exchange);
}

#define BINARY_LOGITS(shape, datatype, size)                                   \
    "{\"inputs\":[{\"name\":\"logits\",\"shape\":" shape                       \
    ",\"datatype\":\"" datatype                                                \
    "\",\"parameters\":{\"binary_data_size\":" size "}}]"
#define BINARY_OUT ",\"parameters\":{\"binary_data_output\":true}}"

static const float logits6[6] = {0.5f, -1, 3, 1e-3f, 88, -INFINITY};

static void binary_is_the_same_in_slices_of_every_size(void **state)
{
    (void)state;
    struct body body =
        body_of(BINARY_LOGITS("[2,3]", "FP32", "24") BINARY_OUT, logits6, 24);
    struct exchange whole = send(SOFTMAX, &body, 0);
    assert_int_equal(whole.status, 200);
    assert_string_equal(whole.type, "application/octet-stream");
    assert_int_equal(whole.answer_bytes, whole.text_bytes + 24);
    assert_int_equal(strtoul(whole.text_length, NULL, 10), whole.text_bytes);
    for (size_t slice = 1; slice < body.bytes; slice++) {
        struct exchange cut = send(SOFTMAX, &body, slice);
        assert_int_equal(cut.answer_bytes, whole.answer_bytes);
        assert_memory_equal(cut.answer, whole.answer, whole.answer_bytes);
        exchange_free(&cut);
    }
    exchange_free(&whole);
}

static void binary_has_the_bits_of_json(void **state)
{
    (void)state;
    struct body body =
        body_of(BINARY_LOGITS("[2,3]", "FP32", "24") BINARY_OUT, logits6, 24);
    struct exchange binary = send(SOFTMAX, &body, 0);
    struct exchange json = send_native(
        "/softmax", "{\"logits\":[0.5,-1,3,1e-3,88,\"-Infinity\"]}");
    struct exchange rows = send_native(
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
    exchange_free(&binary);
    exchange_free(&json);
    exchange_free(&rows);
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
    struct exchange single = send_json(SOFTMAX, THREE);
    struct exchange twice =
        send_json(SOFTMAX, "{\"inputs\":[{\"name\":\"logits\",\"shape\":[3],"
                           "\"datatype\":\"FP64\",\"data\":[1,2,3]}]}");
    for (size_t i = 0; i < 3; i++)
        for (size_t slice = 0; slice < 4; slice++) {
            struct body body =
                body_of(cases[i].json, cases[i].data, cases[i].bytes);
            struct exchange exchange = send(SOFTMAX, &body, slice);
            const char *expected = strcmp(cases[i].datatype, "FP64") == 0
                                       ? twice.answer
                                       : single.answer;
            assert_string_equal(exchange.answer, expected);
            exchange_free(&exchange);
        }
    exchange_free(&single);
    exchange_free(&twice);
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
    struct exchange mixed = send(GRADIENT, &body, 0);
    struct exchange native = send_native(
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
    exchange_free(&mixed);
    exchange_free(&native);
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
            struct exchange exchange = send(LOSS, &body, slice);
            struct exchange native = send_native(
                "/loss", "{\"logits\":[[1,2,3],[4,5,6]],\"labels\":[2,-100],"
                         "\"mask\":[false,true,true]}");
            char loss[64], text[80];
            assert_int_equal(exchange.status, 200);
            assert_has(&exchange, "\"name\":\"rows\",\"shape\":[1],"
                                  "\"datatype\":\"INT64\",\"data\":[1]");
            copy_array(loss, sizeof loss, &exchange,
                       "\"datatype\":\"FP32\",\"data\":[");
            snprintf(text, sizeof text, "\"loss\":%s,", loss);
            assert_has(&native, text);
            exchange_free(&exchange);
            exchange_free(&native);
        }
}

static void raw_bytes_are_one_row(void **state)
{
    (void)state;
    struct exchange raw = {.path = SOFTMAX,
                           .header_length = "0",
                           .body = (const char *)logits6,
                           .bytes = 20};
    for (raw.slice = 0; raw.slice < 7; raw.slice++) {
        exchange_do(&raw, &service, protocol_routes, protocol_route_count);
        assert_int_equal(raw.status, 200);
        assert_has(&raw, "\"shape\":[1,5],\"datatype\":\"FP32\","
                         "\"parameters\":{\"binary_data_size\":20}}");
        assert_int_equal(raw.answer_bytes, raw.text_bytes + 20);
        exchange_free(&raw);
    }
    raw.bytes = 6;
    exchange_do(&raw, &service, protocol_routes, protocol_route_count);
    assert_error(raw, 400, "input 'logits': got 6 bytes, must be a multiple");
    raw = (struct exchange){.path = LOSS, .header_length = "0"};
    exchange_do(&raw, &service, protocol_routes, protocol_route_count);
    assert_error(raw, 400, "model loss takes more than one input");
}

static void raw_rows_may_be_long(void **state)
{
    (void)state;
    size_t count = 300000;
    float *row = calloc(count, sizeof *row);
    assert_non_null(row);
    struct exchange raw = {.path = SOFTMAX,
                           .header_length = "0",
                           .body = (const char *)row,
                           .bytes = count * sizeof *row,
                           .slice = 16383};
    exchange_do(&raw, &service, protocol_routes, protocol_route_count);
    assert_int_equal(raw.status, 200);
    float first;
    memcpy(&first, raw.answer + raw.text_bytes, sizeof first);
    assert_true(first == 1.0f / 300000);
    exchange_free(&raw);
    free(row);
}

static void tensors_without_elements_are_legal(void **state)
{
    (void)state;
    struct body body =
        body_of(BINARY_LOGITS("[0,3]", "FP32", "0") BINARY_OUT, NULL, 0);
    struct exchange binary = send(SOFTMAX, &body, 0);
    assert_int_equal(binary.status, 200);
    assert_has(&binary, "\"shape\":[0,3],\"datatype\":\"FP32\","
                        "\"parameters\":{\"binary_data_size\":0}");
    assert_int_equal(binary.answer_bytes, binary.text_bytes);
    exchange_free(&binary);
    struct exchange json =
        send_json(SOFTMAX, "{\"inputs\":[{\"name\":\"logits\",\"shape\":[0,3],"
                           "\"datatype\":\"FP32\",\"data\":[]}]}");
    assert_int_equal(json.status, 200);
    assert_has(&json, "\"data\":[]");
    exchange_free(&json);
}

static void options_are_parameters(void **state)
{
    (void)state;
    struct exchange exchange = send_json(
        SOFTMAX,
        "{\"parameters\":{\"temperature\":2,\"top_k\":2,\"include\":"
        "\"argmax, logsumexp\",\"sequence_id\":3,\"priority\":1,"
        "\"timeout\":500,\"content_type\":\"np\"},\"inputs\":[{\"name\":"
        "\"logits\",\"shape\":[4],\"datatype\":\"FP32\",\"parameters\":"
        "{\"content_type\":\"np\"},\"data\":[3,1,2,3]}]}");
    struct exchange native = send_native(
        "/softmax", "{\"logits\":[3,1,2,3],\"temperature\":2,\"top_k\":2,"
                    "\"include\":[\"argmax\",\"logsumexp\"]}");
    char v2[100], text[100];
    assert_int_equal(exchange.status, 200);
    copy_array(v2, sizeof v2, &exchange, "\"data\":[");
    copy_array(text, sizeof text, &native, "\"probabilities\":[");
    assert_string_equal(v2, text);
    assert_has(&exchange, "\"name\":\"indices\",\"shape\":[2],\"datatype\":"
                          "\"INT64\",\"data\":[0,3]");
    assert_has(&exchange, "\"name\":\"argmax\",\"shape\":[1]");
    assert_has(&exchange, "\"name\":\"logsumexp\",\"shape\":[1]");
    exchange_free(&exchange);
    exchange_free(&native);
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
        struct exchange exchange = send_json(GRADIENT, json);
        struct exchange native = send_native(
            "/gradient", "{\"logits\":[1,2,3],\"labels\":1,\"upstream\":0.5}");
        char v2[100], text[100];
        assert_int_equal(exchange.status, 200);
        copy_array(v2, sizeof v2, &exchange, "\"data\":[");
        copy_array(text, sizeof text, &native, "\"gradient\":[");
        assert_string_equal(v2, text);
        exchange_free(&exchange);
        exchange_free(&native);
    }
}

static void gradients_of_softmax_itself(void **state)
{
    (void)state;
    struct exchange exchange = send_json(
        GRADIENT, "{\"parameters\":{\"of\":\"softmax\"},\"inputs\":[{\"name\":"
                  "\"logits\",\"shape\":[2],\"datatype\":\"FP64\",\"data\":"
                  "[1,1]}]}");
    assert_int_equal(exchange.status, 200);
    assert_has(&exchange, "\"outputs\":[{\"name\":\"jacobian\",\"shape\":[2,2],"
                          "\"datatype\":\"FP64\",\"data\":[0.25,-0.25,-0.25,"
                          "0.25]}]");
    exchange_free(&exchange);
}

/* ---- what is refused ---------------------------------------------------- */

#define INPUT(rest) "{\"inputs\":[{" rest "}]}"
#define LOGITS3(rest)                                                          \
    INPUT("\"name\":\"logits\",\"shape\":[3],\"datatype\":\"FP32\"" rest)
#define WITH(rest)                                                             \
    "{\"inputs\":[{\"name\":\"logits\",\"shape\":[3],\"datatype\":\"FP32\","   \
    "\"data\":[1,2,3]}]," rest "}"

static void wrong_json_is_a_400_that_names_it(void **state)
{
    (void)state;
    static const struct {
        const char *path, *json, *sentence;
    } cases[] = {
        {SOFTMAX, "{\"inputs\":[", "byte"},
        {SOFTMAX, "[]", "must be an object"},
        {SOFTMAX, "{}", "inputs: got nothing, must be an array"},
        {SOFTMAX, "{\"inputs\":[]}", "logits: got nothing"},
        {SOFTMAX, "{\"inputs\":[3]}", "inputs[0]: got 3, must be an object"},
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
        {SOFTMAX, LOGITS3(",\"data\":[1,2,NaN]"), "NaN"},
        {SOFTMAX, LOGITS3(",\"data\":[1,Infinity,2]"), "Infinity"},
        {SOFTMAX, LOGITS3(",\"data\":[1,[2,3]]"), "data"},
        {SOFTMAX, LOGITS3(",\"data\":[\"a\",2,3]"), "data"},
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
         "input 'labels': must be an input of model softmax"},
        {SOFTMAX, WITH("\"outputs\":[{\"name\":\"probs\"}]"),
         "output 'probs': must be an output of model softmax"},
        {SOFTMAX, WITH("\"outputs\":[{\"name\":\"indices\"}]"),
         "output 'indices': must be one that"},
        {SOFTMAX,
         WITH("\"outputs\":[{\"name\":\"argmax\"},{\"name\":\"argmax\"}]"),
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
        {SOFTMAX, WITH("\"parameters\":{\"temprature\":1}"), "temprature"},
        {SOFTMAX, WITH("\"parameters\":{\"temperature\":-1}"),
         "temperature: got -1, must be a number above 0"},
        {SOFTMAX, WITH("\"parameters\":{\"include\":\"variance\"}"),
         "include: got \\\"variance\\\""},
        {SOFTMAX, WITH("\"parameters\":{\"log\":true}"), "log: got"},
        {SOFTMAX, WITH("\"parameters\":{\"dtype\":\"float64\"}"),
         "dtype: got \\\"float64\\\", must be \\\"float32\\\""},
        {LOSS, THREE, "labels: got neither labels nor targets"},
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
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_error(send_json(cases[i].path, cases[i].json), 400,
                     cases[i].sentence);
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
    for (int i = 0; i < 8; i++)
        strncat(json, ",{}", sizeof json - strlen(json) - 1);
    strncat(json, "]}", sizeof json - strlen(json) - 1);
    assert_error(send_json(SOFTMAX, json), 400,
                 "inputs: got 9, must be at most 8");
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
        {BINARY_LOGITS("[2,3]", "FP32", "1e1") "}", 24, "binary_data_size got"},
        {BINARY_LOGITS("[2,3]", "FP32", "24") "}", 23,
         "input 'logits': got 23 bytes, must be 24"},
        {BINARY_LOGITS("[2,3]", "FP32", "24") "}", 0,
         "input 'logits': got 0 bytes, must be 24"},
        {BINARY_LOGITS("[2,3]", "FP32", "24") "}", 25, "bytes, must be"},
        {"{\"inputs\":[{\"name\":\"logits\",\"shape\":[1],\"datatype\":"
         "\"FP32\",\"data\":[1]}]}",
         4, "body: got"},
    };
    unsigned char zeros[64] = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t slice = 0; slice < 3; slice++) {
            struct body body = body_of(cases[i].json, zeros, cases[i].bytes);
            assert_error(send(SOFTMAX, &body, slice), 400, cases[i].sentence);
        }
}

/* Shapes that no body can fill cost no memory. */
static void sizes_beyond_the_body_are_a_413(void **state)
{
    (void)state;
    struct body body = body_of(
        BINARY_LOGITS("[1048576,1048576]", "FP32", "4398046511104") "}", "", 0);
    assert_error(send(SOFTMAX, &body, 0), 413,
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
        {"20", "byte"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct exchange exchange = {.path = SOFTMAX,
                                    .header_length = cases[i].length,
                                    .body = THREE,
                                    .bytes = strlen(THREE)};
        exchange_do(&exchange, &service, protocol_routes, protocol_route_count);
        assert_error(exchange, 400, cases[i].sentence);
    }
}

static void non_finite_bytes_name_the_element(void **state)
{
    (void)state;
    const float bad[] = {1, NAN, 3};
    struct body body =
        body_of(BINARY_LOGITS("[1,3]", "FP32", "12") "}", bad, 12);
    assert_error(send(SOFTMAX, &body, 0), 400, "/logits/0/1");
    struct body mask = body_of(
        "{\"inputs\":[{\"name\":\"logits\",\"shape\":[3],\"datatype\":\"FP32\","
        "\"data\":[1,2,3]},{\"name\":\"mask\",\"shape\":[3],\"datatype\":"
        "\"BOOL\",\"parameters\":{\"binary_data_size\":3}}]}",
        "\1\7\0", 3);
    assert_error(send(SOFTMAX, &mask, 0), 400,
                 "input 'mask': got byte 7 at element 1, must be 0 or 1");
}

static void memory_that_is_not_there_is_a_503(void **state)
{
    (void)state;
    service.budget.limit = 1 << 20;
    struct body body =
        body_of(BINARY_LOGITS("[1024,1024]", "FP32", "4194304") "}", "", 0);
    struct exchange exchange = send(SOFTMAX, &body, 0);
    service.budget.limit = 64 << 20;
    assert_error(exchange, 503, "memory");
}

/* ---- anything at all ---------------------------------------------------- */

static uint32_t draw(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % below;
}

/* Lengths, sizes, shapes and bytes at random: an answer or an error, and no
 * byte of the budget kept. */
static void nonsense_is_survived(void **state)
{
    (void)state;
    static const char *const sizes[] = {
        "0", "1", "4", "12", "24", "-1", "2147483648", "9223372036854775807"};
    static const char *const names[] = {"FP32", "FP64",  "FP16", "BF16",
                                        "BOOL", "INT64", "INT32"};
    uint32_t seed = 20240607;
    for (int i = 0; i < 20000; i++) {
        char json[300], length[32];
        char body[MAX_BODY] = {0};
        snprintf(json, sizeof json,
                 "{\"inputs\":[{\"name\":\"logits\",\"shape\":[%s,%s],"
                 "\"datatype\":\"%s\",\"parameters\":{\"binary_data_size\":"
                 "%s}}]}",
                 sizes[draw(&seed, 8)], sizes[draw(&seed, 8)],
                 names[draw(&seed, 7)], sizes[draw(&seed, 8)]);
        size_t bytes = strlen(json);
        memcpy(body, json, bytes);
        snprintf(length, sizeof length, "%zu",
                 draw(&seed, 4) ? bytes : draw(&seed, 200));
        if (draw(&seed, 8) == 0)
            body[draw(&seed, (uint32_t)bytes)] ^= (char)(1 + draw(&seed, 255));
        struct exchange exchange = {.path = SOFTMAX,
                                    .header_length = length,
                                    .body = body,
                                    .bytes = bytes + draw(&seed, 30),
                                    .slice = draw(&seed, 40)};
        exchange_do(&exchange, &service, protocol_routes, protocol_route_count);
        assert_true(exchange.status == 200 || exchange.status == 400 ||
                    exchange.status == 413 || exchange.status == 503);
        exchange_free(&exchange);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_answers_in_the_native_digits),
        cmocka_unit_test(nested_data_and_late_members_are_the_same),
        cmocka_unit_test(id_is_echoed_and_the_version_accepted),
        cmocka_unit_test(binary_is_the_same_in_slices_of_every_size),
        cmocka_unit_test(binary_has_the_bits_of_json),
        cmocka_unit_test(narrow_and_wide_datatypes_are_converted),
        cmocka_unit_test(json_and_binary_tensors_mix),
        cmocka_unit_test(labels_and_mask_come_as_bytes),
        cmocka_unit_test(raw_bytes_are_one_row),
        cmocka_unit_test(raw_rows_may_be_long),
        cmocka_unit_test(tensors_without_elements_are_legal),
        cmocka_unit_test(options_are_parameters),
        cmocka_unit_test(scalars_are_tensors_of_one_element),
        cmocka_unit_test(gradients_of_softmax_itself),
        cmocka_unit_test(wrong_json_is_a_400_that_names_it),
        cmocka_unit_test(duplicate_inputs_are_refused),
        cmocka_unit_test(wrong_sizes_name_the_tensor_and_both_numbers),
        cmocka_unit_test(sizes_beyond_the_body_are_a_413),
        cmocka_unit_test(header_lengths_out_of_range_are_refused),
        cmocka_unit_test(non_finite_bytes_name_the_element),
        cmocka_unit_test(memory_that_is_not_there_is_a_503),
        cmocka_unit_test(nonsense_is_survived),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
