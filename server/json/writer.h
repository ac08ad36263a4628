/* SPDX-License-Identifier: MIT */
/**
 * The incremental writer: an answer as a list of pieces of text and tensors,
 * formatted into whatever room there is. No answer is ever stored whole.
 */
#ifndef WRITER_H
#define WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../jobs.h"
#include "../tensor.h"

struct writer;

/** @return new; NULL when out of memory. writer_free releases it. */
struct writer *writer_create(void);

/** NULL is ignored. The tensors stay with their owner. */
void writer_free(struct writer *writer);

/*
 * Building. Each remembers a failed allocation, which writer_failed tells, so
 * that callers check once.
 */

/** Literal text, copied; any bytes, NUL among them. */
void writer_bytes(struct writer *writer, const char *text, size_t bytes);

/** The same of a string; that of a constant is measured by the compiler. */
static inline void writer_text(struct writer *writer, const char *text)
{
    writer_bytes(writer, text, strlen(text));
}

/** '{' or ',', then the name of a member, which has nothing to escape. */
void writer_name(struct writer *writer, char before, const char *name);

/** A JSON string with its quotes and escapes; what is not UTF-8 becomes
 *  U+FFFD, a byte each. */
void writer_string(struct writer *writer, const char *text);

/** Text in which %s is such a string and %zu a size. */
void writer_format(struct writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** An integer. */
void writer_int64(struct writer *writer, int64_t value);

/**
 * A tensor's elements as JSON, borrowed until the writer is freed. nested:
 * brackets as its shape says (rank 0: a bare value, that of now); else one flat
 * array.
 */
void writer_tensor(struct writer *writer, const struct tensor *tensor,
                   bool nested);

/** A tensor's bytes in base64, without quotes, borrowed in the same way; they
 *  are little-endian already. */
void writer_base64(struct writer *writer, const struct tensor *tensor);

bool writer_failed(const struct writer *writer);

/** The bytes of all of it; SIZE_MAX where numbers have to be written
 *  first. */
size_t writer_known_bytes(const struct writer *writer);

/*
 * Writing.
 */

/** From now on the threads of jobs help to write large tensors, in memory that
 *  is charged to budget. */
void writer_share(struct writer *writer, struct jobs *jobs,
                  struct budget *budget);

/**
 * Put the next bytes of the answer into buffer.
 * @return bytes put, 1 or more (given room >= 64); 0: the answer is complete.
 */
size_t writer_next(struct writer *writer, char *buffer, size_t room);

/** Nothing is left to write. */
bool writer_done(const struct writer *writer);

#endif
