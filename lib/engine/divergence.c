/* SPDX-License-Identifier: MIT */
/* The rows of a divergence over the pool, in tiles where they have to be copied
 * first, and their reduction. A row is one thread's. */
#include "engine.h"

#include <math.h>
#include <stdlib.h>

#include "api/arguments.h"
#include "api/beside.h"
#include "api/extended.h"
#include "dd_shift.h"
#include "divergence_rows.h"
#include "load.h"
#include "reduction.h"
#include "tuning.h"

struct divergence_call {
    const struct smx_logits *logits;
    const struct smx_criterion *criterion;
    const void *upstream;
    void *gradient; /* NULL: none */
    struct smx_divergence_rule rule;
    struct smx_factors factors;
    bool even;                       /* have rows the same factors? */
    struct smx_divergence_row alike; /* these, where a gradient is wanted */
    struct smx_dd *tops[2];          /* smx_rows_scan_tops; NULL: none */
    double *losses, *faint;          /* one a row */
    size_t hits;                     /* of an accuracy */
    struct smx_tiles tiles;          /* of logits, teacher and gradient */
};

/* ---- rows --------------------------------------------------------------- */

static double row_weight(const struct divergence_call *call, size_t r)
{
    return smx_criterion_row_weight(call->criterion, call->logits->dtype, r);
}

/* A division takes as long as a hundred classes. */
static bool are_rows_even(const struct divergence_call *call)
{
    bool none = call->criterion->reduction == SMX_REDUCTION_NONE;
    return !call->criterion->row_weights && !(call->upstream && none);
}

static void set_grad_factor(const struct divergence_call *call, size_t r,
                            struct smx_divergence_row *row)
{
    const struct smx_criterion *k = call->criterion;
    const struct smx_factors *factors = &call->factors;
    enum smx_dtype dtype = call->logits->dtype;
    double t = call->rule.side[0].temperature;
    double g = smx_upstream_of(k, factors, dtype, r);
    row->extended = smx_is_gradient_extended(k, factors, dtype, r);
    if (row->extended) {
        struct smx_ext all = ext_mul(ext_from(row->weight), ext_from(g));
        all = ext_div(ext_mul(all, factors->factor), ext_from(t));
        row->grad = all;
        row->factor = ext_dd(all);
    } else {
        struct smx_dd weight = {row->weight, 0}, upstream = {g, 0};
        row->factor = dd_mul(dd_mul(factors->f, weight), upstream);
        row->factor = smx_divide(row->factor, t);
    }
}

/* Row i of the tile. */
static void run_row(void *argument, size_t i)
{
    struct divergence_call *call = argument;
    const struct smx_tiles *tiles = &call->tiles;
    size_t r = tiles->first + i;
    size_t at =
        i * call->logits->classes * smx_dtype_bytes(call->logits->dtype);
    struct smx_divergence_row row = call->alike;
    row.weight = row_weight(call, r);
    row.x[0] = (const char *)tiles->z.data + at;
    row.x[1] = (const char *)tiles->other + at;
    for (int s = 0; s < 2; s++)
        row.top[s] = call->tops[s] ? &call->tops[s][r] : NULL;
    if (call->gradient) {
        row.gradient = (char *)tiles->out + at;
        if (!call->even)
            set_grad_factor(call, r, &row);
    }
    row.faint = &call->faint[r];
    call->losses[r] = smx_divergence_row(&call->rule, &row);
}

static enum smx_status allocate_losses(const struct smx_context *context,
                                       struct divergence_call *call)
{
    struct smx_tiles *tiles = &call->tiles;
    size_t row = smx_tiles_bytes(tiles);
    tiles->most = smx_rows_tile(context, call->logits, row);
    call->losses = calloc(tiles->all + 1, 2 * sizeof *call->losses);
    call->faint = call->losses + tiles->all;
    if (row)
        tiles->copy = reallocarray(NULL, tiles->most + 1, row);
    return call->losses && (tiles->copy || !row) ? SMX_OK : SMX_ENOMEM;
}

static void run(struct smx_context *context, struct divergence_call *call)
{
    struct smx_tiles *tiles = &call->tiles;
    size_t most = SMX_SMALL / 4 / call->logits->classes + 1;
    for (size_t r = 0; smx_tiles_place(tiles, r); r += tiles->most) {
        smx_tiles_load(tiles, NULL);
        smx_pool_each(context->pool, tiles->rows, most, run_row, call);
        smx_tiles_leave(tiles, SMX_MASKED_KEPT);
    }
}

/* ---- what is answered --------------------------------------------------- */

/* Of each row the first class of its largest logit. */
static enum smx_status find_classes(struct smx_context *context,
                                    const struct smx_logits *z,
                                    int64_t *classes)
{
    const struct smx_softmax_out wanted = {.size = sizeof wanted,
                                           .argmax = classes};
    return smx_softmax(context, z, NULL, &wanted, NULL);
}

