// SPDX-License-Identifier: MIT
/* Regions of shared memory: what a client may register, and that whatever it
 * does to them afterwards ends in an answer. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/region.h"

enum { BYTES = 1 << 20, PAGE = 4096 };

static char key[64];
static int object;
static struct regions *regions;
static struct problem problem;

static int start(void **state)
{
    (void)state;
    snprintf(key, sizeof key, "/softmaxd-test-%d", (int)getpid());
    object = shm_open(key, O_RDWR | O_CREAT | O_EXCL, 0600);
    regions = regions_create();
    problem = (struct problem){0};
    return object < 0 || ftruncate(object, BYTES) != 0 || !regions;
}

static int stop(void **state)
{
    (void)state;
    regions_free(regions);
    close(object);
    return shm_unlink(key);
}

static bool add(const char *name, size_t offset, size_t bytes)
{
    problem = (struct problem){0};
    return regions_add(regions, name, key, offset, bytes, &problem);
}

static void assert_problem(int status, const char *words)
{
    assert_int_equal(problem.status, status);
    if (!strstr(problem.detail, words))
        fail_msg("%s is not in %s", words, problem.detail);
    assert_null(strstr(problem.detail, "/dev/shm"));
}

static void bytes_are_those_of_the_object(void **state)
{
    (void)state;
    static const char said[] = "said by another process";
    assert_int_equal(pwrite(object, said, sizeof said, 5000), sizeof said);
    assert_true(add("a", 4999, 1000)); /* its offset begins no page */
    struct region *a = regions_find(regions, "a");
    char *data = region_at(a, 1, sizeof said, &problem);
    assert_string_equal(data, said);
    memcpy(region_at(a, 999, 1, &problem), "x", 1);
    char byte = 0;
    assert_int_equal(pread(object, &byte, 1, 4999 + 999), 1);
    assert_int_equal(byte, 'x');
    assert_true(region_check(a, &problem));
    region_release(a);
    assert_null(regions_find(regions, "b"));
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t offset, bytes;
        bool good;
    } cases[] = {
        {0, BYTES, true},
        {BYTES - 1, 1, true},
        {0, BYTES + 1, false},
        {1, BYTES, false},
        {BYTES, 1, false},
        {0, 0, false},
        {SIZE_MAX, 1, false},
        {1, SIZE_MAX, false},
        {SIZE_MAX / 2, SIZE_MAX / 2, false},
        {SIZE_MAX - 10, 11, false},
        {SIZE_MAX - 10, 10, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(add("a", cases[i].offset, cases[i].bytes),
                         cases[i].good);
        if (!cases[i].good)
            assert_problem(400, "Invalid offset + byte size");
        regions_remove(regions, "a");
    }
    assert_true(add("a", 100, 1000));
    struct region *a = regions_find(regions, "a");
    static const size_t inside[][2] = {{0, 1000}, {1000, 0}, {999, 1}};
    static const size_t outside[][2] = {{0, 1001},     {1, 1000},
                                        {1001, 0},     {SIZE_MAX, 1},
                                        {1, SIZE_MAX}, {SIZE_MAX, SIZE_MAX}};
    for (size_t i = 0; i < 3; i++)
        assert_non_null(region_at(a, inside[i][0], inside[i][1], &problem));
    for (size_t i = 0; i < 6; i++) {
        problem = (struct problem){0};
        assert_null(region_at(a, outside[i][0], outside[i][1], &problem));
        assert_problem(400, "Invalid offset + byte size");
    }
    region_release(a);
}

