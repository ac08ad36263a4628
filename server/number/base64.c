// SPDX-License-Identifier: MIT
/* Chooses the instruction set for whole groups, and treats the rest: the ends
 * of slices and of the text. */
#include "base64.h"

#include "isa.h"

/* ---- which instruction set ---------------------------------------------- */

#define CODEC(isa, name) extern const struct base64_codec base64_##name;
NUMBER_TIERS(CODEC)
#undef CODEC

static const struct base64_codec *const codecs[] = {
#define CODEC(isa, name) [isa] = &base64_##name,
    NUMBER_TIERS(CODEC)
#undef CODEC
};

const struct base64_codec *base64_codec_of(enum smx_isa isa)
{
    return smx_isa_available(isa) ? codecs[isa] : NULL;
}

static const struct base64_codec *codec_now(void)
{
    return codecs[number_isa()];
}

/* ---- decoding ----------------------------------------------------------- */

/* What a character stands for; -1: it is none of base64. */
static int value_of(char character)
{
    if (character >= 'A' && character <= 'Z')
        return character - 'A';
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 26;
    if (character >= '0' && character <= '9')
        return character - '0' + 52;
    return character == '+' ? 62 : character == '/' ? 63 : -1;
}

/* Padding stands for the last one or two characters of the last group, and
 * what they would have added to its bytes is 0 (RFC 4648, 3.5). */
static bool take_padding(struct base64_decoder *decoder)
{
    if (decoder->held < 2 || (decoder->held == 2 && decoder->bits & 15) ||
        (decoder->held == 3 && decoder->bits & 3))
        return false;
    decoder->padding++;
    return true;
}

/* The group is whole: 24 bits, of which padding has no bytes. */
static size_t end_group(struct base64_decoder *decoder, unsigned char *out)
{
    size_t bytes = 3 - decoder->padding;
    for (size_t i = 0; i < bytes; i++)
        out[i] = (unsigned char)(decoder->bits >> (16 - 8 * i));
    decoder->held = decoder->bits = 0;
    return bytes;
}

/* false: the character cannot stand here. */
static bool take_character(struct base64_decoder *decoder, char character)
{
    int value = value_of(character);
    if (character == '=') {
        if (!take_padding(decoder))
            return false;
        value = 0;
    } else if (value < 0 || decoder->padding > 0) { /* the text is over */
        return false;
    }
    decoder->bits = decoder->bits << 6 | (uint32_t)value;
    decoder->held++;
    return true;
}

size_t base64_decode(struct base64_decoder *decoder, unsigned char *out,
                     size_t *bytes, const char *text, size_t characters)
{
    size_t taken = 0;
    *bytes = 0;
    while (taken < characters) {
        if (decoder->held == 0 && decoder->padding == 0) {
            size_t groups = codec_now()->decode(out + *bytes, text + taken,
                                                characters - taken);
            taken += groups;
            *bytes += groups / 4 * 3;
            if (taken == characters)
                break;
        }
        do {
            if (!take_character(decoder, text[taken]))
                return taken;
            taken++;
        } while (decoder->held < 4 && taken < characters);
        if (decoder->held == 4)
            *bytes += end_group(decoder, out + *bytes);
    }
    return taken;
}

bool base64_is_whole(const struct base64_decoder *decoder)
{
    return decoder->held == 0;
}

/* ---- encoding ----------------------------------------------------------- */

size_t base64_encode(char *text, const unsigned char *in, size_t bytes)
{
    size_t taken = codec_now()->encode(text, in, bytes);
    size_t written = taken / 3 * 4, left = bytes - taken;
    if (left == 0)
        return written;
    /* one or two bytes: as if zeros followed, then padding for those */
    const unsigned char group[3] = {in[taken], left > 1 ? in[taken + 1] : 0, 0};
    base64_base.encode(text + written, group, sizeof group);
    text[written + 3] = '=';
    if (left == 1)
        text[written + 2] = '=';
    return written + 4;
}
