/* SPDX-License-Identifier: MIT */
#include "arguments.h"

enum smx_status smx_blame(enum smx_status status, struct smx_where *where,
                          enum smx_field field, size_t index)
{
    if (where) {
        where->field = field;
        where->index = index;
    }
    return status;
}

enum smx_status smx_read_any(const void *given, void *own, size_t oldest,
                             size_t bytes, struct smx_where *where,
                             enum smx_field field)
{
    size_t size = 0;
    if (given)
        memcpy(&size, given, sizeof size);
    size_t known = size < bytes ? size : bytes;
    if (known > 0)
        memcpy(own, given, known);
    if (known < bytes)
        memset((char *)own + known, 0, bytes - known);
    if (given && size < oldest)
        return smx_blame(SMX_EARGUMENT, where, field, 0);
    for (size_t i = bytes; i < size; i++)
        if (((const unsigned char *)given)[i])
            return smx_blame(SMX_EARGUMENT, where, field, 0);
    return SMX_OK;
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

enum smx_status smx_read_logits(const struct smx_logits *given,
                                struct smx_logits *own, struct smx_where *where)
{
    enum smx_status status = SMX_OK;
    if (where && where->size < sizeof *where)
        return SMX_EARGUMENT;
    smx_blame(SMX_OK, where, SMX_FIELD_NONE, 0);
    status = SMX_READ(given, own, where, SMX_FIELD_LOGITS_SIZE);
    if (!status)
        status = read_shape(own, where);
    if (status)
        return status;
    if (!smx_is_size(own->temperature))
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_TEMPERATURE, 0);
    if (!smx_is_size(own->softcap))
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_SOFTCAP, 0);
    if (own->outer && !own->data)
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_LOGITS, 0);
    return SMX_OK;
}
