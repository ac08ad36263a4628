// SPDX-License-Identifier: MIT
#include "bench_json.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../../server/json/reader.h"
#include "../../server/json/writer.h"

static bool begin(void *cls, const struct reader_path *path,
                  struct reader_destination *destination,
                  struct problem *problem)
{
    (void)problem;
    if (path->depth == 1 && strcmp(path->step[0].name, "logits") == 0)
        *destination = (struct reader_destination){
            .tensor = cls, .element = READER_FLOAT32, .max_rank = 8};
    return true;
}

size_t codec_read_float32(const char *body, size_t bytes, float *values)
{
    struct budget budget = {.limit = SIZE_MAX};
    struct tensor tensor = {.budget = &budget};
    struct problem problem = {0};
    struct reader_client client = {.begin = begin, .cls = &tensor};
    struct reader *reader = reader_create(&client, &budget);
    struct value *document = NULL;
    size_t count = 0;
    if (!reader)
        return 0;
    for (size_t at = 0; at < bytes; at += SLICE_BYTES) {
        size_t slice = bytes - at < SLICE_BYTES ? bytes - at : SLICE_BYTES;
        if (!reader_feed(reader, body + at, slice, &problem))
            goto out;
    }
    document = reader_finish(reader, &problem);
    if (!document)
        goto out;
    count = tensor.count;
    if (values)
        memcpy(values, tensor.data, count * sizeof *values);
out:
    if (problem.status)
        fprintf(stderr, "bench_json: %s\n", problem.detail);
    value_free(document);
    reader_free(reader);
    tensor_free(&tensor);
    return count;
}

static size_t write_tensor(const struct tensor *tensor, char *text)
{
    static char slice[SLICE_BYTES];
    struct writer *writer = writer_create();
    size_t total = 0, bytes;
    if (!writer)
        return 0;
    writer_tensor(writer, tensor, true);
    while ((bytes = writer_next(writer, slice, sizeof slice)) > 0) {
        if (text)
            memcpy(text + total, slice, bytes);
        total += bytes;
    }
    writer_free(writer);
    return total;
}

size_t codec_write_float32(const float *values, size_t rows, size_t classes,
                           char *text)
{
    struct tensor tensor = {.type = TENSOR_FLOAT32,
                            .rank = 2,
                            .shape = {rows, classes},
                            .count = rows * classes,
                            .data = (void *)values};
    return write_tensor(&tensor, text);
}

size_t codec_write_float64(const double *values, size_t rows, size_t classes,
                           char *text)
{
    struct tensor tensor = {.type = TENSOR_FLOAT64,
                            .rank = 2,
                            .shape = {rows, classes},
                            .count = rows * classes,
                            .data = (void *)values};
    return write_tensor(&tensor, text);
}
