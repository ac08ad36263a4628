// SPDX-License-Identifier: MIT
/* Heads as libmicrohttpd 0.9.75 hands them out, whichever version is there: a
 * NUL or a gap anywhere is told, and nothing else is. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../../server/http/framing.h"

/* A head whose words have ends put in where that library puts them: at the
 * first blank of those around the target, and at each CR and colon. */
struct laid_out {
    const char *text; /* from the method to the end of the empty line */
    size_t bytes;
    size_t target, target_end, version; /* places in it */
    size_t name, name_bytes, value, value_bytes;
    const char *fault; /* NULL: none */
};
#define TEXT(text) text, sizeof text - 1

static const char nul[] = "a request line with a NUL",
                  gap[] = "a line that is folded, or has a NUL or no CR",
                  no_end[] = "an end that is no empty line";

static const struct laid_out heads[] = {
    {TEXT("GET\0/a\0HTTP/1.1\0\nHost\0 x\0\n\r\n"), 4, 6, 7, 17, 4, 23, 1,
     NULL},
    /* several blanks are one */
    {TEXT("GET\0  /a\0HTTP/1.1\0\nHost\0 x\0\n\r\n"), 6, 8, 9, 19, 4, 25, 1,
     NULL},
    /* a NUL in the method, in the target, and after the target */
    {TEXT("G\0T\0/a\0HTTP/1.1\0\nHost\0 x\0\n\r\n"), 4, 6, 7, 17, 4, 23, 1,
     nul},
    {TEXT("GET\0/\0a\0HTTP/1.1\0\nHost\0 x\0\n\r\n"), 4, 5, 8, 18, 4, 24, 1,
     nul},
    {TEXT("GET\0/a\0 HTTP/1.1\0\nHost\0 x\0\n\r\n"), 4, 6, 8, 18, 4, 24, 1,
     nul},
    /* one in the version, which the first field follows too late */
    {TEXT("GET\0/a\0HTTP/1.1\0\0\nHost\0 x\0\n\r\n"), 4, 6, 7, 18, 4, 24, 1,
     gap},
    /* a value that begins before its colon ends */
    {TEXT("GET\0/a\0HTTP/1.1\0\nHost\0x\0\n\r\n"), 4, 6, 7, 17, 4, 22, 1, NULL},
    {TEXT("GET\0/a\0HTTP/1.1\0\nHostx\0\n\r\n"), 4, 6, 7, 17, 4, 21, 1, gap},
    /* something between the last line and the end */
    {TEXT("GET\0/a\0HTTP/1.1\0\nHost\0 x\0\n\n\r\n"), 4, 6, 7, 17, 4, 23, 1,
     no_end},
};

static void test_gaps(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        const struct laid_out *head = &heads[i];
        const char *text = head->text;
        struct framing framing;
        for (int gapless = 0; gapless < 2; gapless++) {
            framing_begin(&framing, text + head->version, gapless);
            framing_line(&framing, text, text + head->target,
                         text + head->target_end, text + head->version);
            framing_field(&framing, FIELD_HOST, text + head->name,
                          head->name_bytes, text + head->value,
                          head->value_bytes);
            framing_finish(&framing, text + head->bytes);
            const char *expected = gapless ? head->fault : NULL;
            if (expected && (!framing.fault || strcmp(framing.fault, expected)))
                fail_msg("head %zu: got %s, must be %s", i,
                         framing.fault ? framing.fault : "nothing", expected);
            if (!expected && framing.fault)
                fail_msg("head %zu: got %s, must be none", i, framing.fault);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
