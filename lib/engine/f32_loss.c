/* SPDX-License-Identifier: MIT */
/* One sweep over the logits sums the exponentials of each chunk of each row,
 * relative to 0 or to the chunk's maximum, and finds NaN and +INFINITY. Rows
 * are then put together from their chunks, and a second sweep, for the
 * gradient, computes the exponentials again, which costs less than to store
 * and fetch them. Chunks and blocks of rows are shared out to the threads;
 * where they begin depends on nothing but the shape. Tiles of rows bound the
 * room that all this needs; no number depends on them. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

#include "api/beside.h"
#include "api/criterion.h"
#include "load.h"
#include "loss_call.h"
#include "plan.h"
#include "reduction.h"
#include "rows.h"
#include "sums.h"
#include "tuning.h"

/* For a chunk, and for what kernels fetch into the cache behind it: where no
 * memory is that takes long, and is in vain. */
#define ROOM (2 * SMX_CHUNK)

/* ---- first sweep: chunks ---------------------------------------------- */

static struct smx_mass chunk_mass(const struct smx_loss_call *call, size_t row,
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
static bool sum_loss_chunk(struct smx_loss_call *call, size_t row, size_t chunk,
                           struct smx_part *part)
{
    SMX_ALIGNED float copy[ROOM];
    const float *z;
    size_t n = smx_chunk_classes(call->classes, chunk);
    if (!smx_load_chunk(call->kernels, &call->tiles.z, row, chunk, copy, &z) ||
        !smx_loss_sum(call, z, n, NULL, NULL, NULL, part))
        return false;
    if (call->mass.kind != SMX_MASS_NONE) {
        struct smx_mass mass = chunk_mass(call, row, chunk);
        const struct smx_exponents by =
            smx_relative_to(&call->by, part->max == -INFINITY ? 0 : part->max);
        part->mass = call->kernels->loss->mass(z, n, &by, &mass, &part->cost);
    }
    return isfinite(part->mass);
}

static void sum_loss_chunk_at(void *argument, size_t i)
{
    struct smx_loss_call *call = argument;
    if (!call->nonfinite && !sum_loss_chunk(call, i / call->chunks,
                                            i % call->chunks, &call->parts[i]))
        call->nonfinite = true;
}

/* ---- second sweep: the gradient ---------------------------------------- */

static void store_grad_chunk(void *argument, size_t i)
{
    const struct smx_loss_call *call = argument;
    size_t row = i / call->chunks, chunk = i % call->chunks;
    const int64_t *labels = call->criterion.labels;
    size_t n = smx_chunk_classes(call->classes, chunk),
           first = chunk * SMX_CHUNK;
    size_t start = row * call->classes + first;
    if (smx_criterion_ignores(&call->criterion, row)) {
        memset(call->gradient + start, 0, n * sizeof *call->gradient);
        return;
    }
    const struct smx_grad *d = &call->grads[row];
    const struct smx_exponents by = smx_relative_to(&call->by, d->reference);
    struct smx_mass mass = chunk_mass(call, row, chunk);
    size_t y = labels ? (size_t)labels[row] - first : n; /* wraps below it */
    float own = y < n ? smx_loss_label_grad(call, row, d) : 0;
    if (d->in_range)
        call->kernels->split->put(call->z + start, n, &call->split,
                                  d->factor * SMX_SPLIT_UNIT,
                                  d->bend * SMX_SPLIT_UNIT,
                                  call->parts[row * call->chunks + chunk].min,
                                  call->stream, call->gradient + start);
    else
        call->kernels->loss->grad_store(call->z + start, n, &by, d->factor,
                                        d->bend, &mass, d->share,
                                        call->gradient + start);
    if (y < n)
        call->gradient[start + y] = own;
    if (d->top - first < n)
        call->gradient[start + d->top - first] = (float)d->d_top;
}

/* ---- all of it --------------------------------------------------------- */

static void count(struct smx_loss_call *call)
{
    call->counts =
        smx_criterion_count(call->kernels, call->logits, call->asked);
    call->factor = call->z_factor = 1;
    if (call->asked->reduction == SMX_REDUCTION_MEAN) {
        bool nothing = call->counts.divisor == 0;
        call->factor = nothing ? 0 : 1 / call->counts.divisor;
        call->z_factor = nothing ? 0 : 1 / call->counts.weight;
    }
}

static void store_f32_loss(const struct smx_loss_call *call)
{
    const struct smx_row_losses rows = {
        .losses = call->entropies, .others = call->squares, .hits = call->hits};
    smx_losses_store(call->kernels, call->logits, call->asked, &call->counts,
                     &rows, call->out);
}

/* ---- tiles of rows ----------------------------------------------------- */

static bool at_once(const struct smx_loss_call *call)
{
    return call->way != SMX_WAY_CHUNKS;
}

/* Bytes of memory that are enough for the loss of a short row. */
#define FEW_BYTES ((size_t)256)

/* One block of memory: few where that is enough. NULL: there is no memory. */
static void *allocate_loss(const struct smx_context *context,
                           struct smx_loss_call *call, void *few)
{
    bool square = call->asked->z_loss != 0 || call->asked->entropy_weight != 0;
    bool parts = !at_once(call), grads = parts && call->tiles.output;
    size_t part = parts ? call->chunks * sizeof *call->parts : 0;
    size_t ranks = smx_loss_ranks(call) * sizeof *call->ranks;
    size_t copies = smx_tiles_bytes(&call->tiles);
    size_t row = copies + ranks + smx_loss_summary_bytes(call, 1) + part +
                 (parts ? sizeof *call->grads : 0);
    size_t most = smx_rows_tile(context, call->logits, row);
    call->tiles.most = most;
    const struct {
        void *place;
        size_t bytes;
    } rooms[] = {
        {&call->entropies, call->tiles.all * sizeof *call->entropies},
        {&call->squares, square ? call->tiles.all * sizeof *call->squares : 0},
        {&call->parts, most * part},
        {&call->grads, grads ? most * sizeof *call->grads : 0},
        {&call->tiles.copy, most * copies},
        {&call->ranks, most * ranks},
        {&call->summaries, smx_loss_summary_bytes(call, most)},
    };
    size_t bytes = 0, count = sizeof rooms / sizeof rooms[0];
    for (size_t i = 0; i < count; i++)
        bytes += smx_blocks(rooms[i].bytes);
    char *memory = bytes <= FEW_BYTES ? few : malloc(bytes), *next = memory;
    for (size_t i = 0; memory && i < count; i++) {
        void *room = rooms[i].bytes ? next : NULL;
        memcpy(rooms[i].place, &room, sizeof room);
        next += smx_blocks(rooms[i].bytes);
    }
    if (memory)
        smx_loss_place_seen(call);
    return memory;
}

/* What is of the first row of the tile: numbers of rows, */
static void place_loss_rows(struct smx_loss_call *call)
{
    const struct smx_criterion *asked = call->asked;
    size_t first = call->tiles.first;
    call->rows = call->tiles.rows;
    call->blocks = (call->rows + call->per_block - 1) / call->per_block;
    if (asked->labels)
        call->criterion.labels = asked->labels + first;
    if (asked->row_weights)
        call->criterion.row_weights = (const float *)asked->row_weights + first;
    call->upstream = call->upstreams;
    if (call->upstreams && asked->reduction == SMX_REDUCTION_NONE)
        call->upstream += first;
    call->entropy = call->entropies + first;
    call->square = call->squares ? call->squares + first : NULL;
}

/* and of classes, which have been loaded. */
static void place_loss_tile(struct smx_loss_call *call)
{
    struct smx_tiles *tiles = &call->tiles;
    call->z = tiles->z.data;
    call->gradient = tiles->out;
    call->mass.targets = call->criterion.targets = tiles->other;
}

static void run_chunks(struct smx_context *context, struct smx_loss_call *call,
                       size_t first)
{
    size_t chunks = call->rows * call->chunks;
    size_t most = SMX_SMALL / smx_chunk_classes(call->classes, 0);
    smx_pool_each(context->pool, chunks, most, sum_loss_chunk_at, call);
    if (call->nonfinite)
        return;
    smx_pool_for(context->pool, call->blocks, smx_loss_block, call);
    smx_loss_summarise(context, call, first);
    if (call->gradient)
        smx_pool_each(context->pool, chunks, most, store_grad_chunk, call);
}

static void run_cached(struct smx_context *context, struct smx_loss_call *call)
{
    size_t most = SMX_SMALL / (call->per_block * call->classes);
    most =
        smx_resident_rows(call->blocks, most, smx_pool_threads(context->pool));
    call->slices = smx_pool_slices(context->pool, call->blocks, most);
    smx_pool_for(context->pool, call->slices, smx_loss_cached, call);
}

/* false: a row of this tile, or of one before, is not in range. */
static bool is_stored_by_columns(struct smx_context *context,
                                 struct smx_loss_call *call)
{
    if (!call->columns || call->out_of_range)
        return false;
    smx_pool_for(context->pool, call->blocks, smx_loss_columns, call);
    return !call->out_of_range;
}

/* Is the gradient 0 where the mask leaves a class out, as it is computed? A
 * label's is (smx_loss_label_grad). */
static bool comes_masked(const struct smx_loss_call *call)
{
    return (call->way == SMX_WAY_RESIDENT || call->way == SMX_WAY_CHUNKS) &&
           call->mass.kind == SMX_MASS_NONE;
}

static void run_loss_tile(struct smx_context *context,
                          struct smx_loss_call *call)
{
    size_t first = call->tiles.first;
    place_loss_rows(call);
    if (is_stored_by_columns(context, call))
        return;
    smx_tiles_load(&call->tiles, &call->nonfinite);
    if (call->nonfinite)
        return;
    place_loss_tile(call);
    if (at_once(call))
        smx_loss_summarise(context, call, first);
    if (call->way == SMX_WAY_LANES)
        smx_pool_for(context->pool, call->blocks, smx_loss_lanes, call);
    else if (call->way == SMX_WAY_NARROW)
        smx_pool_for(context->pool, call->blocks, smx_loss_narrow, call);
    else if (call->way == SMX_WAY_RESIDENT)
        run_cached(context, call);
    else
        run_chunks(context, call, first);
    if (!call->nonfinite)
        smx_tiles_leave(&call->tiles,
                        comes_masked(call) ? SMX_MASKED_KEPT : SMX_MASKED_ZERO);
}

/* A few rows where they are, whose logits are all below the highest in range:
 * the shortest look at them. */
static bool is_all_below(const struct smx_loss_call *call)
{
    return call->way == SMX_WAY_NARROW && !call->tiles.loads &&
           call->tiles.all <= SMX_BLOCK_ROWS &&
           call->kernels->split->below(call->logits->data,
                                       call->tiles.all * call->classes,
                                       call->split.highest);
}

/* Nothing may be written before all has been looked at, as the sweep of a lone
 * tile by chunks does. */
static bool scan_loss_operands(struct smx_context *context,
                               const struct smx_loss_call *call)
{
    const struct smx_logits *z = call->logits;
    const float *targets = call->asked->targets;
    bool writes = call->tiles.output || smx_loss_summarises(call);
    bool looks = !at_once(call) && call->tiles.most == call->tiles.all;
    if (!smx_beside_wants(call->beside) &&
        (!writes || looks || is_all_below(call)))
        return true;
    return !smx_rows_scan(context, z, z->data, SMX_FIELD_LOGITS, NULL) &&
           (!targets ||
            !smx_rows_scan(context, z, targets, SMX_FIELD_TARGETS, NULL));
}

static enum smx_status run_f32_loss(struct smx_context *context,
                                    struct smx_loss_call *call)
{
    SMX_ALIGNED char few[FEW_BYTES];
    size_t width = smx_blocks(call->classes), most = SMX_RESIDENT_ELEMENTS;
    call->per_block = SMX_BLOCK_ROWS;
    if (call->way == SMX_WAY_RESIDENT)
        call->per_block = width < most ? most / width : 1;
    void *memory = allocate_loss(context, call, few);
    if (!memory)
        return SMX_ENOMEM;
    count(call);
    call->nonfinite = !scan_loss_operands(context, call);
    if (!call->nonfinite)
        smx_beside_answer(call->beside);
    for (size_t r = 0; !call->nonfinite; r += call->tiles.most) {
        if (!smx_tiles_place(&call->tiles, r))
            break;
        run_loss_tile(context, call);
    }
    if (call->out && !call->nonfinite)
        store_f32_loss(call);
    if (memory != few)
        free(memory);
    return SMX_OK;
}

/* Had the gradient better not pass through the cache? */
static bool streams(const struct smx_context *context,
                    const struct smx_loss_call *call)
{
    bool resident = call->way == SMX_WAY_RESIDENT;
    size_t cached = smx_streamed(call->chunks, context->third_cache);
    return (resident || call->chunks > 1) && call->tiles.output &&
           call->tiles.output != call->logits->data &&
           !smx_rows_moved(call->logits) &&
           (!call->logits->mask || comes_masked(call)) &&
           call->tiles.all * call->classes >= cached;
}

static enum smx_mass_kind mass_kind_of(const struct smx_criterion *criterion)
{
    if (criterion->targets)
        return criterion->weights ? SMX_MASS_WEIGHTED : SMX_MASS_TARGETS;
    if (criterion->label_smoothing == 0)
        return SMX_MASS_NONE;
    return criterion->weights ? SMX_MASS_WEIGHTS : SMX_MASS_EVEN;
}

bool smx_f32_loss(struct smx_context *context, const struct smx_logits *logits,
                  const struct smx_criterion *criterion, const float *upstream,
                  float *gradient, const struct smx_loss_out *out,
                  struct smx_beside *beside, enum smx_status *status)
{
    const struct smx_logits last = /* as if the class axis were */
        smx_side_by_side(logits, logits->data, smx_rows_count(logits));
    enum smx_way way = smx_plan_loss(logits, criterion, gradient != NULL);
    /* the first sweep checks the targets */
    if (!smx_way_is_f32(way) || !last.outer ||
        smx_criterion_check(context, &last, criterion, upstream, true, NULL))
        return false;
    double e = criterion->label_smoothing;
    double t = smx_temperature_of(logits);
    struct smx_loss_call call = {
        .kernels = context->kernels,
        .way = way,
        .logits = logits,
        .asked = criterion,
        .criterion = *criterion,
        .out = out,
        .beside = beside,
        .upstreams = upstream,
        .tiles = smx_tiles_of(context, logits, criterion->targets,
                              SMX_MASKED_KEPT, gradient),
        .classes = logits->classes,
        .chunks = smx_chunks(logits->classes),
        .keep = 1 - e,
        .share = e / (double)logits->classes,
        .inverse_temperature = 1 / t,
        .split = smx_context_split(context, t)};
    if (logits->classes > SMX_NARROW)
        call.by = smx_exponents_of(logits);
    call.mass = (struct smx_mass){.kind = mass_kind_of(criterion),
                                  .weights = criterion->weights,
                                  .keep = call.keep,
                                  .share = call.share};
    call.stream = streams(context, &call);
    /* terms of both signs could leave less than the digits of in-range sums */
    call.split.possible &=
        !criterion->targets && criterion->z_loss == 0 && !logits->softcap;
    call.entropy_out = logits->softcap ? NULL : smx_beside_take_entropy(beside);
    if (way == SMX_WAY_CHUNKS && !gradient && !smx_rows_moved(logits) &&
        !smx_loss_summarises(&call))
        call.tiles.loads = false; /* chunks are masked as they are read */
    call.columns = way == SMX_WAY_NARROW && smx_plan_columns(logits) &&
                   criterion->focal == 0 && gradient != logits->data &&
                   !smx_loss_summarises(&call);
    *status = run_f32_loss(context, &call);
    if (call.nonfinite && call.entropy_out)
        beside->values.out.entropy = call.entropy_out;
    return !call.nonfinite;
}
