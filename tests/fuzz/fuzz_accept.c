// SPDX-License-Identifier: MIT
/*
 * Any bytes as the lines of an Accept, of an Accept-Encoding and as the values
 * of Content-Type and Content-Encoding: an answer in its range, the same one
 * however letters are written, and from several lines as from one list.
 */
#include "fuzz.h"

#include <string.h>

#include "../../server/http/negotiate.h"

enum { MOST = 1024 };

struct answer {
    struct accepted_media media;
    enum coding coding, content;
    enum media type;
};

static struct answer answer_to(const struct field_lines *lines)
{
    return (struct answer){accepted_media(lines), accepted_coding(lines),
                           coding_of_content(lines),
                           media_of_content(lines->line[0])};
}

static bool same_list(const struct answer *a, const struct answer *b)
{
    return a->media.json == b->media.json && a->media.npy == b->media.npy &&
           a->coding == b->coding;
}

/* At line ends; what is beyond the most is counted alone, as it is in a head.
 */
static struct field_lines split(char *text)
{
    struct field_lines lines = {.count = 0};
    for (char *line; (line = strsep(&text, "\n")); lines.count++)
        if (lines.count < FIELD_MAX_LINES)
            lines.line[lines.count] = line;
    return lines;
}

static char *copy_of(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    FUZZ_ASSERT(text);
    for (size_t i = 0; i < size; i++)
        text[i] = data[i] ? (char)data[i] : ' ';
    text[size] = '\0';
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MOST)
        return 0;
    char *text = copy_of(data, size), *other = copy_of(data, size);
    struct field_lines lines = split(text), others;
    struct answer answer = answer_to(&lines), again;
    FUZZ_ASSERT(answer.media.json >= 0 && answer.media.json <= 1000);
    FUZZ_ASSERT(answer.media.npy >= 0 && answer.media.npy <= 1000);
    FUZZ_ASSERT(answer.coding < CODING_UNKNOWN);
    for (char *c = other; *c; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    others = split(other);
    again = answer_to(&others);
    FUZZ_ASSERT(same_list(&answer, &again) && answer.type == again.type &&
                answer.content == again.content);
    free(other);
    other = copy_of(data, size);
    if (lines.count <= FIELD_MAX_LINES && !strchr(other, '"')) {
        for (char *c = other; (c = strchr(c, '\n'));)
            *c = ',';
        others = split(other);
        again = answer_to(&others);
        FUZZ_ASSERT(same_list(&answer, &again));
    }
    free(other);
    free(text);
    return 0;
}
