// SPDX-License-Identifier: MIT
/*
 * For make coverage: a process that ends by _exit writes its counters, too, and
 * what writes them is not among the calls that tests/faults/failing_calls.c,
 * preloaded, has fail.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

void __gcov_dump(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);

/* gcov's own destructors have a priority, so that they run after it. */
__attribute__((destructor)) static void end_failing_calls(void)
{
    void (*end)(void);
    *(void **)&end = dlsym(RTLD_DEFAULT, "failing_calls_end");
    if (end)
        end();
}

_Noreturn void __wrap__exit(int status)
{
    end_failing_calls();
    __gcov_dump();
    __real__exit(status);
}