static void keys_are_names(void **state)
{
    (void)state;
    char long_key[2 * REGION_NAME_BYTES];
    memset(long_key, 'k', sizeof long_key - 1);
    long_key[sizeof long_key - 1] = '\0';
    const char *const bad[] = {"",
                               "/",
                               "///",
                               "..",
                               "/..",
                               ".",
                               "/a/b",
                               "../etc/passwd",
                               "/../etc/passwd",
                               "a/",
                               "softmaxd-no-such-object"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        problem = (struct problem){0};
        assert_false(regions_add(regions, "a", bad[i], 0, 8, &problem));
        assert_int_equal(problem.status, 400);
        assert_null(strstr(problem.detail, "/dev/shm"));
    }
    problem = (struct problem){0};
    assert_false(regions_add(regions, "a", long_key, 0, 8, &problem));
    assert_problem(400, "longer name or key");
    problem = (struct problem){0};
    assert_false(regions_add(regions, long_key, key, 0, 8, &problem));
    assert_problem(400, "longer name or key");
    /* leading slashes do not count, as with shm_open */
    char slashes[80];
    snprintf(slashes, sizeof slashes, "//%s", key);
    assert_true(regions_add(regions, "a", key + 1, 0, 8, &problem));
    assert_true(regions_add(regions, "b", slashes, 0, 8, &problem));
}

/* Whatever is no shared memory object, though its name is in that place. */
static void only_objects_are_opened(void **state)
{
    (void)state;
    char path[128], fifo[64];
    snprintf(fifo, sizeof fifo, "softmaxd-fifo-%d", (int)getpid());
    snprintf(path, sizeof path, "/dev/shm/%s", fifo);
    if (mkfifo(path, 0600) != 0)
        skip();
    problem = (struct problem){0};
    bool added = regions_add(regions, "a", fifo, 0, 8, &problem);
    unlink(path);
    assert_false(added);
    assert_problem(400, "Unable to open shared memory region: 'a'");
}

static void names_are_given_once_and_counted(void **state)
{
    (void)state;
    char name[32];
    assert_true(add("a", 0, 8));
    assert_false(add("a", 0, 8));
    assert_problem(400, "'a' already in manager");
    for (int i = 1; i < REGIONS_MAX; i++) {
        snprintf(name, sizeof name, "region %d", i);
        assert_true(add(name, 0, 8));
    }
    assert_false(add("one more", 0, 8));
    assert_problem(503, "more than 64");
    regions_remove(regions, "no such");
    assert_false(add("one more", 0, 8));
    regions_remove(regions, "region 7");
    assert_true(add("one more", 0, 8));
    regions_remove(regions, NULL);
    assert_true(add("a", 0, 8));
}

/* It lives until it is released; its name is free at once. */
static void what_is_in_use_outlives_its_name(void **state)
{
    (void)state;
    assert_true(add("a", 0, BYTES));
    struct region *a = regions_find(regions, "a");
    unsigned char *data = region_at(a, 0, BYTES, &problem);
    regions_remove(regions, "a");
    assert_null(regions_find(regions, "a"));
    data[BYTES - 1] = 7;
    assert_true(add("a", 0, 8));
    region_release(a);
    unsigned char last;
    assert_int_equal(pread(object, &last, 1, BYTES - 1), 1);
    assert_int_equal(last, 7);
}

/* Nothing that is held runs out, however often: slots, files, mappings. */
static void none_is_lost(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++) {
        assert_true(add("a", (size_t)i, 4096));
        regions_remove(regions, i % 2 ? "a" : NULL);
    }
}

static void truncated_before_use(void **state)
{
    (void)state;
    assert_true(add("a", 0, BYTES));
    struct region *a = regions_find(regions, "a");
    assert_int_equal(ftruncate(object, BYTES - 1), 0);
    problem = (struct problem){0};
    assert_null(region_at(a, 0, BYTES, &problem));
    assert_problem(400, "got fewer bytes than when it was registered");
    assert_non_null(region_at(a, 0, BYTES - 1, &problem)); /* these it has */
    region_release(a);
}

