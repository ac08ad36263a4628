// SPDX-License-Identifier: MIT
/* An answer that is written by hand, and the table of who answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../server/http/response.h"

/* By hand it leaves as a whole or not at all. */
static void a_response_that_does_not_fit_is_none(void **state)
{
    (void)state;
    static const char whole[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 2"
                                "\r\nA: b\r\nC: d\r\n\r\nno";
    char bytes[sizeof whole];
    struct response response = {.text = "no", .text_bytes = 2, .length = 2};
    response.reply.status = 404;
    response_header(&response, "A", "b");
    response_header(&response, "None", NULL);
    response_header(&response, "C", "d");
    for (size_t room = 1; room < sizeof whole - 1; room++)
        assert_int_equal(response_format(&response, bytes, room), 0);
    assert_int_equal(response_format(&response, bytes, sizeof whole - 1),
                     sizeof whole - 1);
    assert_memory_equal(bytes, whole, sizeof whole - 1);
}

static void there_are_only_so_many_routes(void **state)
{
    (void)state;
    static const struct route some[ROUTES_MAX];
    struct routes routes = {.count = 0};
    assert_true(routes_add(&routes, some, 1));
    assert_false(routes_add(&routes, some, ROUTES_MAX));
    assert_int_equal(routes.count, 1);
    assert_true(routes_add(&routes, some, ROUTES_MAX - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_response_that_does_not_fit_is_none),
        cmocka_unit_test(there_are_only_so_many_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
