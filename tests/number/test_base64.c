// SPDX-License-Identifier: MIT
/* Base64 of every length, in slices of every length, on every instruction set,
 * against an encoder that is plain to see; what is no base64 stops it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/number/base64.h"
#include "../../server/number/isa.h"

enum { MOST = 300, GUARD = 0xa5 };

static const enum smx_isa isas[] = {SMX_ISA_BASE, SMX_ISA_AVX2, SMX_ISA_AVX512,
                                    SMX_ISA_NEON};
enum { ISAS = sizeof isas / sizeof isas[0] };

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Bit by bit: six at a time, then padding to a multiple of four. */
static size_t encode_plainly(char *text, const unsigned char *in, size_t bytes)
{
    size_t n = 0;
    for (size_t bit = 0; bit < 8 * bytes; bit += 6) {
        unsigned value = 0;
        for (size_t i = bit; i < bit + 6; i++)
            value = value << 1 |
                    (i < 8 * bytes ? in[i / 8] >> (7 - i % 8) & 1u : 0u);
        text[n++] = alphabet[value];
    }
    while (n % 4)
        text[n++] = '=';
    return n;
}

/* Every byte value at every place, by a sequence that wraps at a prime. */
static void fill(unsigned char *in, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++)
        in[i] = (unsigned char)((i * 151 + seed * 89) % 257);
}

static void every_length(void **state)
{
    (void)state;
    for (size_t k = 0; k < ISAS; k++) {
        if (!base64_codec_of(isas[k]))
            continue;
        number_isa_force(isas[k]);
        for (size_t bytes = 0; bytes <= MOST; bytes++) {
            unsigned char in[MOST];
            char want[2 * MOST], got[2 * MOST];
            fill(in, bytes, (unsigned)bytes);
            size_t characters = encode_plainly(want, in, bytes);
            assert_int_equal(base64_characters(bytes), characters);
            /* neither reads nor writes beyond: exact copies, for sanitizers */
            unsigned char *copy = malloc(bytes ? bytes : 1);
            memcpy(copy, in, bytes);
            memset(got, GUARD, sizeof got);
            assert_int_equal(base64_encode(got, copy, bytes), characters);
            free(copy);
            assert_memory_equal(got, want, characters);
            for (size_t i = characters; i < sizeof got; i++)
                assert_int_equal((unsigned char)got[i], GUARD);
        }
    }
    number_isa_force(SMX_ISA_BEST);
}

/* Decode text in slices; true: all of it is base64, and whole. */
static bool decode(const char *text, size_t characters, size_t slice,
                   unsigned char *out, size_t *bytes)
{
    struct base64_decoder decoder = {0};
    *bytes = 0;
    for (size_t at = 0; at < characters; at += slice) {
        size_t n = characters - at < slice ? characters - at : slice, made;
        char *copy = malloc(n);
        size_t room = base64_most_bytes(n) + BASE64_AHEAD;
        unsigned char *part = malloc(room);
        memcpy(copy, text + at, n);
        size_t taken = base64_decode(&decoder, part, &made, copy, n);
        memcpy(out + *bytes, part, made);
        *bytes += made;
        free(copy);
        free(part);
        if (taken < n)
            return false;
    }
    return base64_is_whole(&decoder);
}

static void every_length_in_slices(void **state)
{
    (void)state;
    static const size_t slices[] = {1, 2, 3, 5, 31, 64, 65, 100, 1000};
    for (size_t k = 0; k < ISAS; k++) {
        if (!base64_codec_of(isas[k]))
            continue;
        number_isa_force(isas[k]);
        for (size_t bytes = 0; bytes <= MOST; bytes++)
            for (size_t s = 0; s < sizeof slices / sizeof slices[0]; s++) {
                unsigned char in[MOST], out[MOST + 3];
                char text[2 * MOST];
                size_t made;
                fill(in, bytes, (unsigned)bytes);
                size_t characters = encode_plainly(text, in, bytes);
                assert_true(decode(text, characters, slices[s], out, &made));
                assert_int_equal(made, bytes);
                assert_memory_equal(out, in, bytes);
            }
    }
    number_isa_force(SMX_ISA_BEST);
}

/* Any byte that is no character, at any place of a block and its neighbours:
 * it is the one that decoding stops at, on every instruction set. */