/* Reads find zeros, writes go nowhere, and the region says what happened. */
static void truncated_during_use(void **state)
{
    (void)state;
    /* cmocka, which would handle SIGBUS itself, has begun the test by now */
    regions_free(regions);
    regions = regions_create();
    assert_true(add("a", 0, BYTES));
    assert_true(add("b", 0, PAGE));
    struct region *a = regions_find(regions, "a");
    struct region *b = regions_find(regions, "b");
    volatile unsigned char *data = region_at(a, 0, BYTES, &problem);
    data[PAGE - 1] = 5;
    assert_int_equal(ftruncate(object, PAGE), 0);
    assert_int_equal(data[PAGE - 1], 5);
    assert_true(region_check(a, &problem));
    assert_int_equal(data[BYTES / 2], 0);
    data[BYTES - 1] = 6;
    assert_int_equal(data[PAGE - 1], 5); /* that page is still there */
    assert_false(region_check(a, &problem));
    assert_problem(400, "region 'a': got truncated while it was used");
    /* for good, whatever the size is later */
    assert_int_equal(ftruncate(object, BYTES), 0);
    problem = (struct problem){0};
    assert_null(region_at(a, 0, 1, &problem));
    assert_problem(400, "must be registered anew");
    problem = (struct problem){0};
    assert_non_null(region_at(b, 0, PAGE, &problem));
    assert_true(region_check(b, &problem));
    region_release(a);
    region_release(b);
    regions_remove(regions, "a");
    assert_true(add("a", 0, BYTES));
    a = regions_find(regions, "a");
    data = region_at(a, 0, BYTES, &problem);
    assert_int_equal(data[BYTES - 1], 0);
    assert_true(region_check(a, &problem));
    region_release(a);
}

static sigjmp_buf elsewhere;

static void jump(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    siglongjmp(elsewhere, 1);
}

/* Whose handler was there before is asked, and from then on. */
static void bus_errors_elsewhere_are_not_ours(void **state)
{
    (void)state;
    struct sigaction before,
        action = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO | SA_NODEFER};
    assert_int_equal(sigaction(SIGBUS, &action, &before), 0);
    for (int i = 0; i < 2; i++) {
        regions_free(regions);
        regions = regions_create();
    }
    assert_true(add("a", 0, BYTES));
    volatile char *data =
        mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, object, 0);
    assert_true(data != MAP_FAILED);
    assert_int_equal(ftruncate(object, PAGE), 0);
    bool jumped = sigsetjmp(elsewhere, 1) != 0;
    if (!jumped)
        assert_int_equal(data[PAGE], 0);
    assert_true(jumped);
    struct sigaction now;
    assert_int_equal(sigaction(SIGBUS, &before, &now), 0);
    assert_ptr_equal(now.sa_sigaction, jump);
    munmap((void *)data, 2 * PAGE);
}

/* Regions in use that have lost their names take places, too. */
static void places_for_mappings_run_out(void **state)
{
    (void)state;
    struct region *held[2 * REGIONS_MAX];
    for (size_t i = 0; i < 2 * REGIONS_MAX; i++) {
        assert_true(add("a", 0, 8));
        held[i] = regions_find(regions, "a");
        regions_remove(regions, "a");
    }
    assert_false(add("a", 0, 8));
    assert_problem(503, "memory");
    region_release(held[0]);
    assert_true(add("a", 0, 8));
    for (size_t i = 1; i < 2 * REGIONS_MAX; i++)
        region_release(held[i]);
}

static void overlaps_are_those_of_objects(void **state)
{
    (void)state;
    assert_true(add("a", 0, BYTES));
    assert_true(add("b", 4096, 4096));
    struct region *a = regions_find(regions, "a");
    struct region *b = regions_find(regions, "b");
    assert_true(region_overlaps(a, 0, 4097, b, 0, 1));
    assert_false(region_overlaps(a, 0, 4096, b, 0, 1));
    assert_false(region_overlaps(a, 8192, 1, b, 0, 4096));
    assert_true(region_overlaps(a, 8191, 1, b, 0, 4096));
    assert_false(region_overlaps(b, 0, 1, a, 8192, 1));
    assert_true(region_overlaps(a, 0, BYTES, a, 5, 1));
    region_release(a);
    region_release(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_are_those_of_the_object),
        TEST(what_does_not_fit_is_refused),
        TEST(keys_are_names),
        TEST(only_objects_are_opened),
        TEST(names_are_given_once_and_counted),
        TEST(what_is_in_use_outlives_its_name),
        TEST(none_is_lost),
        TEST(truncated_before_use),
        TEST(truncated_during_use),
        TEST(bus_errors_elsewhere_are_not_ours),
        TEST(places_for_mappings_run_out),
        TEST(overlaps_are_those_of_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
