// SPDX-License-Identifier: MIT
/* Clients that change or truncate their shared memory while it is used: each
 * request is answered, and the sanitizers see nothing. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../support/shared_object.h"

enum { ROWS = 500, CLASSES = 200, NUMBERS = ROWS * CLASSES };

static const struct {
    const char *path, *options, *output;
} asked[] = {
    {SOFTMAX, "", "probabilities"},
    {SOFTMAX, "\"log\":true,\"temperature\":2", "log_probabilities"},
    {SOFTMAX, "\"include\":\"logsumexp,entropy,argmax\"", "probabilities"},
    {SOFTMAX, "\"top_k\":5", "probabilities"},
    {SOFTMAX, "\"softcap\":30", "probabilities"},
    {SOFTMAX, "\"axis\":0", "probabilities"},
    {LOSS, "\"include\":\"rank\"", "loss"},
    {LOSS, "\"reduction\":\"none\",\"include\":\"accuracy\"", "loss"},
    {GRADIENT, "\"z_loss\":0.1,\"include\":\"argmax\"", "gradient"},
    {GRADIENT, "\"of\":\"softmax\"", "gradient"},
};

static struct roundtrip ask_again(size_t which, const char *datatype)
{
    char body[1200];
    size_t element = strcmp(datatype, "FP64") ? 4 : 8;
    bool criterion = !strstr(asked[which].options, "\"of\"") &&
                     strcmp(asked[which].path, SOFTMAX);
    bool product = strstr(asked[which].options, "\"of\"");
    snprintf(body, sizeof body,
             "{\"parameters\":{%s},\"inputs\":[{\"name\":\"logits\",\"shape\":["
             "%d,%d],"
             "\"datatype\":\"%s\"," SHARED(
                 "0", "%zu") "}%s],\"outputs\":[{\"name\":"
                             "\"%s\"," SHARED("%d", "%d") "}]}",
             asked[which].options, ROWS, CLASSES, datatype, NUMBERS * element,
             criterion  ? ",{\"name\":\"labels\",\"shape\":[500],\"datatype\":"
                          "\"INT64\"," SHARED("1000000", "4000") "}"
             : !product ? ""
             : element == 4
                 ? ",{\"name\":\"upstream\",\"shape\":[500,200],\"datatype\":"
                   "\"FP32\"," SHARED("800", "400000") "}"
                 : ",{\"name\":\"upstream\",\"shape\":[500,200],\"datatype\":"
                   "\"FP64\"," SHARED("800", "800000") "}",
             asked[which].output, SHARED_OUT, SHARED_BYTES - SHARED_OUT);
    return send_json(asked[which].path, body);
}

/* Numbers of every kind, labels that are none, over and over. */
static void *scribble(void *stop_now)
{
    static const uint32_t words[] = {0,          0x3f800000, 0xff800000,
                                     0x7fc00000, 0x42c80000, 0x7f800000,
                                     0xc2c80000, 0x7f7fffff, 1};
    for (uint32_t turn = 0; !atomic_load((atomic_bool *)stop_now); turn++)
        for (size_t i = 0; i + 4 <= SHARED_OUT;
             i += 4 * (1 + (i + turn) % 61)) {
            uint32_t word = words[(i / 4 + turn) % 9];
            memcpy(shared_bytes + i, &word, sizeof word);
        }
    return NULL;
}

static void changed_while_it_is_read(void **state)
{
    (void)state;
    static atomic_bool stop_now;
    pthread_t thread;
    shared_open();
    atomic_store(&stop_now, false);
    assert_int_equal(pthread_create(&thread, NULL, scribble, &stop_now), 0);
    for (int turn = 0; turn < 15; turn++)
        for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
            struct roundtrip trip = ask_again(i, turn % 2 ? "FP64" : "FP32");
            if (trip.status != 200 && trip.status != 400)
                fail_msg("got %d: %s", trip.status, trip.answer);
            roundtrip_free(&trip);
        }
    atomic_store(&stop_now, true);
    pthread_join(thread, NULL);
    shared_close();
}

/* The object comes and goes, now for longer than a request, now for less; a
 * broken region is registered anew. */
static void *truncate_it(void *stop_now)
{
    for (unsigned turn = 0; !atomic_load((atomic_bool *)stop_now); turn++) {
        off_t bytes = turn % 2 ? SHARED_BYTES : (off_t)(turn % 7) * 150001;
        if (ftruncate(shared_object, bytes) != 0)
            return stop_now;
        if (turn % 2)
            usleep(turn % 64 * 100);
    }
    return NULL;
}

static void truncated_while_it_is_used(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it takes the pages of the signal's handler for a write */
#endif
    static atomic_bool stop_now;
    pthread_t thread;
    int good = 0, broken = 0;
    shared_open();
    munmap(shared_bytes,
           SHARED_BYTES); /* this thread had better not touch it either */
    atomic_store(&stop_now, false);
    assert_int_equal(pthread_create(&thread, NULL, truncate_it, &stop_now), 0);
    for (int turn = 0; turn < 12 || (turn < 300 && (!good || !broken)); turn++)
        for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
            char body[160];
            struct roundtrip trip = ask_again(i, turn % 2 ? "FP64" : "FP32");
            if (trip.status != 200)
                assert_int_equal(trip.status, 400);
            good += trip.status == 200;
            broken += strstr(trip.answer, "got truncated") != NULL;
            roundtrip_free(&trip);
            shared_remove_all();
            snprintf(body, sizeof body, "{\"key\":\"%s\",\"byte_size\":%d}",
                     shared_key, SHARED_BYTES);
            int status = 0;
            for (int tries = 0; status != 200; tries++) {
                assert_true(tries < 100000);
                trip = shared_send("POST", REGION("r/register"), body);
                status = trip.status;
                roundtrip_free(&trip);
            }
        }
    atomic_store(&stop_now, true);
    void *failed;
    pthread_join(thread, &failed);
    assert_null(failed);
    assert_true(good > 0);
    assert_true(broken > 0); /* else this has tried nothing */
    assert_int_equal(ftruncate(shared_object, SHARED_BYTES), 0);
    shared_remove_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changed_while_it_is_read),
        cmocka_unit_test(truncated_while_it_is_used),
    };
    return cmocka_run_group_tests(tests, shared_start, shared_stop);
}