static void every_wrong_byte(void **state)
{
    (void)state;
    enum { LONG = 132 };
    char text[LONG];
    for (size_t i = 0; i < LONG; i++)
        text[i] = alphabet[i * 7 % 64];
    for (size_t k = 0; k < ISAS; k++) {
        if (!base64_codec_of(isas[k]))
            continue;
        number_isa_force(isas[k]);
        for (size_t at = 0; at < LONG; at++)
            for (int byte = 0; byte < 256; byte++) {
                unsigned char out[LONG + BASE64_AHEAD];
                char good = text[at];
                size_t made;
                struct base64_decoder decoder = {0};
                bool is_one = byte == '+' || byte == '/' ||
                              (byte >= '0' && byte <= '9') ||
                              (byte >= 'A' && byte <= 'Z') ||
                              (byte >= 'a' && byte <= 'z');
                if (byte == '=')
                    continue;
                text[at] = (char)byte;
                assert_int_equal(
                    base64_decode(&decoder, out, &made, text, LONG),
                    is_one ? LONG : at);
                assert_int_equal(made, is_one ? LONG / 4 * 3 : at / 4 * 3);
                text[at] = good;
            }
    }
    number_isa_force(SMX_ISA_BEST);
}

static void padding_ends_the_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t taken;
        bool whole;
    } cases[] = {
        {"", 0, true},         {"QQ==", 4, true},  {"QUI=", 4, true},
        {"QUJD", 4, true},     {"QR==", 2, false}, {"QUJ=", 3, false},
        {"=", 0, true},        {"Q=", 1, false},   {"QQ=", 3, false},
        {"QQ=A", 3, false},    {"QQ", 2, false},   {"QQ==QUJD", 4, true},
        {"QQ===", 4, true},    {"QUI==", 4, true}, {"QUJD=", 4, true},
        {"QUJDQ", 5, false},   {"QQ==A", 4, true}, {"QUI=A", 4, true},
        {"QQ==QQ==", 4, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char out[32];
        size_t made;
        struct base64_decoder decoder = {0};
        assert_int_equal(base64_decode(&decoder, out, &made, cases[i].text,
                                       strlen(cases[i].text)),
                         cases[i].taken);
        assert_int_equal(base64_is_whole(&decoder), cases[i].whole);
    }
}

/* What padding stands for must have been 0: of each last character. */
static void bits_that_padding_leaves_are_zero(void **state)
{
    (void)state;
    for (size_t value = 0; value < 64; value++)
        for (size_t slice = 1; slice < 5; slice++) {
            const char one[] = {'Q', alphabet[value], '=', '='},
                       two[] = {'Q', 'U', alphabet[value], '='};
            unsigned char out[6];
            size_t made;
            assert_int_equal(decode(one, 4, slice, out, &made),
                             value % 16 == 0);
            if (value % 16 == 0) {
                assert_int_equal(made, 1);
                assert_int_equal(out[0], 0x40 | value >> 4);
            }
            assert_int_equal(decode(two, 4, slice, out, &made), value % 4 == 0);
            if (value % 4 == 0) {
                assert_int_equal(made, 2);
                assert_int_equal(out[0], 0x41);
                assert_int_equal(out[1], 0x40 | value >> 2);
            }
        }
}

/* Tables alone would give the same bytes. A block that vectors take writes
 * ahead; any one of good characters is. */
static void good_blocks_are_taken_by_vectors(void **state)
{
    (void)state;
    static const struct {
        enum smx_isa isa;
        size_t block;
    } vectors[] = {{SMX_ISA_AVX2, 32}, {SMX_ISA_AVX512, 64}};
    for (size_t k = 0; k < 2; k++) {
        const struct base64_codec *codec = base64_codec_of(vectors[k].isa);
        size_t block = vectors[k].block;
        for (size_t value = 0; value < 64 && codec; value++)
            for (size_t at = 0; at < block; at++) {
                char text[64];
                unsigned char out[64];
                for (size_t i = 0; i < block; i++)
                    text[i] = alphabet[(i * 7 + at) % 64];
                text[at] = alphabet[value];
                memset(out, GUARD, sizeof out);
                assert_int_equal(codec->decode(out, text, block), block);
                assert_int_not_equal(out[block / 4 * 3], GUARD);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length),
        cmocka_unit_test(every_length_in_slices),
        cmocka_unit_test(every_wrong_byte),
        cmocka_unit_test(padding_ends_the_text),
        cmocka_unit_test(bits_that_padding_leaves_are_zero),
        cmocka_unit_test(good_blocks_are_taken_by_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
