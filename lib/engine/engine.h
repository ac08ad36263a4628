/* SPDX-License-Identifier: MIT */
/** What api/ asks of the engines: what of float32 kernels read where it is, or
 *  from a copy side by side; all else in double-double; and what is found by
 *  comparisons alone. Sizes and options have been checked. */
#ifndef SMX_ENGINE_H
#define SMX_ENGINE_H

#include "rows.h"
#include "summary.h"

struct smx_beside;

/* ---- float32 ------------------------------------------------------------- */

/** Bytes that so many rows of so many classes need beside their tensors. k: as
 *  in smx_f32_rows. */
size_t smx_f32_workspace(size_t rows, size_t classes, size_t k);

/** values of smx_softmax, of logits that need not have been looked at, class
 * axis last and without a mask: of all classes or, where k is not 0, of k
 * chosen ones of each row, side by side; then there are more than SMX_NARROW
 * classes. values NULL: no more than what is seen, likewise. seen: what is to
 * be found beside, of rows of more classes all or nothing, else totals alone;
 * or NULL. workspace: of that many bytes, aligned for doubles. early: values
 * and what is seen of rows without an error may be written although SMX_OK is
 * not returned; else nothing is, and never SMX_ENOMEM is. whole: elements of
 * what values are a tile of, which is left when they are written; large ones do
 * not pass through the cache. */
enum smx_status smx_f32_rows(struct smx_context *context,
                             const struct smx_logits *logits, bool log,
                             size_t k, const int64_t *chosen, float *values,
                             const struct smx_seen *seen, void *workspace,
                             bool early, size_t whole, struct smx_where *where);

/** Probabilities of narrow rows that stay where they are, read and written
 * class by class (smx_plan_columns), with the same bits; early: likewise. */
enum smx_status smx_columns_softmax(struct smx_context *context,
                                    const struct smx_logits *logits,
                                    float *values, bool early,
                                    struct smx_where *where);

/**
 * Loss, and the gradient where that is not NULL, as smx_loss and smx_gradient
 * have them. out may be NULL with a gradient; beside: opened for it.
 *
 * @return false when the float32 engine does not take them or one of the
 *         operands is to be refused; nothing is written, and the double-double
 *         engine will say which. Else *status is SMX_OK or SMX_ENOMEM.
 */
bool smx_f32_loss(struct smx_context *context, const struct smx_logits *logits,
                  const struct smx_criterion *criterion, const float *upstream,
                  float *gradient, const struct smx_loss_out *out,
                  struct smx_beside *beside, enum smx_status *status);

/** As smx_vjp; @return false when the float32 engine does not take them.
 * refused is told of rows that are, which nothing is written of; of narrow
 * ones that are unseen SMX_ENONFINITE is all that is said. */
bool smx_f32_vjp(struct smx_context *context, const struct smx_logits *logits,
                 bool unseen, bool log, const float *upstream, float *gradient,
                 struct smx_refused *refused, enum smx_status *status);

/* ---- double-double ------------------------------------------------------- */

/** values, or their logarithms, logsumexp, entropy and argmax of out; where k
 * is not 0, values of k chosen classes of each row, side by side. maxima: see
 * struct smx_rows_work; whole: as in smx_f32_rows. SMX_ENONFINITE: as
 * smx_rows_run, of early outputs of more than SMX_NARROW classes. */
enum smx_status smx_dd_softmax(struct smx_context *context,
                               const struct smx_logits *logits,
                               const struct smx_dd *maxima, bool log, size_t k,
                               const int64_t *chosen, size_t whole,
                               const struct smx_softmax_out *out);

/** smx_loss and, where gradient is not NULL, smx_gradient of operands that have
 *  been checked, over one load of the rows. out may be NULL; beside: opened for
 *  it; unseen, maxima: see struct smx_rows_work; targets are unseen with the
 *  logits. SMX_ENOMEM: nothing was written; SMX_ENONFINITE: as smx_rows_run, or
 *  of targets, and nothing of one number for all rows. */
enum smx_status smx_dd_loss(struct smx_context *context,
                            const struct smx_logits *logits, bool unseen,
                            const struct smx_dd *maxima,
                            const struct smx_criterion *criterion,
                            const void *upstream, void *gradient,
                            const struct smx_loss_out *out,
                            struct smx_beside *beside);

/** The same of a criterion with a teacher, of either type. Checks the elements
 *  of all operands. */
enum smx_status
smx_divergence(struct smx_context *context, const struct smx_logits *logits,
               const struct smx_criterion *criterion, const void *upstream,
               void *gradient, const struct smx_loss_out *out,
               struct smx_beside *beside, struct smx_where *where);

/* ---- by comparisons ------------------------------------------------------ */

/**
 * Puts the classes of the k largest logits of each row into classes[0] ...
 * [k - 1] and on, row by row: largest first, ties by lower class. The rows
 * lie side by side, without a mask. Softcap and temperature, which may round
 * two logits to one, do not count.
 */
void smx_top_find(struct smx_context *context, const struct smx_logits *rows,
                  size_t k, int64_t *classes);

/** Bytes that the ranks of k classes need for each row beside their place. */
size_t smx_rank_bytes(size_t classes, size_t k);

/**
 * Puts into ranks[r * k + i] how many classes of row r come before class
 * chosen[r * k + i] in the order of smx_top_find: those with a larger logit,
 * and with an equal one the lower classes. A negative class is none: its rank
 * is -1. The rows lie side by side, without a mask. workspace: so many rows of
 * smx_rank_bytes.
 */
void smx_rank_find(struct smx_context *context, const struct smx_logits *rows,
                   size_t k, const int64_t *chosen, int64_t *ranks,
                   void *workspace);

#endif
