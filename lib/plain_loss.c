/* SPDX-License-Identifier: MIT */
/* One sweep over the logits sums the exponentials of each chunk of each row,
 * relative to 0 or to the chunk's maximum, and finds NaN and +INFINITY. Rows
 * are then put together from their chunks, and a second sweep, for the
 * gradient, computes the exponentials again, which costs less than to store
 * and fetch them. Chunks and blocks of rows are shared out to the threads;
 * where they begin depends on nothing but the shape. */
#include "plain_loss.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "criterion.h"
#include "loss_kernels.h"
#include "plain.h"
#include "power.h"
#include "sums.h"

/* Rows whose losses are added up at once. */
#define BLOCK_ROWS ((size_t)256)

/* Sixteenths of a binade up to which exponentials are taken relative to 0. */
#define NEAR 1600.0

struct part { /* of a row: one of its chunks, or all of it */
    double max, reference, sum;
    double mass; /* sum of v */
    double cost; /* sum of v (anchor - z), anchor: max, or 0 if all masked */
};

struct descent { /* d_c = factor exp(z_c - reference) - share v_c */
    double reference, factor, share;
    double label; /* what the label's class loses beside that */
};

struct loss_call {
    const struct smx_kernels *kernels;
    const struct smx_logits *logits;
    const struct smx_criterion *criterion;
    const struct smx_loss_out *out;
    const float *z, *upstream;
    float *gradient;
    size_t rows, classes, chunks, per_slice, slices, blocks;
    struct smx_mass mass; /* of row 0 */
    double keep, share;   /* of the label: 1 - e; of every class: e / C */
    double inverse_temperature, scale; /* as in plain.c */
    double divisor, factor, z_factor;
    size_t counted; /* rows not ignored */
    struct part *parts;
    double *entropy, *square; /* one a row, then one a block */
    float *logsumexp;
    int64_t *argmax;
    struct descent *descents;
    atomic_bool refused;
    atomic_size_t hits;
};

static double reference_of(double max, double scale)
{
    return fabs(max * scale) <= NEAR ? 0 : max;
}

static double weight(const struct loss_call *call, int64_t label)
{
    return call->mass.weights ? call->mass.weights[label] : 1;
}

/* ---- first sweep: chunks ---------------------------------------------- */

static struct smx_mass mass_of(const struct loss_call *call, size_t row,
                               size_t chunk)
{
    struct smx_mass mass = call->mass;
    if (mass.targets)
        mass.targets += row * call->classes + chunk * SMX_CHUNK;
    if (mass.weights)
        mass.weights += chunk * SMX_CHUNK;
    return mass;
}

static size_t chunk_length(const struct loss_call *call, size_t chunk)
{
    size_t left = call->classes - chunk * SMX_CHUNK;
    return left < SMX_CHUNK ? left : SMX_CHUNK;
}

/* false: NaN or an infinity where it must not be. */
static bool sum_chunk(const struct loss_call *call, size_t row, size_t chunk,
                      struct part *part)
{
    const struct smx_loss_kernels *kernels = call->kernels->loss;
    const float *z = call->z + row * call->classes + chunk * SMX_CHUNK;
    size_t n = chunk_length(call, chunk);
    float max;
    *part = (struct part){.max = -INFINITY};
    if (!call->kernels->peak(z, n, &max))
        return false;
    bool empty = max == -INFINITY;
    part->max = max;
    if (!empty) {
        part->reference = reference_of(max, call->scale);
        part->sum = kernels->sum(z, n, part->reference, call->scale);
    }
    if (call->mass.kind != SMX_MASS_NONE) {
        struct smx_mass mass = mass_of(call, row, chunk);
        part->mass = kernels->mass(z, n, empty ? 0 : max, &mass, &part->cost);
    }
    return isfinite(part->mass);
}

static void sum_chunks(void *argument, size_t slice)
{
    struct loss_call *call = argument;
    size_t all = call->rows * call->chunks, i = slice * call->per_slice;
    size_t end = all - i < call->per_slice ? all : i + call->per_slice;
    size_t row = i / call->chunks, chunk = i % call->chunks;
    for (; i < end && !call->refused; i++) {
        if (!sum_chunk(call, row, chunk, &call->parts[i]))
            call->refused = true;
        if (++chunk == call->chunks) {
            chunk = 0;
            row++;
        }
    }
}

