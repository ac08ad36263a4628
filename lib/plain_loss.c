/* SPDX-License-Identifier: MIT */
/* One sweep over the logits sums the exponentials of each chunk of each row,
 * relative to 0 or to the chunk's maximum, and finds NaN and +INFINITY. Rows
 * are then put together from their chunks, and a second sweep, for the
 * gradient, computes the exponentials again, which costs less than to store
 * and fetch them. Chunks and blocks of rows are shared out to the threads;
 * where they begin depends on nothing but the shape. */
#include "plain_loss.h"

#include <stdlib.h>
#include <string.h>

#include "axis.h"
#include "criterion.h"
#include "loss_call.h"
#include "plain.h"
#include "power.h"
#include "sums.h"

/* ---- first sweep: chunks ---------------------------------------------- */

static struct smx_mass mass_of(const struct smx_loss_call *call, size_t row,
                               size_t chunk)
{
    struct smx_mass mass = call->mass;
    if (mass.targets)
        mass.targets += row * call->classes + chunk * SMX_CHUNK;
    if (mass.weights)
        mass.weights += chunk * SMX_CHUNK;
    return mass;
}

/* false: NaN or an infinity where it must not be. */
static bool sum_chunk(const struct smx_loss_call *call, size_t row,
                      size_t chunk, struct smx_part *part)
{
    const struct smx_loss_kernels *kernels = call->kernels->loss;
    const float *z = call->z + row * call->classes + chunk * SMX_CHUNK;
    size_t n = smx_loss_chunk(call, chunk);
    float max;
    *part = (struct smx_part){.max = -INFINITY};
    if (!call->kernels->peak(z, n, &max))
        return false;
    bool empty = max == -INFINITY;
    part->max = max;
    part->tame = call->tame.possible && max < call->tame.highest;
    if (part->tame) {
        part->sum = call->kernels->tame->sum(z, n, &call->tame) * SMX_TAME_UNIT;
    } else if (!empty) {
        part->reference = smx_loss_reference(max, call->scale);
        part->sum = kernels->sum(z, n, part->reference, call->scale);
    }
    if (call->mass.kind != SMX_MASS_NONE) {
        struct smx_mass mass = mass_of(call, row, chunk);
        part->mass = kernels->mass(z, n, empty ? 0 : max, &mass, &part->cost);
    }
    return isfinite(part->mass);
}

/* Only a look at the logits, for rows whose sums are not kept. */
static void look(void *argument, size_t slice)
{
    struct smx_loss_call *call = argument;
    size_t per_slice = SMX_BLOCK_ROWS * call->classes;
    size_t start = slice * per_slice, all = call->rows * call->classes;
    size_t n = all - start < per_slice ? all - start : per_slice;
    float max;
    if (!call->kernels->peak(call->z + start, n, &max))
        call->refused = true;
}

