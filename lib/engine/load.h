/* SPDX-License-Identifier: MIT */
/**
 * The load stage: rows of a tensor side by side in a copy, as the kernels read
 * them, wherever their class axis lies and whatever the mask leaves out; and
 * the way back.
 */
#ifndef SMX_LOAD_H
#define SMX_LOAD_H

#include <stdatomic.h>

#include "rows.h"

/** A transposition: of rows that a tensor holds side by side, class by class,
 *  and a copy in which each row's classes lie together. */
struct smx_turn {
    const void *from;
    void *to;
    size_t apart;  /* elements from class to class in the tensor */
    size_t length; /* and from row to row in the copy */
    size_t rows, classes;
    bool back;   /* from the copy to the tensor; else from it to the copy */
    bool stream; /* then: past the cache where whole lines are written */
};

/** Kernels of one instruction set: x where the mask is not 0, else instead;
 *  out may be x. Are all of x, also those left out, below +INFINITY, and
 *  doubles not below -DBL_MAX unless instead is? */
struct smx_load_kernels {
    bool (*mask_floats)(const float *x, const uint8_t *mask, size_t n,
                        float instead, float *out);
    bool (*mask_doubles)(const double *x, const uint8_t *mask, size_t n,
                         double instead, double *out);
    void (*turn)(enum smx_dtype dtype, const struct smx_turn *turn);
};

/** Do the logits have to be loaded before a kernel can read them? */
static inline bool smx_load_needed(const struct smx_logits *logits)
{
    return smx_rows_moved(logits) || logits->mask;
}

/** What becomes of a class that the mask leaves out. */
enum smx_masked { SMX_MASKED_KEPT, SMX_MASKED_ZERO, SMX_MASKED_INFINITE };

/** Rows of data side by side, as the logits but for their place: no mask, no
 *  gaps. */
struct smx_logits smx_side_by_side(const struct smx_logits *logits,
                                   const void *data, size_t rows);

/** The rows of tensors of the logits' shape, a tile at a time: side by side, in
 *  their place or in copies. */
struct smx_tiles {
    struct smx_context *context;
    const struct smx_logits *logits;
    const void *input; /* another tensor that is read; NULL: none */
    enum smx_masked input_masked;
    void *output;
    size_t all, most; /* rows, and those of a tile */
    bool loads;       /* are there copies? Else who reads the rows masks them */
    void *copy;       /* smx_tiles_bytes for each row of a tile */

    /* the tile at work */
    size_t first, rows;
    struct smx_logits z;
    const void *other; /* its rows of the input, of the output: */
    void *out;
};

/** The tiles of these tensors; most and copy are the caller's to set. */
struct smx_tiles smx_tiles_of(struct smx_context *context,
                              const struct smx_logits *logits,
                              const void *input, enum smx_masked input_masked,
                              void *output);

/** Bytes of the copies of one row. */
size_t smx_tiles_bytes(const struct smx_tiles *tiles);

/** Makes the rows from first on the tile at work; false: there are none. */
bool smx_tiles_place(struct smx_tiles *tiles, size_t first);

/** Loads that. nonfinite, unless NULL, is set where the mask is applied to NaN
 * or +INFINITY, or to -INFINITY of an input of doubles. */
void smx_tiles_load(struct smx_tiles *tiles, atomic_bool *nonfinite);

/** The way back of what was computed of the tile. */
void smx_tiles_leave(const struct smx_tiles *tiles, enum smx_masked masked);

/** A chunk of a row of logits that do not have to be moved: in its place, or
 *  thinned by the mask in the copy, which is as long as one. false: NaN or
 *  +INFINITY is among those that the mask is applied to. */
bool smx_load_chunk(const struct smx_kernels *kernels,
                    const struct smx_logits *logits, size_t row, size_t chunk,
                    float *copy, const float **x);

#endif
