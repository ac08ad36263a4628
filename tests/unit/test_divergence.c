/* SPDX-License-Identifier: MIT */
/*
 * Divergences from a teacher: what random tests do not say exactly. Equal
 * distributions cost 0, near ones keep their digits, and what does not go with
 * a teacher is named.
 */
#include "../support/expect.h"

#include <math.h>
#include <string.h>

#include "../support/tiers.h"
#include "../support/ulp.h"

enum { CLASSES = 300 };

static struct smx_logits of_floats(const float *z, size_t classes)
{
    return (struct smx_logits){.size = sizeof(struct smx_logits),
                               .data = z,
                               .outer = 1,
                               .classes = classes};
}

static struct smx_criterion from(const void *teacher, int kind)
{
    return (struct smx_criterion){.size = sizeof(struct smx_criterion),
                                  .teacher = teacher,
                                  .divergence = (enum smx_divergence)kind,
                                  .beta = kind == SMX_DIVERGENCE_JSD ? 0.3 : 0};
}

/* A constant added to all logits changes no distribution. */
static void equal_distributions_cost_nothing(void **state)
{
    float z[CLASSES], teacher[CLASSES], gradient[CLASSES], loss;
    struct smx_logits logits = of_floats(z, CLASSES);
    struct smx_loss_out out = {.size = sizeof out, .loss = &loss};

    (void)state;
    for (int c = 0; c < CLASSES; c++) {
        z[c] = (float)(c * 37 % 101) / 8;
        teacher[c] = z[c] + 16;
    }
    z[7] = teacher[7] = -INFINITY;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        for (int kind = 0; tiers[isa] && kind < 3; kind++) {
            struct smx_criterion k = from(teacher, kind);

            loss = 1;
            assert_status(smx_gradient(tiers[isa], &logits, &k, NULL, gradient,
                                       &out, NULL),
                          SMX_OK);
            assert_true(loss == 0);
            for (int c = 0; c < CLASSES; c++)
                assert_true(gradient[c] == 0);
        }
}

/* Two classes, x apart: KL = x^2 / 8 (1 + O(x^2)), JSD beta (1 - beta) times
 * as much. */
static void near_distributions_keep_their_digits(void **state)
{
    (void)state;
    for (int power = 16; power <= 23; power++)
        for (int kind = 0; kind < 3; kind++) {
            float z[2] = {1, 1}, t[2] = {1 + ldexpf(1, -power), 1}, loss;
            struct smx_logits logits = of_floats(z, 2);
            struct smx_criterion k = from(t, kind);
            struct smx_loss_out out = {.size = sizeof out, .loss = &loss};
            double want = ldexp(1, -2 * power - 3);

            want *= kind == SMX_DIVERGENCE_JSD ? 0.3 * 0.7 : 1;
            assert_status(smx_loss(expect_context, &logits, &k, &out, NULL),
                          SMX_OK);
            assert_true(loss == (float)want);
        }
}

/* Of a row with one small class the divergence is one term, and all that it
 * loses is lost of the row. Wanted: in decimals of 80 digits. */
static void one_term_is_within_the_promise(void **state)
{
    static const struct {
        int kind;
        double z[2], t[2], weight, want;
    } cases[] = {
        {SMX_DIVERGENCE_REVERSE_KL,
         {-0x1.e9059f8f6117ap+3, 0x1.e6cc0ee89301bp+3},
         {-0x1.e913c534c37a8p+3, 0x1.e8cb8ef166d16p+3},
         0x1.d0631592a0558p-1,
         0x1.e127232ca575cp-54},
        {SMX_DIVERGENCE_REVERSE_KL,
         {-0x1.e89198340ff32p+3, 0x1.25b82d7595f4ap+4},
         {-0x1.e91de16695c4dp+3, 0x1.262fbc8ec9c23p+4},
         0x1.28ea71b00d065p+0,
         0x1.c2ac90e0d05cfp-59},
        {SMX_DIVERGENCE_FORWARD_KL,
         {-0x1.985074c12b6b7p+2, 0x1.d867b76520a2ep+2},
         {-0x1.9b19448335c5bp+2, 0x1.d8a293a84d643p+2},
         0x1.a0d823a8fb6fep+0,
         0x1.fbf52fb719fa9p-30},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double loss;
        struct smx_logits logits = {.size = sizeof logits,
                                    .dtype = SMX_FLOAT64,
                                    .data = cases[i].z,
                                    .outer = 1,
                                    .classes = 2};
        struct smx_criterion k = from(cases[i].t, cases[i].kind);
        struct smx_loss_out out = {.size = sizeof out, .loss = &loss};

        k.row_weights = &cases[i].weight;
        k.reduction = SMX_REDUCTION_SUM;
        assert_status(smx_loss(expect_context, &logits, &k, &out, NULL),
                      SMX_OK);
        assert_true(
            ulp_error(SMX_FLOAT64, loss, cases[i].want, cases[i].want) <= 4);
    }
}

