// SPDX-License-Identifier: MIT
#include "npy.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MAGIC "\x93NUMPY"

/* The magic bytes and the version; behind them stands the header's length, in
 * two bytes in version 1.0, in four in 2.0 and 3.0. */
enum { VERSION_AT = sizeof MAGIC - 1, LENGTH_AT = VERSION_AT + 2, ALIGN = 64 };

void npy_begin(struct npy_reader *npy, struct tensor *tensor, size_t body_bytes,
               size_t max_bytes, enum smx_isa isa)
{
    npy->data = (struct binary_tensor){.tensor = tensor, .isa = isa};
    npy->body_bytes = body_bytes;
    npy->max_bytes = max_bytes;
    npy->taken = npy->text_bytes = 0;
    npy->header_bytes = SIZE_MAX;
}

/* ---- the header's text -------------------------------------------------- */

/** What it says. */
struct npy_header {
    unsigned has; /* a bit for each of its three entries */
    const struct datatype *datatype;
    bool fortran_order;
    int rank;
    size_t shape[TENSOR_MAX_RANK];
};

static const char *skip_blank(const char *at)
{
    return at + (*at == ' '); /* runs of them are one */
}

/* The character c between blanks; false: there is another. */
static bool take_sign(const char **at, char c)
{
    const char *found = skip_blank(*at);
    if (*found != c)
        return false;
    *at = skip_blank(found + 1);
    return true;
}

static bool take_string(const char **at, char *text, size_t room)
{
    const char *first = *at + 1;
    if (**at != '\'' && **at != '"')
        return false;
    size_t bytes = strcspn(first, "'\"\\");
    if (first[bytes] != **at || bytes >= room)
        return false;
    memcpy(text, first, bytes);
    text[bytes] = '\0';
    *at = first + bytes + 1;
    return true;
}

/* Numbers only: what is behind another description, as Python objects are, is
 * never looked at. */
static bool take_descr(const char **at, struct npy_header *header,
                       struct problem *problem)
{
    char descr[8];
    const char *got = *at;
    size_t bytes = strcspn(got, ",");
    if (take_string(at, descr, sizeof descr))
        header->datatype = datatype_find_npy(descr);
    return (header->datatype && header->datatype->kind == DATATYPE_REAL) ||
           problem_set(problem, 422, NULL,
                       "descr: got %.*s, must be '<f4', '<f8' or '<f2'",
                       bytes < 24 ? (int)bytes : 24, got);
}

static bool take_order(const char **at, struct npy_header *header,
                       struct problem *problem)
{
    header->fortran_order = strncmp(*at, "True", 4) == 0;
    if (header->fortran_order)
        return problem_set(problem, 422, NULL,
                           "fortran_order: got True, must be False");
    if (strncmp(*at, "False", 5) != 0)
        return false;
    *at += 5;
    return true;
}

/* What is beyond the range is the largest size, which no body can hold. As in
 * Python, no number but 0 begins with 0. */
static bool take_size(const char **at, size_t *size)
{
    size_t digits = strspn(*at, "0123456789");
    bool over = false, zero_first = **at == '0';
    *size = 0;
    for (size_t i = 0; i < digits; i++)
        over |= __builtin_mul_overflow(*size, (size_t)10, size) ||
                __builtin_add_overflow(*size, (size_t)((*at)[i] - '0'), size);
    if (over)
        *size = SIZE_MAX;
    *at += digits;
    return digits > 0 && !(zero_first && *size > 0);
}

/* A tuple: (), (3,), (2, 3). */
static bool take_shape(const char **at, struct npy_header *header,
                       struct problem *problem)
{
    bool comma = true;
    if (!take_sign(at, '('))
        return false;
    for (header->rank = 0; !take_sign(at, ')'); header->rank++) {
        if (header->rank == TENSOR_MAX_RANK)
            return problem_set(problem, 422, NULL,
                               "shape: got more than %d sizes, must be at "
                               "most %d",
                               TENSOR_MAX_RANK, TENSOR_MAX_RANK - 1);
        if (!comma || !take_size(at, &header->shape[header->rank]))
            return false;
        comma = take_sign(at, ',');
    }
    return header->rank != 1 || comma;
}

