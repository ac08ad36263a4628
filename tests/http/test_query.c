// SPDX-License-Identifier: MIT
/* Scalar members in the query string, of every endpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/daemon_fixture.h"

#define INFER(model) "/v2/models/" model "/infer"
#define INPUTS                                                                 \
    "\"inputs\":[{\"name\":\"logits\",\"shape\":[3],\"datatype\":\"FP32\","    \
    "\"data\":[1,2,3]}"

static struct fixture fixture;

static int start(void **state)
{
    (void)state;
    fixture_start(&fixture, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

/* Each says the same in the query as in the body. */
static const struct {
    const char *path, *body, *whole_path, *whole_body;
} good[] = {
    {"/softmax?temperature=2&log=true", "{\"logits\":[1,2,3]}", "/softmax",
     "{\"logits\":[1,2,3],\"temperature\":2,\"log\":true}"},
    {"/softmax?top_k=2&dtype=float64", "{\"logits\":[1,2,3]}", "/softmax",
     "{\"dtype\":\"float64\",\"logits\":[1,2,3],\"top_k\":2}"},
    /* the dtype behind the logits still decides how they are read */
    {"/softmax?temperature=1", "{\"logits\":[0.1,0.2],\"dtype\":\"float64\"}",
     "/softmax", "{\"dtype\":\"float64\",\"logits\":[0.1,0.2]}"},
    {"/softmax?include=logsumexp,argmax&axis=-2", "{\"logits\":[[1,2],[3,4]]}",
     "/softmax",
     "{\"logits\":[[1,2],[3,4]],\"axis\":-2,\"include\":[\"logsumexp\","
     "\"argmax\"]}"},
    /* as an array in a form, one name at a time */
    {"/softmax?include=logsumexp&log=true&include=argmax,entropy",
     "{\"logits\":[1,2]}", "/softmax",
     "{\"logits\":[1,2],\"log\":true,\"include\":[\"logsumexp\","
     "\"argmax\",\"entropy\"]}"},
    {"/softmax?include=", "{\"logits\":[1,2]}", "/softmax",
     "{\"logits\":[1,2]}"},
    {"/softmax?&", "{\"logits\":[1,2]}", "/softmax", "{\"logits\":[1,2]}"},
    /* percent-encoded, name and value */
    {"/softmax?so%66tcap=%31.5e%30&%69nclude=argmax%2Centropy",
     "{\"logits\":[1,2]}", "/softmax",
     "{\"logits\":[1,2],\"softcap\":1.5,\"include\":[\"argmax\","
     "\"entropy\"]}"},
    /* null is absent and so is an empty list, so they may be in both */
    {"/softmax?include=argmax", "{\"logits\":[1,2],\"include\":[]}", "/softmax",
     "{\"logits\":[1,2],\"include\":[\"argmax\"]}"},
    {"/softmax?temperature=2", "{\"logits\":[1,2],\"temperature\":null}",
     "/softmax", "{\"logits\":[1,2],\"temperature\":2}"},
    {"/loss?reduction=sum&label_smoothing=0.1&z_loss=1e-3&ignore_index=1",
     "{\"logits\":[[1,2],[3,4]],\"labels\":[0,1]}", "/loss",
     "{\"logits\":[[1,2],[3,4]],\"labels\":[0,1],\"reduction\":\"sum\","
     "\"label_smoothing\":0.1,\"z_loss\":1e-3,\"ignore_index\":1}"},
    {"/gradient?of=log_softmax", "{\"logits\":[1,2]}", "/gradient",
     "{\"logits\":[1,2],\"of\":\"log_softmax\"}"},
    {INFER("softmax") "?temperature=2&log=true", "{" INPUTS "]}",
     INFER("softmax"),
     "{" INPUTS "],\"parameters\":{\"temperature\":2,\"log\":true}}"},
    {INFER("gradient") "?of=softmax", "{" INPUTS "]}", INFER("gradient"),
     "{" INPUTS "],\"parameters\":{\"of\":\"softmax\"}}"},
    {INFER("softmax") "?dtype=float32&include=entropy", "{" INPUTS "]}",
     INFER("softmax"),
     "{" INPUTS "],\"parameters\":{\"include\":"
     "\"entropy\"}}"},
};

static void options_may_stand_in_the_query(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct http_answer query =
            http_post(fixture.url, good[i].path, good[i].body);
        struct http_answer body =
            http_post(fixture.url, good[i].whole_path, good[i].whole_body);
        assert_int_equal(body.status, 200);
        if (strcmp(query.body, body.body) != 0)
            fail_msg("%s: got %s, want %s", good[i].path, query.body,
                     body.body);
        http_answer_free(&query);
        http_answer_free(&body);
    }
}

