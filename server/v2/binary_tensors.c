// SPDX-License-Identifier: MIT
#include "binary_tensors.h"

#include <stdint.h>
#include <string.h>

#include "../number/half.h"

void tensor_to_little_endian(struct tensor *tensor)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    size_t width = tensor_element_bytes(tensor->type);
    unsigned char *data = tensor->data;
    for (size_t i = 0; i < tensor->count; i++, data += width)
        for (size_t a = 0, b = width - 1; a < b; a++, b--) {
            unsigned char byte = data[a];
            data[a] = data[b];
            data[b] = byte;
        }
#else
    (void)tensor; /* memory has the order of the wire */
#endif
}

static void widen_int32(int64_t *out, const unsigned char *in, size_t count)
{
    for (size_t i = 0; i < count; i++, in += 4)
        out[i] = (int32_t)((uint32_t)in[0] | (uint32_t)in[1] << 8 |
                           (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24);
}

/* Whole elements that are narrower on the wire than in the tensor. */
static void widen(const struct binary_tensor *binary, size_t at,
                  const unsigned char *in, size_t count)
{
    if (binary->datatype->kind == DATATYPE_INTEGER)
        widen_int32((int64_t *)binary->tensor->data + at, in, count);
    else if (binary->datatype->name[0] == 'B') /* of BF16 and FP16 */
        half_widen_bfloat16((float *)binary->tensor->data + at, in, count,
                            binary->isa);
    else
        half_widen_float16((float *)binary->tensor->data + at, in, count,
                           binary->isa);
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

/* Any byte but 0 is true, as NumPy and Triton have it; the library wants 1. */
static void feed_truth(unsigned char *out, const unsigned char *in,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = in[i] != 0;
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
        feed_truth((unsigned char *)binary->tensor->data + binary->taken, bytes,
                   count);
    else
        memcpy((char *)binary->tensor->data + binary->taken, bytes, count);
    binary->taken += count;
    if (binary->taken == binary->bytes &&
        binary->datatype->bytes == tensor_element_bytes(binary->tensor->type))
        tensor_to_little_endian(binary->tensor); /* its own inverse */
    return count;
}
