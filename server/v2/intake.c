// SPDX-License-Identifier: MIT
#include "intake.h"

#include <stdint.h>
#include <string.h>

#include "half.h"

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
static void widen(const struct intake *intake, size_t at,
                  const unsigned char *in, size_t count)
{
    if (intake->datatype->kind == DATATYPE_INTEGER)
        widen_int32((int64_t *)intake->tensor->data + at, in, count);
    else if (intake->datatype->name[0] == 'B') /* of BF16 and FP16 */
        half_widen_bfloat16((float *)intake->tensor->data + at, in, count,
                            intake->isa);
    else
        half_widen_float16((float *)intake->tensor->data + at, in, count,
                           intake->isa);
}

static void feed_narrow(struct intake *intake, const unsigned char *bytes,
                        size_t count)
{
    size_t width = intake->datatype->bytes;
    size_t held = intake->taken % width, at = intake->taken / width;
    if (held) {
        size_t more = width - held < count ? width - held : count;
        memcpy(intake->part + held, bytes, more);
        if (held + more < width)
            return;
        widen(intake, at++, intake->part, 1);
        bytes += more;
        count -= more;
    }
    widen(intake, at, bytes, count / width);
    memcpy(intake->part, bytes + count / width * width, count % width);
}

/* Any byte but 0 is true, as NumPy and Triton have it; the library wants 1. */
static void feed_truth(unsigned char *out, const unsigned char *in,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = in[i] != 0;
}

size_t intake_feed(struct intake *intake, const unsigned char *bytes,
                   size_t count)
{
    size_t left = intake->bytes - intake->taken;
    if (count > left)
        count = left;
    if (count == 0)
        return 0;
    if (intake->datatype->bytes < tensor_element_bytes(intake->tensor->type))
        feed_narrow(intake, bytes, count);
    else if (intake->datatype->kind == DATATYPE_TRUTH)
        feed_truth((unsigned char *)intake->tensor->data + intake->taken, bytes,
                   count);
    else
        memcpy((char *)intake->tensor->data + intake->taken, bytes, count);
    intake->taken += count;
    if (intake->taken == intake->bytes &&
        intake->datatype->bytes == tensor_element_bytes(intake->tensor->type))
        tensor_to_little_endian(intake->tensor); /* its own inverse */
    return count;
}
