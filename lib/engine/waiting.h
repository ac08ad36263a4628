/* SPDX-License-Identifier: MIT */
/** Rows whose exponentials wait in the cache to be divided by their sum, which
 *  is done while those of a later row take their place. */
#ifndef SMX_WAITING_H
#define SMX_WAITING_H

#include "kernels.h"
#include "tuning.h"

/* Classes of the longest of these rows. */
#define SMX_CACHED (SMX_F32_SHORT * SMX_CHUNK)

struct smx_waiting {
    double sum;         /* 0: no row waits */
    float *high, *rest; /* the exponentials (split_exp.h) */
    float *out;
    float *room;  /* where quotients are streamed to out from; NULL: nowhere */
    bool normal;  /* no quotient is denormal */
    size_t label; /* the class of which the row has its own number, if any */
    float own;
};

/** Places for so many rows in high and rest, SMX_CACHED of each; is each row to
 *  be divided while the next in its place is summed? Beside short rows is room
 *  for the quotients that are streamed afterwards; those of others take the
 *  place of their exponentials. */
static inline bool smx_waiting_place(struct smx_waiting *places, size_t count,
                                     float *high, float *rest, size_t rows,
                                     size_t classes, bool stream)
{
    size_t width = smx_blocks(classes);
    bool room = count * width <= SMX_CHUNK;
    for (size_t i = 0; i < count; i++, high += width, rest += width)
        places[i] = (struct smx_waiting){
            .high = high,
            .rest = rest,
            .room = stream ? high + (room ? SMX_CHUNK : 0) : NULL,
            .label = classes};
    return smx_is_pipelined(rows, classes) && (room || !stream);
}

/** What is to be divided from a class on. */
static inline struct smx_cached_exp
smx_waiting_from(const struct smx_waiting *row, size_t class)
{
    float *out = row->room ? row->room : row->out;
    return (struct smx_cached_exp){.high = row->high + class,
                                   .rest = row->rest + class,
                                   .sum = row->sum,
                                   .out = out + class,
                                   .normal = row->normal};
}

/** Of a row that has been divided, if one waited. */
static inline void smx_waiting_end(const struct smx_kernels *kernels,
                                   struct smx_waiting *row, size_t classes)
{
    if (row->sum == 0)
        return;
    float *quotients = row->room ? row->room : row->out;
    if (row->label < classes)
        quotients[row->label] = row->own;
    if (row->room)
        kernels->split->stream(quotients, classes, row->out);
    row->sum = 0;
}

/** Divides all that wait, then ends them: a copy of what has just been stored
 *  would wait for it. */
static inline void smx_waiting_divide(const struct smx_kernels *kernels,
                                      struct smx_waiting *row, size_t count,
                                      size_t classes)
{
    for (size_t i = 0; i < count; i++) {
        const struct smx_cached_exp of = smx_waiting_from(&row[i], 0);
        if (of.sum != 0)
            kernels->split->divide(&of, classes);
    }
    for (size_t i = 0; i < count; i++)
        smx_waiting_end(kernels, &row[i], classes);
}

#endif
