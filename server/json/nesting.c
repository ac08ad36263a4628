// SPDX-License-Identifier: MIT
#include "nesting.h"

#include <stdio.h>
#include <string.h>

#include "value.h"

bool nesting_open(struct nesting *nesting, bool object, struct problem *problem)
{
    if (nesting->depth == NESTING_MAX_DEPTH)
        return problem_set(problem, 422, NULL,
                           "body: got nesting deeper than %d, must be less",
                           NESTING_MAX_DEPTH);
    int level = nesting->depth++;
    unsigned char bit = (unsigned char)(1 << level % 8);
    nesting->objects[level / 8] &= (unsigned char)~bit;
    nesting->objects[level / 8] |= object ? bit : 0;
    if (level < NESTING_STEPS) {
        nesting->path.step[level].name = NULL;
        nesting->path.step[level].index = 0;
    }
    return true;
}

bool nesting_is_object(const struct nesting *nesting, int level)
{
    return nesting->objects[level / 8] >> level % 8 & 1;
}

bool nesting_in_object(const struct nesting *nesting)
{
    return nesting_is_object(nesting, nesting->depth - 1);
}

const struct reader_path *nesting_path(struct nesting *nesting)
{
    if (nesting->depth < 1 || nesting->depth > NESTING_STEPS ||
        !nesting_is_object(nesting, 0))
        return NULL;
    nesting->path.depth = nesting->depth;
    return &nesting->path;
}

void nesting_count(struct nesting *nesting)
{
    if (nesting->depth <= NESTING_STEPS)
        nesting->path.step[nesting->depth - 1].index++;
}

/* The name in quotes at text, when it stands for itself. */
static bool read_plain(const char *text, size_t bytes, char *name)
{
    size_t length = bytes - 2;
    if (length >= NESTING_NAME_BYTES)
        return false;
    for (size_t i = 1; i <= length; i++)
        if (text[i] < ' ' || text[i] > '~' || text[i] == '\\')
            return false;
    memcpy(name, text + 1, length);
    name[length] = '\0';
    return true;
}

bool nesting_name(struct nesting *nesting, const char *text, size_t bytes,
                  bool *plain, struct problem *problem)
{
    int level = nesting->depth - 1;
    if (level >= NESTING_STEPS)
        return true;
    char *name = nesting->names[level];
    nesting->path.step[level].name = name;
    if (read_plain(text, bytes, name))
        return true;
    *plain = false;
    struct value *value = value_parse(text, bytes, problem);
    if (!value)
        return false;
    snprintf(name, NESTING_NAME_BYTES, "%s", value_string(value));
    value_free(value);
    return true;
}

/* Bytes of the string that begins at text. */
static size_t string_bytes(const char *text, size_t bytes)
{
    size_t n = 1;
    while (n < bytes && text[n] != '"')
        n += text[n] == '\\' ? 2 : 1;
    return n < bytes ? n + 1 : bytes;
}

bool nesting_walk(struct nesting *nesting, const char *text, size_t bytes,
                  struct problem *problem)
{
    bool name = false, plain;
    for (size_t i = 0, n; i < bytes; i += n) {
        n = 1;
        switch (text[i]) {
        case '{':
        case '[':
            name = text[i] == '{';
            if (!nesting_open(nesting, name, problem))
                return false;
            break;
        case '}':
        case ']':
            nesting->depth--;
            break;
        case ',':
            name = nesting_in_object(nesting);
            if (!name)
                nesting_count(nesting);
            break;
        case '"':
            n = string_bytes(text + i, bytes - i);
            if (name && !nesting_name(nesting, text + i, n, &plain, problem))
                return false;
            name = false;
            break;
        }
    }
    return true;
}
