// SPDX-License-Identifier: MIT
/* The words and sizes of the library's enumerations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "softmax.h"

static void every_status_has_its_sentence(void **state)
{
    (void)state;
#define SENTENCE(name, sentence)                                               \
    assert_string_equal(smx_status_string(name), sentence);
    SMX_STATUSES(SENTENCE)
#undef SENTENCE
    assert_non_null(smx_status_string((enum smx_status)99));
    assert_non_null(smx_status_string((enum smx_status) - 1));
}

static void names_and_sizes(void **state)
{
    (void)state;
    assert_int_equal(smx_dtype_bytes(SMX_FLOAT32), 4);
    assert_int_equal(smx_dtype_bytes(SMX_FLOAT64), 8);
    assert_string_equal(smx_isa_name(SMX_ISA_BEST), "best");
    assert_string_equal(smx_isa_name(SMX_ISA_BASE), "base");
    assert_string_equal(smx_isa_name(SMX_ISA_AVX2), "avx2");
    assert_string_equal(smx_isa_name(SMX_ISA_AVX512), "avx512");
    assert_string_equal(smx_isa_name(SMX_ISA_NEON), "neon");
    assert_true(smx_isa_available(SMX_ISA_BEST));
    assert_true(smx_isa_available(SMX_ISA_BASE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_sentence),
        cmocka_unit_test(names_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
