// SPDX-License-Identifier: MIT
#include "page.h"

#include "page_csp.h"

/* The pages that scripts/page.py made, each with the NUL that makes it a
 * string; page.mk makes this file depend on them. */
__asm__(".section .rodata\n"
        "page_index:\n"
        ".incbin \"" PAGE_FOLDER "/index.html\"\n"
        ".byte 0\n"
        "page_docs:\n"
        ".incbin \"" PAGE_FOLDER "/docs.html\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char page_index[] __attribute__((visibility("hidden")));
extern const char page_docs[] __attribute__((visibility("hidden")));

/* A page runs its own script and style alone, in no frame of another site, and
 * tells nobody where its reader came from. */
#define HEADERS(policy)                                                        \
    (const struct page_header[])                                               \
    {                                                                          \
        {"Content-Security-Policy", policy},                                   \
            {"X-Content-Type-Options", "nosniff"},                             \
            {"Referrer-Policy", "no-referrer"}, {"Cache-Control", "no-cache"}, \
        {                                                                      \
            NULL, NULL                                                         \
        }                                                                      \
    }
#define HTML(path_, name_, text_, policy)                                      \
    {                                                                          \
        .method = "GET", .path = path_, .name = name_, .open = true,           \
        .compressible = true, .page = &(const struct page)                     \
        {                                                                      \
            .text = text_, .type = "text/html; charset=utf-8",                 \
            .headers = HEADERS(policy)                                         \
        }                                                                      \
    }

/* Open: a browser cannot send a token with a first visit, and there is nothing
 * here to protect; the pages send one with what they ask. */
const struct route page_routes[] = {
    HTML("/", "page", page_index, PAGE_CSP_INDEX),
    HTML("/docs", "docs", page_docs, PAGE_CSP_DOCS),
};
const size_t page_route_count = sizeof page_routes / sizeof page_routes[0];
