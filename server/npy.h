/* SPDX-License-Identifier: MIT */
/**
 * NumPy's file format of one array, application/x-npy (NEP 1): a prefix, a
 * header that is a dictionary in Python's notation, the elements. Versions 1.0
 * to 3.0; of the elements only plain numbers, little-endian, in C order.
 */
#ifndef NPY_H
#define NPY_H

#include <stdbool.h>
#include <stddef.h>

#include "binary_tensor.h"
#include "json/writer.h"

/** Of the header's text, its padding left out. */
enum { NPY_MAX_TEXT = 512 };

/** One on its way in: slices of any size, the elements straight into the
 *  tensor. */
struct npy_reader {
    struct binary_tensor data; /* its datatype is set when the header ended */
    size_t body_bytes;         /* that shall come; 0: not told */
    size_t max_bytes;          /* that may come */
    size_t taken;              /* bytes of prefix and header so far */
    size_t header_bytes;       /* the two in all; SIZE_MAX: not yet known */
    unsigned char prefix[12];
    char text[NPY_MAX_TEXT + 1]; /* runs of blanks are one */
    size_t text_bytes;
};

/** tensor is absent, isa that of the context. */
void npy_begin(struct npy_reader *npy, struct tensor *tensor, size_t body_bytes,
               size_t max_bytes, enum smx_isa isa);

/**
 * Take the next slice. When the header has ended the tensor gets its shape and
 * all its room.
 *
 * @return false: a problem is set. 400: it is no such file, or has more bytes
 *         or fewer than its header says; 422: an array that is not taken here;
 *         413 or 503: memory.
 */
bool npy_feed(struct npy_reader *npy, const char *bytes, size_t count,
              struct problem *problem);

/** The body ended: is the file complete? */
bool npy_finish(const struct npy_reader *npy, struct problem *problem);

/** Write what precedes the elements of such a tensor, as NumPy itself would. */
void npy_write_header(struct writer *writer, const struct tensor *tensor);

#endif
