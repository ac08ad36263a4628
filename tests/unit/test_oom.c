// SPDX-License-Identifier: MIT
/*
 * The allocator fails at its k-th call, k = 0, 1, 2 ... until a request gets
 * through: each time 503, nothing kept and nothing left of the budget. So, too,
 * where the budget is too small for it, or others hold too much.
 *
 * The functions below take the place of libc's for the whole program, its
 * libraries included. Sanitizers bring their own; there is nothing to run then.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "../../server/api/native.h"
#include "../../server/http/tls.h"
#include "../../server/http/tokens.h"
#include "../../server/v2/v2_routes.h"
#include "../../server/freelist.h"
#include "../../server/region.h"
#include "../support/certificate.h"
#include "../support/libc_malloc.h"
#include "../support/roundtrip.h"

static _Thread_local long calls_left = -1; /* until one fails; -1: none will */
static _Thread_local long held;            /* blocks and mappings */

#if REPLACED

static bool fails(void)
{
    return calls_left >= 0 && calls_left-- == 0;
}

static void *taken(void *block)
{
    held += block != NULL;
    return block;
}

void *malloc(size_t bytes)
{
    return fails() ? NULL : taken(__libc_malloc(bytes));
}

void *calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : taken(__libc_calloc(count, bytes));
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return fails() ? NULL : taken(__libc_memalign(alignment, bytes));
}

void *realloc(void *block, size_t bytes)
{
    if (fails())
        return NULL;
    void *moved = __libc_realloc(block, bytes);
    return block ? moved : taken(moved);
}

void free(void *block)
{
    held -= block != NULL;
    __libc_free(block);
}

void *mmap(void *at, size_t bytes, int protection, int flags, int fd,
           off_t offset)
{
    if (fails())
        return MAP_FAILED;
    held++;
    return (void *)syscall(SYS_mmap, at, bytes, protection, flags, fd, offset);
}

void *mremap(void *at, size_t before, size_t after, int flags, ...)
{
    if (fails())
        return MAP_FAILED;
    return (void *)syscall(SYS_mremap, at, before, after, flags, NULL);
}

int munmap(void *at, size_t bytes)
{
    held--;
    return (int)syscall(SYS_munmap, at, bytes);
}

#endif

static struct server server;

static int start(void **state)
{
    (void)state;
    roundtrip_serve(&server, api_routes, api_route_count);
    assert_true(routes_add(&server.routes, v2_routes, v2_route_count));
    return (int)roundtrip_compute(&server);
}

static int stop(void **state)
{
    (void)state;
    smx_context_free(server.service.compute);
    return 0;
}

/* Binary tensors are what stands behind the last brace; NULL: there are none.
 */
static const char *header_length(const char *body, char *text, size_t bytes)
{
    const char *end = strrchr(body, '}');
    if (!end || !end[1])
        return NULL;
    snprintf(text, bytes, "%zu", (size_t)(end + 1 - body));
    return text;
}

/* One request without an allocation of the test's own; its status. */
static int ask(const struct roundtrip *trip)
{
    char window[256];
    struct exchange x;
    struct response response;
    roundtrip_ask(trip, &x, &server);
    if (exchange_respond(&x, &response)) {
        while (x.stream && stream_next(x.stream, window, sizeof window) > 0)
            ;
        response_deinit(&response);
    }
    exchange_end(&x, false);
    freelist_clear();
    return x.status;
}

/* Ask with a budget that has so little left, more each time, that each charge
 * in turn does not fit, until all do. others: hold what it has beside that. */
static void charge_each(const struct roundtrip *trip, int success,
                        size_t others)
{
    struct budget *budget = &server.service.budget;
    const int refused = others ? 503 : 413;
    int status = 0;
    for (size_t left = 0; status != success; left += 8 + left / 128) {
        assert_true(left < 1 << 24);
        budget->limit = others + left;
        budget->taken = others;
        status = ask(trip);
        if (status != 503 && status != refused)
            assert_int_equal(status, success);
        assert_int_equal(atomic_load(&budget->taken), others);
    }
    budget->limit = SIZE_MAX;
    budget->taken = 0;
}

static void fail_each(const struct roundtrip *trip, int success)
{
    charge_each(trip, success, 0);
    charge_each(trip, success, 1 << 30);
    if (!REPLACED)
        skip();
    assert_int_equal(ask(trip), success); /* what is made once */
    long before = held;
    int status = 503;
    for (long k = 0; status == 503; k++) {
        assert_true(k < 1000);
        calls_left = k;
        status = ask(trip);
        bool failed = calls_left < 0; /* else the k-th call never came */
        calls_left = -1;
        assert_int_equal(status, failed ? 503 : success);
        assert_int_equal(held, before);
        assert_int_equal(atomic_load(&server.service.budget.taken), 0);
    }
    assert_int_equal(status, success);
}

/* The body is handed over in three slices. */
static struct roundtrip trip_of(const char *path, const char *body,
                                char *length, size_t room)
{
    return (struct roundtrip){.path = path,
                              .header_length =
                                  header_length(body, length, room),
                              .body = body,
                              .bytes = strlen(body),
                              .slice = strlen(body) / 3 + 1,
                              .in_place = true};
}

