/* SPDX-License-Identifier: MIT */
/* From the parts of a row to its loss and what its gradient needs. */
#include "api/criterion.h"
#include "load.h"
#include "loss_call.h"
#include "rows.h"
#include "sums.h"

/* Of functions with room for a chunk, which only one of them at a time may take
 * of the stack (softmax.h). */
#define NOINLINE __attribute__((noinline))

/* An entropy's terms are multiples of max - z. */
static double reference_of(const struct smx_loss_call *call, double max)
{
    return call->asked->entropy_weight != 0
               ? max
               : smx_loss_reference(max, call->by.scale);
}

static void sum_part_out_of_range(const struct smx_loss_call *call,
                                  const float *z, size_t n,
                                  struct smx_part *part)
{
    part->in_range = false;
    part->reference = part->sum = 0;
    if (part->max == -INFINITY)
        return;
    part->reference = reference_of(call, part->max);
    const struct smx_exponents by = smx_relative_to(&call->by, part->reference);
    if (call->asked->entropy_weight == 0) {
        part->sum = call->kernels->sum(z, n, &by);
        return;
    }
    const struct smx_moments moments = call->kernels->moments(z, n, &by);
    part->sum = moments.below + moments.equal;
    part->spread = moments.moment;
}

static bool wants_moments(const struct smx_loss_call *call)
{
    return call->seen.moments || call->asked->entropy_weight != 0;
}

bool smx_loss_sum(struct smx_loss_call *call, const float *z, size_t n,
                  float *high, float *rest, const struct smx_cached_exp *before,
                  struct smx_part *part)
{
    const struct smx_split_kernels *kernels = call->kernels->split;
    struct smx_extent extent = {INFINITY, -INFINITY};
    double sum = 0, moment = 0;
    if (smx_expect_in_range(kernels, &call->split, call->out_of_range, z, n))
        sum = rest ? kernels->keep(z, n, &call->split, &extent, NULL, high,
                                   rest, before)
                   : kernels->sum(z, n, &call->split, &extent,
                                  wants_moments(call) ? &moment : NULL);
    else if (before)
        kernels->divide(before, n);
    *part = (struct smx_part){.in_range = extent.max < call->split.highest,
                              .max = extent.max,
                              .min = extent.min};
    if (part->in_range) {
        part->sum = sum * SMX_SPLIT_UNIT;
        part->moment = moment * SMX_SPLIT_UNIT;
        return !isnan(sum);
    }
    if (!call->kernels->row_max(z, n, &extent.max))
        return false;
    call->out_of_range = true;
    part->max = smx_logit(call->kernels, &call->by, extent.max, NULL);
    sum_part_out_of_range(call, z, n, part);
    return true;
}

/* The sums of a row's in-range chunks, when the row as a whole is not. */
static NOINLINE void sum_again(const struct smx_loss_call *call, size_t row,
                               struct smx_part *parts)
{
    float copy[SMX_CHUNK];
    const float *z;
    for (size_t k = 0; k < call->chunks; k++)
        if (parts[k].in_range) {
            smx_load_chunk(call->kernels, &call->tiles.z, row, k, copy, &z);
            sum_part_out_of_range(call, z, smx_chunk_classes(call->classes, k),
                                  &parts[k]);
        }
}

static bool is_in_range(const struct smx_loss_call *call,
                        const struct smx_part *parts)
{
    double sum = 0;
    bool in_range = true;
    for (size_t k = 0; k < call->chunks; k++) {
        in_range &= parts[k].in_range;
        sum += parts[k].sum;
    }
    return in_range && smx_sum_in_range(sum / SMX_SPLIT_UNIT, call->classes);
}

