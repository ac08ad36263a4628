// SPDX-License-Identifier: MIT
#include "page.h"

#include "page_csp.h"

/* The pages as they stand, each with the NUL that makes it a string; page.mk
 * makes this file depend on them. */
__asm__(".section .rodata\n"
        "page_index:\n"
        ".incbin \"server/page/index.html\"\n"
        ".byte 0\n"
        "page_docs:\n"
        ".incbin \"server/page/docs.html\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char page_index[] __attribute__((visibility("hidden")));
extern const char page_docs[] __attribute__((visibility("hidden")));

/* A page runs its own script and style alone, in no frame of another site, and
 * tells nobody where its reader came from. */
static bool serve(struct reply *reply, const char *html, const char *policy)
{
    *reply = (struct reply){
        .status = 200,
        .content_type = "text/html; charset=utf-8",
        .writer = reply->writer,
        .header = {{.name = "Content-Security-Policy", .fixed = policy},
                   {.name = "X-Content-Type-Options", .fixed = "nosniff"},
                   {.name = "Referrer-Policy", .fixed = "no-referrer"},
                   {.name = "Cache-Control", .fixed = "no-cache"}},
        .header_count = 4,
    };
    writer_text(reply->writer, html);
    return true;
}

static bool get_index(struct service *service, const struct head *head,
                      struct reply *reply, struct problem *problem)
{
    (void)service;
    (void)head;
    (void)problem;
    return serve(reply, page_index, PAGE_CSP_INDEX);
}

static bool get_docs(struct service *service, const struct head *head,
                     struct reply *reply, struct problem *problem)
{
    (void)service;
    (void)head;
    (void)problem;
    return serve(reply, page_docs, PAGE_CSP_DOCS);
}

/* Open: a browser cannot send a token with a first visit, and there is nothing
 * here to protect; the pages send one with what they ask. */
const struct route page_routes[] = {
    {.method = "GET",
     .path = "/",
     .name = "page",
     .page = &(const struct page){.get = get_index},
     .open = true,
     .compressible = true},
    {.method = "GET",
     .path = "/docs",
     .name = "docs",
     .page = &(const struct page){.get = get_docs},
     .open = true,
     .compressible = true},
};
const size_t page_route_count = sizeof page_routes / sizeof page_routes[0];
