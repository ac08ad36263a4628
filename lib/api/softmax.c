/* SPDX-License-Identifier: MIT */
/* p_c = exp(z'_c - lse), and what can be read off a row beside it, tile of
 * rows by tile: a tile is loaded where a kernel cannot read its rows in place,
 * computed, and stored where its values do not belong side by side. What is
 * asked beside the values changes no bit of them. */
#include <stdlib.h>

#include "arguments.h"
#include "engine/dd_softmax.h"
#include "engine/load.h"
#include "engine/f32_softmax.h"
#include "engine/softcap.h"
#include "engine/summary.h"
#include "engine/top.h"

struct softmax_call {
    const struct smx_logits *logits;
    const struct smx_softmax_options *options;
    const struct smx_softmax_out *out;
    size_t rows, most; /* of all, and of a tile */
    bool f32;          /* the float32 engine computes the values */
    bool f32_sums;     /* and log-sum-exp and entropy */
    bool loaded;
    struct smx_dd *maxima; /* smx_rows_scan_maxima; NULL: none */
    void *copy;            /* logits that were loaded */
    void *values;          /* of a tile, where they do not stay */
    void *workspace;       /* of the float32 engine */
    double *totals;        /* of a tile, see smx_f32_rows; NULL: not asked */
    int64_t *order;        /* of a tile: its top-k */
};

static bool wants_summaries(const struct smx_softmax_out *out)
{
    return out->logsumexp || out->entropy || out->argmax;
}

/* Values share the sums that they need with the log-sum-exp. */
static bool shares_totals(const struct softmax_call *call)
{
    const struct smx_softmax_out *out = call->out;
    return call->f32_sums && out->logsumexp && out->values &&
           !call->options->log && !call->loaded &&
           (out->values != call->logits->data || call->options->top_k);
}

static bool wants_order(const struct softmax_call *call)
{
    return call->options->top_k && (call->out->values || call->out->indices);
}

/* ---- memory of a tile ---------------------------------------------------- */

static size_t engine_bytes(const struct softmax_call *call, size_t rows)
{
    size_t values, summaries, classes = call->logits->classes;
    if (!call->f32)
        return 0;
    values = call->out->values ? smx_f32_workspace(rows, classes) : 0;
    summaries =
        wants_summaries(call->out) ? smx_summary_bytes(rows, classes) : 0;
    return values > summaries ? values : summaries;
}

/* Where top-k leaves values in the copy, they take the logits' place. */
static bool needs_values(const struct softmax_call *call)
{
    return call->options->top_k && call->out->values && !call->loaded;
}

static enum smx_status allocate_softmax(struct softmax_call *call)
{
    const struct smx_logits *z = call->logits;
    size_t row = z->classes * smx_dtype_bytes(z->dtype);
    bool order = wants_order(call), values = needs_values(call);
    size_t copied = call->loaded || values ? row : 0;
    size_t ordered = order ? call->options->top_k * sizeof *call->order : 0;
    bool tiled =
        copied || ordered || (call->f32_sums && wants_summaries(call->out));
    bool totals = shares_totals(call);
    size_t total = totals ? sizeof *call->totals : 0;
    size_t bytes = copied + ordered + total + engine_bytes(call, 1);
    call->most = smx_rows_tile(z, tiled ? bytes + !bytes * row : 0);
    if (copied)
        call->values = malloc(call->most * copied);
    if (call->loaded)
        call->copy = call->values;
    if (ordered)
        call->order = malloc(call->most * ordered);
    if (totals)
        call->totals = malloc(call->most * total);
    bytes = engine_bytes(call, call->most);
    if (bytes)
        call->workspace = malloc(bytes);
    return (call->values || !copied) && (call->order || !ordered) &&
                   (call->totals || !totals) && (call->workspace || !bytes)
               ? SMX_OK
               : SMX_ENOMEM;
}

static void release(struct softmax_call *call)
{
    free(call->values);
    free(call->order);
    free(call->totals);
    free(call->workspace);
    free(call->maxima);
}

/* ---- a tile -------------------------------------------------------------- */

/* The values of a tile's top-k, and its indices, to their places. */
static void put_top(const struct softmax_call *call, size_t first, size_t count)
{
    const struct smx_softmax_out *out = call->out;
    struct smx_logits shape = *call->logits;
    size_t classes = shape.classes, k = call->options->top_k;
    shape.stride = k * shape.inner;
    for (size_t r = 0; r < count; r++) {
        const int64_t *order = call->order + r * k;
        size_t to = smx_rows_index(&shape, first + r, 0);
        for (size_t i = 0; i < k; i++, to += shape.inner) {
            size_t from = r * classes + (size_t)order[i];
            if (out->indices)
                out->indices[to] = order[i];
            if (out->values)
                smx_set(out->values, shape.dtype, to,
                        smx_get(call->values, shape.dtype, from));
        }
    }
}

static struct smx_softmax_out tile_out(const struct softmax_call *call,
                                       size_t first)
{
    struct smx_softmax_out out = *call->out;
    size_t element = smx_dtype_bytes(call->logits->dtype);
    size_t start = first * call->logits->classes;
    if (out.logsumexp)
        out.logsumexp = (char *)out.logsumexp + first * element;
    if (out.entropy)
        out.entropy = (char *)out.entropy + first * element;
    if (out.argmax)
        out.argmax += first;
    if (out.values && (call->options->top_k || smx_rows_moved(call->logits)))
        out.values = call->values;
    else if (out.values)
        out.values = (char *)out.values + start * element;
    return out;
}

