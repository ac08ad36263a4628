/* SPDX-License-Identifier: MIT */
/*
 * Misuse: every argument outside its domain is a status, outputs stay as they
 * were, and the first offending element is named.
 */
#include "../support/expect.h"

#include <math.h>
#include <string.h>

enum { ROWS = 3, CLASSES = 4, N = ROWS * CLASSES };

/** Operands that are fine, outputs filled with a guard pattern. */
struct call {
    float z[N], t[N], w[CLASSES], g[N];
    int64_t y[ROWS];
    struct smx_logits logits;
    struct smx_criterion criterion;
    struct {
        float values[N], jacobian[N * CLASSES], loss[ROWS], lse[ROWS],
            entropy[ROWS];
        int64_t indices[N], argmax[ROWS];
        double divisor, accuracy;
        size_t rows;
    } out, before;
    struct smx_where where;
};

static void call_init(struct call *c)
{
    memset(c, 0, sizeof *c);
    for (int i = 0; i < N; i++) {
        c->z[i] = (float)(i % 5) - 2;
        c->t[i] = 0.25f;
        c->g[i] = (float)i;
    }
    for (int i = 0; i < CLASSES; i++)
        c->w[i] = 1;
    c->logits = logits_float(c->z, ROWS, CLASSES);
    c->criterion = (struct smx_criterion){.size = sizeof c->criterion,
                                          .labels = c->y,
                                          .weights = c->w,
                                          .ignore = true,
                                          .ignore_index = -100,
                                          .reduction = SMX_REDUCTION_NONE};
    memset(&c->out, 0xa5, sizeof c->out);
    c->before = c->out;
    c->where.size = sizeof c->where;
}

static enum smx_status do_softmax(struct call *c)
{
    struct smx_softmax_out out = {.size = sizeof out,
                                  .values = c->out.values,
                                  .logsumexp = c->out.lse,
                                  .entropy = c->out.entropy,
                                  .argmax = c->out.argmax};

    return smx_softmax(expect_context, &c->logits, NULL, &out, &c->where);
}

static enum smx_status do_top_k(struct call *c)
{
    struct smx_softmax_out out = {
        .size = sizeof out, .values = c->out.values, .indices = c->out.indices};

    return smx_softmax(expect_context, &c->logits, OPTIONS(.top_k = 2), &out,
                       &c->where);
}

static struct smx_loss_out loss_out(struct call *c)
{
    return (struct smx_loss_out){.size = sizeof(struct smx_loss_out),
                                 .loss = c->out.loss,
                                 .divisor = &c->out.divisor,
                                 .rows = &c->out.rows,
                                 .logsumexp = c->out.lse,
                                 .argmax = c->out.argmax,
                                 .accuracy = &c->out.accuracy};
}

static enum smx_status do_loss(struct call *c)
{
    struct smx_loss_out out = loss_out(c);

    return smx_loss(expect_context, &c->logits, &c->criterion, &out, &c->where);
}

static enum smx_status do_gradient(struct call *c)
{
    struct smx_loss_out out = loss_out(c);

    return smx_gradient(expect_context, &c->logits, &c->criterion, c->g,
                        c->out.values, &out, &c->where);
}

static enum smx_status do_vjp(struct call *c)
{
    return smx_vjp(expect_context, &c->logits, false, c->g, c->out.values,
                   &c->where);
}

static enum smx_status do_log_vjp(struct call *c)
{
    return smx_vjp(expect_context, &c->logits, true, c->g, c->out.values,
                   &c->where);
}

static enum smx_status do_jacobian(struct call *c)
{
    return smx_jacobian(expect_context, &c->logits, false, c->out.jacobian,
                        &c->where);
}

typedef enum smx_status operation(struct call *c);

static operation *const all[] = {do_softmax,  do_top_k, do_loss,
                                 do_gradient, do_vjp,   do_log_vjp,
                                 do_jacobian};
static operation *const with_criterion[] = {do_loss, do_gradient};

enum { ALL = sizeof all / sizeof *all };