static struct smx_part add_parts(const struct smx_loss_call *call,
                                 const struct smx_part *parts, bool in_range)
{
    struct smx_part whole = {.max = -INFINITY, .in_range = in_range};
    if (call->chunks == 1)
        return parts[0];
    for (size_t k = 0; k < call->chunks; k++)
        whole.max = parts[k].max > whole.max ? parts[k].max : whole.max;
    bool empty = whole.max == -INFINITY;
    double anchor = empty ? 0 : whole.max;
    whole.reference = empty || in_range ? 0 : reference_of(call, whole.max);
    for (size_t k = 0; k < call->chunks; k++) {
        double t = (parts[k].reference - whole.reference) * call->by.scale;
        double below = anchor - (parts[k].max == -INFINITY ? 0 : parts[k].max);
        double weight = parts[k].sum > 0 ? smx_power(t) : 0;
        whole.sum += parts[k].sum * weight;
        whole.spread += (parts[k].spread + parts[k].sum * below) * weight;
        whole.moment += parts[k].moment;
        whole.mass += parts[k].mass;
        whole.cost += parts[k].cost;
        whole.cost += parts[k].mass * below;
    }
    return whole;
}

static struct smx_part merge_parts(const struct smx_loss_call *call, size_t row,
                                   struct smx_part *parts)
{
    bool in_range = is_in_range(call, parts);
    if (!in_range)
        sum_again(call, row, parts);
    return add_parts(call, parts, in_range);
}

/* From a moment that leaves the entropy its digits; where it does not, the sums
 * again in double. */
static void take_moment(const struct smx_loss_call *call, size_t row,
                        struct smx_part *whole, struct smx_part *parts)
{
    double total = whole->sum / SMX_SPLIT_UNIT, log;
    call->kernels->loss->log_totals(&total, 1, &log);
    if (smx_entropy_in_range(log, whole->moment, whole->sum) >=
        SMX_LEAST_ENTROPY) {
        whole->spread = -whole->moment / call->by.scale;
        return;
    }
    sum_again(call, row, parts);
    *whole = add_parts(call, parts, false);
}

/* v of a class, as the kernels have it. */
static double mass_of_class(const struct smx_loss_call *call, size_t row,
                            size_t c)
{
    const struct smx_mass *m = &call->mass;
    double v = 1, w = m->weights ? m->weights[c] : 1;
    if (m->targets)
        v = m->targets[row * call->classes + c] * m->keep + m->share;
    return w * v;
}

static double logit_at(const struct smx_loss_call *call, size_t row, size_t c,
                       double *slope)
{
    float z = smx_rows_masked(&call->tiles.z, row, c)
                  ? -INFINITY
                  : call->z[row * call->classes + c];
    return smx_logit(call->kernels, &call->by, z, slope);
}

/* -log p of the label's class; INFINITY where there is none. */
static double nats_of(const struct smx_loss_call *call, size_t row,
                      const struct smx_part *whole, double logsum)
{
    const int64_t *labels = call->criterion.labels;
    if (!labels || whole->max == -INFINITY ||
        smx_criterion_ignores(&call->criterion, row))
        return INFINITY;
    double z = logit_at(call, row, (size_t)labels[row], NULL);
    return (whole->max - z) * call->by.nats + logsum;
}

/* A row whose parts have been put together. */
struct loss_row {
    const struct smx_part *whole;
    double logsum;
    double nats;         /* -log p of the label, or INFINITY */
    double focus, slope; /* what a focal exponent makes of the label's mass in
                            the loss, in the gradient */
};

static double entropy_of(const struct smx_loss_call *call, size_t row,
                         const struct loss_row *from)
{
    const int64_t *labels = call->criterion.labels;
    const struct smx_part *whole = from->whole;
    double cost = 0, share = labels ? call->share : 1;
    bool empty = whole->max == -INFINITY;
    if (call->mass.kind != SMX_MASS_NONE)
        cost = whole->cost * call->by.nats + whole->mass * from->logsum;
    cost *= share;
    if (labels) {
        double v = call->keep * smx_loss_weight(call, labels[row]);
        if (v != 0)
            cost += smx_times(v * from->focus, from->nats);
    }
    if (empty)
        return cost != 0 ? INFINITY : 0;
    return isnan(cost) ? INFINITY : cost; /* of masses of both signs */
}

