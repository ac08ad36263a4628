// SPDX-License-Identifier: MIT
/* What /v2 tells about itself: health, metadata, statistics, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/json/reader.h"
#include "../../server/observe/metrics.h"
#include "../../server/v2/endpoints.h"
#include "../../server/v2/v2_routes.h"
#include "../support/roundtrip.h"

static struct server server;
static bool ready;

static bool is_ready(const struct service *unused)
{
    (void)unused;
    return ready;
}

static struct metrics *counters(void)
{
    struct metrics *metrics =
        metrics_create(server.routes.route, server.routes.count);
    assert_non_null(metrics);
    return metrics;
}

static int start(void **state)
{
    (void)state;
    ready = true;
    roundtrip_serve(&server, v2_routes, v2_route_count);
    server.service.budget.limit = server.service.max_body = 1 << 20;
    server.service.is_ready = is_ready;
    server.service.metrics = counters();
    return smx_context_create(&server.service.compute, NULL);
}

static int stop(void **state)
{
    (void)state;
    metrics_free(server.service.metrics);
    smx_context_free(server.service.compute);
    return 0;
}

static struct roundtrip ask(const char *method, const char *path,
                            const char *body)
{
    struct roundtrip trip = {
        .method = method, .path = path, .body = body, .bytes = strlen(body)};
    roundtrip_do(&trip, &server);
    return trip;
}

/* The answer is a JSON document in which text stands. */
static void assert_get(const char *path, int status, const char *text)
{
    struct problem problem = {0};
    struct roundtrip trip = ask("GET", path, "");
    struct value *document =
        reader_parse(trip.answer, trip.answer_bytes, &problem);
    if (trip.status != status || !strstr(trip.answer, text))
        fail_msg("%s: got %d %s, expected %d %s", path, trip.status,
                 trip.answer, status, text);
    assert_non_null(document);
    assert_string_equal(trip.type, "application/json");
    value_free(document);
    roundtrip_free(&trip);
}

static void health_has_every_dialect(void **state)
{
    (void)state;
    assert_get("/v2/health/live", 200, "{\"live\":true}");
    assert_get("/v2/health/ready", 200, "{\"live\":true,\"ready\":true}");
    assert_get("/v2/models/loss/ready", 200,
               "{\"name\":\"loss\",\"ready\":true}");
    assert_get("/v2/models/loss/versions/1/ready", 200, "\"ready\":true");
    ready = false;
    assert_get("/v2/health/live", 200, "{\"live\":true}");
    assert_get("/v2/health/ready", 503, "\"ready\":false,\"error\":");
    assert_get("/v2/models/loss/ready", 503, "\"ready\":false,\"error\":");
    ready = true;
}

/* Load generators send every input that is named and ask for every output. */
static void metadata_names_what_always_answers(void **state)
{
    (void)state;
    assert_get("/v2", 200,
               "{\"name\":\"softmaxd\",\"version\":\"" SMX_VERSION
               "\",\"extensions\":[\"binary_tensor_data\"");
    assert_get("/v2/", 200, "\"binary_tensor_data\"");
    assert_get("/v2/models", 200,
               "{\"models\":[\"softmax\",\"log_softmax\",\"loss\","
               "\"gradient\"]}");
    assert_get("/v2/models/softmax", 200,
               "\"versions\":[\"1\"],\"platform\":\"softmaxd_native\","
               "\"inputs\":[{\"name\":\"logits\",\"datatype\":\"FP32\","
               "\"shape\":[-1,-1]}],\"outputs\":[{\"name\":"
               "\"probabilities\",\"datatype\":\"FP32\",\"shape\":[-1,-1]},"
               "{\"name\":\"logsumexp\",");
    assert_get("/v2/models/log_softmax/versions/1", 200,
               "\"outputs\":[{\"name\":\"log_probabilities\"");
    assert_get("/v2/models/gradient", 200,
               "\"inputs\":[{\"name\":\"logits\",\"datatype\":\"FP32\","
               "\"shape\":[-1,-1]},{\"name\":\"labels\",\"datatype\":"
               "\"INT64\",\"shape\":[-1]}],\"outputs\":[{\"name\":"
               "\"gradient\"");
    assert_get("/v2/models/loss/config", 200,
               "{\"name\":\"labels\",\"data_type\":\"TYPE_INT64\",\"dims\":[-1]"
               ",\"optional\":true}],\"output\":[{\"name\":\"loss\",");
    assert_get("/v2/models/softmax/config", 200,
               "\"parameters\":{\"optional_inputs\":{\"string_value\":"
               "\"mask,classes\"},\"optional_outputs\":{\"string_value\":"
               "\"log_probabilities,indices,rank\"}}}");
    assert_get("/v2/models/gradient/config", 200,
               "\"parameters\":{\"optional_inputs\":{\"string_value\":"
               "\"targets,teacher,weights,row_weights,mask,upstream\"},"
               "\"optional_outputs\":"
               "{\"string_value\":\"log_probabilities,jacobian,rank\"}}}");
}

/* Triton's asyncio client asks for gzip always and undoes it for these alone.
 */
static void only_inferences_may_be_compressed(void **state)
{
    (void)state;
    for (size_t i = 0; i < v2_route_count; i++)
        assert_int_equal(v2_routes[i].compressible,
                         v2_routes[i].endpoint == &infer_endpoint);
}

