// SPDX-License-Identifier: MIT
/* Logits and answers as NumPy's files: the same answer wherever the slices
 * fall, and a refusal for each that is broken or not taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/api/native.h"
#include "../support/roundtrip.h"

#define NPY "application/x-npy"
#define JSON "application/json"

static struct server server;

static int start(void **state)
{
    (void)state;
    roundtrip_serve(&server, api_routes, api_route_count);
    return (int)roundtrip_compute(&server);
}

static int stop(void **state)
{
    (void)state;
    smx_context_free(server.service.compute);
    return 0;
}

/** A file in memory. */
struct file {
    unsigned char bytes[2048];
    size_t count;
};

/* As numpy.save writes it: the header ends at a multiple of 64. */
static struct file make_file(int major, const char *text, const void *data,
                             size_t data_bytes)
{
    struct file file = {.bytes = "\x93NUMPY", .count = major == 1 ? 10 : 12};
    size_t header = strlen(text) + 1, end = file.count + header;
    header += (64 - end % 64) % 64;
    assert_true(file.count + header + data_bytes <= sizeof file.bytes);
    file.bytes[6] = (unsigned char)major;
    file.bytes[8] = (unsigned char)(header & 255);
    file.bytes[9] = (unsigned char)(header >> 8);
    memset(file.bytes + file.count, ' ', header);
    memcpy(file.bytes + file.count, text, strlen(text));
    file.count += header;
    file.bytes[file.count - 1] = '\n';
    if (data_bytes > 0)
        memcpy(file.bytes + file.count, data, data_bytes);
    file.count += data_bytes;
    return file;
}

static struct roundtrip send_file(const struct file *file, const char *accept,
                                  const struct argument *query, size_t slice)
{
    struct roundtrip trip = {
        .path = "/softmax",
        .field = {{"Content-Type", NPY}, {"Accept", accept}},
        .query = query,
        .query_count = query ? 1 : 0,
        .body = (const char *)file->bytes,
        .bytes = file->count,
        .slice = slice};
    roundtrip_do(&trip, &server);
    return trip;
}

/* Its length is not told. */
static struct roundtrip send_chunked(const struct file *file, size_t slice)
{
    struct roundtrip trip = {
        .path = "/softmax",
        .field = {{"Content-Type", NPY}, {"Transfer-Encoding", "chunked"}},
        .body = (const char *)file->bytes,
        .bytes = file->count,
        .slice = slice};
    roundtrip_do(&trip, &server);
    return trip;
}

static struct roundtrip send_text(const char *path, const char *json,
                                  const char *accept)
{
    struct roundtrip trip = {.path = path,
                             .field = {{"Accept", accept}},
                             .body = json,
                             .bytes = strlen(json)};
    roundtrip_do(&trip, &server);
    return trip;
}

static void assert_answer(struct roundtrip trip, const char *type,
                          const void *body, size_t bytes)
{
    assert_int_equal(trip.status, 200);
    assert_string_equal(trip.type, type);
    assert_int_equal(trip.answer_bytes, bytes);
    assert_int_equal(trip.length, bytes);
    assert_memory_equal(trip.answer, body, bytes);
    roundtrip_free(&trip);
}

#define HEADER(descr, shape)                                                   \
    "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape ", }"

static const float two_rows[] = {0, 0, -1e30f, 0};
static const float their_softmax[] = {.5f, .5f, 0, 1};
static const double wide_rows[] = {0, 0, -1e30, 0};
static const double their_wide_softmax[] = {.5, .5, 0, 1};
static const unsigned char half_rows[] = {0, 0, 0, 0, 0, 0xfc, 0, 0};

static void every_version_and_type(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
        const void *data, *want;
        size_t data_bytes, want_bytes;
    } types[] = {
        {HEADER("<f4", "(2, 2)"), HEADER("<f4", "(2, 2)"), two_rows,
         their_softmax, sizeof two_rows, sizeof their_softmax},
        {HEADER("<f8", "(2, 2)"), HEADER("<f8", "(2, 2)"), wide_rows,
         their_wide_softmax, sizeof wide_rows, sizeof their_wide_softmax},
        {HEADER("<f2", "(2, 2)"), HEADER("<f4", "(2, 2)"), half_rows,
         their_softmax, sizeof half_rows, sizeof their_softmax},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        for (int version = 1; version <= 3; version++) {
            struct file in = make_file(version, types[i].in, types[i].data,
                                       types[i].data_bytes);
            struct file out =
                make_file(1, types[i].out, types[i].want, types[i].want_bytes);
            for (size_t slice = 0; slice < 140; slice++)
                assert_answer(send_file(&in, NPY, NULL, slice), NPY, out.bytes,
                              out.count);
        }
}