/* Rows of few classes, part by part. */
static void sum_few(void *argument, size_t slice)
{
    struct loss_call *call = argument;
    size_t row = slice * call->per_slice, classes = call->classes;
    size_t end = row + call->per_slice;
    double max[SMX_FEW_ROWS], sum[SMX_FEW_ROWS];
    end = end < call->rows ? end : call->rows;
    for (size_t n; row < end && !call->refused; row += n) {
        n = end - row < SMX_FEW_ROWS ? end - row : SMX_FEW_ROWS;
        if (!call->kernels->loss->few_sums(call->z + row * classes, n, classes,
                                           (call->rows - row - n) * classes,
                                           call->scale, NEAR, max, sum))
            call->refused = true;
        for (size_t r = 0; r < n; r++) {
            double reference =
                max[r] == -INFINITY ? 0 : reference_of(max[r], call->scale);
            call->parts[row + r] = (struct part){
                .max = max[r], .reference = reference, .sum = sum[r]};
        }
    }
}

/* ---- rows ------------------------------------------------------------- */

static struct part merge(const struct loss_call *call, size_t row)
{
    const struct part *parts = call->parts + row * call->chunks;
    struct part whole = {.max = -INFINITY};
    if (call->chunks == 1)
        return parts[0];
    for (size_t k = 0; k < call->chunks; k++)
        whole.max = parts[k].max > whole.max ? parts[k].max : whole.max;
    bool empty = whole.max == -INFINITY;
    double anchor = empty ? 0 : whole.max;
    whole.reference = empty ? 0 : reference_of(whole.max, call->scale);
    for (size_t k = 0; k < call->chunks; k++) {
        double t = (parts[k].reference - whole.reference) * call->scale;
        double below = anchor - (parts[k].max == -INFINITY ? 0 : parts[k].max);
        if (parts[k].sum > 0)
            whole.sum += parts[k].sum * smx_power(t);
        whole.mass += parts[k].mass;
        whole.cost += parts[k].cost;
        whole.cost += parts[k].mass * below;
    }
    return whole;
}

/* The sum relative to the maximum, less the maximum itself, whose own
 * exponential leaves it with the very bits it came in with; a rest that is
 * lost in the sum is added up again. */
static double rest_of(const struct loss_call *call, size_t row,
                      const struct part *whole)
{
    if (whole->sum == 0)
        return 0;
    double top = smx_power((whole->max - whole->reference) * call->scale);
    double rest = (whole->sum - top) / top;
    if (rest >= 0x1p-20)
        return rest;
    const float *z = call->z + row * call->classes;
    rest = 0;
    for (size_t k = 0; k < call->chunks; k++)
        rest += call->kernels->rest(z + k * SMX_CHUNK, chunk_length(call, k),
                                    whole->max, call->scale);
    return rest;
}

/* Mass of both signs on masked classes: the first of them decides. */
static double first_infinity(const struct loss_call *call, size_t row)
{
    size_t start = row * call->classes, c = 0;
    const struct smx_mass *mass = &call->mass;
    for (;; c++) {
        double v = mass->targets[start + c] * mass->keep + mass->share;
        v = mass->weights ? mass->weights[c] * v : v;
        if (call->z[start + c] == -INFINITY && v != 0)
            return v > 0 ? INFINITY : -INFINITY;
    }
}

static double entropy_of(const struct loss_call *call, size_t row,
                         const struct part *whole, double logsum)
{
    const int64_t *labels = call->criterion->labels;
    double cost = 0, share = labels ? call->share : 1;
    bool empty = whole->max == -INFINITY;
    if (call->mass.kind != SMX_MASS_NONE)
        cost = whole->cost * call->inverse_temperature + whole->mass * logsum;
    cost *= share;
    if (labels) {
        double z = call->z[row * call->classes + (size_t)labels[row]];
        double v = call->keep * weight(call, labels[row]);
        if (v != 0)
            cost += v * (empty ? INFINITY
                               : (whole->max - z) * call->inverse_temperature +
                                     logsum);
    }
    if (empty)
        return cost != 0 ? INFINITY : 0;
    return isnan(cost) ? first_infinity(call, row) : cost;
}

