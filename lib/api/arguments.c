/* SPDX-License-Identifier: MIT */
#include "arguments.h"

#include <math.h>
#include <string.h>

enum smx_status smx_blame(enum smx_status status, struct smx_where *where,
                          enum smx_field field, size_t index)
{
    if (where) {
        where->field = field;
        where->index = index;
    }
    return status;
}

enum smx_status smx_where_begin(struct smx_where *where)
{
    if (where && where->size < sizeof *where)
        return SMX_EARGUMENT;
    return smx_blame(SMX_OK, where, SMX_FIELD_NONE, 0);
}

/* A struct, which begins with the size it has for the caller. Members that its
 * layout does not have yet are 0, and those that the library does not know yet
 * must be. oldest: bytes of the first layout. */
static bool read_struct(const void *given, void *own, size_t oldest,
                        size_t bytes)
{
    size_t size = 0;
    memset(own, 0, bytes);
    if (!given)
        return true;
    memcpy(&size, given, sizeof size);
    if (size < oldest)
        return false;
    for (size_t i = bytes; i < size; i++)
        if (((const unsigned char *)given)[i])
            return false;
    memcpy(own, given, size < bytes ? size : bytes);
    return true;
}

#define READ_SINCE(oldest, given, own, where, field)                           \
    (read_struct(given, own, oldest, sizeof *(own))                            \
         ? SMX_OK                                                              \
         : smx_blame(SMX_EARGUMENT, where, field, 0))

#define READ(given, own, where, field)                                         \
    READ_SINCE(sizeof *(own), given, own, where, field)

enum smx_status smx_read_criterion(const struct smx_criterion *given,
                                   struct smx_criterion *own,
                                   struct smx_where *where)
{
    return READ(given, own, where, SMX_FIELD_CRITERION_SIZE);
}

enum smx_status smx_read_options(const struct smx_softmax_options *given,
                                 struct smx_softmax_options *own,
                                 struct smx_where *where)
{
    return READ(given, own, where, SMX_FIELD_OPTIONS_SIZE);
}

enum smx_status smx_read_config(const struct smx_config *given,
                                struct smx_config *own)
{
    return READ(given, own, NULL, SMX_FIELD_NONE);
}

enum smx_status smx_read_softmax_out(const struct smx_softmax_out *given,
                                     struct smx_softmax_out *own,
                                     struct smx_where *where)
{
    return READ_SINCE(offsetof(struct smx_softmax_out, early), given, own,
                      where, SMX_FIELD_OUT_SIZE);
}

enum smx_status smx_read_loss_out(const struct smx_loss_out *given,
                                  struct smx_loss_out *own,
                                  struct smx_where *where)
{
    return READ(given, own, where, SMX_FIELD_OUT_SIZE);
}

/* ---- the logits ---------------------------------------------------------- */

/* Could an array of doubles with so many outer parts be? */
static bool is_addressable(size_t outer, size_t stride)
{
    size_t count, bytes;
    return !__builtin_mul_overflow(outer, stride, &count) &&
           !__builtin_mul_overflow(count, sizeof(double), &bytes) &&
           bytes <= PTRDIFF_MAX;
}

static enum smx_status read_shape(struct smx_logits *z, struct smx_where *where)
{
    size_t part;
    if (z->dtype != SMX_FLOAT32 && z->dtype != SMX_FLOAT64)
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_DTYPE, 0);
    if (z->classes == 0)
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_CLASSES, 0);
    z->inner = z->inner ? z->inner : 1;
    if (__builtin_mul_overflow(z->classes, z->inner, &part) ||
        (z->outer && !is_addressable(1, part)))
        return smx_blame(SMX_EOVERFLOW, where, SMX_FIELD_CLASSES, 0);
    if (!is_addressable(z->outer, part))
        return smx_blame(SMX_EOVERFLOW, where, SMX_FIELD_OUTER, 0);
    z->stride = z->stride ? z->stride : part;
    z->out_stride = z->out_stride ? z->out_stride : part;
    if (z->stride < part)
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_STRIDE, 0);
    if (z->out_stride < part)
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_OUT_STRIDE, 0);
    if (!is_addressable(z->outer, z->stride))
        return smx_blame(SMX_EOVERFLOW, where, SMX_FIELD_STRIDE, 0);
    if (!is_addressable(z->outer, z->out_stride))
        return smx_blame(SMX_EOVERFLOW, where, SMX_FIELD_OUT_STRIDE, 0);
    return SMX_OK;
}

/* Not negative, finite. */
static bool is_size(double x)
{
    return x >= 0 && !isinf(x);
}

enum smx_status smx_read_logits(const struct smx_logits *given,
                                struct smx_logits *own, struct smx_where *where)
{
    enum smx_status status = READ(given, own, where, SMX_FIELD_LOGITS_SIZE);
    if (!status)
        status = read_shape(own, where);
    if (status)
        return status;
    if (!is_size(own->temperature))
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_TEMPERATURE, 0);
    if (!is_size(own->softcap))
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_SOFTCAP, 0);
    if (own->outer && !own->data)
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_LOGITS, 0);
    return SMX_OK;
}
