// SPDX-License-Identifier: MIT
// unwind: 9
/* base64: whole groups of any bytes in just the room that they need; and, by
 * induction over the characters of a text of any length in any slices, a state
 * that stays what it may be and a group of at most three bytes. */
#include "prove.h"

#define SMX_TIER base
#define SMX_TIER_BASE 1
#include "server/number/base64_tmpl.c"

bool smx_isa_available(enum smx_isa isa)
{
    return isa == SMX_ISA_BASE;
}
const struct base64_codec base64_avx2, base64_avx512;

#include "server/number/base64.c"

enum { CHARACTERS = 9, BYTES = 7 };

static void whole_groups(void)
{
    char *text = any_bytes(CHARACTERS), *written = any_bytes(BYTES / 3 * 4);
    unsigned char *out = (unsigned char *)any_bytes(CHARACTERS / 4 * 3);
    size_t taken = decode_groups(out, text, CHARACTERS);
    assert(taken <= CHARACTERS && taken % 4 == 0);
    assert(encode_groups(written, (unsigned char *)any_bytes(BYTES), BYTES) ==
           BYTES / 3 * 3);
}

/* Between two characters: a group under way, or behind the padded last one. */
static bool may_be(const struct base64_decoder *decoder)
{
    return decoder->held < 4 && decoder->padding <= 2 &&
           (decoder->padding == 0 || decoder->held == 0 ||
            (decoder->padding == 1 && decoder->held == 3));
}

int main(void)
{
    whole_groups();
    struct base64_decoder decoder = {(uint32_t)nondet_uint64(),
                                     (unsigned)nondet_uint64(),
                                     (unsigned)nondet_uint64()};
    __CPROVER_assume(may_be(&decoder));
    if (take_character(&decoder, (char)nondet_uint64()) && decoder.held == 4) {
        unsigned char *out = (unsigned char *)any_bytes(3 - decoder.padding);
        assert(end_group(&decoder, out) == 3 - decoder.padding);
        assert(base64_is_whole(&decoder));
    }
    assert(may_be(&decoder));
    return 0;
}
