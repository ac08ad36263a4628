/* SPDX-License-Identifier: MIT */
/** The protocol's datatypes that tensors here can have. */
#ifndef DATATYPE_H
#define DATATYPE_H

#include <stdbool.h>
#include <stddef.h>

#include "../json/reader.h"
#include "../tensor.h"

enum datatype_kind { DATATYPE_REAL, DATATYPE_INTEGER, DATATYPE_TRUTH };

struct datatype {
    const char *name; /* "FP32" */
    enum datatype_kind kind;
    size_t bytes;                /* of an element on the wire */
    enum tensor_type tensor;     /* what it is computed as */
    enum reader_element element; /* how its JSON is read */
    bool json;                   /* false: binary only, as with Triton */
};

/** The datatype of that name (bytes long); NULL: there is none here. */
const struct datatype *datatype_find(const char *name, size_t bytes);

/** The datatype that a tensor of that type is answered as. */
const struct datatype *datatype_of(enum tensor_type type);

/** The names of a kind, for messages: "INT64 or INT32". */
const char *datatype_names(enum datatype_kind kind);

#endif