static void refused(struct call *c, operation *run, enum smx_status want)
{
    assert_status(run(c), want);
    assert_memory_equal(&c->out, &c->before, sizeof c->out);
}

static void named(const struct call *c, enum smx_field field, size_t index)
{
    assert_int_equal(c->where.field, field);
    assert_int_equal(c->where.index, index);
}

static void fine_operands_are_taken(void **state)
{
    (void)state;
    for (int i = 0; i < ALL; i++) {
        struct call c;

        call_init(&c);
        assert_status(all[i](&c), SMX_OK);
        assert_memory_not_equal(&c.out, &c.before, sizeof c.out);
    }
}

/** Each of the operations refuses each of the values in that field. */
static void refused_in(size_t field, const double *wrong, size_t count,
                       operation *const *run, size_t runs, enum smx_field name)
{
    for (size_t i = 0; i < runs; i++)
        for (size_t v = 0; v < count; v++) {
            struct call c;

            call_init(&c);
            memcpy((char *)&c + field, &wrong[v], sizeof *wrong);
            refused(&c, run[i], SMX_EARGUMENT);
            named(&c, name, 0);
        }
}

static const double not_positive[] = {-1, -0x1p-1074, INFINITY, -INFINITY, NAN};

static void temperature_must_be_positive_and_finite(void **state)
{
    (void)state;
    refused_in(offsetof(struct call, logits.temperature), not_positive, 5, all,
               ALL, SMX_FIELD_TEMPERATURE);
}

static void softcap_must_be_positive_and_finite(void **state)
{
    (void)state;
    refused_in(offsetof(struct call, logits.softcap), not_positive, 5, all, ALL,
               SMX_FIELD_SOFTCAP);
}

static void a_tensor_needs_classes(void **state)
{
    (void)state;
    for (int i = 0; i < ALL; i++) {
        struct call c;

        call_init(&c);
        c.logits.classes = 0;
        refused(&c, all[i], SMX_EARGUMENT);
        named(&c, SMX_FIELD_CLASSES, 0);
    }
}

static void dtype_must_be_one_of_two(void **state)
{
    (void)state;
    for (int i = 0; i < ALL; i++) {
        struct call c;

        call_init(&c);
        c.logits.dtype = (enum smx_dtype)7;
        refused(&c, all[i], SMX_EARGUMENT);
        named(&c, SMX_FIELD_DTYPE, 0);
    }
}

static void data_must_be_there(void **state)
{
    (void)state;
    for (int i = 0; i < ALL; i++) {
        struct call c;

        call_init(&c);
        c.logits.data = NULL;
        refused(&c, all[i], SMX_EARGUMENT);
        named(&c, SMX_FIELD_LOGITS, 0);
    }
}

static void sizes_must_fit_into_memory(void **state)
{
    const size_t huge = SIZE_MAX / 2 + 1;
    const size_t sizes[][3] = {{huge, 4, 2},
                               {2, huge, 2},
                               {4, 2, huge},
                               {SIZE_MAX, SIZE_MAX, SIZE_MAX},
                               {1, SIZE_MAX / 4 + 1, 1},
                               {SIZE_MAX / 4 + 1, 1, 1}};

    (void)state;
    for (int i = 0; i < ALL; i++)
        for (int v = 0; v < 6; v++) {
            struct call c;

            call_init(&c);
            c.logits.outer = sizes[v][0];
            c.logits.classes = sizes[v][1];
            c.logits.inner = sizes[v][2];
            refused(&c, all[i], SMX_EOVERFLOW);
        }
}

/* The logits fit, their Jacobian does not. */
static void a_jacobian_must_fit_into_memory(void **state)
{
    struct call c;

    (void)state;
    call_init(&c);
    c.logits.outer = 1;
    c.logits.classes = (size_t)1 << 32;
    refused(&c, do_jacobian, SMX_EOVERFLOW);
}

