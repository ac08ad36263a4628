/* SPDX-License-Identifier: MIT */
/** Access to the elements of tensors, and their rows over the pool. */
#ifndef SMX_ROWS_H
#define SMX_ROWS_H

#include <math.h>
#include <stdatomic.h>

#include "api/context.h"

struct smx_row;
struct smx_dd;

/* What is done with a tile, and what comes of it. */
typedef struct smx_dd smx_row_take(const void *argument, struct smx_row *row);

/** a * b where one may have overflowed: 0 times that is 0, like 0 log 0. */
static inline double smx_times(double a, double b)
{
    return a == 0 || b == 0 ? 0 : a * b;
}

/** a + b where both may have overflowed: instead where the signs differ. */
static inline double smx_plus(double a, double b, double instead)
{
    double sum = a + b;
    return isnan(sum) ? instead : sum;
}

/** Of the logits; 1 where none is set. */
static inline double smx_temperature_of(const struct smx_logits *logits)
{
    return logits->temperature != 0 ? logits->temperature : 1;
}

/** *place = memory for count elements of so many bytes, or NULL for none of
 *  them; false: there is no memory. */
bool smx_allocate(void *place, size_t count, size_t bytes);

size_t smx_rows_count(const struct smx_logits *logits);

/** Index of class c of row r in an input of the logits' shape, in an output. */
size_t smx_rows_index(const struct smx_logits *logits, size_t r, size_t c);
size_t smx_rows_out_index(const struct smx_logits *logits, size_t r, size_t c);

/** Do rows have to be moved to lie side by side, their class axis not being the
 *  last or inputs or outputs having gaps? */
bool smx_rows_moved(const struct smx_logits *logits);

static inline double smx_get(const void *data, enum smx_dtype dtype, size_t i)
{
    return dtype == SMX_FLOAT64 ? ((const double *)data)[i]
                                : (double)((const float *)data)[i];
}

static inline void smx_set(void *data, enum smx_dtype dtype, size_t i,
                           double value)
{
    if (dtype == SMX_FLOAT64)
        ((double *)data)[i] = value;
    else
        ((float *)data)[i] = (float)value;
}

bool smx_rows_masked(const struct smx_logits *logits, size_t r, size_t c);

/** First NaN or infinity. */
enum smx_status smx_rows_finite(const struct smx_context *context,
                                const void *data, enum smx_dtype dtype,
                                size_t count, enum smx_field what,
                                struct smx_where *where);

/** The same of an input of the logits' shape, over the pool; of logits, the
 *  teacher's too, -INFINITY is allowed. */
enum smx_status smx_rows_scan(struct smx_context *context,
                              const struct smx_logits *logits, const void *data,
                              enum smx_field what, struct smx_where *where);

/** smx_rows_scan, which comes by the largest of each row: *tops is new, or NULL
 *  where rows do not lie side by side or there is no memory. hi: the logit; lo:
 *  of float64, its first class. */
enum smx_status smx_rows_scan_tops(struct smx_context *context,
                                   const struct smx_logits *logits,
                                   const void *data, enum smx_field what,
                                   struct smx_dd **tops,
                                   struct smx_where *where);

/** The same of the logits, where it pays: *maxima is for smx_rows_work, or
 *  NULL. */
enum smx_status smx_rows_scan_maxima(struct smx_context *context,
                                     const struct smx_logits *logits,
                                     struct smx_dd **maxima,
                                     struct smx_where *where);

/** The first elements of two tensors that were refused; SIZE_MAX: none. */
struct smx_refused {
    atomic_size_t logits, input;
};

static inline bool smx_is_refused(const struct smx_refused *refused)
{
    return refused->logits != SIZE_MAX || refused->input != SIZE_MAX;
}

/** Notes that row r is to be refused, for what is found in one of the tensors
 *  of the logits' shape. */
void smx_rows_refuse(const struct smx_logits *logits, const void *input,
                     size_t r, struct smx_refused *refused);

/** Rows that one thread works on at a time: it depends on the shape alone. */
size_t smx_rows_slice(const struct smx_logits *logits);

/* Rows that load.c moves at once: groups of so many, if not all, go fastest. */
#define SMX_ROWS_MOVED ((size_t)32)

/** Rows to work on at a time where each takes row_bytes beside the operands:
 *  what fits a megabyte a thread, yet not more than one or an eighth of the
 *  bytes of float32 logits. */
size_t smx_rows_tile(const struct smx_context *context,
                     const struct smx_logits *logits, size_t row_bytes);

/* What is to be done with each row, and what is wanted of it beside its
 * exponentials. */
struct smx_rows_work {
    void (*run)(void *argument, struct smx_row *row, size_t r);
    void *argument;
    /* done before with all rows that were loaded at once; NULL: nothing is */
    void (*loaded)(void *argument, struct smx_row *row, size_t count);
    /* tensors of the logits' shape that run reads and writes; NULL: none */
    const void *input;
    void *output;
    bool masked; /* input is 0 where the mask leaves a class out */
    bool zeros;  /* so is what run writes, or may be so; else it becomes that */
    /* each row's largest logit and its first class; NULL: yet to be found */
    const struct smx_dd *maxima;
    bool unseen;    /* no one has looked at the logits yet: rows with NaN or
                       +INFINITY are not run. Where someone has, every row is run,
                       whatever memory that is shared holds by now */
    bool logs;      /* the shifted logits to the largest logit */
    bool logsum;    /* the logarithm of the sum */
    bool sums_only; /* neither exponentials over their sum nor a mean */
    bool slope;     /* dz'/dz, of a softcap */
    bool serial;    /* run keeps some tiles to itself: threads rather take
                       other rows */
    bool keep;      /* rows longer than a tile leave exponentials in output for
                       run, unless it is an operand */
    bool over;      /* likewise where the output takes the logits' place */
    bool stream;    /* what run puts passes the caches by, unless exponentials
                       are left there */
    smx_row_take *total; /* of each tile, for smx_row_total; NULL: nothing */
};

/** Do rows leave their exponentials in the output (keep)? */
bool smx_rows_keep(const struct smx_logits *logits,
                   const struct smx_rows_work *work);

/** Had outputs of so many doubles, rows of the logits' classes, better pass the
 *  caches by? */
bool smx_rows_streamed(const struct smx_logits *logits, size_t whole);

/** Loads each row and runs the work, over the pool. What the mask leaves out of
 *  the output becomes 0. SMX_ENOMEM: nothing was written; SMX_ENONFINITE: there
 *  is NaN or +INFINITY among logits that are unseen. */
enum smx_status smx_rows_run(struct smx_context *context,
                             const struct smx_logits *logits,
                             const struct smx_rows_work *work);

/** The work for those of 64 rows from first on whose bit is set; nonfinite: set
 *  where one that is unseen is refused. */
void smx_rows_run_marked(struct smx_context *context,
                         const struct smx_logits *logits,
                         const struct smx_rows_work *work, size_t first,
                         uint64_t marks, atomic_bool *nonfinite);

#endif
