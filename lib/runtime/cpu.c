/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cpu.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

/* The kernel refuses a set that is smaller than its own. */
#define MOST_CPUS ((size_t)1 << 16)

size_t smx_cpu_count(void)
{
    int count = 0;
    for (size_t cpus = CPU_SETSIZE; cpus <= MOST_CPUS && !count; cpus *= 2) {
        size_t bytes = CPU_ALLOC_SIZE(cpus);
        cpu_set_t *set = CPU_ALLOC(cpus);
        if (set && sched_getaffinity(0, bytes, set) == 0)
            count = CPU_COUNT_S(bytes, set);
        CPU_FREE(set);
    }
    return count > 0 ? (size_t)count : 1;
}

#if defined(__x86_64__)
#include <cpuid.h>

#define BIT(n) (1u << (n))

/* CPUID leaf 1 ECX: FMA, MOVBE unused, POPCNT, OSXSAVE, AVX, F16C */
#define LEAF1 (BIT(12) | BIT(23) | BIT(27) | BIT(28) | BIT(29))
/* leaf 7 EBX: BMI1, AVX2, BMI2; AVX512 F, DQ, CD, BW, VL */
#define LEAF7_AVX2 (BIT(3) | BIT(5) | BIT(8))
#define LEAF7_AVX512                                                           \
    (LEAF7_AVX2 | BIT(16) | BIT(17) | BIT(28) | BIT(30) | BIT(31))
/* leaf 0x80000001 ECX: LZCNT */
#define EXTENDED BIT(5)
/* XCR0: the operating system saves SSE, AVX; opmask, ZMM low, ZMM high */
#define STATE_AVX2 0x06u
#define STATE_AVX512 0xe6u

static uint32_t saved_state(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool has(uint32_t leaf7, uint32_t state)
{
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & LEAF1) != LEAF1)
        return false; /* without OSXSAVE, xgetbv would be illegal */
    if ((saved_state() & state) != state)
        return false;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & leaf7) != leaf7)
        return false;
    return __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & EXTENDED);
}

enum { NOT_ASKED, IS_THERE, IS_NOT };

/* Asked once: on a virtual machine each cpuid leaves it, for microseconds. */
static bool has_once(atomic_int *known, uint32_t leaf7, uint32_t state)
{
    int answer = atomic_load_explicit(known, memory_order_relaxed);
    if (answer == NOT_ASKED) {
        answer = has(leaf7, state) ? IS_THERE : IS_NOT;
        atomic_store_explicit(known, answer, memory_order_relaxed);
    }
    return answer == IS_THERE;
}

bool smx_cpu_avx2(void)
{
    static atomic_int known;
    return has_once(&known, LEAF7_AVX2, STATE_AVX2);
}

bool smx_cpu_avx512(void)
{
    static atomic_int known;
    return has_once(&known, LEAF7_AVX512, STATE_AVX512);
}

/* Caches, one a subleaf: Intel's leaf, and AMD's in the same form. */
#define INTEL_CACHES 4u
#define AMD_CACHES 0x8000001du
#define MOST_CACHES 16u

static size_t third_cache_of(uint32_t leaf)
{
    uint32_t a, b, c, d;
    for (uint32_t i = 0; i < MOST_CACHES; i++) {
        if (!__get_cpuid_count(leaf, i, &a, &b, &c, &d) || (a & 0x1f) == 0)
            break;
        if ((a >> 5 & 7) == 3) /* ways, partitions, bytes of a line, sets */
            return ((size_t)(b >> 22) + 1) * ((b >> 12 & 0x3ff) + 1) *
                   ((b & 0xfff) + 1) * ((size_t)c + 1);
    }
    return 0;
}

size_t smx_cpu_third_cache(void)
{
    size_t bytes = third_cache_of(INTEL_CACHES);
    return bytes ? bytes : third_cache_of(AMD_CACHES);
}
#else
bool smx_cpu_avx2(void)
{
    return false;
}

size_t smx_cpu_third_cache(void)
{
    return 0;
}

bool smx_cpu_avx512(void)
{
    return false;
}
#endif
