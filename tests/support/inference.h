/* SPDX-License-Identifier: MIT */
/** Inference over /v2 in a test: bodies, questions without a socket, answers.
 */
#ifndef INFERENCE_H
#define INFERENCE_H

#include <stddef.h>

#include "roundtrip.h"

#define SOFTMAX "/v2/models/softmax/infer"
#define LOSS "/v2/models/loss/infer"
#define GRADIENT "/v2/models/gradient/infer"

#define THREE                                                                  \
    "{\"inputs\":[{\"name\":\"logits\",\"shape\":[3],\"datatype\":\"FP32\","   \
    "\"data\":[1,2,3]}]}"

/** The logits as bytes behind the JSON; close the document behind it. */
#define BINARY_LOGITS(shape, datatype, size)                                   \
    "{\"inputs\":[{\"name\":\"logits\",\"shape\":" shape                       \
    ",\"datatype\":\"" datatype                                                \
    "\",\"parameters\":{\"binary_data_size\":" size "}}]"
#define BINARY_OUT ",\"parameters\":{\"binary_data_output\":true}}"

enum { INFERENCE_BODY = 4096 };

/** A body of JSON and bytes behind it, and the header that tells its length. */
struct body {
    char text[INFERENCE_BODY];
    size_t bytes;
    char length[32];
};

/** Group fixtures: the server behind all of these. */
extern struct server inference_server;
int inference_start(void **state);
int inference_stop(void **state);

struct body body_of(const char *json, const void *data, size_t bytes);

/** Ask /v2; the answer is to be freed with roundtrip_free. */
void inference_do(struct roundtrip *trip);
struct roundtrip send_body(const char *path, const struct body *body,
                           size_t slice);
struct roundtrip send_json(const char *path, const char *json);

/** Ask a native endpoint. */
struct roundtrip send_native(const char *path, const char *json);

void assert_has(const struct roundtrip *trip, const char *text);

/** It is {"error": ...} with that in it; frees it. */
void assert_error(struct roundtrip trip, int status, const char *sentence);

/** The text between the first `before` and the ']' that follows. */
void copy_array(char *to, size_t bytes, const struct roundtrip *trip,
                const char *before);

#endif
