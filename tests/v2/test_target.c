// SPDX-License-Identifier: MIT
/* What a path under /v2 names, and the lists that messages show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/v2/model.h"

#define REGIONS "/v2/systemsharedmemory"
#define CUDA "/v2/cudasharedmemory"

static const struct {
    const char *path;
    enum resource resource;
    const char *method, *model, *region; /* NULL: none */
} targets[] = {
    {"/v2", RESOURCE_SERVER, "GET", NULL, NULL},
    {"/v2/", RESOURCE_SERVER, "GET", NULL, NULL},
    {"/v2/health/live", RESOURCE_LIVE, "GET", NULL, NULL},
    {"/v2/health/ready", RESOURCE_READY, "GET", NULL, NULL},
    {"/v2/models", RESOURCE_MODELS, "GET", NULL, NULL},
    {"/v2/models/stats", RESOURCE_STATISTICS, "GET", NULL, NULL},
    {"/v2/repository/index", RESOURCE_REPOSITORY, "POST", NULL, NULL},
    {"/v2/models/softmax", RESOURCE_MODEL, "GET", "softmax", NULL},
    {"/v2/models/log_softmax/ready", RESOURCE_MODEL_READY, "GET", "log_softmax",
     NULL},
    {"/v2/models/loss/config", RESOURCE_MODEL_CONFIG, "GET", "loss", NULL},
    {"/v2/models/gradient/stats", RESOURCE_MODEL_STATISTICS, "GET", "gradient",
     NULL},
    {"/v2/models/softmax/infer", RESOURCE_MODEL_INFER, "POST", "softmax", NULL},
    {"/v2/models/loss/versions/1", RESOURCE_MODEL, "GET", "loss", NULL},
    {"/v2/models/loss/versions/1/infer", RESOURCE_MODEL_INFER, "POST", "loss",
     NULL},
    {REGIONS "/status", RESOURCE_REGIONS, "GET", NULL, NULL},
    {REGIONS "/unregister", RESOURCE_UNREGISTER, "POST", NULL, NULL},
    {REGIONS "/region/a/status", RESOURCE_REGIONS, "GET", NULL, "a"},
    {REGIONS "/region/a/register", RESOURCE_REGISTER, "POST", NULL, "a"},
    {REGIONS "/region/a/b/unregister", RESOURCE_UNREGISTER, "POST", NULL,
     "a/b"},
    {CUDA "/status", RESOURCE_REGIONS, "GET", NULL, NULL},
    {CUDA "/region/x/register", RESOURCE_REGISTER, "POST", NULL, "x"},
};

static void paths_name_what_is_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct target target;
        struct problem problem = {0};
        char name[REGION_NAME_BYTES];
        const char *path = targets[i].path, *other = targets[i].method;
        assert_true(target_parse(&target, path, NULL, &problem));
        assert_true(target_parse(&target, path, targets[i].method, &problem));
        assert_int_equal(target.resource, targets[i].resource);
        assert_string_equal(target.method, targets[i].method);
        assert_int_equal(target.cuda, strstr(path, CUDA) == path);
        assert_int_equal(target.model != NULL, targets[i].model != NULL);
        if (targets[i].model)
            assert_string_equal(target.model->name, targets[i].model);
        assert_int_equal(target_region(&target, name),
                         targets[i].region != NULL);
        if (targets[i].region)
            assert_string_equal(name, targets[i].region);
        other = strcmp(other, "GET") == 0 ? "POST" : "GET";
        assert_false(target_parse(&target, path, other, &problem));
        assert_int_equal(problem.status, 405);
        char want[64];
        snprintf(want, sizeof want, "method: got %s, must be %s", other,
                 targets[i].method);
        assert_string_equal(problem.detail, want);
    }
}

static void other_paths_are_named(void **state)
{
    (void)state;
    static const char *const unknown[] = {
        "/v2x",
        "/v",
        "/v2/health",
        "/v2/health/live/",
        "/v2/models/softmax/",
        "/v2/models/softmax/x",
        "/v2/models/softmax/versions/1/",
        "/v2/models/softmax/versions/1/x",
        REGIONS,
        REGIONS "/",
        REGIONS "/x",
        REGIONS "/region",
        REGIONS "/region/a",
        REGIONS "/region//status",
        REGIONS "/region/status",
        REGIONS "x/status",
        REGIONS "/a/status",
        CUDA "/region/a/x",
    };
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        struct target target;
        struct problem problem = {0};
        char want[256];
        if (target_parse(&target, unknown[i], NULL, &problem))
            fail_msg("%s", unknown[i]);
        snprintf(want, sizeof want,
                 "path: got %s, must be one that GET /openapi.json lists",
                 unknown[i]);
        assert_int_equal(problem.status, 404);
        assert_string_equal(problem.detail, want);
    }
}

