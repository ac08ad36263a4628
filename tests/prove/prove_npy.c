// SPDX-License-Identifier: MIT
// unwind: 13
/* The header of a NumPy file: any bytes of its beginning; its text one byte
 * after another, by induction over a header of any length; a string, a size
 * and a shape of any 5 characters. */
#include "prove.h"

#include "server/npy.c"

void problem_write(struct problem *problem, int status, enum cause cause,
                   const char *member, const char *pointer, const char *format,
                   ...)
{
    (void)problem, (void)status, (void)cause, (void)member, (void)pointer,
        (void)format;
}

int snprintf(char *text, size_t room, const char *format, ...)
{
    (void)format;
    assert(room > 0);
    text[0] = '\0';
    return 0;
}

static void any_beginning(void)
{
    struct npy_reader npy = {.header_bytes = SIZE_MAX};
    struct problem problem;
    for (int i = 0; i < 12 && npy.header_bytes == SIZE_MAX; i++)
        if (!take_prefix(&npy, (unsigned char)nondet_uint64(), &problem))
            return;
    assert(npy.header_bytes >= npy.taken && npy.taken <= sizeof npy.prefix);
}

static void any_byte_of_the_text(void)
{
    struct npy_reader npy;
    __CPROVER_assume(npy.text_bytes <= NPY_MAX_TEXT);
    take_text(&npy, (char)nondet_uint64());
    assert(npy.text_bytes <= NPY_MAX_TEXT);
}

static void any_words(void)
{
    char word[4];
    const char *text = any_string(5), *at = text;
    size_t size;
    if (take_string(&at, word, sizeof word))
        assert(strlen(word) < sizeof word && at <= text + strlen(text));
    at = text;
    (void)take_size(&at, &size);
    assert(at <= text + strlen(text));
}

static void any_shape(void)
{
    struct npy_header header;
    struct problem problem;
    static char bytes[6];
    const char *text = bytes, *at = text;
    for (size_t i = 0; i < sizeof bytes - 1; i++)
        bytes[i] = (char)nondet_uint64();
    if (take_shape(&at, &header, &problem))
        assert(header.rank <= TENSOR_MAX_RANK);
    assert(at >= text && at < text + sizeof bytes);
}

int main(void)
{
    any_beginning();
    any_byte_of_the_text();
    any_shape();
    any_words();
    return 0;
}
