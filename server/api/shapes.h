/* SPDX-License-Identifier: MIT */
/** The shapes that the tensors of a request and of its answer have. */
#ifndef SHAPES_H
#define SHAPES_H

#include "request.h"

enum shape_kind {
    SHAPE_SCALAR,
    SHAPE_LOGITS,   /* that of logits */
    SHAPE_ROWS,     /* that of logits without the class axis */
    SHAPE_CLASSES,  /* [classes] */
    SHAPE_MASK,     /* that of logits; [classes] is as good */
    SHAPE_LOSS,     /* one a row under the reduction none, else a scalar */
    SHAPE_UPSTREAM, /* that of what it multiplies: loss or softmax */
    SHAPE_VALUES,   /* that of logits; the class axis has as many as are
                       answered */
    SHAPE_RANK,     /* of a softmax that of its values, of a loss one a row */
    SHAPE_CHOSEN,   /* of the rows, and as many classes as there are; a list
                       alone is as good */
    SHAPE_JACOBIAN, /* that of logits and [classes] */
};

/** Classes that a row is answered of instead of all, the largest or those
 *  chosen; 0: it is all. */
size_t shape_picked(const struct request *request);

/**
 * The shape that a kind is for this request, whose logits, axis and options
 * are known.
 * @return its rank; 0: a scalar.
 */
int request_shape(const struct request *request, enum shape_kind kind,
                  size_t *shape);

/** The rank of that kind where logits are rows x classes: for metadata. */
int shape_usual_rank(enum shape_kind kind);

/** May a single value stand there, without brackets, for some request? */
bool shape_may_be_scalar(enum shape_kind kind);

/**
 * 422 unless the tensor has the shape of that kind:
 * "name: got shape [2], must be shape [3], as logits".
 */
bool shape_check(const struct request *request, const char *name,
                 struct tensor *tensor, enum shape_kind kind,
                 struct problem *problem);

#endif
