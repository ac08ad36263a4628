// SPDX-License-Identifier: MIT
#include "page.h"

#include <string.h>

/* index.html as it stands, and the NUL that makes it a string; page.mk makes
 * this file depend on it. */
__asm__(".section .rodata\n"
        "page_html:\n"
        ".incbin \"server/page/index.html\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char page_html[] __attribute__((visibility("hidden")));

static bool get(struct service *service, const struct head *head,
                struct reply *reply, struct problem *problem)
{
    (void)service;
    (void)head;
    struct writer *writer = writer_create();
    if (!writer)
        return problem_memory(problem);
    writer_text(writer, page_html);
    if (writer_failed(writer)) {
        writer_free(writer);
        return problem_memory(problem);
    }
    *reply = (struct reply){
        .status = 200,
        .content_type = "text/html; charset=utf-8",
        .writer = writer,
        .text_bytes = strlen(page_html),
        .header = {{"Content-Security-Policy",
                    "default-src 'none'; style-src 'unsafe-inline'; script-src "
                    "'unsafe-inline'; connect-src 'self'; img-src data:"}},
        .header_count = 1,
    };
    return true;
}

/* Open: a browser cannot send a token with a first visit, and there is nothing
 * here to protect; the page sends one with what it asks. */
const struct route page_routes[] = {
    {.method = "GET",
     .path = "/",
     .name = "page",
     .page = &(const struct page){get},
     .open = true,
     .compressible = true},
};
const size_t page_route_count = sizeof page_routes / sizeof page_routes[0];