static struct descent descent_of(const struct loss_call *call, size_t row,
                                 const struct part *whole, double lse)
{
    const int64_t *labels = call->criterion->labels;
    bool none = call->criterion->reduction == SMX_NONE;
    double g = call->upstream ? call->upstream[none ? row : 0] : 1;
    double label = 0, mass = whole->mass * (labels ? call->share : 1);
    g *= call->inverse_temperature;
    if (labels)
        label = call->keep * weight(call, labels[row]);
    struct descent d = {.reference = whole->reference,
                        .share = call->factor * g * (labels ? call->share : 1),
                        .label = call->factor * g * label};
    double a = call->factor * (mass + label);
    if (call->criterion->z_loss != 0 && whole->sum > 0)
        a += call->z_factor * 2 * call->criterion->z_loss * lse;
    d.factor = whole->sum > 0 ? a * g / whole->sum : 0;
    return d;
}

/* First of the largest. */
static size_t peak_at(const struct loss_call *call, const float *x)
{
    float top = -INFINITY, max;
    size_t at = 0;
    for (size_t k = 0; k < call->chunks; k++) {
        call->kernels->peak(x + k * SMX_CHUNK, chunk_length(call, k), &max);
        if (max > top) {
            top = max;
            at = k * SMX_CHUNK;
        }
    }
    while (x[at] != top)
        at++;
    return at;
}

static void rank(struct loss_call *call, size_t row)
{
    const struct smx_criterion *criterion = call->criterion;
    size_t start = row * call->classes, best = peak_at(call, call->z + start);
    if (call->argmax)
        call->argmax[row] = (int64_t)best;
    if (!call->out->accuracy || smx_criterion_ignores(criterion, row))
        return;
    size_t aim = criterion->labels ? (size_t)criterion->labels[row]
                                   : peak_at(call, call->mass.targets + start);
    if (aim == best)
        atomic_fetch_add(&call->hits, 1);
}

static void take_row(struct loss_call *call, size_t row,
                     const struct part *whole, double logsum)
{
    bool ignored = smx_criterion_ignores(call->criterion, row);
    double lse = whole->max * call->inverse_temperature + logsum;
    double square = call->criterion->z_loss * lse * lse;
    call->entropy[row] = ignored ? 0 : entropy_of(call, row, whole, logsum);
    if (call->square)
        call->square[row] = ignored || whole->sum == 0 ? 0 : square;
    if (call->logsumexp)
        call->logsumexp[row] = (float)lse;
    if (call->out && (call->argmax || call->out->accuracy))
        rank(call, row);
    if (call->descents)
        call->descents[row] = ignored
                                  ? (struct descent){whole->reference, 0, 0, 0}
                                  : descent_of(call, row, whole, lse);
}

static void take_block(void *argument, size_t block)
{
    struct loss_call *call = argument;
    const struct smx_loss_kernels *kernels = call->kernels->loss;
    size_t start = block * BLOCK_ROWS, n = call->rows - start;
    struct part whole[BLOCK_ROWS];
    double logsum[BLOCK_ROWS];
    n = n < BLOCK_ROWS ? n : BLOCK_ROWS;
    for (size_t r = 0; r < n; r++) {
        whole[r] = merge(call, start + r);
        logsum[r] = rest_of(call, start + r, &whole[r]);
    }
    kernels->log1p(logsum, n);
    for (size_t r = 0; r < n; r++)
        take_row(call, start + r, &whole[r], logsum[r]);
    call->entropy[call->rows + block] =
        kernels->total(call->entropy + start, n);
    if (call->square)
        call->square[call->rows + block] =
            kernels->total(call->square + start, n);
}

/* ---- second sweep: the gradient --------------------------------------- */

/* Of the label's class; the logits may be overwritten afterwards. */
static float own_gradient(const struct loss_call *call, size_t row)
{
    const struct descent *d = &call->descents[row];
    int64_t label = call->criterion->labels[row];
    double z = call->z[row * call->classes + (size_t)label];
    double e = smx_power((z - d->reference) * call->scale);
    double v = call->mass.kind == SMX_MASS_NONE ? 0 : weight(call, label);
    return (float)(e * d->factor - d->share * v - d->label);
}

