/* SPDX-License-Identifier: MIT */
/* Derivatives of softmax itself: d a_j / d z_i = a_j (delta_ij - a_i). */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "extended.h"
#include "engine/engine.h"
#include "engine/dd_row.h"
#include "engine/lanes.h"
#include "engine/load.h"
#include "engine/plan.h"

struct derivative_call {
    const struct smx_logits *logits;
    bool log;
    const void *upstream;
    void *out;
    bool unseen;           /* nobody has looked at the operands, */
    atomic_bool nonfinite; /* and one of them was refused */
};

/* sum of g, or of g exp(d), of the tile */
static struct smx_dd dot_of(const void *argument, struct smx_row *row)
{
    const struct derivative_call *call = argument;
    const struct smx_row_kernels *k = row->kernels;
    const double *g = smx_row_view(row, row->mass);
    if (call->log)
        return k->sum(g, row->count);
    return k->dot(smx_row_exponentials(row), g, row->count);
}

struct row_product {
    const struct derivative_call *call;
    struct smx_row_grad log;
    struct smx_vjp_scale f32;
};

static struct smx_dd store_jacobian_tile(const void *argument,
                                         struct smx_row *row)
{
    const struct row_product *p = argument;
    const struct smx_row_kernels *k = row->kernels;
    double *out = smx_row_final_out(row);
    const double *g = smx_row_view(row, row->mass);
    const double *e = smx_row_exponentials(row);
    if (p->call->log)
        k->grad_store(e, g, row->tile.slope, row->count, &p->log, out);
    else
        k->vjp(e, g, row->tile.slope, row->count, &p->f32, out);
    smx_row_put(row, out);
    return (struct smx_dd){0, 0};
}

static void store_vjp_row(void *argument, struct smx_row *row, size_t r)
{
    struct derivative_call *call = argument;
    struct smx_dd minus_one = {-1, 0}, zero = {0, 0};
    struct smx_dd dot = smx_row_total(row);
    if (call->unseen && !smx_row_is_input_finite(row, dot.hi)) {
        call->nonfinite = true;
        return;
    }
    if (smx_is_product_extended(row, dot.hi)) {
        smx_extended_product(row, call->log);
        return;
    }
    dot = call->log ? dot : dd_mul(dot, row->inverse);
    struct row_product product = {.call = call};
    if (call->log) {
        product.log = smx_row_grad_of(row, dd_negate(dot), zero, minus_one);
        product.log.stream = row->stream;
    } else {
        product.f32 = (struct smx_vjp_scale){
            .inverse = dd_mul(row->inverse_temperature, row->inverse),
            .dot = dot,
            .power = {row->pure[0], row->pure[1]},
            .stream = row->stream};
    }
    (void)r;
    smx_row_sweep(row, SMX_ROW_PLACE, store_jacobian_tile, &product, NULL);
}

/* The tile's part of row j of the Jacobian; p_j: times 2^SMX_ROW_SHIFT.
 * softmax: -p_i p_j + delta_ij p_j; log-softmax: -p_i + delta_ij. Neither is
 * more than 1, so both terms stay shifted. */
static void jacobian_tile(const struct derivative_call *call,
                          struct smx_row *row, size_t j, struct smx_dd p_j)
{
    int shift = (call->log ? 1 : 2) * SMX_ROW_SHIFT;
    const struct smx_logits *z = call->logits;
    struct smx_dd one = {1, 0};
    struct smx_dd a = dd_mul(call->log ? one : p_j, row->inverse_temperature);
    struct smx_row_grad how = {.b = dd_scale(a, -0x1p128), .down = 1};
    how.a = dd_negate(dd_mul(a, row->inverse));
    size_t o = row->r / z->inner, n = row->r % z->inner;
    size_t at = ((o * z->classes + j) * z->inner + n) * z->classes;
    bool here = j - row->first < row->count;
    smx_row_power(row->exponent - shift, how.pure);
    smx_row_power(row->exponent - shift, how.mixed);
    if (here)
        row->mass[j - row->first] = 1;
    if (smx_rows_masked(z, row->r, j))
        memset(row->out, 0, row->count * sizeof *row->out);
    else
        row->kernels->grad_store(row->tile.e, row->mass, row->tile.slope,
                                 row->count, &how, row->out);
    if (here)
        row->mass[j - row->first] = 0;
    for (size_t i = row->first; i < row->first + row->count; i++)
        smx_set(call->out, z->dtype, at + i,
                smx_rows_masked(z, row->r, i) ? 0 : row->out[i - row->first]);
}

