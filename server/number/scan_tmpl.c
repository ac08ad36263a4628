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
 *         unless a rounding boundary is within the error (see number_read.c).
 */
#include "scan_tiers.h"

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
    uint64_t digit;    /* the last byte was a digit */
    uint64_t point;    /* ... a point */
    uint64_t minus;    /* ... a minus */
    uint64_t zero;     /* ... a 0 that begins a number */
    uint64_t fraction; /* ... a digit behind a point */
    bool plain;        /* every token so far */
};

/* Bit i of the result: how many bits of [0, i] are set, odd or even. */
static inline uint64_t prefix_xor(uint64_t bits)
{
    for (int shift = 1; shift < 64; shift *= 2)
        bits ^= bits << shift;
    return bits;
}

/* Is each token of the block -?(0|[1-9][0-9]*)(.[0-9]+)? */
static inline bool is_plain(const struct classes *c, struct carry *carry,
                            uint64_t token, uint64_t begins)
{
    uint64_t behind_digit = c->digit << 1 | carry->digit;
    uint64_t behind_point = c->point << 1 | carry->point;
    uint64_t behind_minus = c->minus << 1 | carry->minus;
    uint64_t zero = c->zero & (begins | behind_minus);
    uint64_t behind_zero = zero << 1 | carry->zero;
    /* the addition moves the bit behind a point to where the digits end */
    unsigned long long fraction_end;
    bool goes_on = __builtin_uaddll_overflow(behind_point | carry->fraction,
                                             c->digit, &fraction_end);
    uint64_t wrong = (token & ~(c->digit | c->point | c->minus)) |
                     (c->minus & ~begins) | (c->point & ~behind_digit) |
                     ((behind_minus | behind_point) & ~c->digit) |
                     (behind_zero & c->digit) | (fraction_end & c->point);
    carry->digit = c->digit >> 63;
    carry->point = c->point >> 63;
    carry->minus = c->minus >> 63;
    carry->zero = zero >> 63;
    carry->fraction = goes_on;
    return wrong == 0;
}

/* Values and commas take turns, a comma right behind each token or not. */
static inline bool in_turn(const struct carry *carry, uint64_t comma,
                           uint64_t space, uint64_t begins, uint64_t ends)
{
    if ((space == 0) & (carry->inside == carry->after))
        return comma == ends;
    uint64_t value = prefix_xor(begins | comma) ^ -carry->after;
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
    uint64_t within = (c->bracket & -c->bracket) - 1;
    uint64_t comma = c->comma & within;
    uint64_t space = (c->separator ^ c->comma) & within;
    uint64_t token = ~c->separator & within;
    uint64_t before = token << 1 | carry->inside;
    uint64_t begins = token & ~before, ends = ~token & before;
    c->digit &= within;
    c->point &= within;
    c->minus &= within;
    struct block block = {
        .edges = token ^ before,
        .in_turn = in_turn(carry, comma, space, begins, ends & within),
        .plain = is_plain(c, carry, token, begins),
    };
    uint64_t turns = (uint64_t)__builtin_popcountll(begins | comma);
    carry->after = (carry->after ^ turns) & 1;
    carry->inside = token >> 63;
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