static void statistics_count_rows_and_failures(void **state)
{
    (void)state;
    static const char good[] =
        "{\"inputs\":[{\"name\":\"logits\",\"shape\":[5,1],\"datatype\":"
        "\"FP32\",\"data\":[1,2,3,4,5]}]}";
    struct roundtrip a = ask("POST", "/v2/models/log_softmax/infer", good);
    struct roundtrip b = ask("POST", "/v2/models/log_softmax/infer", "{}");
    assert_int_equal(a.status, 200);
    assert_int_equal(b.status, 400);
    assert_get("/v2/models/log_softmax/stats", 200,
               "\"inference_count\":5,\"execution_count\":1,"
               "\"inference_stats\":{\"success\":{\"count\":1,");
    assert_get("/v2/models/log_softmax/stats", 200, "\"fail\":{\"count\":1,");
    assert_get("/v2/models/gradient/stats", 200,
               "\"last_inference\":0,\"inference_count\":0,");
    assert_get("/v2/models/stats", 200, "{\"name\":\"gradient\"");
    roundtrip_free(&a);
    roundtrip_free(&b);
}

/* Each daemon of a process counts for itself. */
static void statistics_are_of_one_service(void **state)
{
    (void)state;
    struct roundtrip trip = ask("POST", "/v2/models/loss/infer", "{}");
    struct metrics *counted = server.service.metrics;
    assert_int_equal(trip.status, 400);
    roundtrip_free(&trip);
    assert_get("/v2/models/loss/stats", 200, "\"fail\":{\"count\":1,");
    server.service.metrics = counters();
    assert_get("/v2/models/loss/stats", 200, "\"fail\":{\"count\":0,");
    metrics_free(server.service.metrics);
    server.service.metrics = counted;
}

static void repository_lists_the_models(void **state)
{
    (void)state;
    static const char *const questions[] = {"", "{}", "{\"ready\":true}",
                                            "{\"ready\":false}"};
    for (size_t i = 0; i < 4; i++) {
        struct roundtrip trip =
            ask("POST", "/v2/repository/index", questions[i]);
        assert_int_equal(trip.status, 200);
        assert_non_null(strstr(trip.answer,
                               "{\"name\":\"loss\",\"version\":\"1\",\"state\":"
                               "\"READY\",\"reason\":\"\"}"));
        roundtrip_free(&trip);
    }
    ready = false;
    struct roundtrip none =
        ask("POST", "/v2/repository/index", "{\"ready\":true}");
    struct roundtrip all =
        ask("POST", "/v2/repository/index", "{\"ready\":false}");
    ready = true;
    assert_string_equal(none.answer, "[]");
    assert_non_null(strstr(all.answer, "\"state\":\"UNAVAILABLE\""));
    assert_null(strstr(all.answer, "\"state\":\"READY\""));
    roundtrip_free(&none);
    roundtrip_free(&all);
    static const char *const bad[][2] = {
        {"{\"ready\":1}", "ready: got 1, must be true or false"},
        {"[null]", "body: got [null], must be an object"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct roundtrip trip = ask("POST", "/v2/repository/index", bad[i][0]);
        assert_int_equal(trip.status, 400);
        assert_non_null(strstr(trip.answer, bad[i][1]));
        roundtrip_free(&trip);
    }
    char blanks[1026] = "";
    memset(blanks, ' ', sizeof blanks - 1);
    struct roundtrip large = ask("POST", "/v2/repository/index", blanks);
    assert_int_equal(large.status, 413);
    assert_non_null(
        strstr(large.answer, "body: got more, must be at most 1024 bytes"));
    roundtrip_free(&large);
}

static void unknown_things_are_a_404(void **state)
{
    (void)state;
    assert_get("/v2/models/resnet", 404, "{\"error\":\"model: got");
    assert_get("/v2/models/softmax/versions/2", 404, "got version");
    assert_get("/v2/models/softmax/versions/", 404, "got version");
    assert_get("/v2/models/softmax/weights", 404, "{\"error\":");
    assert_get("/v2/models/", 404, "{\"error\":");
    assert_get("/v2/nothing", 404, "{\"error\":");
    assert_get("/v2/*x", 404, "{\"error\":");
    struct roundtrip trip = ask("POST", "/v2/models/resnet/infer", "{}");
    assert_int_equal(trip.status, 404);
    roundtrip_free(&trip);
}

static void wrong_methods_are_a_405_with_allow(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *allow;
    } cases[] = {
        {"GET", "/v2/models/softmax/infer", "OPTIONS, POST"},
        {"POST", "/v2/models/softmax", "GET, HEAD, OPTIONS"},
        {"POST", "/v2/models/softmax/ready", "GET, HEAD, OPTIONS"},
        {"DELETE", "/v2/models", "GET, HEAD, OPTIONS"},
        {"PUT", "/v2/models/loss/versions/1/infer", "OPTIONS, POST"},
        {"GET", "/v2/repository/index", "OPTIONS, POST"},
        {"POST", "/v2", "GET, HEAD, OPTIONS"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct roundtrip trip = ask(cases[i].method, cases[i].path, "");
        assert_int_equal(trip.status, 405);
        assert_string_equal(roundtrip_header(&trip, "Allow"), cases[i].allow);
        assert_memory_equal(trip.answer, "{\"error\":", 9);
        roundtrip_free(&trip);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_has_every_dialect),
        cmocka_unit_test(metadata_names_what_always_answers),
        cmocka_unit_test(only_inferences_may_be_compressed),
        cmocka_unit_test(statistics_count_rows_and_failures),
        cmocka_unit_test(statistics_are_of_one_service),
        cmocka_unit_test(repository_lists_the_models),
        cmocka_unit_test(unknown_things_are_a_404),
        cmocka_unit_test(wrong_methods_are_a_405_with_allow),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
