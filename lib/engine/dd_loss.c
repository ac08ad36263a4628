/* SPDX-License-Identifier: MIT */
/* Row losses, then their reduction in the order of rows; and
 * dL/dz_c = (sum_k v_k) p_c - v_c [+ 2 L lse p_c], v as in criterion.h. */
#include "engine.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "api/beside.h"
#include "api/extended.h"
#include "lanes.h"
#include "load.h"
#include "plan.h"
#include "reduction.h"

struct dd_loss {
    const struct smx_logits *logits;
    const struct smx_criterion *criterion;
    const struct smx_loss_out *out; /* NULL: none */
    void *gradient;                 /* NULL: none */
    void *entropy;                  /* likewise, one a row */
    smx_lanes_kernel *lanes;        /* of narrow rows, or NULL */
    struct smx_factors factors;
    struct smx_masses masses;
    bool unseen;           /* nobody has looked at the targets, */
    atomic_bool nonfinite; /* and one was refused */
    bool sums; /* a row's loss is a sum, whose terms can leave the doubles */
    double *losses, *squares; /* one a row: -sum v log p, and the rest, or
                                 NaN and both, of a faint one */
    atomic_size_t hits;
};

/* ---- a row's loss -------------------------------------------------------- */

static struct smx_dd peak_of_targets(const void *argument, struct smx_row *row)
{
    (void)argument;
    const double *targets = smx_row_view(row, row->out);
    return smx_row_tile_max(row->kernels, targets, row->first, row->count);
}

static size_t first_target(struct smx_row *row)
{
    struct smx_dd top = smx_row_sweep(row, SMX_ROW_PLACE, peak_of_targets, NULL,
                                      smx_row_larger);
    return (size_t)top.lo;
}

static bool hits(const struct smx_criterion *criterion, struct smx_row *row)
{
    size_t class = criterion->labels ? (size_t)criterion->labels[row->r]
                                     : first_target(row);
    return class == row->argmax;
}

/* What does not depend on the label. */
static double regularizers(const struct smx_criterion *criterion,
                           struct smx_row *row, double lse)
{
    double sum = criterion->z_loss * lse * lse;
    if (criterion->entropy_weight != 0)
        sum -= criterion->entropy_weight * smx_row_entropy(row);
    return sum;
}

/* Is it so small that it would lose digits, itself or by its factors? */
static bool is_faint(double weight, double loss)
{
    return loss != 0 && fmin(fabs(loss), fabs(weight * loss)) < SMX_FAINT;
}

static void put_extended_loss(struct dd_loss *call, struct smx_row *row,
                              size_t r)
{
    const struct smx_factors *factors = &call->factors;
    struct smx_ext rest, loss = smx_extended_loss(call->criterion, row, &rest);
    struct smx_ext share = ext_mul(loss, factors->factor);
    struct smx_ext other = ext_mul(rest, factors->z_factor);
    double faint = smx_faint_of(ext_add(share, other));
    loss = factors->extended ? share : loss;
    rest = factors->extended ? other : rest;
    call->losses[r] = faint != 0 ? NAN : ext_get(loss);
    call->squares[r] = faint != 0 ? faint : ext_get(rest);
}

/* Returns a sum in which all targets have a part, or NaN. */
static double add_loss(struct dd_loss *call, struct smx_row *row, size_t r)
{
    const struct smx_criterion *criterion = call->criterion;
    double weight = smx_criterion_row_weight(criterion, call->logits->dtype, r);
    bool square = criterion->z_loss != 0 && !row->empty;
    call->losses[r] = call->squares[r] = 0;
    if (smx_criterion_ignores(criterion, r))
        return NAN;
    if (call->out->accuracy)
        call->hits += hits(criterion, row);
    if (weight == 0) /* 0 times an infinity is 0 */
        return NAN;
    double lse = square ? smx_row_lse(row) : 0;
    double loss = smx_criterion_loss(&call->masses, row);
    double rest = regularizers(criterion, row, lse);
    if (call->factors.extended || (square && !smx_is_moderate(lse)) ||
        (call->sums && !smx_is_moderate(loss)) ||
        smx_is_faint(row->logsum.hi) ||
        (loss == 0 && criterion->targets && smx_is_input_faint(row)) ||
        is_faint(weight, loss) || is_faint(weight, rest)) {
        put_extended_loss(call, row, r);
        return loss;
    }
    call->losses[r] = weight * loss;
    call->squares[r] = weight * rest;
    return loss;
}

