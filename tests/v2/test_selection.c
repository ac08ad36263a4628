// SPDX-License-Identifier: MIT
/*
 * What a client of Open Inference Protocol v2 selects: chosen classes and their
 * ranks, statistics without probabilities, what stands beside a loss; with the
 * digits of the native endpoints.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../support/inference.h"

#define LOGITS                                                                 \
    "{\"name\":\"logits\",\"shape\":[2,3],\"datatype\":\"FP32\","              \
    "\"data\":[1,2,3,3,2,1]}"
#define NATIVE "{\"logits\":[[1,2,3],[3,2,1]],"

/* The data of the output is what a native endpoint has under its name. */
static void expect_digits(const struct roundtrip *trip, const char *name,
                          const char *path, const char *native)
{
    char before[80], got[200], want[200];
    struct roundtrip other = send_native(path, native);
    const char *at;
    assert_int_equal(trip->status, 200);
    assert_int_equal(other.status, 200);
    snprintf(before, sizeof before, "{\"name\":\"%s\",", name);
    at = strstr(trip->answer, before);
    assert_non_null(at);
    at = strstr(at, "\"data\":[") + 8;
    snprintf(got, sizeof got, "%.*s", (int)strcspn(at, "]"), at);
    snprintf(before, sizeof before, "\"%s\":", name);
    at = strstr(other.answer, before);
    assert_non_null(at);
    size_t used = 0;
    for (at += strlen(before); *at && *at != '"' && *at != '}'; at++)
        if (*at != '[' && *at != ']' && used + 1 < sizeof want)
            want[used++] = *at;
    used -= used > 0 && want[used - 1] == ',';
    want[used] = '\0';
    assert_string_equal(got, want);
    roundtrip_free(&other);
}

static void chosen_classes_are_an_input(void **state)
{
    (void)state;
    static const struct {
        const char *input, *native;
    } cases[] = {
        {"\"shape\":[2],\"datatype\":\"INT64\",\"data\":[2,0]", "[2,0]"},
        {"\"shape\":[2],\"datatype\":\"INT32\",\"data\":[1,1]", "[1,1]"},
        {"\"shape\":[2,1],\"datatype\":\"INT64\",\"data\":[2,1]", "[[2],[1]]"},
        {"\"shape\":[2,2],\"datatype\":\"INT32\",\"data\":[2,1,0,0]",
         "[[2,1],[0,0]]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[500], native[200];
        snprintf(json, sizeof json,
                 "{\"inputs\":[{\"name\":\"classes\",%s}," LOGITS "],"
                 "\"parameters\":{\"include\":\"rank\"}}",
                 cases[i].input);
        snprintf(native, sizeof native,
                 NATIVE "\"classes\":%s,\"include\":[\"rank\"]}",
                 cases[i].native);
        struct roundtrip trip = send_json(SOFTMAX, json);
        expect_digits(&trip, "probabilities", "/softmax", native);
        expect_digits(&trip, "rank", "/softmax", native);
        roundtrip_free(&trip);
    }
}

static void they_come_as_bytes(void **state)
{
    (void)state;
    const struct {
        float logits[6];
        int64_t classes[2];
    } data = {{1, 2, 3, 3, 2, 1}, {2, 0}};
    for (size_t slice = 0; slice < 8; slice++) {
        struct body body = body_of(
            "{\"inputs\":[{\"name\":\"logits\",\"shape\":[2,3],\"datatype\":"
            "\"FP32\",\"parameters\":{\"binary_data_size\":24}},{\"name\":"
            "\"classes\",\"shape\":[2,1],\"datatype\":\"INT64\","
            "\"parameters\":{\"binary_data_size\":16}}],\"outputs\":[{\"name\":"
            "\"log_probabilities\"}],\"parameters\":{\"log\":true}}",
            &data, sizeof data);
        struct roundtrip trip = send_body(SOFTMAX, &body, slice);
        expect_digits(&trip, "log_probabilities", "/softmax",
                      NATIVE "\"log\":true,\"classes\":[[2],[0]]}");
        roundtrip_free(&trip);
    }
}

static void statistics_leave_the_probabilities_out(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "{\"inputs\":[" LOGITS "],\"parameters\":{\"include\":\"entropy\","
        "\"statistics_only\":true}}",
        "{\"inputs\":[" LOGITS "],\"outputs\":[{\"name\":\"entropy\"}]}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct roundtrip trip = send_json(SOFTMAX, cases[i]);
        expect_digits(&trip, "entropy", "/softmax",
                      NATIVE "\"include\":[\"entropy\"]}");
        assert_null(strstr(trip.answer, "probabilities"));
        roundtrip_free(&trip);
    }
}

static void a_loss_is_asked_for_more(void **state)
{
    (void)state;
    static const char *const names[] = {"log_probabilities", "entropy", "rank",
                                        "loss"};
    const char *json =
        "{\"inputs\":[" LOGITS ",{\"name\":\"labels\",\"shape\":[2],"
        "\"datatype\":\"INT64\",\"data\":[1,-100]}],\"outputs\":[{\"name\":"
        "\"loss\"},{\"name\":\"rank\"},{\"name\":\"entropy\"},{\"name\":"
        "\"log_probabilities\"}]}";
    const char *native =
        NATIVE "\"labels\":[1,-100],\"include\":[\"log_probabilities\","
               "\"entropy\",\"rank\"]}";
    struct roundtrip loss = send_json(LOSS, json);
    struct roundtrip gradient = send_json(GRADIENT, json);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        expect_digits(&loss, names[i], "/loss", native);
        expect_digits(&gradient, names[i], "/gradient", native);
    }
    roundtrip_free(&loss);
    roundtrip_free(&gradient);
}

