// SPDX-License-Identifier: MIT
/*
 * Compiled once an instruction set: whole blocks with its vectors, then the
 * groups that are left by table.
 */
#include "base64.h"

#if defined(SMX_TIER_AVX512)
#include "base64_avx512.h"
#elif defined(SMX_TIER_AVX2)
#include "base64_avx2.h"
#elif defined(SMX_TIER_NEON)
#include "base64_neon.h"
#else
#include "base64_plain.h"
#endif

#define PASTE(a, b) a##b
#define NAME(tier) PASTE(base64_, tier)

static const char alphabet[64] = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"};

/* What each byte stands for; 64 and more: it is no character of base64. */
static const uint8_t values[256] = {
#define NONE_8 64, 64, 64, 64, 64, 64, 64, 64
#define NONE_32 NONE_8, NONE_8, NONE_8, NONE_8
    NONE_32, NONE_8, 64, 64, 64, 62, 64,      64,      64,      63,      52, 53,
    54,      55,     56, 57, 58, 59, 60,      61,      64,      64,      64, 64,
    64,      64,     64, 0,  1,  2,  3,       4,       5,       6,       7,  8,
    9,       10,     11, 12, 13, 14, 15,      16,      17,      18,      19, 20,
    21,      22,     23, 24, 25, 64, 64,      64,      64,      64,      64, 26,
    27,      28,     29, 30, 31, 32, 33,      34,      35,      36,      37, 38,
    39,      40,     41, 42, 43, 44, 45,      46,      47,      48,      49, 50,
    51,      64,     64, 64, 64, 64, NONE_32, NONE_32, NONE_32, NONE_32,
};

static size_t decode_groups(unsigned char *out, const char *text,
                            size_t characters)
{
    size_t taken = 0;
    for (; characters - taken >= BLOCK_CHARACTERS; taken += BLOCK_CHARACTERS)
        if (!decode_block(out + taken / 4 * 3, text + taken))
            break;
    for (; characters - taken >= 4; taken += 4) {
        const unsigned char *in = (const unsigned char *)text + taken;
        uint8_t a = values[in[0]], b = values[in[1]], c = values[in[2]],
                d = values[in[3]];
        if ((a | b | c | d) >= 64)
            break;
        unsigned char *group = out + taken / 4 * 3;
        group[0] = (unsigned char)(a << 2 | b >> 4);
        group[1] = (unsigned char)(b << 4 | c >> 2);
        group[2] = (unsigned char)(c << 6 | d);
    }
    return taken;
}

static size_t encode_groups(char *text, const unsigned char *in, size_t bytes)
{
    size_t taken = 0;
    for (; bytes - taken >= BLOCK_READ; taken += BLOCK_CHARACTERS / 4 * 3)
        encode_block(text + taken / 3 * 4, in + taken);
    for (; bytes - taken >= 3; taken += 3) {
        char *group = text + taken / 3 * 4;
        const unsigned char *at = in + taken;
        group[0] = alphabet[at[0] >> 2];
        group[1] = alphabet[(at[0] & 3) << 4 | at[1] >> 4];
        group[2] = alphabet[(at[1] & 15) << 2 | at[2] >> 6];
        group[3] = alphabet[at[2] & 63];
    }
    return taken;
}

const struct base64_codec NAME(SMX_TIER);
const struct base64_codec NAME(SMX_TIER) = {decode_groups, encode_groups};