static int post(const char *path, const char *body)
{
    char length[32];
    struct roundtrip trip = trip_of(path, body, length, sizeof length);
    return ask(&trip);
}

static void fail_everywhere(const char *path, const char *body, int success)
{
    char length[32];
    struct roundtrip trip = trip_of(path, body, length, sizeof length);
    fail_each(&trip, success);
}

static void softmax(void **state)
{
    (void)state;
    fail_everywhere("/softmax",
                    "{\"logits\":[[1,2,3],[4,5,6]],\"top_k\":2,\"mask\":[true,"
                    "true,false],\"include\":[\"logsumexp\",\"entropy\","
                    "\"argmax\"]}",
                    200);
}

static void loss(void **state)
{
    (void)state;
    fail_everywhere("/loss",
                    "{\"logits\":[[1,2,3],[4,5,6]],\"targets\":[[1,0,0],[0,0,"
                    "1]],\"weights\":[1,2,3],\"reduction\":\"none\","
                    "\"include\":[\"logsumexp\",\"argmax\",\"accuracy\"]}",
                    200);
}

static void gradient(void **state)
{
    (void)state;
    fail_everywhere("/gradient",
                    "{\"dtype\":\"float64\",\"logits\":[[1,2,3],[4,5,6]],"
                    "\"labels\":[0,1],\"upstream\":2}",
                    200);
    fail_everywhere("/gradient",
                    "{\"of\":\"softmax\",\"logits\":[[1,2,3],[4,5,6]]}", 200);
}

static void inference(void **state)
{
    (void)state;
    fail_everywhere("/v2/models/softmax/infer",
                    "{\"id\":\"7\",\"parameters\":{\"temperature\":2},"
                    "\"inputs\":[{\"name\":\"logits\",\"shape\":[2,3],"
                    "\"datatype\":\"FP32\",\"data\":[[1,2,3],[4,5,6]]}],"
                    "\"outputs\":[{\"name\":\"logsumexp\"}]}",
                    200);
}

/* Floats of letters, 12 and more; one answer is JSON beside a binary one. */
static void binary_inference(void **state)
{
    (void)state;
    fail_everywhere(
        "/v2/models/gradient/infer",
        "{\"inputs\":[{\"name\":\"logits\",\"shape\":[1,3],\"datatype\":"
        "\"FP32\",\"parameters\":{\"binary_data_size\":12}},{\"name\":"
        "\"targets\",\"shape\":[1,3],\"datatype\":\"FP16\",\"parameters\":{"
        "\"binary_data_size\":6}}],\"outputs\":[{\"name\":\"gradient\","
        "\"parameters\":{\"binary_data\":true}},{\"name\":\"loss\"}]}"
        "AAAABBBBCCCC112233",
        200);
}

static void encoded_tensors(void **state)
{
    (void)state;
    fail_everywhere("/softmax",
                    "{\"logits\":{\"base64\":\"AAAAAAAA\",\"dtype\":"
                    "\"float16\",\"shape\":[1,3]},\"dtype\":\"float64\","
                    "\"mask\":{\"shape\":[3],\"base64\":\"AQEB\",\"dtype\":"
                    "\"bool\"},\"encoding\":\"base64\"}",
                    200);
}

/* Widened, and widened again for the answer. */
static void files(void **state)
{
    (void)state;
    static const char file[] =
        "\x93NUMPY\1\0\x3c\0{'descr': '<f2', 'fortran_order': False, "
        "'shape': (2, 3), }\nAABBCCDDEEFF";
    static const struct argument dtype = {"dtype", "float64"};
    fail_each(
        &(struct roundtrip){.path = "/softmax",
                            .field = {{"Content-Type", "application/x-npy"},
                                      {"Accept", "application/x-npy"}},
                            .query = &dtype,
                            .query_count = 1,
                            .body = file,
                            .bytes = sizeof file - 1,
                            .slice = 30,
                            .in_place = true},
        200);
}