static void sum_chunks(void *argument, size_t slice)
{
    struct smx_loss_call *call = argument;
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

/* ---- second sweep: the gradient ---------------------------------------- */

static void put_chunk(const struct smx_loss_call *call, size_t row,
                      size_t chunk)
{
    const int64_t *labels = call->criterion->labels;
    size_t n = smx_loss_chunk(call, chunk), first = chunk * SMX_CHUNK;
    size_t start = row * call->classes + first;
    if (smx_criterion_ignores(call->criterion, row)) {
        memset(call->gradient + start, 0, n * sizeof *call->gradient);
        return;
    }
    const struct smx_descent *d = &call->descents[row];
    struct smx_mass mass = mass_of(call, row, chunk);
    size_t y = labels ? (size_t)labels[row] - first : n; /* wraps below it */
    float own = y < n ? smx_loss_own(call, row, d) : 0;
    if (d->tame)
        call->kernels->tame->put(call->z + start, n, &call->tame,
                                 d->factor * SMX_TAME_UNIT, call->stream,
                                 call->gradient + start);
    else
        call->kernels->loss->descend(call->z + start, n, d->reference,
                                     call->scale, d->factor, &mass, d->share,
                                     call->gradient + start);
    if (y < n)
        call->gradient[start + y] = own;
}

/* Backwards, as the end of the tensor is what the cache still holds. */
static void put_chunks(void *argument, size_t slice)
{
    struct smx_loss_call *call = argument;
    size_t all = call->rows * call->chunks;
    size_t i = (call->slices - 1 - slice) * call->per_slice;
    size_t end = all - i < call->per_slice ? all : i + call->per_slice;
    for (; i < end; i++)
        put_chunk(call, i / call->chunks, i % call->chunks);
}

/* ---- all of it --------------------------------------------------------- */

static void count(struct smx_loss_call *call)
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
static double total(const struct smx_loss_call *call, const double *numbers)
{
    double sum = 0, lost = 0;
    for (size_t b = 0; b < call->blocks; b++) {
        double v = numbers[call->rows + b], next = sum + v, taken = next - sum;
        if (isfinite(next))
            lost += (sum - (next - taken)) + (v - taken);
        sum = next;
    }
    return isnan(sum) ? INFINITY : sum + lost;
}

static float reduced(const struct smx_loss_call *call)
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

static void put_loss(const struct smx_loss_call *call)
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

static enum smx_status allocate(struct smx_loss_call *call)
{
    bool square = call->criterion->z_loss != 0, parts = !call->few;
    bool descents = parts && call->gradient;
    size_t numbers = call->rows + call->blocks;
    call->entropy = reallocarray(NULL, numbers, sizeof *call->entropy);
    if (square)
        call->square = reallocarray(NULL, numbers, sizeof *call->square);
    if (parts)
        call->parts =
            reallocarray(NULL, call->rows * call->chunks, sizeof *call->parts);
    if (descents)
        call->descents = reallocarray(NULL, call->rows, sizeof *call->descents);
    return call->entropy && (call->square || !square) &&
                   (call->parts || !parts) && (call->descents || !descents)
               ? SMX_OK
               : SMX_ENOMEM;
}

/* Rows of few classes are computed at once, block by block; where that writes,
 * all logits must have been looked at before. */
static void run_few(struct smx_context *context, struct smx_loss_call *call)
{
    if (call->gradient || call->logsumexp || call->argmax)
        smx_pool_for(context->pool, call->blocks, look, call);
    if (!call->refused)
        smx_pool_for(context->pool, call->blocks, smx_loss_block, call);
}

static void run_chunks(struct smx_context *context, struct smx_loss_call *call)
{
    size_t all = call->rows * call->chunks;
    size_t length = call->classes < SMX_CHUNK ? call->classes : SMX_CHUNK;
    call->per_slice = SMX_SMALL / length;
    call->slices = (all + call->per_slice - 1) / call->per_slice;
    smx_pool_for(context->pool, call->slices, sum_chunks, call);
    if (call->refused)
        return;
    smx_pool_for(context->pool, call->blocks, smx_loss_block, call);
    if (call->gradient)
        smx_pool_for(context->pool, call->slices, put_chunks, call);
}

static enum smx_status run(struct smx_context *context,
                           struct smx_loss_call *call)
{
    call->few = call->classes <= SMX_FEW && call->mass.kind == SMX_MASS_NONE;
    call->blocks = (call->rows + SMX_BLOCK_ROWS - 1) / SMX_BLOCK_ROWS;
    enum smx_status status = allocate(call);
    if (status)
        goto out;
    count(call);
    if (call->few)
        run_few(context, call);
    else
        run_chunks(context, call);
    if (call->out && !call->refused)
        put_loss(call);
out:
    free(call->descents);
    free(call->parts);
    free(call->square);
    free(call->entropy);
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
    if (smx_axis_takes(logits))
        return smx_axis_loss(context, logits, criterion, upstream, gradient,
                             out, status);
    if (!smx_plain_loss_takes(logits, criterion, upstream))
        return false;
    double e = criterion->label_smoothing;
    double t = logits->temperature ? logits->temperature : 1;
    struct smx_loss_call call = {.kernels = context->kernels,
                                 .logits = logits,
                                 .criterion = criterion,
                                 .out = out,
                                 .z = logits->data,
                                 .upstream = upstream,
                                 .gradient = gradient,
                                 .rows = logits->outer,
                                 .classes = logits->classes,
                                 .chunks =
                                     (logits->classes - 1) / SMX_CHUNK + 1,
                                 .keep = 1 - e,
                                 .share = e / (double)logits->classes,
                                 .inverse_temperature = 1 / t,
                                 .scale = SMX_POWER_NAT / t,
                                 .tame = smx_tame_of(t)};
    call.stream = gradient && gradient != call.z &&
                  call.rows * call.classes >= SMX_STREAMED;
    call.mass = (struct smx_mass){.kind = kind_of(criterion),
                                  .targets = criterion->targets,
                                  .weights = criterion->weights,
                                  .keep = call.keep,
                                  .share = call.share};
    if (out) {
        call.logsumexp = out->logsumexp;
        call.argmax = out->argmax;
    }
    /* terms of both signs could leave less than the digits of tame sums */
    call.tame.possible &=
        !criterion->targets && criterion->z_loss == 0 && !call.logsumexp;
    *status = run(context, &call);
    return !call.refused;
}
