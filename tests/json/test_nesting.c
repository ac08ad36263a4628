// SPDX-License-Identifier: MIT
/* Open brackets and braces, down to the deepest, and the pointers that say
 * where a value stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/json/nesting.h"
#include "../../server/json/value.h"

enum { ROOM = 8 * (NESTING_MAX_DEPTH + 2) };

/* Is level an object? The same for levels that share bits with no others. */
static bool is_object(size_t level, unsigned seed)
{
    return (level * 2654435761u + seed * 40503u) >> 13 & 1;
}

/* A number within so many levels; wrong: that level is closed by the other
 * bracket, and what comes behind is left out. */
static size_t nest(char *text, size_t depth, unsigned seed, size_t wrong)
{
    size_t used = 0;
    for (size_t level = 0; level < depth; level++)
        used += (size_t)snprintf(text + used, ROOM - used,
                                 is_object(level, seed) ? "{\"a\":" : "[");
    used += (size_t)snprintf(text + used, ROOM - used, "7");
    for (size_t level = depth; level-- > 0;) {
        text[used++] = is_object(level, seed) != (level == wrong) ? '}' : ']';
        if (level == wrong)
            break;
    }
    return used;
}

static const struct value *inner(const struct value *value)
{
    return value_kind(value) == VALUE_OBJECT ? value_member(value, "a")
                                             : value_at(value, 0);
}

static void every_bracket_closes_its_own(void **state)
{
    (void)state;
    static const size_t depths[] = {1,  2,  3,  4,  5,   7,    8,    9,
                                    15, 16, 17, 64, 100, 1023, 2047, 2048};
    char *text = malloc(ROOM);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++)
        for (unsigned seed = 0; seed < 8; seed++) {
            struct problem problem = {0};
            size_t depth = depths[i];
            size_t bytes = nest(text, depth, seed, SIZE_MAX);
            struct value *document = reader_parse(text, bytes, &problem);
            assert_non_null(document);
            const struct value *value = document;
            for (size_t level = 0; level < depth; level++) {
                assert_int_equal(value_kind(value), is_object(level, seed)
                                                        ? VALUE_OBJECT
                                                        : VALUE_ARRAY);
                assert_int_equal(value_size(value), 1);
                value = inner(value);
            }
            assert_int_equal(value_integer(value), 7);
            value_free(document);
            for (size_t wrong = depth; wrong-- > 0 && wrong + 20 > depth;) {
                bytes = nest(text, depth, seed, wrong);
                problem.status = 0;
                problem.located = false;
                assert_null(reader_parse(text, bytes, &problem));
                assert_int_equal(problem.status, 400);
                assert_int_equal(problem.offset, bytes - 1);
            }
        }
    free(text);
}

static void the_deepest_level_is_number_2048(void **state)
{
    (void)state;
    char *text = malloc(ROOM);
    assert_non_null(text);
    for (unsigned seed = 0; seed < 8; seed++) {
        struct problem problem = {0};
        size_t bytes = nest(text, NESTING_MAX_DEPTH + 1, seed, SIZE_MAX);
        assert_null(reader_parse(text, bytes, &problem));
        assert_int_equal(problem.status, 422);
        assert_string_equal(problem.detail, "body: got nesting deeper than "
                                            "2048, must be less");
        assert_string_equal(problem.pointer, "");
        /* at the bracket that is one too many */
        const char *last = strchr(text, '7');
        assert_int_equal(problem.offset,
                         (size_t)(last - text) -
                             (is_object(NESTING_MAX_DEPTH, seed) ? 5 : 1));
    }
    free(text);
}

/* Indices count commas, names are those of the innermost, and both only as deep
 * as a path goes and below an object. */
