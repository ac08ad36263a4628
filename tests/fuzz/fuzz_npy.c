// SPDX-License-Identifier: MIT
/*
 * Any bytes as a file of NumPy's. The first byte picks the length of the
 * slices and the version; then comes the text of the header, and behind the
 * first NUL the elements. Magic, version and length are put before them, unless
 * the version is 0: then the bytes are the whole file.
 *
 * The answer is the same in slices as in one, and one of status 200 is such a
 * file itself, of the same shape and with as many bytes as that says.
 */
#include "fuzz_server.h"

#include <string.h>

#include "../../server/api/native.h"

enum { MOST = 4096, PREFIX = 12 };

static struct server *server_get(void)
{
    struct server *server = fuzz_server(api_routes, api_route_count);
    server->service.max_body = 1 << 16;
    return server;
}

static struct roundtrip ask(const char *file, size_t bytes, size_t slice)
{
    struct roundtrip trip = {
        .path = "/softmax",
        .field = {{"Content-Type", "application/x-npy"},
                  {"Accept", "application/x-npy"},
                  /* without it the length is told, and checked first */
                  {"Transfer-Encoding", slice % 2 ? "chunked" : NULL}},
        .body = file,
        .bytes = bytes,
        .slice = slice};
    roundtrip_do(&trip, server_get());
    return trip;
}

/* @return its bytes. */
static size_t make_file(char *file, unsigned version, const uint8_t *data,
                        size_t size)
{
    const uint8_t *nul = version ? memchr(data, 0, size) : NULL;
    size_t header = nul ? (size_t)(nul - data) : size;
    size_t prefix = version == 0 ? 0 : version == 1 ? 10 : PREFIX;
    memcpy(file, "\x93NUMPY", 6);
    memcpy(file + 6,
           (char[]){(char)version, 0, (char)(header & 255), (char)(header >> 8),
                    0, 0},
           6);
    memcpy(file + prefix, data, header);
    if (!nul)
        return prefix + header;
    memcpy(file + prefix + header, nul + 1, size - header - 1);
    return prefix + size - 1;
}

/* The probabilities are logits like any other. */
static void judge(const struct roundtrip *trip)
{
    if (trip->status != 200) {
        FUZZ_ASSERT(trip->status >= 400 && trip->status < 500);
        FUZZ_ASSERT(trip->problem.detail[0]);
        return;
    }
    struct roundtrip again = ask(trip->answer, trip->answer_bytes, 0);
    FUZZ_ASSERT(again.status == 200);
    FUZZ_ASSERT(again.answer_bytes == trip->answer_bytes);
    FUZZ_ASSERT(memcmp(again.answer, trip->answer, 128) == 0);
    roundtrip_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char file[MOST + PREFIX];
    if (size < 1 || size > MOST)
        return 0;
    size_t bytes = make_file(file, data[0] % 4, data + 1, size - 1);
    struct roundtrip whole = ask(file, bytes, 0);
    struct roundtrip sliced = ask(file, bytes, 1 + data[0] / 4);
    judge(&whole);
    /* How much came too early or too much is told with other numbers. */
    FUZZ_ASSERT(sliced.status == whole.status);
    if (whole.status == 200)
        FUZZ_ASSERT(memcmp(whole.answer, sliced.answer, whole.answer_bytes) ==
                    0);
    roundtrip_free(&whole);
    roundtrip_free(&sliced);
    return 0;
}
