// SPDX-License-Identifier: MIT
/* Which member a value belongs to: long names, deep ones, ignored ones, those
 * that come twice; and nothing is left of a document that was read before. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../number/reading.h"

/* A client that ignores what begins with i, and takes what begins with t as a
 * tensor; t0, t1 ... are its tensors. */
enum { TENSORS = 17 };

struct client {
    struct reader *reader;
    struct problem problem;
    struct budget budget;
    struct tensor tensor[TENSORS];
    struct value *document;
};

static bool offer(void *cls, const struct reader_path *path,
                  struct reader_destination *destination,
                  struct problem *problem)
{
    struct client *client = cls;
    const char *name = path->step[path->depth - 1].name;
    (void)problem;
    if (name && name[0] == 'i')
        destination->ignored = true;
    if (name && name[0] == 't')
        *destination = (struct reader_destination){
            .tensor = &client->tensor[strtoul(name + 1, NULL, 10)],
            .element = READER_FLOAT32,
            .max_rank = 2,
            .encoded = true};
    return true;
}

/* The body byte by byte, or at once. */
static bool client_read(struct client *client, const char *body, size_t limit,
                        bool whole)
{
    *client = (struct client){.budget = {.limit = limit}};
    const struct reader_client callbacks = {.begin = offer, .cls = client};
    client->reader = reader_create(&callbacks, &client->budget);
    size_t bytes = strlen(body), slice = whole ? bytes : 1;
    for (size_t i = 0; i < bytes; i += slice)
        if (!reader_feed(client->reader, body + i, slice, &client->problem))
            return false;
    client->document = reader_finish(client->reader, &client->problem);
    return client->document;
}

static void client_free(struct client *client)
{
    reader_free(client->reader);
    value_free(client->document);
    for (int i = 0; i < TENSORS; i++)
        tensor_free(&client->tensor[i]);
    assert_int_equal(client->budget.taken, 0);
}

/* {body, what is left in the tree} */
static const struct {
    const char *body, *document;
} kept[] = {
    {"{\"i\":1,\"a\":2}", "{\"a\":2}"},
    {"{\"i\":{\"a\":{},\"b\":1,\"b\":2},\"k\":3}", "{\"k\":3}"},
    {"{\"i\":[[],[{}],3],\"k\":[4]}", "{\"k\":[4]}"},
    {"{\"a\":{\"i\":{\"x\":[1]},\"b\":2},\"c\":[{\"i\":[]},5]}",
     "{\"a\":{\"b\":2},\"c\":[{},5]}"},
    {"{\"i\":\"s\",\"t1\":{\"base64\":\"AACAPw==\",\"dtype\":\"float32\","
     "\"shape\":[1]},\"k\":1}",
     "{\"t1\":{\"base64\":null,\"dtype\":\"float32\",\"shape\":[1]},\"k\":1}"},
    {"{\"t1\":[1],\"i\":2,\"k\":true}", "{\"k\":true}"},
    /* below the levels whose names have a path */
    {"{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":1,\"f\":2,\"e2\":[3]}}}}}",
     "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":1,\"f\":2,\"e2\":[3]}}}}}"},
    {"[[[[[[{\"a\":1,\"b\":[{}]}]]]]]]", "[[[[[[{\"a\":1,\"b\":[{}]}]]]]]]"},
};

static void what_is_ignored_is_in_no_tree(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        for (int whole = 0; whole < 2; whole++) {
            struct client client;
            char text[256];
            if (!client_read(&client, kept[i].body, SIZE_MAX, whole))
                fail_msg("%s: %s", kept[i].body, client.problem.detail);
            value_print(client.document, text, sizeof text);
            assert_string_equal(text, kept[i].document);
            client_free(&client);
        }
}