/* Tile by tile in both directions. */
static void jacobian_row(void *argument, struct smx_row *row, size_t r)
{
    const struct derivative_call *call = argument;
    double e[SMX_TILE];
    (void)r;
    for (size_t first = 0; first < call->logits->classes; first += SMX_TILE) {
        smx_row_tile(row, first, SMX_ROW_E);
        size_t count = row->count;
        memcpy(e, row->tile.e, count * sizeof *e);
        memset(row->mass, 0, sizeof row->mass);
        SMX_ROW_TILES (c, row, SMX_ROW_E)
            for (size_t j = 0; j < count; j++) {
                struct smx_dd p = {e[j], 0};
                jacobian_tile(call, row, first + j, dd_mul(p, row->inverse));
            }
    }
}

static bool streams_product(const struct derivative_call *call)
{
    const struct smx_logits *z = call->logits;
    return !smx_rows_moved(z) && call->out != z->data &&
           call->out != call->upstream &&
           smx_rows_streamed(z, smx_rows_count(z) * z->classes);
}

static enum smx_status scan_operands(struct smx_context *context,
                                     const struct derivative_call *call,
                                     struct smx_dd **maxima,
                                     struct smx_where *where)
{
    enum smx_status status =
        smx_rows_scan_maxima(context, call->logits, maxima, where);
    return status ? status
                  : smx_rows_scan(context, call->logits, call->upstream,
                                  SMX_FIELD_UPSTREAM, where);
}

static enum smx_status run_product(struct smx_context *context,
                                   struct derivative_call *call,
                                   const struct smx_dd *maxima)
{
    const struct smx_logits *logits = call->logits;
    const struct smx_rows_work work = {.run = store_vjp_row,
                                       .argument = call,
                                       .total = dot_of,
                                       .input = call->upstream,
                                       .output = call->out,
                                       /* the Jacobian has no such rows; those
                                          of softmax are 0 by themselves */
                                       .masked = call->log,
                                       .zeros = true,
                                       .maxima = maxima,
                                       .unseen = call->unseen,
                                       .slope = true,
                                       .keep = true,
                                       /* slopes come of the logits */
                                       .over = !logits->softcap,
                                       .stream = streams_product(call)};
    enum smx_status status;
    if (smx_plan_product(logits) == SMX_WAY_DD_LANES &&
        smx_is_factor_moderate(smx_temperature_of(logits))) {
        struct smx_lanes lanes = smx_lanes_of(logits);
        lanes.vjp_upstream = call->upstream;
        lanes.values = call->out;
        lanes.log = call->log;
        lanes.unseen = call->unseen;
        status = smx_lanes_run(context, &lanes, &work, NULL);
    } else {
        status = smx_rows_run(context, logits, &work);
    }
    return !status && call->nonfinite ? SMX_ENONFINITE : status;
}

/* Are rows looked at as they are loaded? Not where what the mask leaves out is
 * not. Where operands of doubles or of lanes lie they must stay, so that what
 * is wrong with them can be found. */
static bool looks_as_it_loads(const struct derivative_call *call)
{
    const struct smx_logits *z = call->logits;
    bool f32 = smx_way_is_f32(smx_plan_product(z));
    bool narrow = z->classes <= SMX_NARROW;
    if (f32 && !narrow)
        return !(z->mask && smx_rows_moved(z));
    return (f32 || z->dtype == SMX_FLOAT64) && !(narrow && z->mask) &&
           call->out != z->data && call->out != call->upstream;
}

