/* SPDX-License-Identifier: MIT */
/** softmaxd's own codec, as its server uses it, for bench_json.cpp. */
#ifndef BENCH_JSON_H
#define BENCH_JSON_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SLICE_BYTES = 65536 }; /* of an upload, and of an answer */

/**
 * Read {"logits":[[...]]} in slices into a new tensor and release it.
 * values       receives the logits; NULL: nothing is copied.
 * @return      how many; 0: refused.
 */
size_t codec_read_float32(const char *body, size_t bytes, float *values);

/**
 * Write rows x classes numbers as nested JSON into one slice again and again.
 * text         receives all of it; NULL: nothing is copied.
 * @return      bytes; 0: out of memory.
 */
size_t codec_write_float32(const float *values, size_t rows, size_t classes,
                           char *text);
size_t codec_write_float64(const double *values, size_t rows, size_t classes,
                           char *text);

#ifdef __cplusplus
}
#endif
#endif