static void what_comes_twice_is_refused_at_every_depth(void **state)
{
    (void)state;
    static const struct {
        const char *body, *detail;
    } cases[] = {
        {"{\"k\":{\"i\":1,\"x\":2,\"x\":3}}",
         "k/x: got it twice, must be given once"},
        {"{\"a\":{\"b\":{\"c\":{\"d\":1,\"d\":2}}}}",
         "a/b/c/d: got it twice, must be given once"},
        {"{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":1,\"f\":2,\"e\":3}}}}}",
         "a value: got it twice, must be given once"},
        {"{\"t1\":{\"base64\":\"\",\"base64\":\"\"}}",
         "t1/base64: got it twice, must be given once"},
        {"{\"t2\":null,\"t2\":[1]}", "t2: got it twice, must be given once"},
        {"{\"t2\":[1],\"t2\":null}", "t2: got it twice, must be given once"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int whole = 0; whole < 2; whole++) {
            struct client client;
            assert_false(client_read(&client, cases[i].body, SIZE_MAX, whole));
            assert_string_equal(client.problem.detail, cases[i].detail);
            client_free(&client);
        }
}

/* Names are cut where they are shown, and nowhere else. */
static void long_names_are_told_apart(void **state)
{
    (void)state;
    enum { MOST = 1200 };
    static const size_t lengths[] = {254, 255, 256, 257, MOST};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (int twice = 0; twice < 2; twice++)
            for (int whole = 0; whole < 2; whole++) {
                char name[MOST + 1], body[2 * MOST + 64];
                size_t length = lengths[i];
                memset(name, 'n', length);
                name[length] = '\0';
                int used = snprintf(body, sizeof body, "{\"%s\":1,", name);
                name[length - 1] = twice ? 'n' : 'm';
                snprintf(body + used, sizeof body - (size_t)used, "\"%s\":2}",
                         name);
                struct client client;
                assert_int_equal(client_read(&client, body, SIZE_MAX, whole),
                                 !twice);
                if (!twice) {
                    assert_int_equal(value_size(client.document), 2);
                    assert_int_equal(
                        value_integer(value_member(client.document, name)), 2);
                }
                client_free(&client);
            }
}

/* What is long beside the tensors is charged, and given back with the reader.
 * Where there is no memory for it the reader says so at once. */
static void what_is_long_is_charged(void **state)
{
    (void)state;
    enum { LONG = 30000 };
    static const char *const forms[] = {"{\"%s\":1}", "{\"a\":\"%s\"}",
                                        "{\"a\":{\"b\":[\"%s\"]}}"};
    char *text = malloc(LONG + 1), body[LONG + 64];
    assert_non_null(text);
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        for (int whole = 0; whole < 2; whole++) {
            struct client client;
            snprintf(body, sizeof body, forms[i], text);
            assert_true(client_read(&client, body, 1 << 20, whole));
            assert_in_range(client.budget.taken, LONG - 8192, 6 * LONG);
            client_free(&client);
            assert_false(client_read(&client, body, 10000, whole));
            assert_int_equal(client.problem.status, 503);
            assert_false(client.problem.located);
            client_free(&client);
        }
    free(text);
}

/* A large tree is charged, by about 96 bytes a node and 320 a container beside
 * their text, a few thousand ahead; where that is refused the reader says so.
 */
static void many_nodes_are_charged(void **state)
{
    (void)state;
    static const struct {
        const char *element;
        size_t count, bytes; /* of one */
    } cases[] = {{"1", 10000, 97}, {"\"abcd\"", 5000, 102}, {"[]", 8000, 320}};
    enum { ROOM = 60000 };
    char *body = malloc(ROOM);
    assert_non_null(body);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client client;
        size_t used = (size_t)snprintf(body, ROOM, "{\"k\":[");
        for (size_t k = 0; k < cases[i].count; k++)
            used += (size_t)snprintf(body + used, ROOM - used, "%s%s",
                                     k ? "," : "", cases[i].element);
        snprintf(body + used, ROOM - used, "]}");
        size_t all = cases[i].count * cases[i].bytes;
        assert_true(client_read(&client, body, 2 * all, true));
        assert_in_range(client.budget.taken, all - 4096, all + 3 * 8192);
        client_free(&client);
        assert_false(client_read(&client, body, all / 2, true));
        assert_int_equal(client.problem.status, 503);
        client_free(&client);
        /* a few are free */
        assert_true(client_read(&client, "{\"k\":[1,2,3,[],[[]]]}", 0, true));
        assert_int_equal(client.budget.taken, 0);
        client_free(&client);
    }
    free(body);
}

/* No request has as many; nothing is written where there is no room. */
static void more_tensors_than_a_reader_holds_are_refused(void **state)
{
    (void)state;
    for (int count = 15; count <= TENSORS; count++) {
        char body[512] = "{\"t0\":[0]";
        for (int i = 1; i < count; i++)
            snprintf(body + strlen(body), sizeof body - strlen(body),
                     ",\"t%d\":[%d]%s", i, i, i + 1 < count ? "" : "}");
        struct client client;
        bool read = client_read(&client, body, SIZE_MAX, true);
        assert_int_equal(read, count <= 16);
        assert_int_equal(client.problem.status, read ? 0 : 503);
        for (int i = 0; read && i < count; i++) {
            assert_int_equal(client.tensor[i].count, 1);
            assert_true(*(float *)client.tensor[i].data == (float)i);
        }
        client_free(&client);
    }
}

/* A reader that another one was before, with other members open, ignored and
 * encoded, reads like a new one. */
