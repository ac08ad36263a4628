// SPDX-License-Identifier: MIT
// unwind: 70
/* The scanner at the end of a slice: a block of any classes and what is left of
 * one, in an object of just their size; the edges of any block in the room that
 * a stretch has for it; a token of any bytes between any two edges. Of split a
 * block is proved, behind any other: that its edges take turns and none lies
 * behind what is looked at. By induction the tokens of any text have two edges
 * each, the second behind the first and within the text. */
#include "prove.h"

#define SMX_TIER base
#define SMX_TIER_BASE 1
#define __builtin_prefetch(address) ((void)0)
#define classify classify_plain
#include "server/number/scan_plain.h"
#undef classify

/* Of 64 bytes, all of which may be read, whatever there could be. */
static void classify(const char *text, struct classes *classes)
{
    volatile char read = text[0];
    read = text[SCAN_BLOCK - 1];
    (void)read;
    *classes = (struct classes){.comma = nondet_uint64(),
                                .separator = nondet_uint64(),
                                .bracket = nondet_uint64(),
                                .digit = nondet_uint64(),
                                .zero = nondet_uint64(),
                                .point = nondet_uint64(),
                                .minus = nondet_uint64()};
    __CPROVER_assume((classes->comma & ~classes->separator) == 0);
    __CPROVER_assume((classes->separator & classes->bracket) == 0);
}
#include "server/number/scan_tmpl.c"

enum { BYTES = SCAN_BLOCK + 2, TOKEN = 24 };

/* Any bytes of which the last is the last of its object. */
static const char *any_end_of(char *text, size_t room, size_t bytes)
{
    for (size_t i = 0; i < room; i++)
        text[i] = (char)nondet_uint64();
    return text + room - bytes;
}

static void any_text(void)
{
    static char room[BYTES];
    size_t bytes = any_size_to(BYTES), commas;
    const char *text = any_end_of(room, BYTES, bytes);
    size_t skimmed = skim(text, bytes, &commas);
    assert(skimmed <= bytes && commas <= skimmed);
}

static void any_edges(void)
{
    static uint32_t edges[SCAN_BLOCK];
    _Static_assert(2 * SCAN_TOKENS - 1 + SCAN_BLOCK <= 2 * SCAN_ROOM,
                   "a block begins where there is room for all its edges");
    assert(write_edges(edges, nondet_uint64(), 0) <= edges + SCAN_BLOCK);
}

/* Inside a token or not, behind these edges; bit by bit, as a solver likes it.
 */
static uint64_t turned_by(uint64_t edges, uint64_t inside)
{
    for (int i = 0; i < SCAN_BLOCK; i++)
        inside ^= edges >> i & 1;
    return inside;
}

static void any_block(void)
{
    static const char text[SCAN_BLOCK];
    struct classes classes;
    struct carry carry = {.inside = nondet_uint64() & 1,
                          .after = nondet_uint64() & 1,
                          .sign = nondet_uint64() & 1,
                          .mark = nondet_uint64() & 1,
                          .zero = nondet_uint64() & 1,
                          .fraction = nondet_uint64() & 1};
    uint64_t open = carry.inside;
    classify(text, &classes);
    uint64_t bracket = classes.bracket;
    struct block block = split_block(&classes, &carry);
    /* the bracket itself may end a token, and is where the next would begin */
    if (bracket)
        assert((block.edges & ~(bracket ^ (bracket - 1))) == 0);
    /* each edge turns inside to outside or back */
    uint64_t turned = turned_by(block.edges, open);
    assert(carry.inside <= 1 && carry.after <= 1);
    assert(bracket ? turned == 0 : turned == carry.inside);
}

static void any_token(void)
{
    static struct stretch stretch;
    size_t begin = any_size_to(TOKEN - 1), end = any_size_to(TOKEN);
    __CPROVER_assume(begin < end);
    stretch.count = 1;
    stretch.edges[0] = (uint32_t)begin;
    stretch.edges[1] = (uint32_t)end;
    static char room[TOKEN];
    const char *text = any_end_of(room, TOKEN, end);
    if (gather(text, &stretch))
        assert(stretch.decimals[0] <= end - begin);
}

int main(void)
{
    any_text();
    any_edges();
    any_block();
    any_token();
    return 0;
}