/* Whatever else writes such files may order, quote and pad as it likes. */
static void other_writers(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{'shape':(2,2),'fortran_order':False,'descr':'<f4'}",
        "{\"descr\":\"<f4\",\"shape\":(2,2,),\"fortran_order\":False,}",
        "  { 'descr' :\t'<f4' ,\n'fortran_order' : False , 'shape' : ( 2 , 2 "
        ", ) , } \n\n",
    };
    static const char want[] = "{\"probabilities\":[[0.5,0.5],[0,1]]}\n";
    char padded[1500];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct file file = make_file(1, texts[i], two_rows, sizeof two_rows);
        assert_answer(send_file(&file, NULL, NULL, 1), JSON, want,
                      strlen(want));
        snprintf(padded, sizeof padded, "%s%*s", texts[i], 1300, "");
        file = make_file(2, padded, two_rows, sizeof two_rows);
        assert_answer(send_file(&file, JSON, NULL, 0), JSON, want,
                      strlen(want));
    }
}

static void shapes_and_options(void **state)
{
    (void)state;
    static const struct argument wide = {"dtype", "float64"},
                                 argmax = {"include", "argmax"};
    struct file in = make_file(1, HEADER("<f4", "(2, 2)"), two_rows, 16);
    struct file out = make_file(1, HEADER("<f8", "(2, 2)"), their_wide_softmax,
                                sizeof their_wide_softmax);
    assert_answer(send_file(&in, NPY, &wide, 3), NPY, out.bytes, out.count);
    in = make_file(1, HEADER("<f8", "(2,)"), wide_rows, 16);
    static const struct argument narrow = {"dtype", "float32"};
    out = make_file(1, HEADER("<f4", "(2,)"), their_softmax, 8);
    assert_answer(send_file(&in, NPY, &narrow, 0), NPY, out.bytes, out.count);
    in = make_file(1, HEADER("<f4", "(0, 3)"), NULL, 0);
    out = make_file(1, HEADER("<f4", "(0, 3)"), NULL, 0);
    assert_answer(send_file(&in, NPY, NULL, 0), NPY, out.bytes, out.count);
    /* more than one tensor is no file: JSON, where that is taken, too */
    in = make_file(1, HEADER("<f4", "(2,)"), two_rows, 8);
    static const char both[] = "{\"probabilities\":[0.5,0.5],\"argmax\":0}\n";
    assert_answer(send_file(&in, NPY ", " JSON, &argmax, 0), JSON, both,
                  strlen(both));
    struct roundtrip refused = send_file(&in, NPY, &argmax, 0);
    assert_int_equal(refused.status, 406);
    assert_non_null(strstr(refused.problem.detail, "the answer is 2 tensors"));
    roundtrip_free(&refused);
}

/* In JSON, out as a file; and a lone statistic is a tensor as well. */
static void either_way_alone(void **state)
{
    (void)state;
    static const int64_t first = 1;
    struct file out = make_file(1, HEADER("<f4", "(2,)"), their_softmax, 8);
    assert_answer(send_text("/softmax", "{\"logits\":[7,7]}", NPY), NPY,
                  out.bytes, out.count);
    out = make_file(1, HEADER("<i8", "()"), &first, sizeof first);
    assert_answer(send_text("/softmax",
                            "{\"logits\":[1,2],\"statistics_only\":true,"
                            "\"include\":[\"argmax\"]}",
                            NPY),
                  NPY, out.bytes, out.count);
    struct roundtrip refused =
        send_text("/loss", "{\"logits\":[1,2],\"labels\":0}", NPY);
    assert_int_equal(refused.status, 406);
    roundtrip_free(&refused);
    struct roundtrip trip = {.path = "/gradient",
                             .field = {{"Content-Type", NPY}},
                             .body = (const char *)out.bytes,
                             .bytes = out.count};
    roundtrip_do(&trip, &server);
    assert_int_equal(trip.status, 415);
    roundtrip_free(&trip);
}