/* ---- a row's gradient ---------------------------------------------------- */

static struct smx_dd add_tile_mass(const void *argument, struct smx_row *row)
{
    const double *mass = smx_criterion_mass(argument, row);
    return row->kernels->sum(mass, row->count);
}

/* sum_k v_k */
static struct smx_dd sum_of_masses(const struct smx_masses *masses,
                                   struct smx_row *row)
{
    double mass, other, others = (double)row->logits->classes - 1;
    if (smx_masses_alike(masses, row, &mass, &other))
        return dd_add(dd_product(other, others), (struct smx_dd){mass, 0});
    return smx_row_sweep(row, SMX_ROW_PLACE, add_tile_mass, masses, dd_add);
}

/* d_c = (a + bend d_c) p_c - b v_c, before the slope; the entropy's part is
 * eta p_c (log p_c + H) = eta p_c (d_c - sum_k p_k d_k). */
static struct smx_row_grad row_grad_of(const struct dd_loss *call,
                                       struct smx_row *row, struct smx_dd mass,
                                       double lse)
{
    const struct smx_criterion *criterion = call->criterion;
    const struct smx_factors *factors = &call->factors;
    enum smx_dtype dtype = call->logits->dtype;
    struct smx_dd b = dd_mul(factors->f, row->focus.gradient);
    struct smx_dd a = dd_mul(mass, b);
    struct smx_dd z_factor = factors->z_f;
    struct smx_dd bend = {0, 0}, g;
    if (lse != 0)
        a = dd_add(a, dd_mul(dd_product(2 * criterion->z_loss, lse), z_factor));
    if (!row->empty && criterion->entropy_weight != 0) {
        bend.hi = criterion->entropy_weight;
        bend = dd_mul(bend, z_factor);
        a = dd_plus(a, dd_negate(dd_mul(bend, smx_row_mean(row))), 0);
    }
    g = dd_product(smx_upstream_of(criterion, factors, dtype, row->r),
                   smx_criterion_row_weight(criterion, dtype, row->r));
    return smx_row_grad_of(row, dd_mul(a, g), dd_mul(bend, g), dd_mul(b, g));
}

struct grad {
    const struct dd_loss *call;
    struct smx_row_grad how;
    bool alike; /* is all of the mass in how? */
};

static struct smx_dd store_tile_gradient(const void *argument,
                                         struct smx_row *row)
{
    const struct grad *d = argument;
    const struct smx_criterion *criterion = d->call->criterion;
    struct smx_row_grad how = d->how;
    const double *e = smx_row_exponentials(row), *mass = NULL;
    bool bent = criterion->entropy_weight != 0, sloped = row->tile.slope;
    double *out = sloped ? smx_row_out(row) : smx_row_final_out(row);
    how.stream = row->stream && !sloped;
    how.hi = bent ? row->tile.hi : NULL;
    how.lo = bent ? row->tile.lo : NULL;
    if (d->alike)
        how.label = (size_t)criterion->labels[row->r] - row->first;
    else
        mass = smx_criterion_mass(&d->call->masses, row);
    row->kernels->grad_store(e, mass, row->tile.slope, row->count, &how, out);
    smx_row_put(row, out);
    return (struct smx_dd){0, 0};
}

static struct smx_dd put_zeros(const void *argument, struct smx_row *row)
{
    double *out = smx_row_out(row);
    (void)argument;
    memset(out, 0, row->count * sizeof *out);
    smx_row_put(row, out);
    return (struct smx_dd){0, 0};
}

/* Those of some size hide what little an element loses of others, unless that
 * is multiplied up. */
static bool are_targets_faint(const struct smx_criterion *criterion,
                              struct smx_row *row, double mass)
{
    bool up = criterion->weights || smx_temperature_of(row->logits) < 1;
    return criterion->targets && (up || mass == 0) && smx_is_input_faint(row);
}