static void paths_are_those_of_the_members(void **state)
{
    (void)state;
    struct nesting nesting;
    struct problem problem = {0};
    char text[64];
    nesting_init(&nesting, NULL);
    assert_null(nesting_path(&nesting));
    assert_false(nesting_in_object(&nesting));
    assert_true(nesting_open(&nesting, true, &problem));
    assert_true(nesting_name(&nesting, "\"a\"", 3, true, &problem));
    for (int level = 2; level <= NESTING_STEPS; level++) {
        assert_non_null(nesting_path(&nesting));
        assert_true(nesting_open(&nesting, level % 2, &problem));
        assert_int_equal(nesting_in_object(&nesting), level % 2);
        if (level % 2)
            assert_true(nesting_name(&nesting, "\"b\"", 3, true, &problem));
        else
            for (int i = 0; i < 10 + level; i++)
                nesting_count(&nesting);
    }
    const struct reader_path *path = nesting_path(&nesting);
    assert_non_null(path);
    assert_int_equal(path->depth, NESTING_STEPS);
    nesting_pointer(path, text, sizeof text);
    assert_string_equal(text, "a/12/b/14");
    assert_true(nesting_open(&nesting, false, &problem));
    assert_null(nesting_path(&nesting));
    nesting_count(&nesting);
    nesting.depth--;
    assert_ptr_equal(nesting_path(&nesting), path);
    nesting_pointer(path, text, sizeof text);
    assert_string_equal(text, "a/12/b/14");
    /* what is opened anew begins at 0 */
    nesting.depth = 1;
    assert_true(nesting_open(&nesting, false, &problem));
    nesting_pointer(nesting_path(&nesting), text, sizeof text);
    assert_string_equal(text, "a/0");
    nesting_free(&nesting);
    nesting_init(&nesting, NULL);
    assert_true(nesting_open(&nesting, false, &problem));
    assert_null(nesting_path(&nesting));
    nesting_free(&nesting);
}

/* In a path a long name is cut, for the tree it is whole. */
static void long_names_are_cut_in_paths(void **state)
{
    (void)state;
    for (size_t bytes = 253; bytes < 259; bytes++) {
        struct nesting nesting;
        struct problem problem = {0};
        char text[264];
        nesting_init(&nesting, NULL);
        assert_true(nesting_open(&nesting, true, &problem));
        memset(text, 'n', sizeof text);
        memset(nesting.names, 'x', sizeof nesting.names);
        assert_true(nesting_name(&nesting, text, bytes + 2, true, &problem));
        const char *cut = nesting_path(&nesting)->step[0].name;
        assert_int_equal(strlen(cut), bytes < 255 ? bytes : 255);
        assert_int_equal(strlen(nesting.name), bytes);
        assert_int_equal(nesting.names[1][0], 'x');
        nesting_free(&nesting);
    }
}

/* Cut where the room ends, never within an escape. */
static void pointers_fit_their_room(void **state)
{
    (void)state;
    static const struct {
        struct reader_path path;
        const char *whole;
    } cases[] = {
        {{.depth = 1, .step = {{.name = "logits"}}}, "logits"},
        {{.depth = 3,
          .step = {{.name = "a"},
                   {.index = 18446744073709551615u},
                   {.name = "b"}}},
         "a/18446744073709551615/b"},
        {{.depth = 4,
          .step =
              {{.name = "~"}, {.name = "/a/"}, {.name = ""}, {.name = "~~x"}}},
         "~0/~1a~1//~0~0x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t room = 3; room < 32; room++) {
            char text[40];
            memset(text, 'x', sizeof text);
            nesting_pointer(&cases[i].path, text, room);
            size_t bytes = strlen(text), all = strlen(cases[i].whole);
            assert_true(bytes < room);
            assert_memory_equal(text, cases[i].whole, bytes);
            assert_int_equal(text[room], 'x');
            assert_true(bytes == all || bytes + 3 >= room);
            assert_true(bytes == 0 || text[bytes - 1] != '~');
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bracket_closes_its_own),
        cmocka_unit_test(the_deepest_level_is_number_2048),
        cmocka_unit_test(paths_are_those_of_the_members),
        cmocka_unit_test(long_names_are_cut_in_paths),
        cmocka_unit_test(pointers_fit_their_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
