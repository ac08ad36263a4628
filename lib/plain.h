/* SPDX-License-Identifier: MIT */
/**
 * The short way for plain logits: float32, class axis last, neither mask nor
 * softcap. The vector kernels read them where they are.
 */
#ifndef SMX_PLAIN_H
#define SMX_PLAIN_H

#include "context.h"

bool smx_plain(const struct smx_logits *logits);

/** Elements that are cheaper to compute here than to share out. */
#define SMX_SMALL ((size_t)32768)

/** Elements beyond which an output had better not pass through the cache. */
#define SMX_STREAMED ((size_t)3 << 20)

/** Classes up to which smx_plain_softmax allocates nothing. */
#define SMX_ROOMLESS ((size_t)8192)

/** values of smx_softmax without top_k; logits have been checked. */
enum smx_status smx_plain_softmax(struct smx_context *context,
                                  const struct smx_logits *logits, bool log,
                                  float *values, struct smx_where *where);

#endif
