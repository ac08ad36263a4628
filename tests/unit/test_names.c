// SPDX-License-Identifier: MIT
/* The words and sizes of the library's enumerations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

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

static void every_field_has_its_name(void **state)
{
    (void)state;
#define TEXT(name, text) assert_string_equal(smx_field_name(name), text);
    SMX_FIELDS(TEXT)
#undef TEXT
    assert_string_equal(smx_field_name(SMX_FIELD_TOP_K), "options.top_k");
    assert_non_null(smx_field_name((enum smx_field)99));
}

static void the_versions_agree(void **state)
{
    char text[16];

    (void)state;
    snprintf(text, sizeof text, "%d.%d.%d", SMX_VERSION_NUMBER / 10000,
             SMX_VERSION_NUMBER / 100 % 100, SMX_VERSION_NUMBER % 100);
    assert_string_equal(text, SMX_VERSION);
    assert_int_equal(smx_version(), SMX_VERSION_NUMBER);
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
        cmocka_unit_test(every_field_has_its_name),
        cmocka_unit_test(the_versions_agree),
        cmocka_unit_test(names_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