/* The protocol has no scalars: one value is an array of one, where it stands
 * for the whole as where it is one a row. */
static void one_value_is_an_array_of_one(void **state)
{
    (void)state;
    static const struct {
        const char *logits, *one, *native;
    } cases[] = {
        {"[3]", "[1]", "{\"logits\":[1,2,3],\"labels\":1,\"upstream\":2}"},
        {"[1,3]", "[1]",
         "{\"logits\":[[1,2,3]],\"labels\":[1],\"upstream\":2}"},
        {"[3]", "[1,1]", NULL},
        {"[3]", "[0]", NULL},
        {"[1,3]", "[1,1]", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[500];
        snprintf(json, sizeof json,
                 "{\"inputs\":[{\"name\":\"logits\",\"shape\":%s,\"datatype\":"
                 "\"FP32\",\"data\":[1,2,3]},{\"name\":\"labels\",\"shape\":%s,"
                 "\"datatype\":\"INT64\",\"data\":[%s]},{\"name\":\"upstream\","
                 "\"shape\":[1],\"datatype\":\"FP32\",\"data\":[2]}]}",
                 cases[i].logits, cases[i].one,
                 cases[i].one[1] == '0' ? "" : "1");
        struct roundtrip trip = send_json(GRADIENT, json);
        if (cases[i].native) {
            expect_digits(&trip, "gradient", "/gradient", cases[i].native);
            roundtrip_free(&trip);
        } else {
            char sentence[64];
            snprintf(sentence, sizeof sentence, "labels: got shape %c",
                     cases[i].one[0]);
            assert_error(trip, 400, sentence);
        }
    }
}

/* An output that is named is in the form of all, unless it says otherwise. */
static void a_named_output_is_in_the_form_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *parameters;
        size_t bytes; /* of tensors after the text */
    } cases[] = {
        {"},{\"name\":\"argmax\"}", 24 + 16},
        {",\"parameters\":{\"binary_data\":true}},{\"name\":\"argmax\"}",
         24 + 16},
        {",\"parameters\":{\"binary_data\":false}},{\"name\":\"argmax\"}", 16},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[512];
        snprintf(json, sizeof json,
                 "{\"inputs\":[" LOGITS
                 "],\"outputs\":[{\"name\":\"probabilities\"%s],"
                 "\"parameters\":{\"binary_data_output\":true}}",
                 cases[i].parameters);
        struct roundtrip trip = send_json(SOFTMAX, json);
        assert_int_equal(trip.status, 200);
        assert_int_equal(trip.answer_bytes - trip.text_bytes, cases[i].bytes);
        roundtrip_free(&trip);
    }
}

static void another_models_classes_choose_nothing(void **state)
{
    (void)state;
    struct roundtrip trip =
        send_json(SOFTMAX, "{\"outputs\":[{\"name\":\"classes\",\"shape\":[1],"
                           "\"datatype\":\"INT64\",\"data\":[7]}," LOGITS "]}");
    expect_digits(&trip, "probabilities", "/softmax", NATIVE "\"log\":false}");
    roundtrip_free(&trip);
}

static void wrong_ones_are_named(void **state)
{
    (void)state;
#define CLASSES(rest) "{\"inputs\":[" LOGITS ",{\"name\":\"classes\"," rest "}]"
    static const struct {
        const char *json, *sentence;
    } cases[] = {
        {CLASSES("\"shape\":[1],\"datatype\":\"INT64\",\"data\":[3]") "}",
         "classes: got 3, must be in [0, 3), the classes of a row"},
        {CLASSES("\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]") "}",
         "input 'classes': datatype got FP32, must be INT64 or INT32"},
        {CLASSES("\"shape\":[3,1],\"datatype\":\"INT64\",\"data\":[1,1,1]") "}",
         "classes: got shape [3, 1], must be shape [2, 1]"},
        {CLASSES(
             "\"shape\":[1],\"datatype\":\"INT64\",\"data\":[1]") ","
                                                                  "\"parameters"
                                                                  "\":{\"top_"
                                                                  "k\":1}}",
         "classes: got a value, must be absent beside top_k"},
        {"{\"inputs\":[" LOGITS "],\"outputs\":[{\"name\":\"rank\"}]}",
         "include: got \\\"rank\\\", must be asked for with classes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_error(send_json(SOFTMAX, cases[i].json), 400, cases[i].sentence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_classes_are_an_input),
        cmocka_unit_test(they_come_as_bytes),
        cmocka_unit_test(statistics_leave_the_probabilities_out),
        cmocka_unit_test(a_loss_is_asked_for_more),
        cmocka_unit_test(one_value_is_an_array_of_one),
        cmocka_unit_test(a_named_output_is_in_the_form_asked_for),
        cmocka_unit_test(another_models_classes_choose_nothing),
        cmocka_unit_test(wrong_ones_are_named),
    };
    return cmocka_run_group_tests(tests, inference_start, inference_stop);
}