static void store_gradient_row(const struct dd_loss *call, struct smx_row *row,
                               struct smx_dd mass)
{
    const struct smx_criterion *criterion = call->criterion;
    const struct smx_factors *factors = &call->factors;
    bool square = criterion->z_loss != 0 && !row->empty;
    double lse = square ? smx_row_lse(row) : 0;
    if (smx_is_gradient_extended(criterion, factors, call->logits->dtype,
                                 row->r) ||
        !smx_is_moderate(mass.hi * row->focus.gradient.hi) ||
        !smx_is_moderate(lse) || are_targets_faint(criterion, row, mass.hi) ||
        (criterion->entropy_weight != 0 && smx_is_faint(row->logsum.hi))) {
        smx_extended_gradient(criterion, factors, row);
    } else {
        struct grad d = {call, row_grad_of(call, row, mass, lse), false};
        d.alike =
            smx_masses_alike(&call->masses, row, &d.how.mass, &d.how.other);
        if (d.alike && smx_rows_masked(call->logits, row->r,
                                       (size_t)criterion->labels[row->r]))
            d.how.mass = 0;
        smx_row_sweep(row, SMX_ROW_Z, store_tile_gradient, &d, NULL);
    }
}

/* ---- all rows ------------------------------------------------------------ */

static void focus_loaded(void *argument, struct smx_row *row, size_t count)
{
    const struct dd_loss *call = argument;
    smx_criterion_focus(call->criterion, row, count);
}

/* Of a narrow row, what lanes make of it, as in a softmax: they decline a loss
 * for more reasons. */
static void put_summaries(const struct dd_loss *call, struct smx_row *row,
                          size_t r)
{
    void *logsumexp = call->out ? call->out->logsumexp : NULL;
    if (!logsumexp && !call->entropy)
        return;
    struct smx_lanes lanes = smx_lanes_of(call->logits);
    lanes.logsumexp = logsumexp;
    lanes.entropy = call->entropy;
    if (call->lanes && !call->lanes(&lanes, r, 1, NULL))
        return;
    if (logsumexp)
        smx_set(logsumexp, call->logits->dtype, r, smx_row_lse(row));
    if (call->entropy)
        smx_set(call->entropy, call->logits->dtype, r, smx_row_entropy(row));
}

static void run_loss_row(void *argument, struct smx_row *row, size_t r)
{
    struct dd_loss *call = argument;
    const struct smx_loss_out *out = call->out;
    bool ignored = smx_criterion_ignores(call->criterion, r);
    struct smx_dd mass = {0, 0};
    double seen = NAN;
    if (call->gradient && !ignored)
        mass = sum_of_masses(&call->masses, row);
    if (out)
        seen = add_loss(call, row, r);
    if (call->unseen &&
        !smx_row_is_input_finite(row, row->one_hot ? NAN : mass.hi + seen)) {
        call->nonfinite = true;
        return;
    }
    put_summaries(call, row, r);
    if (out && out->argmax)
        out->argmax[r] = (int64_t)row->argmax;
    if (call->gradient && ignored)
        smx_row_sweep(row, SMX_ROW_PLACE, put_zeros, NULL, NULL);
    else if (call->gradient)
        store_gradient_row(call, row, mass);
}

/* ---- all of it ----------------------------------------------------------- */

static enum smx_status run_in_lanes(struct smx_context *context,
                                    struct dd_loss *call,
                                    const struct smx_rows_work *work,
                                    const struct smx_counts *n)
{
    size_t hits;
    struct smx_lanes lanes = smx_lanes_of(call->logits);
    smx_lanes_set_criterion(&lanes, call->criterion, n);
    lanes.losses = call->losses;
    lanes.entropy = call->entropy;
    if (call->criterion->z_loss != 0 || call->criterion->entropy_weight != 0)
        lanes.squares = call->squares; /* zeros, elsewhere */
    if (call->out) {
        lanes.hits = call->out->accuracy != NULL;
        lanes.logsumexp = call->out->logsumexp;
        lanes.argmax = call->out->argmax;
    }
    lanes.gradient = call->gradient;
    lanes.upstream = call->factors.upstream;
    lanes.unseen = work->unseen;
    enum smx_status status = smx_lanes_run(context, &lanes, work, &hits);
    call->hits = hits; /* of all rows, in place of those that declined */
    return status;
}

