/* SPDX-License-Identifier: MIT */
/** The datatypes that tensors can have on the wire. */
#ifndef DATATYPE_H
#define DATATYPE_H

#include <stdbool.h>
#include <stddef.h>

#include "softmax.h"
#include "tensor.h"

enum datatype_kind { DATATYPE_REAL, DATATYPE_INTEGER, DATATYPE_TRUTH };

struct datatype {
    const char *name;   /* of the Open Inference Protocol: "FP32" */
    const char *native; /* "float32" */
    const char *npy;    /* "<f4", of NumPy's files; NULL: they have none */
    enum datatype_kind kind;
    size_t bytes;                /* of an element on the wire */
    enum tensor_type tensor;     /* what it is computed as */
    enum reader_element element; /* how its JSON is read */
    bool json; /* false: binary only in the protocol, as with Triton */
};

/** The datatype of that name (bytes long) in the protocol, of that native name,
 *  or of that description in NumPy's files; NULL: there is none here. */
const struct datatype *datatype_find(const char *name, size_t bytes);
const struct datatype *datatype_find_native(const char *name);
const struct datatype *datatype_find_npy(const char *descr);

/** The datatype that a tensor of that type is answered as. */
const struct datatype *datatype_of(enum tensor_type type);

/** What the elements of a member are: numbers, integers or truth values. */
enum datatype_kind datatype_kind_of(enum reader_element element);

/** The names of a kind, for messages: "INT64 or INT32", "int64 or int32". */
const char *datatype_names(enum datatype_kind kind, bool native);

/** Elements that are narrower on the wire than in a tensor: widen count of
 *  them, exactly; out and in do not overlap. isa: of half.h. */
void datatype_widen(const struct datatype *datatype, void *out,
                    const unsigned char *in, size_t count, enum smx_isa isa);

/** Truth values: any byte but 0 is true, as NumPy and Triton have it, and 1
 *  from here on. out may be in. */
void datatype_truth(unsigned char *out, const unsigned char *in, size_t count);

#endif