static bool take_entry(const char **at, struct npy_header *header,
                       struct problem *problem)
{
    static const struct {
        const char *key;
        bool (*take)(const char **at, struct npy_header *header,
                     struct problem *problem);
    } entries[] = {{"descr", take_descr},
                   {"fortran_order", take_order},
                   {"shape", take_shape}};
    char key[16];
    if (!take_string(at, key, sizeof key) || !take_sign(at, ':'))
        return false;
    for (unsigned i = 0; i < sizeof entries / sizeof entries[0]; i++)
        if (strcmp(key, entries[i].key) == 0 && !(header->has & 1u << i)) {
            header->has |= 1u << i;
            return entries[i].take(at, header, problem);
        }
    return false;
}

/* A problem may be set: then the text is a dictionary as far as it was read. */
static bool take_dictionary(const char *text, size_t bytes,
                            struct npy_header *header, struct problem *problem)
{
    const char *at = text;
    bool comma = true;
    if (!take_sign(&at, '{'))
        return false;
    while (!take_sign(&at, '}')) {
        if (!comma || !take_entry(&at, header, problem))
            return false;
        comma = take_sign(&at, ',');
    }
    return at == text + bytes && header->has == 7;
}

/* ---- the file ----------------------------------------------------------- */

static bool refuse_header(const char *got, const char *rule,
                          struct problem *problem)
{
    return problem_set(problem, 400, NULL, "npy header: got %s, must be %s",
                       got, rule);
}

static bool refuse_length(const struct npy_reader *npy, const char *least,
                          size_t got, struct problem *problem)
{
    return problem_set(problem, 400, NULL,
                       "npy: got %s%zu bytes, must be %zu, of which %zu are "
                       "the header and %zu the elements by shape and descr",
                       least, got, npy->header_bytes + npy->data.bytes,
                       npy->header_bytes, npy->data.bytes);
}

/* Known before anything is allocated, as far as the length is told. */
static bool check_length(const struct npy_reader *npy, struct problem *problem)
{
    size_t room = npy->max_bytes - npy->header_bytes;
    if (npy->data.bytes > room)
        return problem_set(problem, 413, NULL,
                           "npy: got %zu bytes of elements by shape and "
                           "descr, must be at most %zu, which is what the "
                           "body may still hold",
                           npy->data.bytes, room);
    return npy->body_bytes == 0 ||
           npy->body_bytes == npy->header_bytes + npy->data.bytes ||
           refuse_length(npy, "", npy->body_bytes, problem);
}

static bool end_header(struct npy_reader *npy, struct problem *problem)
{
    static const char rule[] = "a dictionary of descr, fortran_order and shape";
    struct npy_header header = {.has = 0};
    npy->text[npy->text_bytes] = '\0';
    if (npy->text_bytes == NPY_MAX_TEXT)
        return refuse_header("more than 512 characters", rule, problem);
    if (!take_dictionary(npy->text, npy->text_bytes, &header, problem)) {
        char got[48];
        snprintf(got, sizeof got, "%.40s", npy->text);
        return refuse_header(got, rule, problem);
    }
    struct tensor *tensor = npy->data.tensor;
    npy->data.datatype = header.datatype;
    npy->data.bytes = header.datatype->bytes;
    bool over = false;
    for (int i = 0; i < header.rank; i++)
        over |= __builtin_mul_overflow(npy->data.bytes, header.shape[i],
                                       &npy->data.bytes);
    if (over)
        npy->data.bytes = SIZE_MAX;
    return check_length(npy, problem) &&
           tensor_shape(tensor, header.datatype->tensor, header.rank,
                        header.shape, problem);
}