static void nothing_is_left_of_the_document_before(void **state)
{
    (void)state;
    static const char *const before[] = {
        "{\"t0\":[1,2],\"t1\":{\"base64\":\"AACAPw==\",\"dtype\":\"float32\","
        "\"shape\":[1]}}",
        "{\"i\":{\"x\":[{\"a\":",
        "{\"t1\":{\"base64\":\"AAC",
        "{\"t1\":{\"dtype\":",
        "{\"t0\":[[1,\"x",
        "{\"a\\u00e9\\",
        "{\"k\":[[[[[[1",
        "\xef\xbb\xbf{\n\n\n\"a\":x",
    };
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        struct client client;
        char text[64];
        client_read(&client, before[i], SIZE_MAX, i % 2);
        client_free(&client);
        assert_true(client_read(&client, "{\"t0\":[3],\"k\":{\"a\":\"b\"}}",
                                SIZE_MAX, true));
        value_print(client.document, text, sizeof text);
        assert_string_equal(text, "{\"k\":{\"a\":\"b\"}}");
        assert_int_equal(client.tensor[0].rank, 1);
        assert_true(*(float *)client.tensor[0].data == 3);
        assert_int_equal(client.tensor[1].type, TENSOR_NONE);
        assert_false(reader_was_encoded(client.reader, &client.tensor[0]));
        assert_false(reader_was_encoded(client.reader, &client.tensor[1]));
        client_free(&client);
        assert_false(client_read(&client, "{\"k\":x}", SIZE_MAX, false));
        assert_int_equal(client.problem.line, 1);
        assert_int_equal(client.problem.offset, 5);
        client_free(&client);
    }
}

/* ---- one element -------------------------------------------------------- */

/* What a refusal shows of it: all, or its first 64 bytes. */
static void elements_are_shown_as_they_were_written(void **state)
{
    (void)state;
    static const struct {
        size_t bytes;
        bool whole;
    } lengths[] = {{3, true}, {63, true}, {64, true}, {65, false}, {90, false}};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (int whole = 0; whole < 2; whole++) {
            char element[128], body[256], want[256];
            size_t bytes = lengths[i].bytes;
            memset(element, 'e', bytes);
            element[0] = element[bytes - 1] = '"';
            if (bytes > 3)
                element[2] = ',';
            element[bytes] = '\0';
            snprintf(body, sizeof body, "{\"t0\":[1,%s,2]}", element);
            snprintf(want, sizeof want, "t0: got %.64s%s, must be a number",
                     element, lengths[i].whole ? "" : "...");
            struct client client;
            assert_false(client_read(&client, body, SIZE_MAX, whole));
            assert_string_equal(client.problem.detail, want);
            assert_string_equal(client.problem.pointer, "/t0/1");
            client_free(&client);
            snprintf(body, sizeof body, "{\"t0\":[[1],%s,2]}", element);
            snprintf(want, sizeof want,
                     "t0: got %.64s, must be an array like those before it",
                     element);
            assert_false(client_read(&client, body, SIZE_MAX, whole));
            assert_string_equal(client.problem.detail, want);
            client_free(&client);
        }
}

/* 4096 bytes are one, wherever the slices fall; one more is a problem. */
static void the_longest_element_has_4096_bytes(void **state)
{
    (void)state;
    static const char *const forms[] = {"{\"t0\":[%s]}", "{\"t0\":[2,%s,3]}",
                                        "{\"t0\":[[4,%s]]}"};
    char *element = malloc(4098), body[4200];
    assert_non_null(element);
    for (int bytes = 4095; bytes <= 4097; bytes++)
        for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
            for (int whole = 0; whole < 2; whole++) {
                memset(element, '0', (size_t)bytes);
                memcpy(element, "1.", 2);
                element[bytes] = '\0';
                snprintf(body, sizeof body, forms[i], element);
                struct client client;
                bool read = client_read(&client, body, SIZE_MAX, whole);
                assert_int_equal(read, bytes <= 4096);
                if (read)
                    assert_true(((float *)client.tensor[0].data)[i > 0] == 1);
                else
                    assert_string_equal(client.problem.detail,
                                        "t0: got a longer element, must be at "
                                        "most 4096 bytes");
                client_free(&client);
            }
    free(element);
}

/* Around the 32 bytes that vectors look at: alone, so that no other token of
 * the row decides how it is read. */
static void elements_of_every_length_are_read(void **state)
{
    (void)state;
    static const char digits[] =
        "1234567890123456789012345678901234567890123456789012345678901234";
    for (int length = 1; length <= 64; length++)
        for (int form = 0; form < 4; form++) {
            char element[80], body[120];
            static const char *const forms[] = {"%.*s", "-%.*s", "0.%.*s",
                                                "0.000000000000000%.*s"};
            snprintf(element, sizeof element, forms[form], length, digits);
            snprintf(body, sizeof body, "{\"t0\":[%s]}", element);
            float want = strtof(element, NULL);
            struct client client;
            bool read = client_read(&client, body, SIZE_MAX, true);
            assert_int_equal(read, isfinite(want));
            if (read)
                assert_true(*(float *)client.tensor[0].data == want);
            client_free(&client);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_ignored_is_in_no_tree),
        cmocka_unit_test(what_comes_twice_is_refused_at_every_depth),
        cmocka_unit_test(long_names_are_told_apart),
        cmocka_unit_test(what_is_long_is_charged),
        cmocka_unit_test(many_nodes_are_charged),
        cmocka_unit_test(more_tensors_than_a_reader_holds_are_refused),
        cmocka_unit_test(nothing_is_left_of_the_document_before),
        cmocka_unit_test(elements_are_shown_as_they_were_written),
        cmocka_unit_test(the_longest_element_has_4096_bytes),
        cmocka_unit_test(elements_of_every_length_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