/* What a request may take is registered before; then the registration. */
static void shared_memory(void **state)
{
    (void)state;
    char key[64], body[160];
    if (!REPLACED)
        skip();
    snprintf(key, sizeof key, "/softmaxd-oom-%d", (int)getpid());
    snprintf(body, sizeof body, "{\"key\":\"%s\",\"byte_size\":4096}", key);
    int object = shm_open(key, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(object >= 0 && ftruncate(object, 4096) == 0);
    server.service.regions = regions_create();
    const char *path = "/v2/systemsharedmemory/region/r/register";
    assert_int_equal(post(path, body), 200);
    fail_everywhere("/v2/models/softmax/infer",
                    "{\"inputs\":[{\"name\":\"logits\",\"shape\":[2,3],"
                    "\"datatype\":\"FP32\",\"parameters\":{"
                    "\"shared_memory_region\":\"r\","
                    "\"shared_memory_byte_size\":24}}],\"outputs\":[{\"name\":"
                    "\"probabilities\",\"parameters\":{"
                    "\"shared_memory_region\":\"r\","
                    "\"shared_memory_byte_size\":24}}]}",
                    200);
    regions_remove(server.service.regions, NULL);
    long before = held;
    int status = 503;
    for (long k = 0; status == 503; k++) {
        assert_true(k < 100);
        calls_left = k;
        status = post(path, body);
        calls_left = -1;
        regions_remove(server.service.regions, NULL);
        assert_int_equal(held, before);
    }
    assert_int_equal(status, 200);
    regions_free(server.service.regions);
    server.service.regions = NULL;
    close(object);
    shm_unlink(key);
}

static void refusals(void **state)
{
    (void)state;
    fail_everywhere("/softmax", "{\"logits\":[1,2", 400);
    fail_everywhere("/softmax", "{\"logits\":[1],\"unknown\":{\"a\":[1]}}",
                    422);
    fail_everywhere("/loss", "{\"logits\":[1,2],\"labels\":7}", 422);
}

/* Large enough for its tensors to be mapped, and remapped while they grow. */
static void mapped_tensors(void **state)
{
    (void)state;
    enum { NUMBERS = 100000 };
    static char body[2 * NUMBERS + 64] = "{\"logits\":[";
    char *end = body + strlen(body);
    for (int i = 0; i < NUMBERS; i++, end += 2)
        memcpy(end, "1,", 2);
    memcpy(end - 1, "]}", 3);
    fail_everywhere("/softmax", body, 200);
}

/* Inflated, and deflated for the answer. */
static void compressed(void **state)
{
    (void)state;
    static struct options packing;
    static unsigned char packed[1024];
    char body[2048] = "{\"logits\":[";
    for (size_t used = strlen(body); used < 1400;)
        used += (size_t)snprintf(body + used, sizeof body - used, "%zu,", used);
    memcpy(strrchr(body, ','), "]}", 3);
    z_stream z = {.next_in = (Bytef *)body,
                  .avail_in = (uInt)strlen(body),
                  .next_out = packed,
                  .avail_out = sizeof packed};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, 0), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    packing = *server.options;
    packing.compress = true;
    server.options = &packing;
    fail_each(&(struct roundtrip){.path = "/softmax",
                                  .field = {{"Content-Encoding", "gzip"},
                                            {"Accept-Encoding", "gzip"}},
                                  .body = (const char *)packed,
                                  .bytes = z.total_out,
                                  .slice = 100,
                                  .in_place = true},
              200);
}

/* ---- what a start and a reload read -------------------------------------- */

/* A file of its own with that text; its name is to be freed. */
static char *file_of(const char *text)
{
    char *name = strdup("/tmp/softmaxd-oom-XXXXXX");
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return name;
}

static void tokens(void **state)
{
    (void)state;
    if (!REPLACED)
        skip();
    struct tokens *tokens = NULL;
    struct error error;
    char *name = file_of("one\n\n# no token\ntwo\n");
    long before = held;
    for (long k = 0; !tokens; k++) {
        assert_true(k < 100 && held == before);
        error.text[0] = '\0';
        calls_left = k;
        tokens = tokens_create(name, &error);
        calls_left = -1;
        assert_true(tokens || error.text[0]);
    }
    calls_left = 0;
    assert_false(tokens_reload(tokens, name, &error));
    calls_left = -1;
    assert_true(tokens_allow(tokens, "Bearer two"));
    assert_false(tokens_allow(tokens, "Bearer three"));
    tokens_free(tokens);
    unlink(name);
    free(name);
}

/* Only what is allocated here: libtasn1 crashes where it has no memory. */
static void identities(void **state)
{
    (void)state;
    if (!REPLACED)
        skip();
    struct error error;
    char *cert = file_of(""), *key = file_of("");
    struct certificate own = certificate_create("own", NULL);
    struct options tls_options = {.tls_cert = cert, .tls_key = key};
    certificate_write(&own, cert, key);
    calls_left = 0;
    assert_null(tls_create(&tls_options, &error));
    calls_left = -1;
    assert_string_equal(error.text, "out of memory");
    struct tls *tls = tls_create(&tls_options, &error);
    assert_non_null(tls);
    calls_left = 0;
    assert_false(tls_reload(tls, &tls_options, &error));
    calls_left = -1;
    assert_string_equal(error.text, "out of memory");
    assert_true(tls_reload(tls, &tls_options, &error));
    tls_free(tls);
    certificate_free(&own);
    unlink(cert);
    unlink(key);
    free(cert);
    free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax),          cmocka_unit_test(loss),
        cmocka_unit_test(gradient),         cmocka_unit_test(inference),
        cmocka_unit_test(binary_inference), cmocka_unit_test(refusals),
        cmocka_unit_test(mapped_tensors),   cmocka_unit_test(encoded_tensors),
        cmocka_unit_test(shared_memory),    cmocka_unit_test(files),
        cmocka_unit_test(compressed),       cmocka_unit_test(tokens),
        cmocka_unit_test(identities),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