/* Where one class has p = 1 and the others 0, exactly what the other classes
 * weigh: its own mass cancels. g: upstream / temperature. */
static void set_top(const struct smx_loss_call *call, size_t row,
                    const struct smx_part *whole, double g, struct smx_grad *d)
{
    const int64_t *labels = call->criterion.labels;
    const float *z = call->z + row * call->classes;
    float max;
    call->kernels->row_max(z, call->classes, &max);
    size_t top = smx_first_max(call->kernels, z, call->classes, max);
    double others = whole->mass - mass_of_class(call, row, top), slope;
    d->top = top;
    d->d_top = others * (labels ? call->share : 1);
    if (labels && (size_t)labels[row] != top)
        d->d_top += call->keep * smx_loss_weight(call, labels[row]);
    logit_at(call, row, top, &slope);
    d->d_top = (call->factor * d->d_top * g + d->square * whole->sum) * slope;
}

/* The part of p's factor that an entropy adds, z_factor eta (log p + H), is a
 * multiple of z - max + spread / sum. g: upstream / temperature. */
static void add_entropy_grad(const struct smx_loss_call *call,
                             const struct smx_part *whole, double g,
                             struct smx_grad *d)
{
    double eta = call->z_factor * call->criterion.entropy_weight;
    d->bend = eta * call->by.nats * g / whole->sum;
    double level = d->bend * (whole->spread / whole->sum);
    d->factor += level;
    d->square += level;
}

static struct smx_grad part_grad_of(const struct smx_loss_call *call,
                                    size_t row, const struct loss_row *from,
                                    double lse)
{
    const int64_t *labels = call->criterion.labels;
    const struct smx_part *whole = from->whole;
    bool single = call->mass.kind == SMX_MASS_NONE;
    double g = smx_loss_upstream(call, row);
    double label = 0, mass = whole->mass * (labels ? call->share : 1);
    g *= call->inverse_temperature;
    if (labels)
        label = call->keep * smx_loss_weight(call, labels[row]) * from->slope;
    struct smx_grad d = {.reference = whole->reference,
                         .share = call->factor * g * (labels ? call->share : 1),
                         .label = call->factor * g * label,
                         .top = SMX_NO_TOP};
    double a = call->factor * (mass + label), square = 0;
    if (call->criterion.z_loss != 0 && whole->sum > 0)
        square = call->z_factor * 2 * call->criterion.z_loss * lse;
    d.factor = whole->sum > 0 ? (a + square) * g / whole->sum : 0;
    d.square = whole->sum > 0 ? square * g / whole->sum : 0;
    if (call->criterion.entropy_weight != 0 && whole->sum > 0)
        add_entropy_grad(call, whole, g, &d);
    d.nats = single ? from->nats : INFINITY;
    if (!single && whole->sum > 0 && from->logsum == 0)
        set_top(call, row, whole, g, &d);
    /* both halves of the factor as float32; no negative zeros; what counts as
     * the lowest comes to nothing still */
    double size = smx_bent_size(&call->split, d.factor, d.bend);
    d.in_range = whole->in_range && single && (d.bend != 0 || d.factor > 0) &&
                 size > 0x1p-66 && size < (d.bend != 0 ? 0x1p20 : 0x1p21);
    return d;
}

/* d: may be NULL. */
static void finish_loss_row(struct smx_loss_call *call, size_t row,
                            const struct loss_row *from, struct smx_grad *d)
{
    bool ignored = smx_criterion_ignores(&call->criterion, row);
    const struct smx_part *whole = from->whole;
    double lse = whole->max * call->by.nats + from->logsum;
    double weight = smx_loss_row_weight(call, row);
    double square = weight * call->criterion.z_loss * lse * lse;
    if (call->criterion.entropy_weight != 0 && whole->sum > 0)
        square -= weight * call->criterion.entropy_weight *
                  (from->logsum + (whole->max - whole->reference +
                                   whole->spread / whole->sum) *
                                      call->by.nats);
    call->entropy[row] =
        ignored ? 0 : smx_times(weight, entropy_of(call, row, from));
    if (call->square)
        call->square[row] = ignored || whole->sum == 0 ? 0 : square;
    if (d && ignored)
        *d =
            (struct smx_grad){.reference = whole->reference, .top = SMX_NO_TOP};
    else if (d)
        *d = part_grad_of(call, row, from, lse);
}

