/* SPDX-License-Identifier: MIT */
/* p_c = exp(z'_c - lse), and what can be read off a row beside it, tile of
 * rows by tile: a tile is loaded where a kernel cannot read its rows in place,
 * computed, and stored where its values do not belong side by side. Of rows of
 * which some classes are picked, the largest or those chosen, only these leave
 * the tile. What is asked beside the values changes no bit of them. */
#include "softmax_call.h"

#include <stdlib.h>

#include "arguments.h"
#include "engine/engine.h"
#include "engine/narrow.h"
#include "engine/tuning.h"

static bool wants_summaries(const struct smx_softmax_out *out)
{
    return out->logsumexp || out->entropy || out->argmax;
}

static bool is_narrow(const struct smx_softmax_call *call)
{
    return call->logits->classes <= SMX_NARROW;
}

/* Values share the sums that they need with what is asked beside them, unless
 * they take the place of the logits, which that may need as well. */
static bool shares_totals(const struct smx_softmax_call *call)
{
    const struct smx_softmax_out *out = &call->out;
    bool apart = call->picked
                     ? call->gathers || !call->tiles.loads
                     : !call->tiles.loads && out->values != call->logits->data;
    if (!call->f32_sums || !wants_summaries(out))
        return false;
    if (is_narrow(call))
        return out->values && out->logsumexp && apart && !call->options.log;
    return out->values ? apart : out->logsumexp && !out->entropy;
}

/* Where nothing but summaries is wanted of a lone tile, the first sweep for
 * those of long rows looks at every logit. */
static bool summaries_scan(const struct smx_softmax_call *call)
{
    return call->f32_sums && wants_summaries(&call->out) && !call->out.values &&
           !call->seen.totals && !call->picked && !call->tiles.loads &&
           call->tiles.most == call->tiles.all &&
           smx_summary_scans(call->logits->classes);
}

static bool wants_picks(const struct smx_softmax_call *call)
{
    const struct smx_softmax_out *out = &call->out;
    return call->picked && (out->values || out->indices || out->rank);
}

/* ---- memory of a tile ---------------------------------------------------- */

static size_t gathered(const struct smx_softmax_call *call)
{
    return call->gathers ? call->picked : 0;
}

static size_t engine_bytes(const struct smx_softmax_call *call, size_t rows)
{
    const struct smx_softmax_out *out = &call->out;
    size_t values = 0, summaries = 0, ranks = 0;
    size_t classes = call->logits->classes;
    if (call->f32 && out->values)
        values = smx_f32_workspace(rows, classes, gathered(call));
    if (shares_totals(call) && !out->values)
        values = smx_f32_workspace(rows, classes, 1);
    if (call->f32 && wants_summaries(out))
        summaries = smx_summary_bytes(rows, classes);
    if (out->rank)
        ranks = rows * smx_rank_bytes(classes, call->picked);
    values = values > summaries ? values : summaries;
    return values > ranks ? values : ranks;
}

/* Of the row's logits, its values, its picks, their ranks and its total. */
struct row_bytes {
    size_t copied, values, picks, ranks, total;
};

static struct row_bytes bytes_of(const struct smx_softmax_call *call)
{
    const struct smx_logits *z = call->logits;
    struct row_bytes bytes = {.copied = smx_tiles_bytes(&call->tiles)};
    size_t element = smx_dtype_bytes(z->dtype);
    if (call->out.values && call->gathers)
        bytes.values = call->picked * element;
    else if (call->out.values && call->picked && !call->tiles.loads)
        bytes.values = z->classes * element;
    if (wants_picks(call) && !smx_picked_stay(call))
        bytes.picks = call->picked * sizeof *call->picks;
    if (call->out.rank)
        bytes.ranks = call->picked * sizeof *call->ranks;
    if (shares_totals(call))
        bytes.total = is_narrow(call) ? sizeof(double) : 3 * sizeof(double);
    return bytes;
}

static size_t tile_rows(const struct smx_softmax_call *call,
                        const struct row_bytes *row)
{
    const struct smx_logits *z = call->logits;
    size_t engine = engine_bytes(call, 1);
    size_t bytes = row->copied + row->values + row->picks + row->ranks +
                   row->total + engine;
    bool tiled = row->copied || wants_picks(call) ||
                 (call->f32_sums && wants_summaries(&call->out));
    if (!tiled)
        return smx_rows_tile(call->context, z, 0);
    return smx_rows_tile(call->context, z,
                         bytes ? bytes : z->classes * sizeof(float));
}