static void put_chunk(const struct loss_call *call, size_t row, size_t chunk)
{
    const int64_t *labels = call->criterion->labels;
    size_t n = chunk_length(call, chunk), first = chunk * SMX_CHUNK;
    size_t start = row * call->classes + first;
    if (smx_criterion_ignores(call->criterion, row)) {
        memset(call->gradient + start, 0, n * sizeof *call->gradient);
        return;
    }
    const struct descent *d = &call->descents[row];
    struct smx_mass mass = mass_of(call, row, chunk);
    size_t y = labels ? (size_t)labels[row] - first : n; /* wraps below it */
    float own = y < n ? own_gradient(call, row) : 0;
    call->kernels->loss->descend(call->z + start, n, d->reference, call->scale,
                                 d->factor, &mass, d->share,
                                 call->gradient + start);
    if (y < n)
        call->gradient[start + y] = own;
}

static void put_few(void *argument, size_t slice)
{
    struct loss_call *call = argument;
    size_t row = (call->slices - 1 - slice) * call->per_slice;
    size_t end = row + call->per_slice, classes = call->classes;
    double reference[SMX_FEW_ROWS], factor[SMX_FEW_ROWS];
    float own[SMX_FEW_ROWS];
    end = end < call->rows ? end : call->rows;
    for (size_t n; row < end; row += n) {
        n = end - row < SMX_FEW_ROWS ? end - row : SMX_FEW_ROWS;
        for (size_t r = 0; r < n; r++) {
            reference[r] = call->descents[row + r].reference;
            factor[r] = call->descents[row + r].factor;
            if (!smx_criterion_ignores(call->criterion, row + r))
                own[r] = own_gradient(call, row + r);
        }
        float *out = call->gradient + row * classes;
        call->kernels->loss->few_descend(call->z + row * classes, n, classes,
                                         (end - row - n) * classes, reference,
                                         call->scale, factor, out);
        for (size_t r = 0; r < n; r++)
            if (!smx_criterion_ignores(call->criterion, row + r))
                out[r * classes + (size_t)call->criterion->labels[row + r]] =
                    own[r];
    }
}

/* Backwards, as the end of the tensor is what the cache still holds. */
static void put_chunks(void *argument, size_t slice)
{
    struct loss_call *call = argument;
    size_t all = call->rows * call->chunks;
    size_t i = (call->slices - 1 - slice) * call->per_slice;
    size_t end = all - i < call->per_slice ? all : i + call->per_slice;
    for (; i < end; i++)
        put_chunk(call, i / call->chunks, i % call->chunks);
}

/* ---- all of it -------------------------------------------------------- */

static void count(struct loss_call *call)
{
    const struct smx_criterion *criterion = call->criterion;
    if (criterion->labels && criterion->weights) {
        smx_criterion_count(call->logits, criterion, &call->divisor,
                            &call->counted);
    } else {
        call->counted = call->rows;
        for (size_t r = 0; criterion->labels && r < call->rows; r++)
            call->counted -= criterion->labels[r] == criterion->ignore_index;
        call->divisor = (double)call->counted;
    }
    call->factor = call->z_factor = 1;
    if (criterion->reduction == SMX_MEAN) {
        bool nothing = call->divisor == 0;
        call->factor = nothing ? 0 : 1 / call->divisor;
        call->z_factor = nothing ? 0 : 1 / (double)call->counted;
    }
}

/* Of the rows' numbers, block by block, compensated. */
static double total(const struct loss_call *call, const double *numbers)
{
    double sum = 0, lost = 0;
    for (size_t b = 0; b < call->blocks; b++) {
        double v = numbers[call->rows + b], next = sum + v, taken = next - sum;
        if (isfinite(next))
            lost += (sum - (next - taken)) + (v - taken);
        sum = next;
    }
    for (size_t r = 0; isnan(sum) && r < call->rows; r++)
        if (isinf(numbers[r])) /* both signs: the first row decides */
            sum = numbers[r];
    return sum + lost;
}

static float reduced(const struct loss_call *call)
{
    double entropy = total(call, call->entropy);
    double square = call->square ? total(call, call->square) : 0;
    if (call->criterion->reduction == SMX_MEAN) {
        bool nothing = call->divisor == 0;
        entropy = nothing ? 0 : entropy / call->divisor;
        square = nothing ? 0 : square / (double)call->counted;
    }
    return (float)(entropy + square);
}

