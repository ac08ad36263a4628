// SPDX-License-Identifier: MIT
/*
 * Any bytes as an inference request of the protocol: JSON, then, behind the
 * first NUL, binary tensors; without one all is JSON. The first byte picks the
 * model and the length of the slices. An answer of status 200 must be JSON and
 * as many bytes as its outputs say, anything else {"error": ...}.
 */
#include "fuzz.h"

#include <string.h>

#include <jansson.h>

#include "../../server/v2/v2_routes.h"
#include "../support/exchange.h"

static bool is_ready(const struct service *unused)
{
    (void)unused;
    return true;
}

static struct service *service_get(void)
{
    static struct service service = {.budget = {.limit = 1 << 28},
                                     .max_body = 1 << 20,
                                     .is_ready = is_ready};
    if (!service.compute) {
        struct smx_config config = {.size = sizeof config, .threads = 1};
        FUZZ_ASSERT(smx_context_create(&service.compute, &config) == SMX_OK);
    }
    return &service;
}

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
static void judge(const struct exchange *exchange)
{
    json_t *answer = json_loadb(exchange->answer, exchange->text_bytes,
                                JSON_DECODE_INT_AS_REAL, NULL);
    FUZZ_ASSERT(json_is_object(answer));
    if (exchange->status == 200) {
        FUZZ_ASSERT(json_is_array(json_object_get(answer, "outputs")));
        FUZZ_ASSERT(binary_bytes(answer) ==
                    exchange->answer_bytes - exchange->text_bytes);
    } else {
        FUZZ_ASSERT(exchange->status == 400 || exchange->status == 413 ||
                    exchange->status == 503);
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
    struct exchange exchange = {.path = paths[data[0] % 4],
                                .body = body,
                                .bytes = size - 1,
                                .slice = data[0] / 4};
    memcpy(body, data + 1, size - 1);
    char *end = memchr(body, '\0', exchange.bytes);
    if (end) {
        size_t header = (size_t)(end - body);
        exchange.bytes--;
        memmove(end, end + 1, exchange.bytes - header);
        snprintf(length, sizeof length, "%zu", header);
        exchange.header_length = length;
    }
    exchange_do(&exchange, service_get(), v2_routes, v2_route_count);
    judge(&exchange);
    exchange_free(&exchange);
    return 0;
}
