/* SPDX-License-Identifier: MIT */
/**
 * The text of a large tensor, copied as it arrives, in blocks whose numbers
 * other threads read. Who copies it has counted its elements and checked its
 * brackets; a thread takes brackets for white space, and the block for good
 * where then numbers and commas take turns, as many as were counted. A block
 * that is not good is read again as if it came now: only that tells what, if
 * anything, is wrong in it.
 */
#ifndef TEXT_BLOCKS_H
#define TEXT_BLOCKS_H

#include "../jobs.h"
#include "../number/scan.h"
#include "element_buffer.h"
#include "source.h"

enum tensor_expect {
    TENSOR_READER_FIRST,
    TENSOR_READER_VALUE,
    TENSOR_READER_NEXT,
    TENSOR_READER_DONE
};

/** What the reader of a tensor knows at a place between two elements. */
struct tensor_state {
    enum tensor_expect expect;
    int depth;                      /* open brackets */
    size_t shape[TENSOR_MAX_RANK];  /* of closed levels */
    bool shaped[TENSOR_MAX_RANK];   /* shape[] is known */
    size_t counts[TENSOR_MAX_RANK]; /* elements so far of the open ones */
};

enum { TEXT_BLOCK_BYTES = 128 * 1024 };

struct text_block {
    struct tensor_state state;    /* before it; a value is expected */
    struct place place;           /* where it begins */
    size_t first, last;           /* its elements, in the tensor */
    bool after_value;             /* it ends behind one, else behind a comma */
    bool good;                    /* all of it was read */
    struct element_buffer window; /* where to */
    size_t bytes;
    char before[SCAN_BEFORE]; /* which the scanner may read, too */
    char text[TEXT_BLOCK_BYTES + 2 * SCAN_BLOCK];
};

struct text_blocks {
    struct pipeline *pipeline; /* released and ended by the reader */
    struct text_block *open;   /* being filled; NULL: none */
    const char *from;          /* what of the slice is not copied yet */
    struct problem doubt;      /* what seems wrong; reading again tells */
};

/** NULL: one thread has to do; see pipeline_create. */
struct text_blocks *text_blocks_create(struct jobs *jobs,
                                       struct budget *budget);

/** No block is open: begin one at from. false: all of them are in use. */
bool text_blocks_open(struct text_blocks *blocks,
                      const struct tensor_state *state, struct place place,
                      size_t first, const char *from);

/** Room for text in the open block. */
size_t text_blocks_room(const struct text_blocks *blocks);

/** Copy what comes before to; false: there is no room. */
bool text_blocks_copy(struct text_blocks *blocks, const char *to);

/** The open block is complete; buffer, whose tensor has room for its elements,
 *  is where they go. */
void text_blocks_post(struct text_blocks *blocks,
                      const struct element_buffer *buffer, bool after_value);

/**
 * The oldest block that was posted, when its numbers were read; NULL: there is
 * none. Where it is good, buffer has its exceptions, or there was no memory for
 * them and it is good no more.
 */
struct text_block *text_blocks_collect(struct text_blocks *blocks,
                                       struct element_buffer *buffer);

/** NULL is ignored. */
void text_blocks_free(struct text_blocks *blocks);

#endif