#define ALL "softmax, log_softmax, loss, gradient"

/* Of a long name or version 100 bytes are shown, of a path 200. */
static void unknown_models_and_versions_are_named(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 260; bytes += bytes < 98 ? 14 : 1) {
        struct target target;
        struct problem problem = {0};
        char name[300], path[400], want[512];
        memset(name, 'm', bytes);
        name[bytes] = '\0';
        int shown = bytes < 100 ? (int)bytes : 100;
        snprintf(path, sizeof path, "/v2/models/%s/infer", name);
        assert_false(target_parse(&target, path, "POST", &problem));
        snprintf(want, sizeof want, "model: got \"%.*s\", must be one of " ALL,
                 shown, name);
        assert_int_equal(problem.status, 404);
        assert_string_equal(problem.detail, want);
        snprintf(path, sizeof path, "/v2/models/loss/versions/%s/infer", name);
        problem.status = 0;
        assert_false(target_parse(&target, path, "POST", &problem));
        snprintf(want, sizeof want,
                 "model loss: got version \"%.*s\", must be \"1\"", shown,
                 name);
        assert_int_equal(problem.status, 404);
        assert_string_equal(problem.detail, want);
        snprintf(path, sizeof path, "/v2/%s", name);
        problem.status = 0;
        if (bytes > 0) {
            assert_false(target_parse(&target, path, "POST", &problem));
            snprintf(want, sizeof want,
                     "path: got %.200s, must be one that GET /openapi.json "
                     "lists",
                     path);
            assert_string_equal(problem.detail, want);
        }
        /* a name that no region can have */
        snprintf(path, sizeof path, REGIONS "/region/%s/status", name);
        if (bytes > 0) {
            char region[REGION_NAME_BYTES];
            assert_true(target_parse(&target, path, "GET", &problem));
            assert_int_equal(target_region(&target, region),
                             bytes < REGION_NAME_BYTES);
        }
    }
    static const char *const near[] = {"softmay",
                                       "softma",
                                       "softmaxx",
                                       "oss",
                                       "Loss",
                                       "loss/versions/2",
                                       "loss/versions/11",
                                       "loss/versions/01",
                                       "loss/versions/"};
    for (size_t i = 0; i < sizeof near / sizeof near[0]; i++) {
        struct target target;
        struct problem problem = {0};
        char path[64];
        snprintf(path, sizeof path, "/v2/models/%s", near[i]);
        assert_false(target_parse(&target, path, NULL, &problem));
    }
}

static void lists_are_whole(void **state)
{
    (void)state;
    static const struct {
        const char *inputs, *outputs;
    } wants[MODEL_COUNT] = {
        {"logits, mask, classes",
         "probabilities, log_probabilities, indices, logsumexp, entropy, "
         "argmax, rank"},
        {"logits, mask, classes",
         "log_probabilities, indices, logsumexp, entropy, argmax, rank"},
        {"logits, labels, targets, teacher, weights, row_weights, mask",
         "log_probabilities, loss, divisor, rows, logsumexp, entropy, argmax, "
         "accuracy, rank"},
        {"logits, labels, targets, teacher, weights, row_weights, mask, "
         "upstream",
         "log_probabilities, gradient, jacobian, loss, divisor, rows, "
         "logsumexp, entropy, argmax, accuracy, rank"},
    };
    for (size_t i = 0; i < MODEL_COUNT; i++) {
        char text[MODEL_LIST + 1];
        memset(text, 'x', sizeof text);
        assert_string_equal(model_list_inputs(&models[i], text),
                            wants[i].inputs);
        assert_string_equal(model_list_outputs(&models[i], NULL, text),
                            wants[i].outputs);
        assert_int_equal(text[MODEL_LIST], 'x');
    }
    assert_non_null(model_input(&models[0], "mask"));
    assert_null(model_input(&models[0], "labels"));
    assert_null(model_input(&models[0], "axis"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_name_what_is_there),
        cmocka_unit_test(other_paths_are_named),
        cmocka_unit_test(unknown_models_and_versions_are_named),
        cmocka_unit_test(lists_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
