/* SPDX-License-Identifier: MIT */
/* Run only the tests of a program whose names match the pattern in TEST_CASE
   (* and ?): cmocka takes one from the program alone. */
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

__attribute__((constructor)) static void choose_cases(void)
{
    const char *pattern = getenv("TEST_CASE");
    if (pattern != NULL && *pattern != '\0')
        cmocka_set_test_filter(pattern);
}
