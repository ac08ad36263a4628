// SPDX-License-Identifier: MIT
/*
 * Any bytes as the body of a request: read, checked, computed and written.
 * The first byte picks the endpoint and the length of the slices. An answer
 * of status 200 must be JSON, anything else a problem with a detail.
 */
#include "fuzz_server.h"

#include <jansson.h>

#include "../../server/api/native.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"/softmax", "/loss", "/gradient"};
    if (size < 1 || size > 4096)
        return 0;
    struct roundtrip trip = {
        .path = paths[data[0] % 3],
        .body = (const char *)data + 1,
        .bytes = size - 1,
        .slice = data[0] / 3,
    };
    roundtrip_do(&trip, fuzz_server(api_routes, api_route_count));
    if (trip.status == 200) {
        /* sums beyond int64 are written as integers too */
        json_t *answer = json_loads(trip.answer, JSON_DECODE_INT_AS_REAL, NULL);
        FUZZ_ASSERT(json_is_object(answer));
        json_decref(answer);
    } else {
        FUZZ_ASSERT(trip.status >= 400 && trip.status != 500);
        FUZZ_ASSERT(trip.problem.detail[0]);
    }
    roundtrip_free(&trip);
    return 0;
}