enum smx_status smx_softmax_open(struct smx_softmax_call *call)
{
    const struct smx_logits *z = call->logits;
    const struct smx_softmax_options *options = &call->options;
    call->way = smx_plan_softmax(z, options->log, true);
    call->f32 = smx_way_is_f32(call->way);
    call->f32_sums = call->f32 && !z->softcap;
    call->picked = options->top_k ? options->top_k : options->chosen_count;
    call->tiles = smx_tiles_of(call->context, z, NULL, SMX_MASKED_KEPT,
                               call->picked ? NULL : call->out.values);
    if (call->way == SMX_WAY_DD_ROWS && !call->picked && !smx_rows_moved(z))
        call->tiles.loads = false;
    call->gathers = call->picked && !is_narrow(call);
    if (call->tiles.all == 0)
        return SMX_OK;
    const struct row_bytes row = bytes_of(call);
    call->tiles.most = tile_rows(call, &row);
    if (!smx_allocate(&call->tiles.copy, call->tiles.most, row.copied) ||
        !smx_allocate(&call->values, call->tiles.most, row.values) ||
        !smx_allocate(&call->picks, call->tiles.most, row.picks) ||
        !smx_allocate(&call->ranks, call->tiles.most, row.ranks) ||
        !smx_allocate(&call->seen.totals, call->tiles.most, row.total) ||
        !smx_allocate(&call->workspace, 1,
                      engine_bytes(call, call->tiles.most)))
        return SMX_ENOMEM;
    if (call->seen.totals && !is_narrow(call)) {
        double *moments = call->seen.totals + call->tiles.most;
        call->seen.moments = call->out.entropy ? moments : NULL;
        call->seen.maxima = (void *)(moments + call->tiles.most);
    }
    return SMX_OK;
}

void smx_softmax_close(struct smx_softmax_call *call)
{
    free(call->tiles.copy);
    free(call->values);
    free(call->picks);
    free(call->ranks);
    free(call->seen.totals);
    free(call->workspace);
    free(call->maxima);
}

/* ---- a tile -------------------------------------------------------------- */

/* The classes that the caller has chosen of the rows of a tile. */
static void take_chosen(const struct smx_softmax_call *call)
{
    const struct smx_softmax_options *options = &call->options;
    size_t k = call->picked, first = call->tiles.first * k;
    for (size_t i = 0; i < call->tiles.rows * k; i++) {
        size_t from = options->chosen_each_row ? first + i : i % k;
        int64_t class = options->chosen[from];
        call->picks[i] =
            call->ignore && class == call->ignore_index ? -1 : class;
    }
}

/* Before values may take the logits' place. */
static void pick_classes(const struct smx_softmax_call *call)
{
    const struct smx_logits *tile = &call->tiles.z;
    if (call->options.top_k)
        smx_top_find(call->context, tile, call->picked, call->picks);
    else
        take_chosen(call);
    if (call->out.rank)
        smx_rank_find(call->context, tile, call->picked, call->picks,
                      call->ranks, call->workspace);
}

static struct smx_softmax_out tile_out(const struct smx_softmax_call *call)
{
    struct smx_softmax_out out = call->out;
    size_t first = call->tiles.first;
    size_t element = smx_dtype_bytes(call->logits->dtype);
    if (out.logsumexp)
        out.logsumexp = (char *)out.logsumexp + first * element;
    if (out.entropy)
        out.entropy = (char *)out.entropy + first * element;
    if (out.argmax)
        out.argmax += first;
    if (out.values)
        out.values = call->picked ? smx_picked_values(call) : call->tiles.out;
    return out;
}

/* Elements of what the values of a tile are a part of, which is left when they
 * are written; 0: nothing is. */
static size_t elements_left(const struct smx_softmax_call *call)
{
    const struct smx_logits *z = call->logits;
    bool stays = call->picked || smx_rows_moved(z);
    return stays ? 0 : smx_rows_count(z) * z->classes;
}

static enum smx_status store_f32(const struct smx_softmax_call *call,
                                 const struct smx_softmax_out *out)
{
    return smx_f32_rows(call->context, &call->tiles.z, call->options.log,
                        gathered(call), call->picks, out->values,
                        call->seen.totals ? &call->seen : NULL, call->workspace,
                        out->early || call->looked, elements_left(call),
                        call->where);
}

static enum smx_status scan_for_logit(const struct smx_softmax_call *call,
                                      const struct smx_logits *z)
{
    return smx_rows_scan(call->context, z, z->data, SMX_FIELD_LOGITS,
                         call->where);
}

/* Of logits of which one was refused. In memory that is shared it may be finite
 * again: what was not written for its sake must not pass for an answer. */
static enum smx_status blame_logit(const struct smx_softmax_call *call,
                                   const struct smx_logits *z)
{
    if (scan_for_logit(call, z))
        return SMX_ENONFINITE;
    return smx_blame(SMX_ENONFINITE, call->where, SMX_FIELD_LOGITS, 0);
}

