/* SPDX-License-Identifier: MIT */
/**
 * The short way for plain logits: float32, class axis last, neither mask nor
 * softcap. The vector kernels read them where they are.
 */
#ifndef SMX_PLAIN_H
#define SMX_PLAIN_H

#include "api/context.h"

bool smx_plain(const struct smx_logits *logits);

/** Elements beyond which an output had better not pass through the cache. */
#define SMX_STREAMED ((size_t)3 << 20)

/** values of smx_softmax without top_k; logits have been checked. */
enum smx_status smx_plain_softmax(struct smx_context *context,
                                  const struct smx_logits *logits, bool log,
                                  float *values, struct smx_where *where);

/** Bytes that so many rows of so many classes need beside their tensors. */
size_t smx_plain_room(size_t rows, size_t classes);

/** smx_plain_softmax with this room (NULL for 0 bytes), aligned for doubles;
 *  never SMX_ENOMEM. */
enum smx_status smx_plain_rows(struct smx_context *context,
                               const struct smx_logits *logits, bool log,
                               float *values, void *room,
                               struct smx_where *where);

#endif
