// SPDX-License-Identifier: MIT
#include "datatype.h"

#include <stdint.h>
#include <string.h>

#include "number/half.h"

/* Answers have the first datatype of each tensor type. */
static const struct datatype datatypes[] = {
    {"FP32", "float32", "<f4", DATATYPE_REAL, 4, TENSOR_FLOAT32, READER_FLOAT32,
     true},
    {"FP64", "float64", "<f8", DATATYPE_REAL, 8, TENSOR_FLOAT64, READER_FLOAT64,
     true},
    {"FP16", "float16", "<f2", DATATYPE_REAL, 2, TENSOR_FLOAT32, READER_FLOAT32,
     false},
    {"BF16", "bfloat16", NULL, DATATYPE_REAL, 2, TENSOR_FLOAT32, READER_FLOAT32,
     false},
    {"INT64", "int64", "<i8", DATATYPE_INTEGER, 8, TENSOR_INT64, READER_INT64,
     true},
    {"INT32", "int32", "<i4", DATATYPE_INTEGER, 4, TENSOR_INT64, READER_INT64,
     true},
    {"BOOL", "bool", "|b1", DATATYPE_TRUTH, 1, TENSOR_BOOL, READER_BOOL, true},
};

enum { DATATYPE_COUNT = sizeof datatypes / sizeof datatypes[0] };

/* The row that has that text, bytes long, in the member at offset. */
static const struct datatype *find_text(size_t offset, const char *text,
                                        size_t bytes)
{
    for (size_t i = 0; i < DATATYPE_COUNT; i++) {
        const char *own =
            *(const char *const *)((const char *)&datatypes[i] + offset);
        if (own && strlen(own) == bytes && memcmp(own, text, bytes) == 0)
            return &datatypes[i];
    }
    return NULL;
}

const struct datatype *datatype_find(const char *name, size_t bytes)
{
    return find_text(offsetof(struct datatype, name), name, bytes);
}

const struct datatype *datatype_find_native(const char *name)
{
    return find_text(offsetof(struct datatype, native), name, strlen(name));
}

const struct datatype *datatype_find_npy(const char *descr)
{
    return find_text(offsetof(struct datatype, npy), descr, strlen(descr));
}

enum datatype_kind datatype_kind_of(enum reader_element element)
{
    return element == READER_INT64  ? DATATYPE_INTEGER
           : element == READER_BOOL ? DATATYPE_TRUTH
                                    : DATATYPE_REAL;
}

const struct datatype *datatype_of(enum tensor_type type)
{
    for (size_t i = 0; i < DATATYPE_COUNT; i++)
        if (datatypes[i].tensor == type)
            return &datatypes[i];
    return NULL;
}

const char *datatype_names(enum datatype_kind kind, bool native)
{
    static const char *const names[][2] = {
        [DATATYPE_REAL] = {"FP32, FP64, FP16 or BF16",
                           "float32, float64, float16 or bfloat16"},
        [DATATYPE_INTEGER] = {"INT64 or INT32", "int64 or int32"},
        [DATATYPE_TRUTH] = {"BOOL", "bool"}};
    return names[kind][native];
}

static void widen_int32(int64_t *out, const unsigned char *in, size_t count)
{
    for (size_t i = 0; i < count; i++, in += 4)
        out[i] = (int32_t)((uint32_t)in[0] | (uint32_t)in[1] << 8 |
                           (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24);
}

void datatype_widen(const struct datatype *datatype, void *out,
                    const unsigned char *in, size_t count, enum smx_isa isa)
{
    if (datatype->kind == DATATYPE_INTEGER)
        widen_int32(out, in, count);
    else if (datatype->name[0] == 'B') /* of BF16 and FP16 */
        half_widen_bfloat16(out, in, count, isa);
    else
        half_widen_float16(out, in, count, isa);
}

void datatype_truth(unsigned char *out, const unsigned char *in, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = in[i] != 0;
}