/* The sum that is worth taking of each tile while it is loaded. */
static smx_row_take *tile_sum_of(const struct dd_loss *call)
{
    if (call->entropy || call->criterion->entropy_weight != 0)
        return smx_row_terms;
    if (call->out && smx_criterion_is_smoothed(call->criterion))
        return smx_row_distances;
    return NULL;
}

/* alone: nothing is left to be done with what rows leave there. */
static bool passes_caches_by(const struct smx_logits *z, const void *gradient,
                             bool alone)
{
    return gradient != z->data && !smx_rows_moved(z) && (alone || !z->mask) &&
           smx_rows_streamed(z, smx_rows_count(z) * z->classes);
}

static smx_lanes_kernel *lanes_of_rows(const struct smx_context *context,
                                       const struct smx_logits *logits)
{
    bool lanes = logits->dtype == SMX_FLOAT64 && smx_plan_lanes(logits, NULL);
    return lanes ? context->kernels->lanes : NULL;
}

enum smx_status smx_dd_loss(struct smx_context *context,
                            const struct smx_logits *logits, bool unseen,
                            const struct smx_dd *maxima,
                            const struct smx_criterion *criterion,
                            const void *upstream, void *gradient,
                            const struct smx_loss_out *out,
                            struct smx_beside *beside)
{
    size_t rows = smx_rows_count(logits);
    bool single = smx_criterion_is_single(criterion);
    struct dd_loss call = {
        .logits = logits,
        .criterion = criterion,
        .out = out,
        .gradient = gradient,
        .lanes = lanes_of_rows(context, logits),
        .masses = smx_masses_of(context->kernels->dd, logits, criterion),
        .unseen = unseen && criterion->targets,
        .sums = !single};
    struct smx_counts n;
    call.factors =
        smx_factors_of(context->kernels, logits, criterion, upstream, &n);
    if (out) {
        call.losses = calloc(rows + 1, 2 * sizeof *call.losses);
        if (!call.losses)
            return SMX_ENOMEM;
        call.squares = call.losses + rows;
    }
    bool narrow =
        !call.factors.extended &&
        smx_plan_loss(logits, criterion, gradient) == SMX_WAY_DD_LANES;
    /* that of narrow rows has the bits that lanes give it */
    if (logits->classes > SMX_NARROW ||
        (narrow && logits->dtype == SMX_FLOAT64))
        call.entropy = smx_beside_take_entropy(beside);
    smx_beside_answer(beside);
    bool entropy = criterion->entropy_weight != 0;
    bool nats = out || criterion->focal != 0;
    const struct smx_rows_work work = {
        .run = run_loss_row,
        .argument = &call,
        .loaded = criterion->focal != 0 ? focus_loaded : NULL,
        .input = criterion->targets,
        .output = gradient,
        .zeros = single || !gradient, /* there is no mass but the label's */
        .maxima = maxima,
        .unseen = unseen,
        /* a softcap's shifted logits are worth keeping even for one of them */
        .logs = ((nats || call.entropy) && logits->softcap) || entropy,
        .logsum = nats || entropy || criterion->z_loss != 0 || call.entropy,
        .total = tile_sum_of(&call),
        .sums_only = !gradient && !entropy && !call.entropy,
        .slope = gradient != NULL,
        .keep = true,
        .stream = passes_caches_by(logits, gradient, single)};
    enum smx_status status = narrow ? run_in_lanes(context, &call, &work, &n)
                                    : smx_rows_run(context, logits, &work);
    if (!status && call.nonfinite)
        status = SMX_ENONFINITE;
    const struct smx_row_losses all = {.losses = call.losses,
                                       .others = call.squares,
                                       .faint = call.squares,
                                       .divided = call.factors.extended,
                                       .hits = call.hits};
    if (out && !status)
        smx_losses_store(context->kernels, logits, criterion, &n, &all, out);
    free(call.losses);
    return status;
}
