// SPDX-License-Identifier: MIT
/*
 * Arrays of numbers, right and wrong, split and read by the vector code that
 * this machine has and by the plain one: the same tokens, values and places to
 * stop at. Without cmocka, to be built for machines that it is not installed
 * for; test_scan.c judges the plain code.
 */
#include <stdio.h>
#include <string.h>

#include "../../server/number/isa.h"
#include "../../server/number/scan.h"

enum { TEXT = 20000, TIMES = 300 };

static char text[SCAN_BEFORE + TEXT];
static struct stretch stretches[2];
static double doubles[2][SCAN_ROOM];
static float floats[2][SCAN_ROOM];
static uint64_t state = 1;

static unsigned random_below(unsigned n)
{
    state = state * UINT64_C(6364136223846793005) + 1;
    return (unsigned)((state >> 33) % n);
}

/* Numbers of up to 35 bytes; in one of wrong bytes is any that JSON has, or any
 * at all. */
static void fill_text(unsigned wrong)
{
    static const char any[] = "0123456789.-,, \t\n\r[]eE+\"";
    char *at = text + SCAN_BEFORE, *end = text + sizeof text - 64;
    while (at < end) {
        int decimals = (int)random_below(18);
        at +=
            snprintf(at, 64, "%s%.*f%s", random_below(4) ? "" : "-", decimals,
                     random_below(1000000000) * (random_below(2) ? 1e-9 : 1e6),
                     random_below(5) ? "," : " ,\n ");
        if (wrong && random_below(wrong) == 0)
            at[-1 - (int)random_below(4)] =
                random_below(2) ? any[random_below(sizeof any - 1)]
                                : (char)random_below(256);
    }
    memset(at, ' ', (size_t)(text + sizeof text - at));
}

static bool same_tokens(const struct stretch *a, const struct stretch *b)
{
    size_t n = a->count;
    return n == b->count && a->bytes == b->bytes &&
           a->after_value == b->after_value && a->plain == b->plain &&
           memcmp(a->edges, b->edges, 2 * n * sizeof *a->edges) == 0 &&
           (!a->plain ||
            (memcmp(a->digits, b->digits, n * sizeof *a->digits) == 0 &&
             memcmp(a->decimals, b->decimals, n * sizeof *a->decimals) == 0 &&
             memcmp(a->first, b->first, n) == 0));
}

/* What both scanners make of a stretch that is plain, from a token on. */
static bool same_values(const struct scanner *const scanners[2])
{
    size_t first = random_below(8), wide[2], narrow[2];
    first = first < stretches[0].count ? first : 0;
    for (int i = 0; i < 2; i++) {
        wide[i] = scanners[i]->float64s(&stretches[i], first, doubles[i]);
        narrow[i] = scanners[i]->float32s(&stretches[i], first, floats[i]);
    }
    return wide[0] == wide[1] && narrow[0] == narrow[1] &&
           memcmp(doubles[0], doubles[1], (wide[0] - first) * 8) == 0 &&
           memcmp(floats[0], floats[1], (narrow[0] - first) * 4) == 0;
}

/* The whole text, stretch by stretch. */
static bool are_same(const struct scanner *const scanners[2], bool flat)
{
    size_t at = 0, skimmed[2], commas[2];
    for (int i = 0; i < 2; i++)
        skimmed[i] = scanners[i]->skim(text + SCAN_BEFORE, TEXT, &commas[i]);
    if (skimmed[0] != skimmed[1] || commas[0] != commas[1])
        return false;
    while (at + SCAN_BLOCK <= TEXT) {
        const char *from = text + SCAN_BEFORE + at;
        for (int i = 0; i < 2; i++)
            (flat ? scanners[i]->read_flat : scanners[i]->read)(from, TEXT - at,
                                                                &stretches[i]);
        if (!same_tokens(&stretches[0], &stretches[1]) ||
            (stretches[0].plain && !same_values(scanners)))
            return false;
        at += stretches[0].bytes + 1;
    }
    return true;
}

static bool differs(enum smx_isa isa)
{
    const struct scanner *scanners[2];
    number_isa_force(SMX_ISA_BASE);
    scanners[0] = scan_get();
    number_isa_force(isa);
    scanners[1] = scan_get();
    for (unsigned i = 0; i < TIMES; i++) {
        fill_text(i % 3 * 20);
        if (!are_same(scanners, i % 2))
            return true;
    }
    return false;
}

int main(void)
{
    static const enum smx_isa isas[] = {SMX_ISA_AVX2, SMX_ISA_AVX512,
                                        SMX_ISA_NEON};
    int wrong = 0, seen = 0;
    for (size_t k = 0; k < sizeof isas / sizeof isas[0]; k++) {
        if (!smx_isa_available(isas[k]))
            continue;
        seen++;
        if (!differs(isas[k]))
            continue;
        fprintf(stderr, "scan_twins: %s differs from base\n",
                smx_isa_name(isas[k]));
        wrong++;
    }
    return wrong || !seen;
}