static void what_accept_prefers(void **state)
{
    (void)state;
    static const struct {
        const char *accept, *type;
    } cases[] = {
        {NULL, JSON},
        {"*/*", JSON},
        {"application/*", JSON},
        {NPY, NPY},
        {"Application/X-NPY;q=0.1", NPY},
        {NPY ", */*", NPY},
        {NPY ";q=0.5, */*", JSON},
        {JSON ", " NPY, NPY},
        {JSON ", " NPY ";q=0.9", JSON},
        {JSON ";q=0.2, " NPY ";q=0.3", NPY},
        {NPY ";q=0, */*", JSON},
        {NPY "/x", JSON},
    };
    struct file file = make_file(1, HEADER("<f4", "(2,)"), two_rows, 8);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct roundtrip trip = send_file(&file, cases[i].accept, NULL, 0);
        assert_int_equal(trip.status, 200);
        if (strcmp(trip.type, cases[i].type) != 0)
            fail_msg("Accept: %s: got %s", cases[i].accept, trip.type);
        roundtrip_free(&trip);
    }
}

/* ---- refusals ----------------------------------------------------------- */

static void assert_refused(struct roundtrip trip, int status, const char *part)
{
    if (trip.status != status || !strstr(trip.problem.detail, part))
        fail_msg("got %d %s, must be %d %s", trip.status, trip.problem.detail,
                 status, part);
    assert_string_equal(trip.type, "application/problem+json");
    roundtrip_free(&trip);
}

static void arrays_not_taken(void **state)
{
    (void)state;
#define KINDS ", must be '<f4', '<f8' or '<f2'"
#define GRAMMAR ", must be a dictionary of descr, fortran_order and shape"
    static const struct {
        const char *text;
        int status;
        const char *part;
    } cases[] = {
        {HEADER("|O", "(2,)"), 422, "descr: got '|O'" KINDS},
        {HEADER(">f4", "(2,)"), 422, "descr: got '>f4'" KINDS},
        {HEADER("<i8", "(2,)"), 422, "descr: got '<i8'" KINDS},
        {HEADER("<V2", "(2,)"), 422, "descr: got '<V2'" KINDS},
        {HEADER("|b1", "(2,)"), 422, "descr: got '|b1'" KINDS},
        {HEADER("f4", "(2,)"), 422, "descr: got 'f4'" KINDS},
        {HEADER("<f4 and more", "(2,)"), 422, "descr: got '<f4 and more'"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}",
         422, "descr: got [('a'" KINDS},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1), }", 422,
         "fortran_order: got True, must be False"},
        {HEADER("<f4", "(1,1,1,1,1,1,1,1,2)"), 422, "logits: got rank 9"},
        {HEADER("<f4", "(1,1,1,1,1,1,1,1,1,2)"), 422,
         "shape: got more than 9 sizes"},
        {"", 400, "npy header: got  " GRAMMAR},
        {"{}", 400, GRAMMAR},
        {"{'descr': '<f4', 'shape': (2,)}", 400, GRAMMAR},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': "
         "(2,)}",
         400, GRAMMAR},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", 400,
         GRAMMAR},
        {"{'descr' '<f4', 'fortran_order': False, 'shape': (2,)}", 400,
         GRAMMAR},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}", 400,
         GRAMMAR},
        {"{'descr': '<f4', 'fortran_order': Falsy, 'shape': (2,)}", 400,
         GRAMMAR},
        {HEADER("<f4", "(2)"), 400, GRAMMAR},
        {HEADER("<f4", "[2]"), 400, GRAMMAR},
        {HEADER("<f4", "(-2,)"), 400, GRAMMAR},
        {HEADER("<f4", "(2.0,)"), 400, GRAMMAR},
        {HEADER("<f4", "(,)"), 400, GRAMMAR},
        {HEADER("<f4", "(2,,)"), 400, GRAMMAR},
        {HEADER("<f4", "(02,)"), 400, GRAMMAR},
        {HEADER("<f4", "(1, 002)"), 400, GRAMMAR},
        {HEADER("<f4", "(2 2)"), 400, GRAMMAR},
        {HEADER("<f4", "(2,)") " x", 400, GRAMMAR},
        {"{'descr': '<f4", 422, "descr: got '<f4"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2", 400, GRAMMAR},
        {"{'descr\\'': '<f4', 'fortran_order': False, 'shape': (2,)}", 400,
         GRAMMAR},
        {"{'a key that is longer than any': 1}", 400, GRAMMAR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t slice = 0; slice < 2; slice++) {
            struct file file = make_file(1, cases[i].text, two_rows, 8);
            assert_refused(send_file(&file, NPY, NULL, slice), cases[i].status,
                           cases[i].part);
        }
}

