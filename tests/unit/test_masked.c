/* SPDX-License-Identifier: MIT */
/* Classes left out of a softmax, by -INFINITY or by the mask, up to all. */
#include "../support/expect.h"

#include <math.h>

#define INF INFINITY

/** Within the promise for float32. */
static void near(float got, double want)
{
    assert_ulp(SMX_FLOAT32, got, want, 0, 2);
}

static void minus_infinity_is_a_masked_class(void **state)
{
    const float z[] = {1, -INF, 1};
    float p[3], l[3];
    struct smx_logits logits = logits_float(z, 1, 3);
    struct smx_softmax_out out = {.values = p};

    (void)state;
    assert_status(smx_softmax(expect_context, &logits, &out, NULL), SMX_OK);
    assert_true(p[0] == 0.5f && p[1] == 0 && p[2] == 0.5f);
    out = (struct smx_softmax_out){.values = l, .log = true};
    assert_status(smx_softmax(expect_context, &logits, &out, NULL), SMX_OK);
    near(l[0], -M_LN2);
    assert_true(l[1] == -INF && l[2] == l[0]);
}

static void mask_is_minus_infinity_in_another_notation(void **state)
{
    const float z[] = {1, 7, 1, 3, 2, 5}, holes[] = {1, -INF, 1, 3, -INF, 5};
    const uint8_t per_class[] = {1, 0, 1}, full[] = {1, 0, 1, 1, 0, 1};
    float want[6], got[6];
    struct smx_logits logits = logits_float(holes, 2, 3);
    struct smx_softmax_out out = {.values = want};

    (void)state;
    assert_status(smx_softmax(expect_context, &logits, &out, NULL), SMX_OK);
    for (int each = 0; each < 2; each++) {
        logits = logits_float(z, 2, 3);
        logits.mask = each ? full : per_class;
        logits.mask_per_class = !each;
        out.values = got;
        assert_status(smx_softmax(expect_context, &logits, &out, NULL), SMX_OK);
        assert_memory_equal(want, got, sizeof got);
    }
}

static void row_all_masked_has_no_probability(void **state)
{
    const float z[] = {-INF, -INF, 1, 2};
    const uint8_t mask[] = {1, 1, 0, 0};
    float p[4], l[4], lse[2], entropy[2];
    int64_t argmax[2];
    struct smx_logits logits = logits_float(z, 2, 2);
    struct smx_softmax_out out = {p, false, 0, NULL, lse, entropy, argmax};

    (void)state;
    logits.mask = mask;
    assert_status(smx_softmax(expect_context, &logits, &out, NULL), SMX_OK);
    for (int i = 0; i < 4; i++)
        assert_true(p[i] == 0);
    for (int r = 0; r < 2; r++) {
        assert_true(lse[r] == -INF && entropy[r] == 0);
        assert_int_equal(argmax[r], 0);
    }
    out = (struct smx_softmax_out){.values = l, .log = true};
    assert_status(smx_softmax(expect_context, &logits, &out, NULL), SMX_OK);
    for (int i = 0; i < 4; i++)
        assert_true(l[i] == -INF);
}

static void top_of_a_row_all_masked_is_its_first_classes(void **state)
{
    const float z[] = {-INF, -INF, -INF};
    float p[2];
    int64_t indices[2];
    struct smx_logits logits = logits_float(z, 1, 3);
    struct smx_softmax_out out = {.values = p, .top_k = 2, .indices = indices};

    (void)state;
    assert_status(smx_softmax(expect_context, &logits, &out, NULL), SMX_OK);
    assert_true(p[0] == 0 && p[1] == 0);
    assert_int_equal(indices[0], 0);
    assert_int_equal(indices[1], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minus_infinity_is_a_masked_class),
        cmocka_unit_test(mask_is_minus_infinity_in_another_notation),
        cmocka_unit_test(row_all_masked_has_no_probability),
        cmocka_unit_test(top_of_a_row_all_masked_is_its_first_classes),
    };

    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