/* Rows whose class is the teacher's, too. */
static enum smx_status count_agreements(struct smx_context *context,
                                        struct divergence_call *call)
{
    size_t rows = call->tiles.all;
    int64_t *found = reallocarray(NULL, 2 * rows + 1, sizeof *found);
    if (!found)
        return SMX_ENOMEM;
    enum smx_status status = find_classes(context, &call->rule.side[0], found);
    if (!status)
        status = find_classes(context, &call->rule.side[1], found + rows);
    for (size_t r = 0; r < rows && !status; r++)
        call->hits += found[r] == found[rows + r];
    free(found);
    return status;
}

/* ---- all of it ---------------------------------------------------------- */

/* Exponents beyond which the products of doubles could leave their range. */
static bool fits_doubles(double x)
{
    return x >= 0x1p-100 && x <= 0x1p100;
}

static bool streams_gradient(const struct divergence_call *call)
{
    const struct smx_logits *z = call->logits;
    return call->gradient && call->gradient != z->data && !smx_load_needed(z) &&
           smx_rows_count(z) * z->classes >= SMX_STREAMED;
}

static struct smx_divergence_rule rule_of(const struct smx_context *context,
                                          const struct divergence_call *call)
{
    const struct smx_criterion *k = call->criterion;
    struct smx_divergence_rule rule = {.kernels = context->kernels,
                                       .row_kernels = context->kernels->dd,
                                       .divergence =
                                           context->kernels->divergence,
                                       .kind = k->divergence,
                                       .side = {*call->logits, *call->logits},
                                       .extended = call->factors.extended,
                                       .share = call->factors.factor,
                                       .beta = k->beta,
                                       .z_loss = k->z_loss,
                                       .entropy_weight = k->entropy_weight,
                                       .entropy = k->entropy_weight != 0,
                                       .stream = streams_gradient(call)};
    if (rule.kind == SMX_DIVERGENCE_JSD && (k->beta == 0 || k->beta == 1))
        rule.kind = k->beta == 0 ? SMX_DIVERGENCE_FORWARD_KL
                                 : SMX_DIVERGENCE_REVERSE_KL;
    smx_divergence_series(k->beta, rule.series);
    rule.side[0].temperature = smx_temperature_of(call->logits);
    rule.side[1].data = k->teacher;
    rule.side[1].softcap = 0;
    rule.side[1].temperature = k->teacher_temperature != 0
                                   ? k->teacher_temperature
                                   : rule.side[0].temperature;
    for (int s = 0; s < 2; s++)
        rule.split[s] = smx_split_exp_of(rule.side[s].temperature);
    rule.doubles = call->logits->dtype == SMX_FLOAT32 &&
                   call->logits->softcap == 0 &&
                   (rule.kind != SMX_DIVERGENCE_JSD ||
                    (k->beta >= 0x1p-20 && k->beta <= 1 - 0x1p-20)) &&
                   fits_doubles(rule.side[0].temperature) &&
                   fits_doubles(rule.side[1].temperature) &&
                   k->z_loss < 0x1p100 && k->entropy_weight < 0x1p100;
    return rule;
}

static enum smx_status check_divergence(struct smx_context *context,
                                        struct divergence_call *call,
                                        struct smx_where *where)
{
    const struct smx_logits *z = call->logits;
    enum smx_status status = smx_rows_scan_tops(
        context, z, z->data, SMX_FIELD_LOGITS, &call->tops[0], where);
    if (!status)
        status = smx_criterion_check(context, z, call->criterion,
                                     call->upstream, false, where);
    if (!status)
        status = smx_rows_scan_tops(context, z, call->criterion->teacher,
                                    SMX_FIELD_TEACHER, &call->tops[1], where);
    return status;
}

enum smx_status
smx_divergence(struct smx_context *context, const struct smx_logits *logits,
               const struct smx_criterion *criterion, const void *upstream,
               void *gradient, const struct smx_loss_out *out,
               struct smx_beside *beside, struct smx_where *where)
{
    struct divergence_call call = {
        .logits = logits,
        .criterion = criterion,
        .upstream = upstream,
        .gradient = gradient,
        .tiles = smx_tiles_of(context, logits, criterion->teacher,
                              SMX_MASKED_INFINITE, gradient)};
    struct smx_counts counts;
    enum smx_status status = check_divergence(context, &call, where);
    if (status)
        goto out;
    call.factors =
        smx_factors_of(context->kernels, logits, criterion, upstream, &counts);
    call.rule = rule_of(context, &call);
    call.even = are_rows_even(&call);
    call.alike.weight = 1;
    if (gradient && call.even && smx_rows_count(logits))
        set_grad_factor(&call, 0, &call.alike);
    status = allocate_losses(context, &call);
    if (!status && out && out->accuracy)
        status = count_agreements(context, &call);
    if (!status) {
        smx_beside_answer(beside);
        run(context, &call);
    }
    const struct smx_row_losses all = {.losses = call.losses,
                                       .faint = call.faint,
                                       .divided = call.factors.extended,
                                       .hits = call.hits};
    if (!status && out)
        smx_losses_store(context->kernels, logits, criterion, &counts, &all,
                         out);
out:
    free(call.tops[0]);
    free(call.tops[1]);
    free(call.losses);
    free(call.tiles.copy);
    return status;
}
