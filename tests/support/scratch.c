/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

char scratch[SCRATCH_FILES][SCRATCH_BYTES];
static char folder[] = "/tmp/softmaxd-test-XXXXXX";

int scratch_open(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    for (int i = 0; i < SCRATCH_FILES; i++)
        snprintf(scratch[i], SCRATCH_BYTES, "%s/%d", folder, i);
    return 0;
}

int scratch_close(void **state)
{
    (void)state;
    for (int i = 0; i < SCRATCH_FILES; i++)
        unlink(scratch[i]);
    return rmdir(folder);
}

void scratch_write(const char *name, const char *text)
{
    FILE *out = fopen(name, "we");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

const char *scratch_flag(const char *name, const char *value)
{
    static char text[8][2 * SCRATCH_BYTES];
    static int next;
    next = (next + 1) % 8;
    snprintf(text[next], sizeof text[next], "%s=%s", name, value);
    return text[next];
}
