/* SPDX-License-Identifier: MIT */
/** A shared memory object, and the server of inference.h that may use it. */
#ifndef SHARED_OBJECT_H
#define SHARED_OBJECT_H

#include "inference.h"

enum {
    SHARED_BYTES = 4 << 20,
    SHARED_OUT = 2 << 20 /* where tests have outputs put */
};

extern char shared_key[64];
extern int shared_object;
extern unsigned char *shared_bytes; /* of it, while it is open */

/** Group fixtures. */
int shared_start(void **state);
int shared_stop(void **state);

/** Zeros, registered as "r"; and no region any more. */
void shared_open(void);
void shared_close(void);

#define REGION(name) "/v2/systemsharedmemory/region/" name

/** The parameters of a tensor in "r". */
#define SHARED(offset, bytes)                                                  \
    "\"parameters\":{\"shared_memory_region\":\"r\",\"shared_memory_"          \
    "offset\":" offset ",\"shared_memory_byte_size\":" bytes "}"

struct roundtrip shared_send(const char *method, const char *path,
                             const char *body);

/** It is a 200 without a body; frees it. */
void assert_empty(struct roundtrip trip);

/** Register so much of the object at that path. */
void shared_add(const char *path, size_t offset, size_t bytes);
void shared_remove_all(void);

#endif
