/* SPDX-License-Identifier: MIT */
/* What the processor tells of its instructions and caches, and what is made of
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/tuning.h"
#include "runtime/cpu.h"

/* Of objects that are linked together this one comes first, and so do its
 * constructors, as those of C++ globals that hold a context do. */
static bool had_avx2, had_avx512;

static __attribute__((constructor)) void ask_before_main(void)
{
    had_avx2 = smx_cpu_avx2();
    had_avx512 = smx_cpu_avx512();
}

static void test_known_before_main(void **state)
{
    (void)state;
    assert_int_equal(had_avx2, smx_cpu_avx2());
    assert_int_equal(had_avx512, smx_cpu_avx512());
}

#define SIZE "/sys/devices/system/cpu/cpu0/cache/index3/size"

/* The kernel asks the same instruction, unless the processor is older. */
static void test_third_cache(void **state)
{
    size_t kib = 0, bytes = smx_cpu_third_cache();
    FILE *file = fopen(SIZE, "r");
    (void)state;
#ifdef __x86_64__
    if (bytes && file && fscanf(file, "%zuK", &kib) == 1)
        assert_int_equal(bytes, kib << 10);
#else
    (void)kib;
    assert_int_equal(bytes, 0);
#endif
    if (file)
        fclose(file);
    assert_int_equal(smx_cpu_third_cache(), bytes);
}

static void test_streamed_short(void **state)
{
    (void)state;
    assert_int_equal(smx_streamed(1, 0), SMX_STREAMED_SHORT);
    assert_int_equal(smx_streamed(1, (size_t)32 << 20), (32 << 20) / 12);
    assert_int_equal(smx_streamed(1, (size_t)105 << 20), SMX_STREAMED_SHORT);
    assert_int_equal(smx_streamed(1, SIZE_MAX), SMX_STREAMED_SHORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_before_main),
        cmocka_unit_test(test_third_cache),
        cmocka_unit_test(test_streamed_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
