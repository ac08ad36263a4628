/* SPDX-License-Identifier: MIT */
/** The inside of a reader, which reader.c and reader_token.c share. */
#ifndef READER_STATE_H
#define READER_STATE_H

#include "encoded.h"
#include "nesting.h"
#include "reader.h"
#include "small_text.h"
#include "source.h"
#include "tensor_reader.h"
#include "token.h"
#include "tree.h"

enum reader_state {
    EXPECT_VALUE,
    EXPECT_ELEMENT, /* or ']' */
    EXPECT_MEMBER,  /* a name or '}' */
    EXPECT_NAME,
    EXPECT_COLON,
    EXPECT_NEXT, /* ',' or the closing bracket */
    EXPECT_END,  /* of the body */
    IN_NAME,
    IN_STRING,
    IN_SCALAR, /* number or literal */
    IN_TENSOR,
    IN_BASE64
};

struct reader {
    struct reader_client client;
    enum reader_state state;
    bool escaped; /* after a backslash */
    bool ignored; /* the value being read is in no tree */
    bool failed;
    int ignored_depth;        /* below it nothing is kept; 0: all is */
    size_t token_bytes;       /* of all tokens that are in no tensor */
    const char *token;        /* where it begins; NULL: in an earlier slice */
    struct place token_place; /* then */
    struct source source;
    /* What follows is set before it is read; clearing it would cost a small
     * request as much as its arithmetic. */
    struct small_text text;         /* of a token from an earlier slice */
    struct element_buffers buffers; /* of the tensors read so far */
    struct nesting nesting;
    struct tensor_reader tensor;
    struct encoded encoded;
    struct tree tree;
};

/** The reader takes no more; the problem lies that many bytes after place.
 *  Returns false. */
bool reader_fail(struct reader *reader, struct place place, size_t bytes,
                 struct problem *problem);

/** A problem was found at p. */
bool reader_fail_at(struct reader *reader, const char *p,
                    struct problem *problem);

/** A problem was found that many bytes into the token. */
bool reader_fail_in_token(struct reader *reader, size_t bytes,
                          struct problem *problem);

/** What may come next. */
const char *reader_rule(const struct reader *reader);

/** Where the value that is being read hangs in the tree. */
struct tree_place reader_place(const struct reader *reader);

/** "name: got ..., must be RULE" for the value that is being read. */
bool reader_refuse_value(struct reader *reader, const char *got, size_t bytes,
                         const char *rule, struct problem *problem);

/** "name: got it twice ...", of the member that is being read. */
bool reader_refuse_twice(struct reader *reader, struct problem *problem);

/** The value that ended is in no tree: leave a null there, so that its name is
 *  refused when it comes again. */
bool reader_remember_name(struct reader *reader, struct problem *problem);

/** A value ended: what may follow it? */
void reader_value_ended(struct reader *reader);

/** The innermost array or object is closed. */
void reader_pop(struct reader *reader);

/** That many bytes more are in no tensor; false: too many, 413. */
bool reader_count_token(struct reader *reader, size_t bytes,
                        struct problem *problem);

/** A token begins at p; it goes on after its first byte. */
const char *reader_begin_token(struct reader *reader, enum reader_state state,
                               const char *p);

/** Take a token from p on to its end, or to end. NULL: a problem is set. */
const char *reader_feed_token(struct reader *reader, const char *p,
                              const char *end, struct problem *problem);

/** The text is a whole string, number or literal: it goes into the tree. */
bool reader_scalar_ended(struct reader *reader, const char *text, size_t bytes,
                         struct problem *problem);

/** The slice ends at end: copy what it has of a token that is not whole. */
bool reader_carry_token(struct reader *reader, const char *end,
                        struct problem *problem);

#endif