/* What the float32 engine answers, of rows side by side. */
static enum smx_status run_f32(const struct smx_softmax_call *call,
                               const struct smx_softmax_out *out)
{
    const struct smx_logits *tile = &call->tiles.z;
    const struct smx_summaries summaries = {
        call->f32_sums ? out->logsumexp : NULL,
        call->f32_sums ? out->entropy : NULL, out->argmax};
    enum smx_status status = SMX_OK;
    if (call->seen.totals)
        status = store_f32(call, out);
    if (status)
        return status;
    if (!smx_summarise(call->context, tile->data, tile->outer, tile->classes,
                       smx_temperature_of(tile), &call->seen, &summaries,
                       call->workspace))
        return blame_logit(call, tile);
    if (out->values && !call->seen.totals)
        status = store_f32(call, out);
    return status;
}

/* And all else. */
static enum smx_status run_dd(const struct smx_softmax_call *call,
                              struct smx_softmax_out out)
{
    const struct smx_logits *tile = &call->tiles.z;
    enum smx_status status = SMX_OK;
    if (call->f32)
        out.values = out.argmax = NULL;
    if (call->f32_sums)
        out.logsumexp = out.entropy = NULL;
    if (out.values || wants_summaries(&out))
        status = smx_dd_softmax(call->context, tile, call->maxima,
                                call->options.log, gathered(call), call->picks,
                                elements_left(call), &out);
    if (status)
        status = blame_logit(call, tile);
    return status;
}

/* First what does not write values, which may take the logits' place. */
static enum smx_status run_engines(const struct smx_softmax_call *call)
{
    const struct smx_softmax_out out = tile_out(call);
    enum smx_status status = run_dd(call, out);
    if (call->f32)
        status = run_f32(call, &out);
    if (status && call->where)
        call->where->index += call->tiles.first * call->logits->classes;
    return status;
}

static enum smx_status run_softmax_tile(struct smx_softmax_call *call)
{
    atomic_bool nonfinite = false;
    smx_tiles_load(&call->tiles, &nonfinite);
    if (nonfinite && !call->looked)
        return SMX_ENONFINITE;
    if (wants_picks(call))
        pick_classes(call);
    enum smx_status status = run_engines(call);
    if (status)
        return status;
    if (wants_picks(call))
        smx_picked_store(call);
    smx_tiles_leave(&call->tiles, SMX_MASKED_KEPT);
    return SMX_OK;
}

/* ---- all of it ----------------------------------------------------------- */

/* Unless it is early, nothing may be written before every logit has been looked
 * at. Of a lone tile the float32 engine does that by the way if it comes first:
 * for values, or for the sums that a log-sum-exp needs. */
static bool looks_first(const struct smx_softmax_call *call)
{
    bool first =
        call->seen.totals || (call->out.values && !wants_summaries(&call->out));
    return call->f32 && first &&
           (call->out.early ||
            (!call->tiles.loads && call->tiles.most == call->tiles.all)) &&
           !(call->picked && is_narrow(call));
}

/* Rows that others compute are looked at as they are loaded, each before it is
 * written: where they are at all, which no top-k's classes need. */
static bool looks_by_row(const struct smx_softmax_call *call)
{
    const struct smx_softmax_out *out = &call->out;
    bool loads = out->values || wants_summaries(out);
    return !call->f32 && loads && out->early && !out->rank &&
           !(call->picked && is_narrow(call));
}

static enum smx_status scan_logits(struct smx_softmax_call *call)
{
    const struct smx_logits *z = call->logits;
    call->looked =
        !looks_first(call) && !summaries_scan(call) && !looks_by_row(call);
    if (!call->looked)
        return SMX_OK;
    if (z->dtype == SMX_FLOAT32 || call->tiles.loads ||
        call->tiles.most < call->tiles.all)
        return scan_for_logit(call, z);
    return smx_rows_scan_maxima(call->context, z, &call->maxima, call->where);
}

static enum smx_status run_tiles(struct smx_softmax_call *call)
{
    enum smx_status status = SMX_OK;
    int64_t *own = call->picks;
    for (size_t r = 0; !status && smx_tiles_place(&call->tiles, r);
         r += call->tiles.most) {
        if (wants_picks(call) && smx_picked_stay(call))
            call->picks = call->out.indices + r * call->picked;
        status = run_softmax_tile(call);
    }
    call->picks = own;
    return status;
}

void smx_softmax_answer(struct smx_softmax_call *call)
{
    call->looked = true;
    run_tiles(call);
}

/* Nothing but the values of all classes. */
static bool wants_values_alone(const struct smx_softmax_options *options,
                               const struct smx_softmax_out *out)
{
    return out->values && !wants_summaries(out) && !options->top_k &&
           !options->chosen_count;
}