static void put_loss(const struct loss_call *call)
{
    const struct smx_loss_out *out = call->out;
    float *loss = out->loss;
    size_t rows = call->rows;
    if (loss && call->criterion->reduction != SMX_NONE)
        *loss = reduced(call);
    else if (loss)
        for (size_t r = 0; r < rows; r++)
            loss[r] = (float)(call->entropy[r] +
                              (call->square ? call->square[r] : 0));
    if (out->divisor)
        *out->divisor = call->divisor;
    if (out->rows)
        *out->rows = call->counted;
    if (out->accuracy)
        *out->accuracy =
            call->counted ? (double)call->hits / (double)call->counted : 0;
}

static enum smx_status allocate(struct loss_call *call)
{
    bool square = call->criterion->z_loss != 0;
    size_t numbers = call->rows + call->blocks;
    call->parts =
        reallocarray(NULL, call->rows * call->chunks, sizeof *call->parts);
    call->entropy = reallocarray(NULL, numbers, sizeof *call->entropy);
    if (square)
        call->square = reallocarray(NULL, numbers, sizeof *call->square);
    if (call->gradient)
        call->descents = reallocarray(NULL, call->rows, sizeof *call->descents);
    return call->parts && call->entropy && (call->square || !square) &&
                   (call->descents || !call->gradient)
               ? SMX_OK
               : SMX_ENOMEM;
}

static enum smx_status run(struct smx_context *context, struct loss_call *call)
{
    size_t all = call->rows * call->chunks;
    size_t length = call->classes < SMX_CHUNK ? call->classes : SMX_CHUNK;
    call->per_slice = SMX_SMALL / length;
    call->slices = (all + call->per_slice - 1) / call->per_slice;
    call->blocks = (call->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    bool few = call->classes <= SMX_FEW && call->mass.kind == SMX_MASS_NONE;
    enum smx_status status = allocate(call);
    if (status)
        goto out;
    smx_pool_for(context->pool, call->slices, few ? sum_few : sum_chunks, call);
    if (call->refused)
        goto out;
    count(call);
    smx_pool_for(context->pool, call->blocks, take_block, call);
    if (call->out)
        put_loss(call);
    if (call->gradient)
        smx_pool_for(context->pool, call->slices, few ? put_few : put_chunks,
                     call);
out:
    free(call->descents);
    free(call->square);
    free(call->entropy);
    free(call->parts);
    return status;
}

static enum smx_mass_kind kind_of(const struct smx_criterion *criterion)
{
    if (criterion->targets)
        return criterion->weights ? SMX_MASS_WEIGHTED : SMX_MASS_TARGETS;
    if (criterion->label_smoothing == 0)
        return SMX_MASS_NONE;
    return criterion->weights ? SMX_MASS_WEIGHTS : SMX_MASS_EVEN;
}

bool smx_plain_loss(struct smx_context *context,
                    const struct smx_logits *logits,
                    const struct smx_criterion *criterion,
                    const float *upstream, float *gradient,
                    const struct smx_loss_out *out, enum smx_status *status)
{
    if (!smx_plain_loss_takes(logits, criterion, upstream))
        return false;
    double e = criterion->label_smoothing;
    double t = logits->temperature ? logits->temperature : 1;
    struct loss_call call = {.kernels = context->kernels,
                             .logits = logits,
                             .criterion = criterion,
                             .out = out,
                             .z = logits->data,
                             .upstream = upstream,
                             .gradient = gradient,
                             .rows = logits->outer,
                             .classes = logits->classes,
                             .chunks = (logits->classes - 1) / SMX_CHUNK + 1,
                             .keep = 1 - e,
                             .share = e / (double)logits->classes,
                             .inverse_temperature = 1 / t,
                             .scale = SMX_POWER_NAT / t};
    call.mass = (struct smx_mass){.kind = kind_of(criterion),
                                  .targets = criterion->targets,
                                  .weights = criterion->weights,
                                  .keep = call.keep,
                                  .share = call.share};
    if (out) {
        call.logsumexp = out->logsumexp;
        call.argmax = out->argmax;
    }
    *status = run(context, &call);
    return !call.refused;
}
