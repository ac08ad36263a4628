// SPDX-License-Identifier: MIT
/*
 * Compiled once an instruction set. Three passes over a stretch of text:
 *
 * split   One bitmap a class of bytes for each 64 bytes. Where the class
 *         changes are the edges of tokens, written out one after another
 *         without a branch that depends on their length; the grammar of all
 *         tokens of the block is checked on the bitmaps.
 * gather  Each token is loaded so that it ends where the vector ends: its
 *         digits lie by their weight, whatever its length. Those before the
 *         point move up by one byte, and all become one integer.
 * round   digits * 10^-decimals from 64 bits of 10^-decimals, correctly
 *         unless a rounding boundary is within the error (see read.c).
 */
#include "scan.h"

#if defined(SMX_TIER_AVX512)
#include "scan_avx512.h"
#include "scan_edges_avx512.h"
#include "scan_round_avx512.h"
#elif defined(SMX_TIER_AVX2)
#include "scan_avx2.h"
#include "scan_edges_plain.h"
#include "scan_round.h"
#elif defined(SMX_TIER_NEON)
#include "scan_edges_plain.h"
#include "scan_neon.h"
#include "scan_round.h"
#else
#include "scan_edges_plain.h"
#include "scan_plain.h"
#include "scan_round.h"
#endif

#define PASTE(a, b) a##b
#define NAME(tier) PASTE(scan_, tier)

/* ---- split ------------------------------------------------------------ */

/** What one block must know of those before it; each is 0 or 1. */
struct carry {
    uint64_t inside;   /* the last byte was in a token */
    uint64_t after;    /* in or behind a token; 0: a value is expected */
    uint64_t sign;     /* the last byte was a minus */
    uint64_t mark;     /* ... a minus or a point */
    uint64_t zero;     /* ... a 0 that begins a number */
    uint64_t fraction; /* ... a point or a digit behind one */
    bool plain;        /* every token so far */
};

/* Bit i of the result: how many bits of [0, i] are set, odd or even. */
static inline uint64_t prefix_xor(uint64_t bits)
{
    for (int shift = 1; shift < 64; shift *= 2)
        bits ^= bits << shift;
    return bits;
}

/* Each bit moves on by one byte, the last one to *carry. */
static inline uint64_t behind(uint64_t bits, uint64_t *carry)
{
    uint64_t moved = bits << 1 | *carry;
    *carry = bits >> 63;
    return moved;
}

/* Is each token of the block -?(0|[1-9][0-9]*)(.[0-9]+)? */
static inline bool is_plain(const struct classes *c, struct carry *carry,
                            uint64_t token, uint64_t begins)
{
    uint64_t number = c->digit | c->point, mark = c->minus | c->point;
    uint64_t zero = c->zero & (begins | behind(c->minus, &carry->sign));
    /* a sum carries from each point to where its number ends; at a second
     * point it leaves a bit */
    unsigned long long second;
    bool goes_on =
        __builtin_uaddll_overflow(c->point + carry->fraction, number, &second);
    uint64_t wrong = (token & ~(number | c->minus)) | (c->minus & ~begins) |
                     (c->point & (begins | second)) |
                     (behind(mark, &carry->mark) & ~c->digit) |
                     (behind(zero, &carry->zero) & c->digit);
    carry->fraction = goes_on;
    return wrong == 0;
}

/* Values and commas take turns. */
static inline bool in_turn(struct carry *carry, uint64_t begins, uint64_t comma)
{
    uint64_t value = prefix_xor(begins | comma) ^ -carry->after;
    uint64_t turns = (uint64_t)__builtin_popcountll(begins | comma);
    carry->after = (carry->after ^ turns) & 1;
    return (value & (begins | comma)) == begins;
}

/** What a block has to say, up to the first bracket. */
struct block {
    uint64_t edges;
    bool in_turn;
    bool plain;
};

static inline struct block split_block(struct classes *c, struct carry *carry)
{
    uint64_t space = c->separator ^ c->comma, token = ~c->separator;
    if (c->bracket) {
        uint64_t within = (c->bracket & -c->bracket) - 1;
        token &= within;
        c->comma &= within;
        c->digit &= within;
        c->point &= within;
        c->minus &= within;
    }
    uint64_t inside = carry->inside, before = behind(token, &carry->inside);
    uint64_t begins = token & ~before, ends = before & ~token;
    struct block block = {
        .edges = token ^ before,
        .plain = is_plain(c, carry, token, begins),
    };
    if ((space | c->bracket) == 0 && inside == carry->after) {
        block.in_turn = c->comma == ends; /* a comma right behind each */
        carry->after = carry->inside;
    } else {
        block.in_turn = in_turn(carry, begins, c->comma);
    }
    return block;
}

/* So far ahead is text asked for; the passes behind split take their time. */
enum { PREFETCH_BYTES = 4096 };

/* Blocks up to a bracket, or to one that is not plain where others were. flat:
 * brackets are white space. */
static inline void split(const char *text, size_t bytes, bool flat,
                         struct stretch *stretch)
{
    struct carry carry = {0};
    uint32_t *edges = stretch->edges;
    const uint32_t *limit = edges + 2 * SCAN_TOKENS;
    size_t i = 0;
    uint64_t after = 0, bracket = 0;
    stretch->plain = true;
    while (i + SCAN_BLOCK <= bytes && edges < limit && !bracket) {
        struct classes classes;
        __builtin_prefetch(text + i + PREFETCH_BYTES);
        classify(text + i, &classes);
        if (flat) {
            classes.separator |= classes.bracket;
            classes.bracket = 0;
        }
        struct block block = split_block(&classes, &carry);
        if (i == 0)
            stretch->plain = block.plain;
        if (!block.in_turn | (block.plain != stretch->plain))
            break;
        edges = write_edges(edges, block.edges, (uint32_t)i);
        after = carry.after;
        bracket = classes.bracket;
        i += bracket ? trailing_zeros(bracket) : SCAN_BLOCK;
    }
    /* a token that is still open is given back */
    bool open = (edges - stretch->edges) % 2 != 0;
    stretch->count = (size_t)(edges - stretch->edges) / 2;
    stretch->bytes = open ? edges[-1] : i;
    stretch->after_value = after && !open;
}

/* ---- gather ----------------------------------------------------------- */

static void read(const char *text, size_t bytes, struct stretch *stretch)
{
    split(text, bytes, false, stretch);
    if (stretch->plain)
        stretch->plain = gather(text, stretch);
}

static void read_flat(const char *text, size_t bytes, struct stretch *stretch)
{
    split(text, bytes, true, stretch);
    if (stretch->plain)
        stretch->plain = gather(text, stretch);
}

/* ---- skim -------------------------------------------------------------- */

static size_t skim(const char *text, size_t bytes, size_t *commas)
{
    size_t i = 0, count = 0;
    uint64_t bracket = 0;
    for (; i + SCAN_BLOCK <= bytes && !bracket; i += SCAN_BLOCK) {
        struct classes classes;
        classify(text + i, &classes);
        bracket = classes.bracket;
        count += (size_t)__builtin_popcountll(classes.comma &
                                              ((bracket & -bracket) - 1));
    }
    if (bracket)
        i = i - SCAN_BLOCK + trailing_zeros(bracket);
    for (; !bracket && i < bytes && text[i] != '[' && text[i] != ']'; i++)
        count += text[i] == ',';
    *commas = count;
    return i;
}

const struct scanner NAME(SMX_TIER) = {

    .read = read,
    .read_flat = read_flat,
    .skim = skim,
    .float64s = float64s,
    .float32s = float32s};