/* Does the float32 engine read and write rows where they are, without memory
 * of its own? */
static bool stays_in_f32(const struct smx_logits *z, enum smx_way way)
{
    return !smx_load_needed(z) &&
           smx_f32_workspace(z->outer, z->classes, 0) == 0 &&
           smx_way_is_f32(way);
}

/* Narrow rows that lanes of double-double read class by class, where they are.
 */
static enum smx_status softmax_by_columns(const struct smx_softmax_call *call)
{
    const struct smx_logits *z = call->logits;
    enum smx_status status = SMX_OK;
    if (!call->out.early)
        status = scan_for_logit(call, z);
    if (!status && smx_dd_softmax(call->context, z, NULL, call->options.log, 0,
                                  NULL, 0, &call->out))
        status = blame_logit(call, z);
    return status;
}

static enum smx_status softmax_in_tiles(struct smx_softmax_call *call)
{
    enum smx_status status = smx_softmax_open(call);
    if (!status && call->tiles.all)
        status = scan_logits(call);
    if (!status)
        status = run_tiles(call);
    if (status == SMX_ENONFINITE && call->tiles.loads && !call->looked)
        status = blame_logit(call, call->logits);
    smx_softmax_close(call);
    return status;
}

static enum smx_status softmax_of(struct smx_context *context,
                                  const struct smx_logits *z,
                                  const struct smx_softmax_options *options,
                                  const struct smx_softmax_out *out,
                                  struct smx_where *where)
{
    const bool alone = wants_values_alone(options, out), log = options->log;
    const bool picks = options->top_k || options->chosen_count;
    const bool columns = z->outer && smx_plan_columns(z);
    const enum smx_way way = smx_plan_softmax(z, log, true);
    if (alone && stays_in_f32(z, way))
        return smx_f32_rows(context, z, log, 0, NULL, out->values, NULL, NULL,
                            out->early, z->outer * z->classes, where);
    if (alone && columns && way == SMX_WAY_NARROW)
        return smx_columns_softmax(context, z, out->values, out->early, where);
    struct smx_softmax_call call = {.context = context,
                                    .where = where,
                                    .logits = z,
                                    .options = *options,
                                    .out = *out};
    bool stays = way == SMX_WAY_DD_LANES && !picks && columns;
    return stays ? softmax_by_columns(&call) : softmax_in_tiles(&call);
}

/* ---- what is wrong with the options ------------------------------------- */

static enum smx_status check_chosen(const struct smx_logits *z,
                                    const struct smx_softmax_options *options,
                                    const struct smx_softmax_out *out,
                                    struct smx_where *where)
{
    size_t count = options->chosen_count;
    if (!options->chosen && count == 0)
        return out->rank ? smx_blame(SMX_EARGUMENT, where, SMX_FIELD_RANK, 0)
                         : SMX_OK;
    if (count == 0)
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_CHOSEN_COUNT, 0);
    size_t lists = options->chosen_each_row ? smx_rows_count(z) : 1, all;
    if (__builtin_mul_overflow(count, lists, &all) ||
        all > PTRDIFF_MAX / sizeof(int64_t))
        return smx_blame(SMX_EOVERFLOW, where, SMX_FIELD_CHOSEN_COUNT, 0);
    if (options->top_k || (!options->chosen && all))
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_CHOSEN, 0);
    for (size_t i = 0; i < all; i++)
        if (options->chosen[i] < 0 ||
            (uint64_t)options->chosen[i] >= z->classes)
            return smx_blame(SMX_ELABEL, where, SMX_FIELD_CHOSEN, i);
    return SMX_OK;
}

enum smx_status smx_softmax(struct smx_context *context,
                            const struct smx_logits *logits,
                            const struct smx_softmax_options *options,
                            const struct smx_softmax_out *out,
                            struct smx_where *where)
{
    struct smx_logits z = {0};
    struct smx_softmax_options asked = {0};
    struct smx_softmax_out wanted = {0};
    enum smx_status status = smx_read_logits(logits, &z, where);
    if (!status)
        status = SMX_READ(options, &asked, where, SMX_FIELD_OPTIONS_SIZE);
    if (!status)
        status = SMX_READ_SINCE(offsetof(struct smx_softmax_out, early), out,
                                &wanted, where, SMX_FIELD_OUT_SIZE);
    if (!status && asked.top_k > z.classes)
        status = smx_blame(SMX_EARGUMENT, where, SMX_FIELD_TOP_K, 0);
    if (!status)
        status = check_chosen(&z, &asked, &wanted, where);
    return status ? status : softmax_of(context, &z, &asked, &wanted, where);
}