/* What the float32 engine answers, of rows side by side. */
static enum smx_status run_f32(struct smx_context *context,
                               const struct softmax_call *call,
                               const struct smx_logits *tile,
                               const struct smx_softmax_out *out,
                               struct smx_where *where)
{
    const struct smx_summaries summaries = {
        call->f32_sums ? out->logsumexp : NULL,
        call->f32_sums ? out->entropy : NULL, out->argmax};
    enum smx_status status = SMX_OK;
    if (call->totals)
        status = smx_f32_rows(context, tile, call->options->log, out->values,
                              call->totals, call->workspace, where);
    smx_summarise(context, tile->data, tile->outer, tile->classes,
                  tile->temperature, call->totals, &summaries, call->workspace);
    if (out->values && !call->totals)
        status = smx_f32_rows(context, tile, call->options->log, out->values,
                              NULL, call->workspace, where);
    return status;
}

/* And all else. */
static void run_dd(struct smx_context *context, const struct softmax_call *call,
                   const struct smx_logits *tile, struct smx_softmax_out out)
{
    if (call->f32)
        out.values = NULL;
    if (call->f32_sums)
        out.logsumexp = out.entropy = NULL;
    if (call->f32)
        out.argmax = NULL;
    if (out.values || wants_summaries(&out))
        smx_dd_softmax(context, tile, call->maxima, call->options->log, &out);
}

/* First the one that does not write values, which may take the logits' place.
 */
static enum smx_status run_engines(struct smx_context *context,
                                   const struct softmax_call *call,
                                   const struct smx_logits *tile,
                                   const struct smx_softmax_out *out,
                                   struct smx_where *where)
{
    enum smx_status status = SMX_OK;
    run_dd(context, call, tile, *out);
    if (call->f32)
        status = run_f32(context, call, tile, out, where);
    return status;
}

static enum smx_status run_softmax_tile(struct smx_context *context,
                                        const struct softmax_call *call,
                                        size_t first, size_t count,
                                        struct smx_where *where)
{
    const struct smx_logits *z = call->logits;
    const struct smx_softmax_out out = tile_out(call, first);
    struct smx_logits tile = *z;
    enum smx_status status = SMX_OK;
    tile.data =
        (const char *)z->data + first * z->classes * smx_dtype_bytes(z->dtype);
    tile.outer = count;
    tile.inner = 1;
    tile.stride = tile.out_stride = z->classes;
    tile.mask = NULL;
    if (call->loaded) {
        smx_load_logits(context, z, first, count, call->copy);
        tile.data = call->copy;
    }
    if (call->order)
        smx_top_find(context, &tile, call->options->top_k, call->order);
    status = run_engines(context, call, &tile, &out, where);
    if (call->order)
        put_top(call, first, count);
    else if (out.values && smx_rows_moved(z))
        smx_store_rows(context, z, out.values, first, count, call->out->values);
    return status;
}

/* ---- all of it ----------------------------------------------------------- */

/* Nothing may be written before every logit has been looked at. Where nothing
 * but values in place are wanted the float32 engine does that by the way. */
static enum smx_status scan_logits(struct smx_context *context,
                                   struct softmax_call *call,
                                   struct smx_where *where)
{
    const struct smx_logits *z = call->logits;
    if (call->f32 && call->most == call->rows && !call->loaded &&
        !call->options->top_k && !wants_summaries(call->out) &&
        call->out->values)
        return SMX_OK;
    if (z->dtype == SMX_FLOAT32 || call->loaded || call->most < call->rows)
        return smx_rows_scan(context, z, z->data, SMX_FIELD_LOGITS, where);
    return smx_rows_scan_maxima(context, z, &call->maxima, where);
}

static enum smx_status softmax_of(struct smx_context *context,
                                  struct softmax_call *call,
                                  struct smx_where *where)
{
    const struct smx_logits *logits = call->logits;
    call->rows = smx_rows_count(logits);
    call->f32_sums = logits->dtype == SMX_FLOAT32 && !logits->softcap;
    call->f32 =
        call->f32_sums || (logits->dtype == SMX_FLOAT32 &&
                           !call->options->log && smx_cap_of(logits).possible);
    call->loaded = smx_load_needed(logits);
    if (call->rows == 0)
        return SMX_OK;
    enum smx_status status = allocate_softmax(call);
    if (!status)
        status = scan_logits(context, call, where);
    for (size_t r = 0; r < call->rows && !status; r += call->most) {
        size_t left = call->rows - r;
        status = run_softmax_tile(context, call, r,
                                  left < call->most ? left : call->most, where);
    }
    release(call);
    return status;
}

enum smx_status smx_softmax(struct smx_context *context,
                            const struct smx_logits *logits,
                            const struct smx_softmax_options *options,
                            const struct smx_softmax_out *out,
                            struct smx_where *where)
{
    struct smx_logits z = {0};
    struct smx_softmax_options how = {0};
    struct smx_softmax_out wanted;
    struct softmax_call call = {.logits = &z, .options = &how, .out = &wanted};
    enum smx_status status = smx_where_begin(where);
    if (!status)
        status = smx_read_logits(logits, &z, where);
    if (!status)
        status = smx_read_options(options, &how, where);
    if (!status)
        status = smx_read_softmax_out(out, &wanted, where);
    if (!status && how.top_k > z.classes)
        status = smx_blame(SMX_EARGUMENT, where, SMX_FIELD_TOP_K, 0);
    return status ? status : softmax_of(context, &call, where);
}
