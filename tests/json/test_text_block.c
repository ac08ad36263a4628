// SPDX-License-Identifier: MIT
/* One block of a large array's text: which is good, so that nobody has to read
 * it again, and which is not. And a large array stays with the threads that
 * read its blocks from the first to the last. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/json/tensor_reader.h"
#include "../../server/pipeline.h"

enum { MOST = 1000 };

static const struct reader_path path = {.depth = 1, .step = {{.name = "x"}}};

/* A block with the text that is posted, as elements from the second on. */
struct posting {
    struct jobs *jobs;
    struct text_blocks *blocks;
    struct element_buffer buffer;
    struct tensor tensor;
    struct budget budget;
};

static void posting_init(struct posting *posting, enum reader_element element)
{
    struct problem problem = {0};
    *posting = (struct posting){.budget = {.limit = SIZE_MAX}};
    posting->jobs = jobs_create(2);
    posting->blocks = text_blocks_create(posting->jobs, &posting->budget);
    assert_non_null(posting->blocks);
    posting->tensor.budget = &posting->budget;
    struct reader_destination destination = {
        .tensor = &posting->tensor, .element = element, .infinity = true};
    element_buffer_init(&posting->buffer, &destination, &path);
    assert_true(element_buffer_make_room(&posting->buffer, MOST, &problem));
    posting->buffer.count = 1;
}

static void posting_free(struct posting *posting)
{
    text_blocks_free(posting->blocks);
    element_buffer_drop_exceptions(&posting->buffer);
    tensor_free(&posting->tensor);
    jobs_free(posting->jobs);
    assert_int_equal(posting->budget.taken, 0);
}

/* count: as many as the block is said to have. */
static bool is_good(struct posting *posting, const char *text, size_t count,
                    bool after_value)
{
    struct tensor_state state = {.expect = TENSOR_READER_VALUE};
    struct place place = {0};
    struct text_blocks *blocks = posting->blocks;
    assert_true(
        text_blocks_open(blocks, &state, place, posting->buffer.count, text));
    assert_true(text_blocks_copy(blocks, text + strlen(text)));
    posting->buffer.count += count;
    text_blocks_post(blocks, &posting->buffer, after_value);
    const struct text_block *block =
        text_blocks_collect(blocks, &posting->buffer);
    assert_non_null(block);
    bool good = block->good;
    pipeline_release(blocks->pipeline);
    assert_null(text_blocks_collect(blocks, &posting->buffer));
    return good;
}

static void numbers_and_commas_that_take_turns_are_good(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool after_value;
        size_t count;
        double want[4];
    } cases[] = {
        {"1,2,3", true, 3, {1, 2, 3}},
        {"1,2,3,", false, 3, {1, 2, 3}},
        {"5", true, 1, {5}},
        {"[1,2],[3", true, 3, {1, 2, 3}},
        {"1]],[[2],[3]", true, 3, {1, 2, 3}},
        {" 1 ,\t2\n,\r3 , ", false, 3, {1, 2, 3}},
        {"-Infinity,\"-inf\",4", true, 3, {-INFINITY, -INFINITY, 4}},
        {"\"-Infinity\" , 1", true, 2, {-INFINITY, 1}},
        {"0.1234567890123456789012,1e-3,-0,2E2",
         true,
         4,
         {0.1234567890123456789012, 1e-3, -0.0, 2e2}},
        {" ", false, 0, {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct posting posting;
        posting_init(&posting, READER_FLOAT64);
        if (!is_good(&posting, cases[i].text, cases[i].count,
                     cases[i].after_value))
            fail_msg("not good: %s", cases[i].text);
        assert_memory_equal((double *)posting.tensor.data + 1, cases[i].want,
                            cases[i].count * sizeof(double));
        posting_free(&posting);
    }
}

static void anything_else_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool after_value;
        size_t count;
    } cases[] = {
        {"1,2,3", false, 3},   {"1,2,3,", true, 3}, {"1,2", true, 3},
        {"1,2,3", true, 2},    {"1,,2", true, 2},   {"1 2", true, 2},
        {",1", true, 1},       {"1][2", true, 2},   {"x,1", true, 2},
        {"true", true, 1},     {"null", true, 1},   {"1e999", true, 1},
        {"NaN", true, 1},      {"01", true, 1},     {"\"a,b\"", true, 1},
        {"\"\\\"\"", true, 1}, {"{1}", true, 1},    {"1", true, 0},
        {"[,]1", true, 1},     {"1,2 ,", true, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct posting posting;
        posting_init(&posting, READER_FLOAT64);
        double *guard = (double *)posting.tensor.data + 1 + cases[i].count;
        *guard = 12345;
        if (is_good(&posting, cases[i].text, cases[i].count,
                    cases[i].after_value))
            fail_msg("good: %s", cases[i].text);
        assert_true(*guard == 12345);
        posting_free(&posting);
    }
}

/* The numbers whose double does not tell their float: those before the block
 * stay, those of the block follow, and they are charged. */
