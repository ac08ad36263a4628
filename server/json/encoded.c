// SPDX-License-Identifier: MIT
#include "encoded.h"

#include <stdio.h>
#include <string.h>

#include "../number/number.h"
#include "nesting.h"
#include "token.h"

void encoded_begin(struct encoded *encoded,
                   const struct reader_destination *destination,
                   const struct reader_path *path, int depth, enum smx_isa isa)
{
    *encoded = (struct encoded){
        .depth = depth, .isa = isa, .destination = *destination};
    nesting_pointer(path, encoded->name, sizeof encoded->name);
}

/* "logits/dtype: got ..., must be RULE", pointing there. */
static bool refuse_member(const struct encoded *encoded, const char *member,
                          const char *got, const char *rule,
                          struct problem *problem)
{
    char pointer[sizeof problem->pointer];
    snprintf(pointer, sizeof pointer, "/%.160s/%.64s", encoded->name, member);
    return problem_set(problem, 422, pointer, "%s: got %s, must be %s",
                       pointer + 1, got, rule);
}

bool encoded_member(struct encoded *encoded, const char *name, char first,
                    bool *text, struct problem *problem)
{
    *text = strcmp(name, "base64") == 0;
    if (*text && first != '"')
        return refuse_member(encoded, name, "another value", "a string",
                             problem);
    encoded->given |= *text;
    return *text || strcmp(name, "dtype") == 0 || strcmp(name, "shape") == 0 ||
           refuse_member(encoded, name, "an unknown member",
                         "one of base64, dtype, shape", problem);
}

/* ---- the text ----------------------------------------------------------- */

/* Reserve whole huge pages, as the reader of an array does. */
static bool make_bytes_room(struct encoded *encoded, size_t characters,
                            struct problem *problem)
{
    struct tensor *tensor = encoded->destination.tensor;
    size_t needed =
        encoded->bytes + base64_most_bytes(characters) + BASE64_AHEAD;
    return needed <= tensor->bytes ||
           tensor_reserve(tensor, element_buffer_room(needed), problem);
}

/* @return how many characters were taken. */
static size_t decode(struct encoded *encoded, const char *text,
                     size_t characters)
{
    size_t bytes;
    unsigned char *data = encoded->destination.tensor->data;
    size_t taken = base64_decode(&encoded->decoder, data + encoded->bytes,
                                 &bytes, text, characters);
    encoded->bytes += bytes;
    return taken;
}

static bool refuse_text(const struct encoded *encoded, const char *got,
                        struct problem *problem)
{
    return refuse_member(encoded, "base64", got,
                         "base64 with padding (RFC 4648, section 4)", problem);
}

static bool refuse_character(const struct encoded *encoded, char c,
                             struct problem *problem)
{
    char got[16];
    snprintf(got, sizeof got, c > 0x20 && c < 0x7f ? "'%c'" : "byte 0x%02x",
             (unsigned char)c);
    return refuse_text(encoded, got, problem);
}

/* The character that an escape of JSON stands for, if it is one of ASCII;
 * false: it is another. */
static bool read_escape(const char *escape, size_t bytes, char *character)
{
    int code = 0;
    if (bytes == 2) {
        *character = escape[1];
        return escape[1] == '/';
    }
    for (size_t i = 2; i < bytes; i++)
        code = 16 * code + token_hex_digit(escape[i]);
    *character = (char)code;
    return code < 0x80;
}

/* Encoders may write '/', '+' and '=' as "\/", "\u002b" and "\u003d": take one
 * more byte of such an escape. */
static bool take_escape(struct encoded *encoded, char byte,
                        struct problem *problem)
{
    size_t at = encoded->escape_bytes++;
    char c;
    encoded->escape[at] = byte;
    if (at == 0 || (at == 1 && byte == 'u'))
        return true;
    if (at == 1 && (byte == '\0' || !strchr("\"\\/bfnrt", byte)))
        return token_unexpected(byte, "an escape of JSON", problem);
    if (at > 1 && token_hex_digit(byte) < 0)
        return token_unexpected(byte, "a hexadecimal digit", problem);
    if (at > 1 && at < 5)
        return true;
    encoded->escape_bytes = 0;
    if (!read_escape(encoded->escape, at + 1, &c))
        return refuse_text(encoded, "an escaped character", problem);
    return decode(encoded, &c, 1) == 1 || refuse_character(encoded, c, problem);
}

static bool end_text(struct encoded *encoded, struct problem *problem)
{
    encoded->ended = true;
    return base64_is_whole(&encoded->decoder) ||
           refuse_member(encoded, "base64", "a text that ends too early",
                         "groups of four characters, the last one padded "
                         "with '='",
                         problem);
}

/* Whatever decoding stopped at. */
static bool take_byte(struct encoded *encoded, char byte,
                      struct problem *problem)
{
    if (encoded->escape_bytes > 0 || byte == '\\')
        return take_escape(encoded, byte, problem);
    if (byte == '"')
        return end_text(encoded, problem);
    if ((unsigned char)byte < 0x20)
        return token_unexpected(byte, "a character of a string", problem);
    return refuse_character(encoded, byte, problem);
}