static void other_files(void **state)
{
    (void)state;
    struct file file = make_file(1, HEADER("<f4", "(2,)"), two_rows, 8);
    struct file other = file;
    other.bytes[7] = 1;
    assert_refused(send_file(&other, NULL, NULL, 1), 400, "got version 1.1");
    other.bytes[6] = 4, other.bytes[7] = 0;
    assert_refused(send_file(&other, NULL, NULL, 1), 400, "got version 4.0");
    other.bytes[6] = 0;
    assert_refused(send_file(&other, NULL, NULL, 0), 400, "got version 0.0");
    for (size_t i = 0; i < 6; i++) {
        other = file;
        other.bytes[i] ^= 1;
        assert_refused(send_file(&other, NULL, NULL, 1), 400,
                       "got other bytes");
    }
    /* a NUL is no end of the text */
    other = make_file(1, HEADER("<f4", "(2,)") "\n", two_rows, 8);
    other.bytes[strlen(HEADER("<f4", "(2,)")) + 10] = '\0';
    assert_refused(send_file(&other, NULL, NULL, 1), 400, "npy header: got {");
    char longer[700];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    other = make_file(2, longer, NULL, 0);
    assert_refused(send_file(&other, NULL, NULL, 9), 400,
                   "got more than 512 characters");
}

/* Its length may be told, or not: both say what is wrong. */
static void shorter_and_longer(void **state)
{
    (void)state;
    struct file file = make_file(1, HEADER("<f4", "(2,)"), two_rows, 8);
    for (int chunked = 0; chunked < 2; chunked++)
        for (size_t bytes = 0; bytes < file.count + 3; bytes++) {
            struct file part = file;
            part.count = bytes;
            struct roundtrip trip = chunked ? send_chunked(&part, 5)
                                            : send_file(&part, NULL, NULL, 5);
            if (bytes == file.count) {
                assert_int_equal(trip.status, 200);
                roundtrip_free(&trip);
            } else {
                assert_refused(trip, 400,
                               bytes < file.count - 8 ? "got a part of it"
                                                      : "must be 136, of");
            }
        }
}

/* What a header only promises takes no memory. */
static void no_more_than_there_is_room_for(void **state)
{
    (void)state;
    static const char *const shapes[] = {
        HEADER("<f8", "(100, 100)"),
        HEADER("<f8", "(4294967296, 4294967296)"),
        HEADER("<f8", "(99999999999999999999999, 1)"),
        HEADER("<f4", "(4611686018427387904,)"),
        HEADER("<f4", "(4294967296, 4294967296, 0)"),
    };
    server.service.max_body = 4096;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct file file = make_file(1, shapes[i], two_rows, 16);
        assert_refused(send_chunked(&file, 0), 413,
                       "which is what the body may still hold");
        assert_refused(send_file(&file, NULL, NULL, 0), 413, "may still hold");
    }
    server.service.max_body = SIZE_MAX;
    server.service.budget.limit = 1000;
    struct file file = make_file(1, HEADER("<f8", "(100, 100)"), NULL, 0);
    assert_refused(send_chunked(&file, 0), 413, "memory");
    server.service.budget.limit = SIZE_MAX;
}

static void elements_are_named(void **state)
{
    (void)state;
    static const unsigned char bits[] = {0, 0, 0, 0, 0, 0, 0xc0, 0x7f};
    static const double beyond[] = {1, 1e39};
    static const struct argument narrow = {"dtype", "float32"};
    struct file file = make_file(1, HEADER("<f4", "(1, 2)"), bits, sizeof bits);
    struct roundtrip trip = send_file(&file, NPY, NULL, 0);
    assert_string_equal(trip.problem.pointer, "/logits/0/1");
    assert_refused(trip, 422, "logits: got NaN, must be finite or -Infinity");
    file = make_file(1, HEADER("<f8", "(2,)"), beyond, sizeof beyond);
    assert_refused(send_file(&file, NPY, &narrow, 0), 422,
                   "logits: got 1e39, must be within the range of float32");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_and_type),
        cmocka_unit_test(other_writers),
        cmocka_unit_test(shapes_and_options),
        cmocka_unit_test(either_way_alone),
        cmocka_unit_test(what_accept_prefers),
        cmocka_unit_test(arrays_not_taken),
        cmocka_unit_test(other_files),
        cmocka_unit_test(shorter_and_longer),
        cmocka_unit_test(no_more_than_there_is_room_for),
        cmocka_unit_test(elements_are_named),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