static void top_k_must_be_at_most_the_classes(void **state)
{
    struct call c;
    struct smx_softmax_out out;

    (void)state;
    call_init(&c);
    out = (struct smx_softmax_out){.size = sizeof(struct smx_softmax_out),
                                   .values = c.out.values,
                                   .indices = c.out.indices};
    assert_status(smx_softmax(expect_context, &c.logits,
                              OPTIONS(.top_k = CLASSES + 1), &out, &c.where),
                  SMX_EARGUMENT);
    named(&c, SMX_FIELD_TOP_K, 0);
    assert_memory_equal(&c.out, &c.before, sizeof c.out);
}

static void exactly_one_of_labels_and_targets(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct call c;

        call_init(&c);
        c.criterion.targets = c.t;
        refused(&c, with_criterion[i], SMX_EARGUMENT);
        named(&c, SMX_FIELD_TARGETS, 0);
        c.criterion.targets = NULL;
        c.criterion.labels = NULL;
        refused(&c, with_criterion[i], SMX_EARGUMENT);
        named(&c, SMX_FIELD_LABELS, 0);
    }
}

static void label_smoothing_must_be_in_0_1(void **state)
{
    const double wrong[] = {-0x1p-1074, 1 + 0x1p-52, NAN, INFINITY};

    (void)state;
    refused_in(offsetof(struct call, criterion.label_smoothing), wrong, 4,
               with_criterion, 2, SMX_FIELD_LABEL_SMOOTHING);
}

static void z_loss_must_be_finite_and_not_negative(void **state)
{
    const double wrong[] = {-0x1p-1074, NAN, INFINITY};

    (void)state;
    refused_in(offsetof(struct call, criterion.z_loss), wrong, 3,
               with_criterion, 2, SMX_FIELD_Z_LOSS);
}

static void reduction_must_be_one_of_three(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct call c;

        call_init(&c);
        c.criterion.reduction = (enum smx_reduction)3;
        refused(&c, with_criterion[i], SMX_EARGUMENT);
        named(&c, SMX_FIELD_REDUCTION, 0);
    }
}

static void first_offending_logit_is_named(void **state)
{
    const float wrong[] = {NAN, INFINITY};

    (void)state;
    for (int i = 0; i < ALL; i++)
        for (int v = 0; v < 2; v++) {
            struct call c;

            call_init(&c);
            c.z[9] = NAN;
            c.z[6] = wrong[v];
            c.z[2] = -INFINITY;
            refused(&c, all[i], SMX_ENONFINITE);
            named(&c, SMX_FIELD_LOGITS, 6);
        }
}

/* With the class axis in the middle the flat index is still the first. */
static void first_is_by_flat_index_not_by_row(void **state)
{
    struct call c;

    (void)state;
    call_init(&c);
    c.logits.outer = 1;
    c.logits.classes = CLASSES;
    c.logits.inner = ROWS;
    c.z[3] = NAN; /* row 0, class 1 */
    c.z[2] = NAN; /* row 2, class 0 */
    refused(&c, do_softmax, SMX_ENONFINITE);
    named(&c, SMX_FIELD_LOGITS, 2);
}

static void first_offending_target_is_named(void **state)
{
    const float wrong[] = {NAN, INFINITY, -INFINITY};

    (void)state;
    for (int i = 0; i < 2; i++)
        for (int v = 0; v < 3; v++) {
            struct call c;

            call_init(&c);
            c.criterion.labels = NULL;
            c.criterion.targets = c.t;
            c.t[10] = NAN;
            c.t[7] = wrong[v];
            refused(&c, with_criterion[i], SMX_ENONFINITE);
            named(&c, SMX_FIELD_TARGETS, 7);
        }
}

static void first_offending_weight_is_named(void **state)
{
    const float wrong[] = {NAN, INFINITY, -INFINITY};

    (void)state;
    for (int i = 0; i < 2; i++)
        for (int v = 0; v < 3; v++) {
            struct call c;

            call_init(&c);
            c.w[1] = wrong[v];
            c.w[3] = NAN;
            refused(&c, with_criterion[i], SMX_ENONFINITE);
            named(&c, SMX_FIELD_WEIGHTS, 1);
        }
}

