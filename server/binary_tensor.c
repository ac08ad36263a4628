// SPDX-License-Identifier: MIT
#include "binary_tensor.h"

#include <string.h>

/* Whole elements that are narrower on the wire than in the tensor. */
static void widen(const struct binary_tensor *binary, size_t at,
                  const unsigned char *in, size_t count)
{
    size_t width = tensor_element_bytes(binary->tensor->type);
    datatype_widen(binary->datatype, (char *)binary->tensor->data + at * width,
                   in, count, binary->isa);
}

static void feed_narrow(struct binary_tensor *binary,
                        const unsigned char *bytes, size_t count)
{
    size_t width = binary->datatype->bytes;
    size_t held = binary->taken % width, at = binary->taken / width;
    if (held) {
        size_t more = width - held < count ? width - held : count;
        memcpy(binary->part + held, bytes, more);
        if (held + more < width)
            return;
        widen(binary, at++, binary->part, 1);
        bytes += more;
        count -= more;
    }
    widen(binary, at, bytes, count / width);
    memcpy(binary->part, bytes + count / width * width, count % width);
}

size_t binary_tensor_feed(struct binary_tensor *binary,
                          const unsigned char *bytes, size_t count)
{
    size_t left = binary->bytes - binary->taken;
    if (count > left)
        count = left;
    if (count == 0)
        return 0;
    if (binary->datatype->bytes < tensor_element_bytes(binary->tensor->type))
        feed_narrow(binary, bytes, count);
    else if (binary->datatype->kind == DATATYPE_TRUTH)
        datatype_truth((unsigned char *)binary->tensor->data + binary->taken,
                       bytes, count);
    else
        memcpy((char *)binary->tensor->data + binary->taken, bytes, count);
    binary->taken += count;
    if (binary->taken == binary->bytes &&
        binary->datatype->bytes == tensor_element_bytes(binary->tensor->type))
        tensor_to_little_endian(binary->tensor); /* its own inverse */
    return count;
}
