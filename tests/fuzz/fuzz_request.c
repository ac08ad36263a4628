// SPDX-License-Identifier: MIT
/*
 * Any bytes as the body of a request: read, checked, computed and written.
 * The first byte picks the endpoint and the length of the slices. An answer
 * of status 200 must be JSON, anything else a problem with a detail.
 */
#include "fuzz.h"

#include <jansson.h>

#include "../../server/api/native.h"
#include "../support/exchange.h"

static struct service *service_get(void)
{
    static struct service service = {.budget = {.limit = 1 << 28},
                                     .max_body = 1 << 20};
    if (!service.compute) {
        struct smx_config config = {.size = sizeof config, .threads = 1};
        FUZZ_ASSERT(smx_context_create(&service.compute, &config) == SMX_OK);
    }
    return &service;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"/softmax", "/loss", "/gradient"};
    if (size < 1 || size > 4096)
        return 0;
    struct exchange exchange = {
        .path = paths[data[0] % 3],
        .body = (const char *)data + 1,
        .bytes = size - 1,
        .slice = data[0] / 3,
    };
    exchange_do(&exchange, service_get(), api_routes, api_route_count);
    if (exchange.status == 200) {
        json_t *answer = json_loads(exchange.answer, 0, NULL);
        FUZZ_ASSERT(json_is_object(answer));
        json_decref(answer);
    } else {
        FUZZ_ASSERT(exchange.status >= 400 && exchange.status != 500);
        FUZZ_ASSERT(exchange.problem.detail[0]);
    }
    exchange_free(&exchange);
    return 0;
}