static enum smx_status vjp_row(struct smx_context *context,
                               struct derivative_call *call, bool early,
                               struct smx_where *where)
{
    struct smx_dd *maxima = NULL;
    struct smx_refused refused = {SIZE_MAX, SIZE_MAX};
    enum smx_status status = SMX_OK;
    call->unseen = early && looks_as_it_loads(call);
    if (!call->unseen)
        status = scan_operands(context, call, &maxima, where);
    if (!status && !smx_f32_vjp(context, call->logits, call->unseen, call->log,
                                call->upstream, call->out, &refused, &status))
        status = run_product(context, call, maxima);
    free(maxima);
    if (smx_is_refused(&refused))
        return refused.logits != SIZE_MAX
                   ? smx_blame(SMX_ENONFINITE, where, SMX_FIELD_LOGITS,
                               refused.logits)
                   : smx_blame(SMX_ENONFINITE, where, SMX_FIELD_UPSTREAM,
                               refused.input);
    if (status != SMX_ENONFINITE || !call->unseen)
        return status;
    /* in memory that is shared all may be finite again */
    status = scan_operands(context, call, &maxima, where);
    free(maxima);
    return status ? status
                  : smx_blame(SMX_ENONFINITE, where, SMX_FIELD_LOGITS, 0);
}

static enum smx_status vjp_of(struct smx_context *context,
                              const struct smx_logits *logits, bool log,
                              const void *upstream, void *gradient, bool early,
                              struct smx_where *where)
{
    struct smx_logits z;
    struct derivative_call call = {
        .logits = &z, .log = log, .upstream = upstream, .out = gradient};
    enum smx_status status = smx_read_logits(logits, &z, where);
    if (!status && z.outer && !upstream)
        status = smx_blame(SMX_EARGUMENT, where, SMX_FIELD_UPSTREAM, 0);
    if (!status && z.outer && !gradient)
        status = smx_blame(SMX_EARGUMENT, where, SMX_FIELD_GRADIENT, 0);
    return status ? status : vjp_row(context, &call, early, where);
}

enum smx_status smx_vjp(struct smx_context *context,
                        const struct smx_logits *logits, bool log,
                        const void *upstream, void *gradient,
                        struct smx_where *where)
{
    return vjp_of(context, logits, log, upstream, gradient, false, where);
}

enum smx_status smx_vjp_early(struct smx_context *context,
                              const struct smx_logits *logits, bool log,
                              const void *upstream, void *gradient,
                              struct smx_where *where)
{
    return vjp_of(context, logits, log, upstream, gradient, true, where);
}

static enum smx_status jacobian_of(struct smx_context *context,
                                   struct derivative_call *call,
                                   struct smx_where *where)
{
    const struct smx_logits *logits = call->logits;
    size_t elements, count = smx_rows_count(logits) * logits->classes;
    if (__builtin_mul_overflow(count, logits->classes, &elements) ||
        elements > PTRDIFF_MAX / sizeof(double))
        return smx_blame(SMX_EOVERFLOW, where, SMX_FIELD_JACOBIAN, 0);
    if (elements && !call->out)
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_JACOBIAN, 0);
    enum smx_status status =
        smx_rows_scan(context, logits, logits->data, SMX_FIELD_LOGITS, where);
    if (status)
        return status;
    const struct smx_rows_work work = {
        .run = jacobian_row,
        .argument = call,
        .slope = true,
        .serial = true,
    };
    return smx_rows_run(context, logits, &work);
}

enum smx_status smx_jacobian(struct smx_context *context,
                             const struct smx_logits *logits, bool log,
                             void *jacobian, struct smx_where *where)
{
    struct smx_logits z;
    struct derivative_call call = {.logits = &z, .log = log, .out = jacobian};
    enum smx_status status = smx_read_logits(logits, &z, where);
    return status ? status : jacobian_of(context, &call, where);
}
