/* SPDX-License-Identifier: MIT */
/** What a call was given: structs of the caller's size become the library's,
 *  defaults become values, and what is wrong gets a name. */
#ifndef SMX_ARGUMENTS_H
#define SMX_ARGUMENTS_H

#include "softmax.h"

/** status, having said in *where, unless it is NULL, what it is about. */
enum smx_status smx_blame(enum smx_status status, struct smx_where *where,
                          enum smx_field field, size_t index);

/** Can where be written? Then it says "no argument" until something is. */
enum smx_status smx_where_begin(struct smx_where *where);

/** Sizes and options are checked, elements are not. inner, stride and
 *  out_stride are those in use, not 0. */
enum smx_status smx_read_logits(const struct smx_logits *given,
                                struct smx_logits *own,
                                struct smx_where *where);

/** Not checked but for its size. */
enum smx_status smx_read_criterion(const struct smx_criterion *given,
                                   struct smx_criterion *own,
                                   struct smx_where *where);

/** NULL given: all defaults. */
enum smx_status smx_read_options(const struct smx_softmax_options *given,
                                 struct smx_softmax_options *own,
                                 struct smx_where *where);
enum smx_status smx_read_config(const struct smx_config *given,
                                struct smx_config *own);

/** NULL given: nothing is wanted. */
enum smx_status smx_read_softmax_out(const struct smx_softmax_out *given,
                                     struct smx_softmax_out *own,
                                     struct smx_where *where);
enum smx_status smx_read_loss_out(const struct smx_loss_out *given,
                                  struct smx_loss_out *own,
                                  struct smx_where *where);

#endif