static void refused(const float *z, struct smx_criterion k,
                    enum smx_field field)
{
    struct smx_logits logits = of_floats(z, 2);
    struct smx_where where = {.size = sizeof where};
    float loss = 7;
    struct smx_loss_out out = {.size = sizeof out, .loss = &loss};

    assert_status(smx_loss(expect_context, &logits, &k, &out, &where),
                  SMX_EARGUMENT);
    assert_int_equal(where.field, field);
    assert_true(loss == 7);
}

static void what_does_not_go_together_is_named(void **state)
{
    const float z[2] = {1, 2}, negative = -1;
    const int64_t label = 0;
    struct smx_criterion k = from(z, SMX_DIVERGENCE_FORWARD_KL);
    const struct smx_criterion by_label = {.size = sizeof k, .labels = &label};

#define REFUSED(base, member, value, field)                                    \
    do {                                                                       \
        struct smx_criterion bad = base;                                       \
        bad.member = value;                                                    \
        refused(z, bad, field);                                                \
    } while (0)
    (void)state;
    REFUSED(k, labels, &label, SMX_FIELD_TEACHER);
    REFUSED(k, targets, z, SMX_FIELD_TEACHER);
    REFUSED(k, weights, z, SMX_FIELD_WEIGHTS);
    REFUSED(k, label_smoothing, 0.1, SMX_FIELD_LABEL_SMOOTHING);
    REFUSED(k, focal, 1, SMX_FIELD_FOCAL);
    REFUSED(k, beta, 0.5, SMX_FIELD_BETA);
    REFUSED(k, divergence, (enum smx_divergence)3, SMX_FIELD_DIVERGENCE);
    REFUSED(k, teacher_temperature, -1, SMX_FIELD_TEACHER_TEMPERATURE);
    REFUSED(k, teacher_temperature, NAN, SMX_FIELD_TEACHER_TEMPERATURE);
    REFUSED(by_label, divergence, SMX_DIVERGENCE_JSD, SMX_FIELD_DIVERGENCE);
    REFUSED(by_label, teacher_temperature, 1, SMX_FIELD_TEACHER_TEMPERATURE);
    REFUSED(by_label, entropy_weight, -1, SMX_FIELD_ENTROPY_WEIGHT);
    REFUSED(by_label, entropy_weight, INFINITY, SMX_FIELD_ENTROPY_WEIGHT);
    REFUSED(by_label, focal, -1, SMX_FIELD_FOCAL);
    REFUSED(by_label, row_weights, &negative, SMX_FIELD_ROW_WEIGHTS);
    k.divergence = SMX_DIVERGENCE_JSD;
    REFUSED(k, beta, 1.5, SMX_FIELD_BETA);
    REFUSED(k, beta, -0.5, SMX_FIELD_BETA);
#undef REFUSED
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_distributions_cost_nothing),
        cmocka_unit_test(near_distributions_keep_their_digits),
        cmocka_unit_test(one_term_is_within_the_promise),
        cmocka_unit_test(what_does_not_go_together_is_named),
    };

    return cmocka_run_group_tests(tests, tiers_start, tiers_stop);
}
