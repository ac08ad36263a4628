/* SPDX-License-Identifier: MIT */
/**
 * A binary tensor on its way in: little-endian bytes in slices of any size,
 * each copied (or widened) once, straight into the tensor.
 */
#ifndef BINARY_TENSOR_H
#define BINARY_TENSOR_H

#include <stddef.h>

#include "datatype.h"
#include "softmax.h"

struct binary_tensor {
    struct tensor *tensor; /* shaped, of the type datatype->tensor */
    const char *name;      /* for messages; borrowed */
    const struct datatype *datatype;
    size_t bytes;          /* on the wire, in all */
    size_t taken;          /* of them so far */
    enum smx_isa isa;      /* for the conversion */
    unsigned char part[4]; /* an element that a slice cut in two */
};

/** Take what belongs to the tensor; returns how many bytes that was. */
size_t binary_tensor_feed(struct binary_tensor *binary,
                          const unsigned char *bytes, size_t count);

#endif
