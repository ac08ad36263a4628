// SPDX-License-Identifier: MIT
/* What an address says, and which ones do not leave the machine. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <cmocka.h>

#include "../../server/address.h"

static bool is_local(int family, const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    void *binary =
        family == AF_INET ? (void *)&in.sin_addr : (void *)&in6.sin6_addr;
    assert_int_equal(inet_pton(family, text, binary), 1);
    return address_is_local(family == AF_INET ? (struct sockaddr *)&in
                                              : (struct sockaddr *)&in6);
}

static void test_local(void **state)
{
    (void)state;
    assert_true(is_local(AF_INET, "127.0.0.1"));
    assert_true(is_local(AF_INET, "127.9.8.7"));
    assert_false(is_local(AF_INET, "192.0.2.127"));
    assert_false(is_local(AF_INET, "0.0.0.0"));
    assert_true(is_local(AF_INET6, "::1"));
    assert_true(is_local(AF_INET6, "::ffff:127.0.0.1"));
    assert_false(is_local(AF_INET6, "::ffff:192.0.2.1"));
    assert_false(is_local(AF_INET6, "2001:db8::1"));
    /* a bit of each word is another */
    static const char *const near[] = {
        "::2",         "0:0:1::1",          "0:0:0:0:1::1",
        "1::1",        "::1:0:1",           "::fffe:127.0.0.1",
        "::127.0.0.1", "1::ffff:127.0.0.1", "0:0:1::ffff:127.0.0.1",
    };
    for (size_t i = 0; i < sizeof near / sizeof near[0]; i++)
        assert_false(is_local(AF_INET6, near[i]));
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    assert_true(address_is_local((struct sockaddr *)&un));
}

/* host NULL: it is no address. */
static void test_split(void **state)
{
    static char long_host[ADDRESS_HOST_BYTES + 4];
    snprintf(long_host, sizeof long_host, "%0*d:80", ADDRESS_HOST_BYTES, 0);
    const struct {
        const char *address, *host, *port;
    } cases[] = {
        {"127.0.0.1:8080", "127.0.0.1", "8080"},
        {"[::1]:1", "::1", "1"},
        {"a.example:0", "a.example", "0"},
        {"a:65535", "a", "65535"},
        {":80", "", "80"},
        {"a:65536", NULL, NULL},
        {"a:99999", NULL, NULL},
        {"a:123456", NULL, NULL},
        {"a:", NULL, NULL},
        {"a", NULL, NULL},
        {"a:8o", NULL, NULL},
        {"::1:80", NULL, NULL},
        {"[::1:80", NULL, NULL},
        {"[:80", NULL, NULL},
        {"a:0000080", NULL, NULL},
        {long_host, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char host[ADDRESS_HOST_BYTES], port[ADDRESS_PORT_BYTES];
        memset(host, '7', sizeof host);
        memset(port, '7', sizeof port);
        bool split = address_split(cases[i].address, host, sizeof host, port,
                                   sizeof port);
        assert_int_equal(split, cases[i].host != NULL);
        if (!split)
            continue;
        assert_string_equal(host, cases[i].host);
        assert_string_equal(port, cases[i].port);
    }
}

static void test_valid(void **state)
{
    (void)state;
    static const char *const valid[] = {"127.0.0.1:80", "[::1]:0", "a:65535",
                                        "unix:/run/s", "unix:s"},
                             *const invalid[] = {"",       "127.0.0.1", "a:",
                                                 "unix:",  "unix:@s",   "unix",
                                                 "[::1:1", "a:65536"};
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++)
        assert_true(address_valid(valid[i]));
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
        assert_false(address_valid(invalid[i]));
}

/* The path and a NUL fit just. */
static void test_unix(void **state)
{
    (void)state;
    struct sockaddr_un address;
    char path[sizeof address.sun_path + 2];
    for (size_t bytes = 0; bytes < sizeof path; bytes++) {
        memset(path, 'p', bytes);
        path[bytes] = '\0';
        bool fits = bytes < sizeof address.sun_path;
        assert_int_equal(address_unix(path, &address), fits);
        assert_int_equal(address.sun_family, AF_UNIX);
        if (fits)
            assert_string_equal(address.sun_path, path);
        else
            assert_int_equal(errno, ENAMETOOLONG);
    }
}

/* Room for just the host, and just the port, with their NULs. */
static void test_room(void **state)
{
    (void)state;
    for (size_t host_bytes = 1; host_bytes < 6; host_bytes++)
        for (size_t port_bytes = 1; port_bytes < 6; port_bytes++)
            for (int brackets = 0; brackets < 2; brackets++) {
                char host[8] = "xxxxxxx", port[8] = "yyyyyyy";
                bool fits = host_bytes > 3 && port_bytes > 2;
                assert_int_equal(address_split(brackets ? "[abc]:12" : "abc:12",
                                               host, host_bytes, port,
                                               port_bytes),
                                 fits);
                assert_string_equal(host + 4, "xxx");
                assert_string_equal(port + 3, "yyyy");
                if (fits) {
                    assert_string_equal(host, "abc");
                    assert_string_equal(port, "12");
                }
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local), cmocka_unit_test(test_split),
        cmocka_unit_test(test_valid), cmocka_unit_test(test_unix),
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
