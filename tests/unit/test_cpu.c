/* SPDX-License-Identifier: MIT */
/* What the processor tells of its caches, and what is made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/tuning.h"
#include "runtime/cpu.h"

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
        cmocka_unit_test(test_third_cache),
        cmocka_unit_test(test_streamed_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
