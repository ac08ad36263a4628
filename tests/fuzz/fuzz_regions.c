// SPDX-License-Identifier: MIT
/*
 * Any bytes as the registration of a region of shared memory, "r", and, behind
 * the first NUL, as an inference request that may use it. The first byte picks
 * the length of the slices, and whether the object shrinks in between. The
 * object that they call KEY is this process's own, as others may run beside it.
 *
 * Nothing is written but into the region, as its status tells it, and the
 * budget is as before.
 */
#define _GNU_SOURCE
#include "fuzz_server.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "../../server/region.h"
#include "../../server/v2/v2_routes.h"

#define KEY "/softmaxd-fuzz"
#define REGION "/v2/systemsharedmemory/region/r/"

/* Enough for tensors that are used in place. */
enum { OBJECT_BYTES = 192 * 1024, FEW_BYTES = 5000 };

enum { INPUT_BYTES = 4096, DIGITS = 4 };

static int object = -1;
static unsigned char *memory, before[OBJECT_BYTES];
static char own_key[] = KEY; /* the process instead of the last characters */

static void forget_object(void)
{
    shm_unlink(own_key);
}

static void name_object(void)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ+_";
    unsigned pid = (unsigned)getpid();
    for (size_t i = 0; i < DIGITS; i++, pid /= 64)
        own_key[sizeof own_key - 2 - i] = digits[pid % 64];
}

static void make_object(void)
{
    name_object();
    object = shm_open(own_key, O_RDWR | O_CREAT, 0600);
    FUZZ_ASSERT(object >= 0 && ftruncate(object, OBJECT_BYTES) == 0);
    memory =
        mmap(NULL, OBJECT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
    FUZZ_ASSERT(memory != MAP_FAILED);
    for (size_t i = 0; i < OBJECT_BYTES; i++)
        before[i] = (unsigned char)(i % 61);
    atexit(forget_object);
}

static struct server *server_get(void)
{
    struct server *server = fuzz_server(v2_routes, v2_route_count);
    if (!server->service.regions) {
        server->service.regions = regions_create();
        make_object();
    }
    return server;
}

static int ask(const char *method, const char *path, const void *body,
               size_t bytes, size_t slice, json_t **answer)
{
    struct roundtrip trip = {.method = method,
                             .path = path,
                             .body = body,
                             .bytes = bytes,
                             .slice = slice};
    roundtrip_do(&trip, server_get());
    json_t *document = json_loadb(trip.answer, trip.answer_bytes,
                                  JSON_DECODE_INT_AS_REAL, NULL);
    FUZZ_ASSERT(trip.status < 500 || trip.status == 503);
    FUZZ_ASSERT(trip.status == 200 ||
                json_string_length(json_object_get(document, "error")) > 0);
    /* no path of this machine, but where a refusal quotes the request */
    FUZZ_ASSERT(trip.status == 200 || !strstr(trip.answer, "/dev/") ||
                memmem(body, bytes, "dev", 3));
    if (answer)
        *answer = document;
    else
        json_decref(document);
    roundtrip_free(&trip);
    return trip.status;
}

/* What of the object is the region's; nothing where there is none. */
static void find_region(size_t *begin, size_t *end)
{
    json_t *all;
    *begin = *end = 0;
    if (ask("GET", REGION "status", NULL, 0, 0, &all) == 200) {
        const json_t *region = json_array_get(all, 0);
        double first = json_number_value(json_object_get(region, "offset"));
        double bytes = json_number_value(json_object_get(region, "byte_size"));
        FUZZ_ASSERT(first >= 0 && bytes > 0 && first + bytes <= OBJECT_BYTES);
        *begin = (size_t)first;
        *end = *begin + (size_t)bytes;
    }
    json_decref(all);
}

static bool is_as_before(size_t begin, size_t end)
{
    return begin >= end ||
           memcmp(memory + begin, before + begin, end - begin) == 0;
}

static void copy_with_own_key(uint8_t *copy, const uint8_t *input, size_t size)
{
    enum { KEY_BYTES = sizeof KEY - 1 };
    memcpy(copy, input, size);
    for (uint8_t *at = copy;
         (at = memmem(at, (size_t)(copy + size - at), KEY, KEY_BYTES));)
        memcpy(at, own_key, KEY_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    uint8_t data[INPUT_BYTES];
    if (size < 1 || size > sizeof data)
        return 0;
    server_get();
    copy_with_own_key(data, input, size);
    size_t begin, end, slice = data[0] / 2;
    FUZZ_ASSERT(ftruncate(object, OBJECT_BYTES) == 0);
    memcpy(memory, before, OBJECT_BYTES);
    const uint8_t *nul = memchr(data + 1, 0, size - 1);
    const uint8_t *first_end = nul ? nul : data + size;
    ask("POST", REGION "register", data + 1, (size_t)(first_end - data) - 1,
        slice, NULL);
    find_region(&begin, &end);
    bool shrinks = data[0] % 2;
    if (shrinks)
        FUZZ_ASSERT(ftruncate(object, FEW_BYTES) == 0);
    if (nul)
        ask("POST", "/v2/models/softmax/infer", nul + 1,
            (size_t)(data + size - nul) - 1, slice, NULL);
    size_t bytes = shrinks ? FEW_BYTES : OBJECT_BYTES;
    FUZZ_ASSERT(is_as_before(0, begin < bytes ? begin : bytes));
    FUZZ_ASSERT(is_as_before(end, bytes));
    FUZZ_ASSERT(ask("POST", REGION "unregister", "", 0, 0, NULL) == 200);
    return 0;
}
