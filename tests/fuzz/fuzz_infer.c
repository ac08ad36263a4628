// SPDX-License-Identifier: MIT
/*
 * Any bytes as an inference request of the protocol: JSON, then, behind the
 * first NUL, binary tensors; without one all is JSON. The first byte picks the
 * model and the length of the slices. An answer of status 200 must be JSON and
 * as many bytes as its outputs say, anything else {"error": ...}.
 */
#include "fuzz_server.h"

#include <string.h>

#include <jansson.h>

#include "../../server/v2/v2_routes.h"

static size_t binary_bytes(const json_t *answer)
{
    size_t i, bytes = 0;
    json_t *output;
    json_array_foreach(json_object_get(answer, "outputs"), i, output)
    {
        const json_t *size = json_object_get(
            json_object_get(output, "parameters"), "binary_data_size");
        FUZZ_ASSERT(!size == !!json_object_get(output, "data"));
        bytes += (size_t)json_number_value(size);
    }
    return bytes;
}

/* A loss of 3e20 is written as an integer, which Jansson has no type for. */
static void judge(const struct roundtrip *trip)
{
    json_t *answer = json_loadb(trip->answer, trip->text_bytes,
                                JSON_DECODE_INT_AS_REAL, NULL);
    FUZZ_ASSERT(json_is_object(answer));
    if (trip->status == 200) {
        FUZZ_ASSERT(json_is_array(json_object_get(answer, "outputs")));
        FUZZ_ASSERT(binary_bytes(answer) ==
                    trip->answer_bytes - trip->text_bytes);
    } else {
        FUZZ_ASSERT(trip->status == 400 || trip->status == 413 ||
                    trip->status == 503);
        FUZZ_ASSERT(json_string_length(json_object_get(answer, "error")) > 0);
    }
    json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {
        "/v2/models/softmax/infer", "/v2/models/log_softmax/infer",
        "/v2/models/loss/infer", "/v2/models/gradient/infer"};
    char body[4096], length[32];
    if (size < 1 || size > sizeof body)
        return 0;
    struct roundtrip trip = {.path = paths[data[0] % 4],
                             .body = body,
                             .bytes = size - 1,
                             .slice = data[0] / 4};
    memcpy(body, data + 1, size - 1);
    char *end = memchr(body, '\0', trip.bytes);
    if (end) {
        size_t header = (size_t)(end - body);
        trip.bytes--;
        memmove(end, end + 1, trip.bytes - header);
        snprintf(length, sizeof length, "%zu", header);
        trip.header_length = length;
    }
    roundtrip_do(&trip, fuzz_server(v2_routes, v2_route_count));
    judge(&trip);
    roundtrip_free(&trip);
    return 0;
}