static void first_offending_upstream_is_named(void **state)
{
    operation *const with_upstream[] = {do_gradient, do_vjp, do_log_vjp};
    const float wrong[] = {NAN, INFINITY, -INFINITY};

    (void)state;
    for (int i = 0; i < 3; i++)
        for (int v = 0; v < 3; v++) {
            struct call c;

            call_init(&c);
            c.g[1] = wrong[v];
            c.g[2] = NAN;
            refused(&c, with_upstream[i], SMX_ENONFINITE);
            named(&c, SMX_FIELD_UPSTREAM, 1);
        }
}

static void first_offending_label_is_named(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct call c;

        call_init(&c);
        c.y[0] = -100;
        c.y[1] = CLASSES;
        c.y[2] = -1;
        refused(&c, with_criterion[i], SMX_ELABEL);
        named(&c, SMX_FIELD_LABELS, 1);
    }
}

/* An ignored row is computed nowhere, but its NaN is still refused. */
static void an_ignored_row_is_checked_too(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct call c;

        call_init(&c);
        c.y[1] = -100;
        c.z[5] = NAN;
        refused(&c, with_criterion[i], SMX_ENONFINITE);
        named(&c, SMX_FIELD_LOGITS, 5);
    }
}

/* In place: the logits must survive a refusal, wherever it comes from. */
static void in_place_logits_survive_a_refusal(void **state)
{
    struct call c;
    float z[N];

    (void)state;
    call_init(&c);
    c.z[N - 1] = NAN;
    memcpy(z, c.z, sizeof z);
    struct smx_softmax_out out = {.size = sizeof out, .values = c.z};
    assert_status(smx_softmax(expect_context, &c.logits, NULL, &out, NULL),
                  SMX_ENONFINITE);
    assert_memory_equal(c.z, z, sizeof z);
    assert_status(smx_gradient(expect_context, &c.logits, &c.criterion, NULL,
                               c.z, NULL, NULL),
                  SMX_ENONFINITE);
    assert_memory_equal(c.z, z, sizeof z);
    assert_status(smx_vjp(expect_context, &c.logits, false, c.g, c.z, NULL),
                  SMX_ENONFINITE);
    assert_memory_equal(c.z, z, sizeof z);
}

static void nothing_wanted_is_nothing_written(void **state)
{
    struct call c;
    struct smx_softmax_out out = {.size = sizeof out};
    struct smx_loss_out loss = {.size = sizeof loss};
    (void)state;
    call_init(&c);
    assert_status(smx_softmax(expect_context, &c.logits, NULL, &out, NULL),
                  SMX_OK);
    assert_status(
        smx_loss(expect_context, &c.logits, &c.criterion, &loss, NULL), SMX_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fine_operands_are_taken),
        cmocka_unit_test(temperature_must_be_positive_and_finite),
        cmocka_unit_test(softcap_must_be_positive_and_finite),
        cmocka_unit_test(a_tensor_needs_classes),
        cmocka_unit_test(dtype_must_be_one_of_two),
        cmocka_unit_test(data_must_be_there),
        cmocka_unit_test(sizes_must_fit_into_memory),
        cmocka_unit_test(a_jacobian_must_fit_into_memory),
        cmocka_unit_test(top_k_must_be_at_most_the_classes),
        cmocka_unit_test(exactly_one_of_labels_and_targets),
        cmocka_unit_test(label_smoothing_must_be_in_0_1),
        cmocka_unit_test(z_loss_must_be_finite_and_not_negative),
        cmocka_unit_test(reduction_must_be_one_of_three),
        cmocka_unit_test(first_offending_logit_is_named),
        cmocka_unit_test(first_is_by_flat_index_not_by_row),
        cmocka_unit_test(first_offending_target_is_named),
        cmocka_unit_test(first_offending_weight_is_named),
        cmocka_unit_test(first_offending_upstream_is_named),
        cmocka_unit_test(first_offending_label_is_named),
        cmocka_unit_test(an_ignored_row_is_checked_too),
        cmocka_unit_test(in_place_logits_survive_a_refusal),
        cmocka_unit_test(nothing_wanted_is_nothing_written),
    };

    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
