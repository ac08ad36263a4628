// SPDX-License-Identifier: MIT
/* Limits of control groups, of version 1 and 2, in file systems made up. */
#define _GNU_SOURCE
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../../server/machine.h"

#define CGROUP "/sys/fs/cgroup"

static char root[] = "/tmp/softmaxd-test-XXXXXX";

static int remove_one(const char *path, const struct stat *status, int type,
                      struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static int make_root(void **state)
{
    (void)state;
    memcpy(root + sizeof root - 7, "XXXXXX", 6);
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/** A file of the root, and the folders above it. */
static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *at = full + sizeof root; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(full, 0700);
        *at = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void expect(uint64_t cores, uint64_t bytes)
{
    uint64_t got_cores = 64, got_bytes = UINT64_C(64) << 30;
    machine_limit_cores(root, &got_cores);
    machine_limit_memory(root, &got_bytes);
    assert_int_equal(got_cores, cores);
    assert_int_equal(got_bytes, bytes);
}

/** Quota and period in microseconds. */
static void put_cpu_v1(const char *group, const char *quota, const char *period)
{
    char path[256];
    snprintf(path, sizeof path, CGROUP "/cpu%s/cpu.cfs_quota_us", group);
    put(path, quota);
    snprintf(path, sizeof path, CGROUP "/cpu%s/cpu.cfs_period_us", group);
    put(path, period);
}

static void test_nothing(void **state)
{
    (void)state;
    expect(64, UINT64_C(64) << 30);
}

/* As in a container: its own group is the root of what it sees. */
static void test_version_1(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "11:memory:/docker/a\n4:cpu,cpuacct:/docker/a\n"
                             "3:cpuset:/docker/a\n1:name=systemd:/\n");
    put_cpu_v1("", "-1\n", "100000\n");
    expect(64, UINT64_C(64) << 30);
    put_cpu_v1("", "150000\n", "100000\n");
    put(CGROUP "/memory/memory.limit_in_bytes", "1073741824\n");
    expect(2, 1 << 30);
}

/* As on the host: the group and all above it count. */
static void test_version_1_above(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "11:memory:/pods/a\n4:cpuacct,cpu:/pods/a\n");
    put_cpu_v1("/pods/a", "50000\n", "100000\n");
    put_cpu_v1("/pods", "300000\n", "100000\n");
    put(CGROUP "/memory/pods/memory.limit_in_bytes", "4096000000\n");
    put(CGROUP "/memory/pods/a/memory.limit_in_bytes",
        "9223372036854771712\n"); /* no limit */
    expect(1, 4096000000);
    put_cpu_v1("/pods/a", "-1\n", "100000\n");
    expect(3, 4096000000);
}

static void test_version_2(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/system.slice/softmaxd.service\n");
    put(CGROUP "/cpu.max", "max 100000\n");
    put(CGROUP "/system.slice/cpu.max", "800000 100000\n");
    put(CGROUP "/system.slice/softmaxd.service/cpu.max", "250000 100000\n");
    put(CGROUP "/system.slice/memory.max", "2147483648\n");
    put(CGROUP "/system.slice/softmaxd.service/memory.max", "max\n");
    expect(3, UINT64_C(2) << 30);
}

static void test_files_that_say_nothing(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "no colon\n0:\n4:cpu:/x\n");
    put_cpu_v1("/x", "much\n", "100000\n");
    put_cpu_v1("", "100000\n", "0\n");
    put(CGROUP "/memory.max", "\n");
    expect(64, UINT64_C(64) << 30);
}

#define WITH_ROOT(test)                                                        \
    cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROOT(test_nothing),
        WITH_ROOT(test_version_1),
        WITH_ROOT(test_version_1_above),
        WITH_ROOT(test_version_2),
        WITH_ROOT(test_files_that_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
