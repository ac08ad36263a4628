/* SPDX-License-Identifier: MIT */
/** What a call was given: structs of the caller's size become the library's,
 *  defaults become values, and what is wrong gets a name. */
#ifndef SMX_ARGUMENTS_H
#define SMX_ARGUMENTS_H

#include <math.h>
#include <string.h>

#include "softmax.h"

/** status, having said in *where, unless it is NULL, what it is about. */
enum smx_status smx_blame(enum smx_status status, struct smx_where *where,
                          enum smx_field field, size_t index);

/** A struct of the caller's, which begins with the size that it has there, into
 *  the library's, of so many bytes. Members that its layout does not have yet
 *  are 0, and those that the library does not know yet must be. given NULL: all
 *  are 0. oldest: bytes of the first layout. SMX_EARGUMENT: about the field. */
enum smx_status smx_read_any(const void *given, void *own, size_t oldest,
                             size_t bytes, struct smx_where *where,
                             enum smx_field field);

/** The same, at once where the caller's layout is the library's. */
static inline enum smx_status smx_read(const void *given, void *own,
                                       size_t oldest, size_t bytes,
                                       struct smx_where *where,
                                       enum smx_field field)
{
    size_t size = 0;
    if (given)
        memcpy(&size, given, sizeof size);
    if (size != bytes)
        return smx_read_any(given, own, oldest, bytes, where, field);
    memcpy(own, given, bytes);
    return SMX_OK;
}

/** The same of structs of one type, whose layout is the first one or began to
 *  grow with a member. */
#define SMX_READ_SINCE(oldest, given, own, where, field)                       \
    ((void)sizeof((given) == (own)),                                           \
     smx_read(given, own, oldest, sizeof *(own), where, field))
#define SMX_READ(given, own, where, field)                                     \
    SMX_READ_SINCE(sizeof *(own), given, own, where, field)

/** What every call reads first: from here on where says "no argument" until
 *  something is. Sizes and options are checked, elements are not. inner, stride
 *  and out_stride are those in use, not 0. */
enum smx_status smx_read_logits(const struct smx_logits *given,
                                struct smx_logits *own,
                                struct smx_where *where);

/** Not negative, finite. */
static inline bool smx_is_size(double x)
{
    return x >= 0 && !isinf(x);
}

#endif