/* What the first bytes say: which format, and how long the header is. */
static bool take_prefix(struct npy_reader *npy, unsigned char byte,
                        struct problem *problem)
{
    size_t at = npy->taken++;
    unsigned char *prefix = npy->prefix, major = prefix[VERSION_AT];
    prefix[at] = byte;
    if (at < VERSION_AT && byte != (unsigned char)MAGIC[at])
        return refuse_header("other bytes", "\\x93NUMPY at first", problem);
    if (at == LENGTH_AT - 1 && (major < 1 || major > 3 || byte != 0)) {
        char got[32];
        snprintf(got, sizeof got, "version %d.%d", major, byte);
        return refuse_header(got, "of version 1.0, 2.0 or 3.0", problem);
    }
    size_t end = LENGTH_AT + (major == 1 ? 2 : 4);
    if (at < LENGTH_AT || at + 1 < end)
        return true;
    npy->header_bytes = end;
    for (size_t i = LENGTH_AT; i < end; i++)
        npy->header_bytes += (size_t)prefix[i] << 8 * (i - LENGTH_AT);
    return true;
}

static void take_text(struct npy_reader *npy, char byte)
{
    bool blank = byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r';
    npy->taken++;
    if (npy->text_bytes == NPY_MAX_TEXT ||
        (blank && npy->text_bytes > 0 && npy->text[npy->text_bytes - 1] == ' '))
        return;
    npy->text[npy->text_bytes++] = blank ? ' ' : byte;
}

/* @return how many bytes were of prefix and header; SIZE_MAX: a problem. */
static size_t feed_header(struct npy_reader *npy, const char *bytes,
                          size_t count, struct problem *problem)
{
    for (size_t i = 0; i < count; i++) {
        if (npy->header_bytes != SIZE_MAX)
            take_text(npy, bytes[i]);
        else if (!take_prefix(npy, (unsigned char)bytes[i], problem))
            return SIZE_MAX;
        if (npy->taken == npy->header_bytes)
            return end_header(npy, problem) ? i + 1 : SIZE_MAX;
    }
    return count;
}

bool npy_feed(struct npy_reader *npy, const char *bytes, size_t count,
              struct problem *problem)
{
    size_t used = 0;
    if (!npy->data.datatype)
        used = feed_header(npy, bytes, count, problem);
    if (used == SIZE_MAX || used == count)
        return used == count;
    used += binary_tensor_feed(&npy->data, (const unsigned char *)bytes + used,
                               count - used);
    return used == count ||
           refuse_length(npy, "at least ",
                         npy->header_bytes + npy->data.bytes + count - used,
                         problem);
}

bool npy_finish(const struct npy_reader *npy, struct problem *problem)
{
    if (!npy->data.datatype)
        return refuse_header("a part of it", "complete", problem);
    return npy->data.taken == npy->data.bytes ||
           refuse_length(npy, "", npy->header_bytes + npy->data.taken, problem);
}

/* ---- out ---------------------------------------------------------------- */

void npy_write_header(struct writer *writer, const struct tensor *tensor)
{
    char text[6 * ALIGN];
    size_t used =
        (size_t)snprintf(text + LENGTH_AT + 2, sizeof text - LENGTH_AT - 2,
                         "{'descr': '%s', 'fortran_order': False, 'shape': (",
                         datatype_of(tensor->type)->npy);
    used += LENGTH_AT + 2;
    for (int i = 0; i < tensor->rank; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%zu%s",
                                 i ? " " : "", tensor->shape[i],
                                 i == 0 || i + 1 < tensor->rank ? "," : "");
    used += (size_t)snprintf(text + used, sizeof text - used, "), }");
    while (used % ALIGN != ALIGN - 1)
        text[used++] = ' ';
    text[used++] = '\n';
    size_t header_bytes = used - LENGTH_AT - 2;
    memcpy(text, MAGIC "\1\0", LENGTH_AT);
    text[LENGTH_AT] = (char)(header_bytes & 255);
    text[LENGTH_AT + 1] = (char)(header_bytes >> 8);
    writer_bytes(writer, text, used);
}
