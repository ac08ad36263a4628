// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "lone_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

char *lone_page_new(size_t *bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages =
        mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_READ | PROT_WRITE), 0);
    *bytes = page;
    return pages + page;
}

void lone_page_free(char *page)
{
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    munmap(page - bytes, 3 * bytes);
}