static void exceptions_follow_those_before(void **state)
{
    static const char midpoint[] = "1.00000005960464477540";
    (void)state;
    struct posting posting;
    struct problem problem = {0};
    posting_init(&posting, READER_FLOAT);
    posting.buffer.count = 0;
    assert_true(element_buffer_append(&posting.buffer, midpoint,
                                      strlen(midpoint), &problem));
    assert_int_equal(posting.buffer.exception_count, 1);
    char text[256];
    snprintf(text, sizeof text, "1,%s,2,%s,3", midpoint, midpoint);
    assert_true(is_good(&posting, text, 5, true));
    static const size_t at[] = {0, 2, 4};
    assert_int_equal(posting.buffer.exception_count, 3);
    for (size_t i = 0; i < 3; i++) {
        float single = strtof(midpoint, NULL);
        uint32_t bits;
        memcpy(&bits, &single, sizeof bits);
        assert_int_equal(posting.buffer.exceptions[i].index, at[i]);
        assert_int_equal(posting.buffer.exceptions[i].value, bits);
    }
    /* of a block that is not good none is taken */
    snprintf(text, sizeof text, "%s,x", midpoint);
    assert_false(is_good(&posting, text, 2, true));
    assert_int_equal(posting.buffer.exception_count, 3);
    posting_free(&posting);
}

/* ---- a whole array ------------------------------------------------------ */

enum { NUMBERS = 120000, NUMBER_ROOM = 16 };

/* Rows of so many numbers, some of them words. */
static char *array_of(size_t row, const char *comma)
{
    const size_t room = (size_t)NUMBERS * NUMBER_ROOM + 16;
    char *text = malloc(room);
    assert_non_null(text);
    size_t used = (size_t)snprintf(text, room, "[");
    for (size_t i = 0; i < NUMBERS; i++) {
        char number[NUMBER_ROOM] = "\"-Infinity\"";
        if (i % 777 != 5)
            snprintf(number, sizeof number, "%.9g", (double)i / 64);
        used += (size_t)snprintf(text + used, room - used, "%s%s%s%s",
                                 i > 0 ? comma : "", i % row ? "" : "[", number,
                                 i % row == row - 1 ? "]" : "");
    }
    snprintf(text + used, room - used, "]");
    return text;
}

static void expect_array(const struct tensor *tensor, size_t row)
{
    assert_int_equal(tensor->rank, 2);
    assert_int_equal(tensor->shape[0], NUMBERS / row);
    assert_int_equal(tensor->shape[1], row);
    for (size_t i = 0; i < NUMBERS; i++)
        if (i % 777 == 5)
            assert_true(((float *)tensor->data)[i] == -INFINITY);
        else if (((float *)tensor->data)[i] != (float)i / 64)
            fail_msg("element %zu", i);
}

/* From where they begin to help on, nothing is read again: slice by slice the
 * blocks are there, and nothing seems wrong. */
static void threads_help_to_the_end(void **state)
{
    static const size_t rows[] = {1, 4, 1000, 60000};
    static const char *const commas[] = {",", ", ", " ,", ",\n"};
    /* the last two are longer than a block, which then ends within one */
    static const size_t slices[] = {9999, 16384, 300000, 500000};
    (void)state;
    struct jobs *jobs = jobs_create(2);
    for (size_t r = 0; r < 4; r++) {
        char *text = array_of(rows[r], commas[r]);
        struct tensor tensor = {0};
        struct problem problem = {0};
        struct source source;
        struct tensor_reader reader;
        const struct reader_destination destination = {.tensor = &tensor,
                                                       .element =
                                                           READER_FLOAT32,
                                                       .max_rank = 2,
                                                       .infinity = true};
        source_init(&source);
        tensor_reader_begin(&reader, &destination, &path, &source, jobs);
        size_t bytes = strlen(text), slice = slices[r], shared = 0;
        for (size_t i = 0; i < bytes; i += slice) {
            size_t count = bytes - i < slice ? bytes - i : slice;
            const char *bad, *end = text + i + count;
            source_begin(&source, text + i);
            assert_ptr_equal(
                tensor_reader_feed(&reader, text + i, end, &bad, &problem),
                end);
            source_end(&source, end);
            assert_true(shared == 0 || reader.blocks || i + count == bytes);
            assert_true(!reader.blocks || reader.blocks->doubt.status == 0);
            shared += reader.blocks != NULL;
        }
        assert_int_equal(reader.state.expect, TENSOR_READER_DONE);
        assert_null(reader.blocks);
        assert_non_null(reader.jobs); /* nobody has read alone */
        assert_true(shared > bytes / slice / 2);
        expect_array(&tensor, rows[r]);
        tensor_reader_free(&reader);
        tensor_free(&tensor);
        free(text);
    }
    jobs_free(jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_commas_that_take_turns_are_good),
        cmocka_unit_test(anything_else_is_not),
        cmocka_unit_test(exceptions_follow_those_before),
        cmocka_unit_test(threads_help_to_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
