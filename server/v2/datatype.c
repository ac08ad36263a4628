// SPDX-License-Identifier: MIT
#include "datatype.h"

#include <string.h>

/* The first of each tensor type is the one that answers have. */
static const struct datatype datatypes[] = {
    {"FP32", DATATYPE_REAL, 4, TENSOR_FLOAT32, READER_FLOAT32, true},
    {"FP64", DATATYPE_REAL, 8, TENSOR_FLOAT64, READER_FLOAT64, true},
    {"FP16", DATATYPE_REAL, 2, TENSOR_FLOAT32, READER_FLOAT32, false},
    {"BF16", DATATYPE_REAL, 2, TENSOR_FLOAT32, READER_FLOAT32, false},
    {"INT64", DATATYPE_INTEGER, 8, TENSOR_INT64, READER_INT64, true},
    {"INT32", DATATYPE_INTEGER, 4, TENSOR_INT64, READER_INT64, true},
    {"BOOL", DATATYPE_TRUTH, 1, TENSOR_BOOL, READER_BOOL, true},
};

enum { DATATYPE_COUNT = sizeof datatypes / sizeof datatypes[0] };

const struct datatype *datatype_find(const char *name, size_t bytes)
{
    for (size_t i = 0; i < DATATYPE_COUNT; i++)
        if (strlen(datatypes[i].name) == bytes &&
            memcmp(datatypes[i].name, name, bytes) == 0)
            return &datatypes[i];
    return NULL;
}

const struct datatype *datatype_of(enum tensor_type type)
{
    for (size_t i = 0; i < DATATYPE_COUNT; i++)
        if (datatypes[i].tensor == type)
            return &datatypes[i];
    return NULL;
}

const char *datatype_names(enum datatype_kind kind)
{
    switch (kind) {
    case DATATYPE_REAL:
        return "FP32, FP64, FP16 or BF16";
    case DATATYPE_INTEGER:
        return "INT64 or INT32";
    case DATATYPE_TRUTH:
        break;
    }
    return "BOOL";
}