const char *encoded_feed(struct encoded *encoded, const char *p,
                         const char *end, const char **bad,
                         struct problem *problem)
{
    *bad = p;
    if (!make_bytes_room(encoded, (size_t)(end - p), problem))
        return NULL;
    while (p < end && !encoded->ended) {
        if (encoded->escape_bytes == 0)
            p += decode(encoded, p, (size_t)(end - p));
        if (p == end)
            break;
        *bad = p;
        if (!take_byte(encoded, *p++, problem))
            return NULL;
    }
    return p;
}

/* ---- what it is --------------------------------------------------------- */

static const struct datatype *find_datatype(const struct encoded *encoded,
                                            const struct value *dtype,
                                            struct problem *problem)
{
    enum datatype_kind kind = datatype_kind_of(encoded->destination.element);
    const struct datatype *found = NULL;
    char got[64] = "nothing";
    if (dtype && value_kind(dtype) == VALUE_STRING)
        found = datatype_find_native(value_string(dtype));
    if (found && found->kind == kind)
        return found;
    if (dtype)
        value_print(dtype, got, sizeof got);
    refuse_member(encoded, "dtype", got, datatype_names(kind, true), problem);
    return NULL;
}

/* Its shape; *bytes: what it needs on the wire. */
static bool read_shape(const struct encoded *encoded, const struct value *shape,
                       struct tensor *tensor, size_t *bytes,
                       struct problem *problem)
{
    char got[64] = "nothing", rule[96];
    size_t rank = shape ? value_size(shape) : 0;
    bool good = shape && value_kind(shape) == VALUE_ARRAY &&
                rank <= (size_t)encoded->destination.max_rank;
    for (size_t i = 0; i < rank && good; i++) {
        int64_t size;
        good = value_to_integer(value_at(shape, i), &size) && size >= 0 &&
               !__builtin_mul_overflow(*bytes, (size_t)size, bytes);
        if (good)
            tensor->shape[i] = (size_t)size;
    }
    if (good) {
        tensor->rank = (int)rank;
        return true;
    }
    if (shape)
        value_print(shape, got, sizeof got);
    snprintf(rule, sizeof rule,
             "an array of at most %d integers from 0, for less than 2^64 bytes",
             encoded->destination.max_rank);
    return refuse_member(encoded, "shape", got, rule, problem);
}

/* Widen the narrow elements at the front of data, from the last one on: no
 * element is then written over one that is still to be read. */
static void widen_in_place(struct tensor *tensor,
                           const struct datatype *datatype, enum smx_isa isa)
{
    enum { BLOCK = 512 };
    unsigned char block[4 * BLOCK], *data = tensor->data;
    size_t wide = tensor_element_bytes(tensor->type), narrow = datatype->bytes;
    for (size_t left = tensor->count, count; left > 0; left -= count) {
        count = left < BLOCK ? left : BLOCK;
        memcpy(block, data + (left - count) * narrow, count * narrow);
        datatype_widen(datatype, data + (left - count) * wide, block, count,
                       isa);
    }
}

static bool give_type(struct encoded *encoded, const struct datatype *datatype,
                      size_t count, struct problem *problem)
{
    struct tensor *tensor = encoded->destination.tensor;
    size_t wide = tensor_element_bytes(datatype->tensor);
    if (count * wide > tensor->bytes &&
        !tensor_reserve(tensor, count * wide, problem))
        return false;
    tensor->type = datatype->tensor;
    tensor->count = count;
    if (datatype->kind == DATATYPE_TRUTH)
        datatype_truth(tensor->data, tensor->data, count);
    else if (datatype->bytes < wide)
        widen_in_place(tensor, datatype, encoded->isa);
    else
        tensor_to_little_endian(tensor); /* its own inverse */
    return true;
}

/* An object of another kind. */
static bool refuse_object(const struct encoded *encoded,
                          struct problem *problem)
{
    char pointer[sizeof problem->pointer];
    struct element_buffer buffer;
    element_buffer_init_whole(&buffer, &encoded->destination);
    snprintf(pointer, sizeof pointer, "/%.160s", encoded->name);
    return problem_set(problem, 422, pointer,
                       "%s: got an object without base64, must be %s",
                       pointer + 1, element_buffer_rule(&buffer));
}

bool encoded_finish(struct encoded *encoded, const struct value *value,
                    struct element_buffer *buffer, struct problem *problem)
{
    struct tensor *tensor = encoded->destination.tensor;
    encoded->depth = 0;
    if (!encoded->given)
        return refuse_object(encoded, problem);
    const struct datatype *datatype =
        find_datatype(encoded, value_member(value, "dtype"), problem);
    size_t bytes = datatype ? datatype->bytes : 0;
    if (!datatype || !read_shape(encoded, value_member(value, "shape"), tensor,
                                 &bytes, problem))
        return false;
    if (bytes != encoded->bytes) {
        char got[64], rule[64];
        snprintf(got, sizeof got, "%zu bytes", encoded->bytes);
        snprintf(rule, sizeof rule, "%zu by its shape and dtype", bytes);
        return refuse_member(encoded, "base64", got, rule, problem);
    }
    if (!give_type(encoded, datatype, bytes / datatype->bytes, problem))
        return false;
    element_buffer_init_whole(buffer, &encoded->destination);
    return element_buffer_finish(buffer, problem);
}
