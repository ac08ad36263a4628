// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "shared_object.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/region.h"

char shared_key[64];
int shared_object;
unsigned char *shared_bytes;

struct roundtrip shared_send(const char *method, const char *path,
                             const char *body)
{
    struct roundtrip trip = {.method = method,
                             .path = path,
                             .body = body,
                             .bytes = body ? strlen(body) : 0};
    inference_do(&trip);
    return trip;
}

void assert_empty(struct roundtrip trip)
{
    if (trip.status != 200)
        fail_msg("got %d: %s", trip.status, trip.answer);
    assert_int_equal(trip.answer_bytes, 0);
    roundtrip_free(&trip);
}

void shared_add(const char *path, size_t offset, size_t bytes)
{
    char body[160];
    snprintf(body, sizeof body,
             "{\"key\":\"%s\",\"offset\":%zu,\"byte_size\":%zu}", shared_key,
             offset, bytes);
    assert_empty(shared_send("POST", path, body));
}

void shared_remove_all(void)
{
    assert_empty(shared_send("POST", "/v2/systemsharedmemory/unregister", ""));
}

int shared_start(void **state)
{
    int status = inference_start(state);
    inference_server.service.regions = regions_create();
    snprintf(shared_key, sizeof shared_key, "/softmaxd-v2-%d", (int)getpid());
    shared_object = shm_open(shared_key, O_RDWR | O_CREAT | O_EXCL, 0600);
    return status || shared_object < 0;
}

int shared_stop(void **state)
{
    regions_free(inference_server.service.regions);
    inference_server.service.regions = NULL;
    close(shared_object);
    shm_unlink(shared_key);
    return inference_stop(state);
}

/* cmocka handles SIGBUS while a test runs: take it back. */
void shared_open(void)
{
    regions_free(inference_server.service.regions);
    inference_server.service.regions = regions_create();
    assert_int_equal(ftruncate(shared_object, 0), 0);
    assert_int_equal(ftruncate(shared_object, SHARED_BYTES), 0);
    shared_bytes = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
                        shared_object, 0);
    assert_true(shared_bytes != MAP_FAILED);
    shared_add(REGION("r/register"), 0, SHARED_BYTES);
}

void shared_close(void)
{
    munmap(shared_bytes, SHARED_BYTES);
    shared_remove_all();
}