#define X40 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct {
    const char *path, *body;
    int status;
    const char *sentence;
} bad[] = {
    /* of long ones 80 bytes are shown */
    {"/softmax?dtype=" X40 X40 "yz", "{\"logits\":[1]}", 422,
     "dtype: got \\\"" X40 X40 "\\\", must be"},
    {"/softmax?include=" X40 X40 "yz", "{\"logits\":[1]}", 422,
     "include: got \\\"" X40 X40 "\\\", must be"},
    {"/softmax?temprature=2", "{\"logits\":[1]}", 422,
     "temprature: got an unknown query parameter, must be one of axis, "
     "dtype, temperature, softcap, log, top_k, statistics_only, include, "
     "encoding\"}"},
    {INFER("softmax") "?encoding=base64", "{" INPUTS "]}", 400,
     "encoding: got an unknown query parameter, must be one of axis, "
     "dtype, temperature, softcap, log, top_k, statistics_only, include\"}"},
    {INFER("softmax"), "{" INPUTS "],\"parameters\":{\"encoding\":\"json\"}}",
     400,
     "encoding: got an unknown parameter, must be one of axis, "
     "dtype, temperature, softcap, log, top_k, statistics_only, include"},
    {"/softmax?logits=1", "{\"logits\":[1]}", 422,
     "logits: got an unknown query parameter, must be one of axis,"},
    {"/loss?top_k=1", "{\"logits\":[1],\"labels\":0}", 422,
     "top_k: got an unknown query parameter"},
    {"/softmax?temperature=2&temperature=2", "{\"logits\":[1]}", 422,
     "temperature: got it twice in the query string, must be given once"},
    {"/softmax?temperature=2", "{\"temperature\":2,\"logits\":[1]}", 422,
     "temperature: got it in the query string and in the body, must be in "
     "one of the two"},
    {"/softmax?dtype=float32", "{\"logits\":[1],\"dtype\":\"float32\"}", 422,
     "dtype: got it in the query string and in the body"},
    {"/softmax?include=argmax", "{\"logits\":[1],\"include\":[\"argmax\"]}",
     422, "include: got it in the query string and in the body"},
    {"/softmax?temperature=-1", "{\"logits\":[1]}", 422,
     "temperature: got -1, must be a number above 0"},
    {"/softmax?temperature=0x10", "{\"logits\":[1]}", 422,
     "temperature: got 0x10, must be a number above 0"},
    {"/softmax?temperature=nan", "{\"logits\":[1]}", 422,
     "temperature: got nan, must be a number above 0"},
    {"/softmax?temperature=", "{\"logits\":[1]}", 422,
     "temperature: got nothing, must be a number above 0"},
    {"/softmax?log", "{\"logits\":[1]}", 422,
     "log: got nothing, must be true or false"},
    {"/softmax?log=1", "{\"logits\":[1]}", 422,
     "log: got 1, must be true or false"},
    {"/softmax?top_k=1.5", "{\"logits\":[1]}", 422,
     "top_k: got 1.5, must be an integer in [1, classes]"},
    {"/softmax?top_k=2", "{\"logits\":[1]}", 422,
     "top_k: got 2, must be in [1, 1], the number of classes"},
    {"/softmax?dtype=float16", "{\"logits\":[1]}", 422,
     "dtype: got \\\"float16\\\", must be \\\"float32\\\" or "
     "\\\"float64\\\""},
    {"/softmax?include=argmax,accuracy", "{\"logits\":[1]}", 422,
     "include: got \\\"accuracy\\\", must be \\\"logsumexp\\\", "
     "\\\"entropy\\\", \\\"argmax\\\" or \\\"rank\\\""},
    {"/gradient?of=softmax&reduction=sum", "{\"logits\":[1]}", 422,
     "reduction: got a value, must be absent while of is \\\"softmax\\\""},
    {"/softmax?top_k=%00", "{\"logits\":[1]}", 422,
     "top_k: got %00, must be an integer"},
    {INFER("softmax") "?temprature=2", "{" INPUTS "]}", 400,
     "{\"error\":\"temprature: got an unknown query parameter"},
    {INFER("softmax") "?temperature=2",
     "{" INPUTS "],\"parameters\":{\"temperature\":2}}", 400,
     "temperature: got it in the query string and in the body"},
    {INFER("softmax") "?include=argmax",
     "{" INPUTS "],\"parameters\":{\"include\":\"argmax\"}}", 400,
     "include: got it in the query string and in the body"},
    {INFER("softmax") "?dtype=float64", "{" INPUTS "]}", 400,
     "dtype: got \\\"float64\\\", must be \\\"float32\\\" by the datatype "
     "of input 'logits'"},
    {INFER("log_softmax") "?log=false", "{" INPUTS "]}", 400,
     "log: got false, must be true for model log_softmax"},
};

static void wrong_ones_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct http_answer answer =
            http_post(fixture.url, bad[i].path, bad[i].body);
        if (answer.status != bad[i].status ||
            !strstr(answer.body, bad[i].sentence))
            fail_msg("%s: got %d %s, want %d %s", bad[i].path, answer.status,
                     answer.body, bad[i].status, bad[i].sentence);
        assert_null(strstr(answer.body, "\"pointer\":\"/temprature"));
        http_answer_free(&answer);
    }
}

/* No request needs as many, and their room is fixed. */
static void too_many_are_refused(void **state)
{
    (void)state;
    char path[512] = "/softmax?";
    for (int i = 0; i < 40; i++)
        snprintf(path + strlen(path), sizeof path - strlen(path), "a%d=1&", i);
    struct http_answer answer =
        http_post(fixture.url, path, "{\"logits\":[1]}");
    assert_int_equal(answer.status, 422);
    assert_non_null(
        strstr(answer.body, "query: got 40 parameters, must be at most 32"));
    http_answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_may_stand_in_the_query),
        cmocka_unit_test(wrong_ones_are_named),
        cmocka_unit_test(too_many_are_refused),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