/* Up to this loss of a label p - 1 has lost digits that the loss has. */
#define CONFIDENT 0.25

/* 1 - exp(-x), 0 <= x < CONFIDENT: what the series leaves out is 2^-34 of it.
 */
static double complement(double x)
{
    double sum = 1;
    for (int n = 8; n > 1; n--)
        sum = 1 - x * (1.0 / n) * sum;
    return x * sum;
}

float smx_loss_label_grad(const struct smx_loss_call *call, size_t row,
                          const struct smx_grad *d)
{
    int64_t label = call->criterion.labels[row];
    if (smx_rows_masked(call->logits, call->tiles.first + row, (size_t)label))
        return 0;
    double slope, z = logit_at(call, row, (size_t)label, &slope);
    double e = smx_power((z - d->reference) * call->by.scale);
    double bent = e > 0 ? e * (d->bend * (z - d->reference)) : 0;
    if (d->nats < CONFIDENT)
        return (float)((e * d->square + bent - d->label * complement(d->nats)) *
                       slope);
    double v =
        call->mass.kind == SMX_MASS_NONE ? 0 : smx_loss_weight(call, label);
    return (float)((e * d->factor + bent - d->share * v - d->label) * slope);
}

/* For what is asked beside the loss. */
static void note_sums(const struct smx_loss_call *call, size_t row,
                      const struct smx_part *whole)
{
    const struct smx_seen *seen = &call->seen;
    double unit = whole->in_range ? 1 / SMX_SPLIT_UNIT : 0;
    if (!seen->maxima)
        return;
    seen->maxima[row] = (float)whole->max;
    seen->totals[row] = whole->sum * unit;
    if (seen->moments)
        seen->moments[row] = whole->moment * unit;
}

void smx_loss_take(struct smx_loss_call *call, size_t start, size_t n,
                   struct smx_part *parts, struct smx_grad *grads)
{
    struct smx_part whole[SMX_BLOCK_ROWS];
    double logsum[SMX_BLOCK_ROWS], nats[SMX_BLOCK_ROWS];
    double focus[SMX_BLOCK_ROWS], slope[SMX_BLOCK_ROWS];
    bool focal = call->criterion.focal != 0;
    for (size_t r = 0; r < n; r++) {
        struct smx_part *own = parts + r * call->chunks;
        whole[r] = merge_parts(call, start + r, own);
        note_sums(call, start + r, &whole[r]);
        if (whole[r].in_range && call->criterion.entropy_weight != 0)
            take_moment(call, start + r, &whole[r], own);
        const struct smx_sum sum = {whole[r].max, whole[r].reference,
                                    whole[r].sum};
        logsum[r] =
            smx_sum_rest(call->kernels, &call->tiles.z, start + r, &call->by,
                         &sum, whole[r].in_range ? 0.25 : 0x1p-20);
    }
    call->kernels->loss->log1p(logsum, n);
    for (size_t r = 0; r < n; r++)
        nats[r] = nats_of(call, start + r, &whole[r], logsum[r]);
    if (focal)
        call->kernels->loss->focus(nats, n, call->criterion.focal, focus,
                                   slope);
    for (size_t r = 0; r < n; r++) {
        const struct loss_row row = {&whole[r], logsum[r], nats[r],
                                     focal ? focus[r] : 1,
                                     focal ? slope[r] : 1};
        finish_loss_row(call, start + r, &row, grads ? &grads[r] : NULL);
    }
}

void smx_loss_block(void *argument, size_t block)
{
    struct smx_loss_call *call = argument;
    size_t start = block * call->per_block, n = smx_loss_rows(call, block);
    smx_loss_take(call, start, n, call->parts + start * call->chunks,
                  call->gradient ? call->grads + start : NULL);
}
