// SPDX-License-Identifier: MIT
/* Which addresses one of --listen stands for, and how they are given up. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/http/listener.h"
#include "../support/daemon_fixture.h"

static struct listener_list list;
static struct error error;

/* ---- a machine and a hosts file as the test wants them ---------------- */

static bool no_ipv6;

int socket(int family, int type, int protocol)
{
    if (no_ipv6 && family == AF_INET6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return (int)syscall(SYS_socket, family, type, protocol);
}

/** "two.test" is ::1, 127.0.0.1, and 127.0.0.1 once more. */
int getaddrinfo(const char *host, const char *port,
                const struct addrinfo *hints, struct addrinfo **found)
{
    static const char *const two[] = {"::1", "127.0.0.1", "127.0.0.1"};
    int (*next)(const char *, const char *, const struct addrinfo *,
                struct addrinfo **);
    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!host || strcmp(host, "two.test") != 0)
        return next(host, port, hints, found);
    for (size_t i = 0; i < sizeof two / sizeof two[0]; i++) {
        int code = next(two[i], port, hints, found);
        if (code != 0)
            return code;
        found = &(*found)->ai_next;
    }
    return 0;
}

static void close_all(void)
{
    for (size_t i = 0; i < list.count; i++)
        listener_close(&list.one[i]);
    list.count = 0;
    no_ipv6 = false;
}

static bool open_one(const char *address)
{
    bool ok = listener_open(&list, address, 0660, false, &error);
    if (!ok)
        print_message("%s\n", error.text);
    return ok;
}

/* ---- addresses -------------------------------------------------------- */

static void test_all_addresses_of_a_name(void **state)
{
    (void)state;
    char url[64];
    assert_true(open_one("two.test:0"));
    assert_int_equal(list.count, 2);
    int port = fixture_port(list.one[0].url);
    snprintf(url, sizeof url, "http://[::1]:%d", port);
    assert_string_equal(list.one[0].url, url);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    assert_string_equal(list.one[1].url, url);
    close_all();
}

static void test_what_the_machine_lacks(void **state)
{
    (void)state;
    no_ipv6 = true;
    assert_true(open_one("two.test:0"));
    assert_int_equal(list.count, 1);
    assert_memory_equal(list.one[0].url, "http://127.0.0.1:", 17);
    close_all();
    static const char *const everywhere[] = {"[::]:0", ":0", "*:0"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(open_one(everywhere[i]));
        assert_memory_equal(list.one[0].url, "http://[::]:", 12);
        close_all();
        no_ipv6 = true;
        assert_true(open_one(everywhere[i]));
        assert_int_equal(list.count, 1);
        assert_memory_equal(list.one[0].url, "http://0.0.0.0:", 15);
        close_all();
    }
    no_ipv6 = true;
    assert_false(open_one("[::1]:0"));
    assert_string_equal(error.text,
                        "cannot listen on [::1]:0: Address family not "
                        "supported by protocol");
    close_all();
}

static void test_one_of_them_in_use(void **state)
{
    (void)state;
    char address[64];
    assert_true(open_one("127.0.0.1:0"));
    snprintf(address, sizeof address, "two.test:%d",
             fixture_port(list.one[0].url));
    assert_false(open_one(address));
    assert_non_null(strstr(error.text, "Address already in use"));
    close_all();
}

static void test_what_is_no_address(void **state)
{
    (void)state;
    assert_false(open_one("127.0.0.1"));
    assert_non_null(strstr(error.text, "127.0.0.1: must be "));
    assert_int_equal(list.count, 0);
}

static void test_too_many(void **state)
{
    (void)state;
    static const char *const addresses[] = {"127.0.0.1:0",
                                            "unix:/no/such/folder"};
    list.count = LISTENERS_MAX;
    for (size_t i = 0; i < 2; i++) {
        assert_false(open_one(addresses[i]));
        assert_non_null(strstr(error.text, "Too many open files"));
    }
    list.count = 0;
}

/* ---- the end ---------------------------------------------------------- */

static int begin_to_connect(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)fixture_port(list.one[0].url)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    connect(fd, (struct sockaddr *)&address, sizeof address);
    return fd;
}

/** Does it get an answer to its SYN within that time? errno tells which. */
static bool is_settled(int fd, int ms)
{
    struct pollfd out = {.fd = fd, .events = POLLOUT};
    socklen_t bytes = sizeof errno;
    if (poll(&out, 1, ms) == 0)
        return false;
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &errno, &bytes), 0);
    return true;
}

/* A client that the kernel lets into the queue between the last look at it and
 * its end would lose a connection that it believes to have. */
static void test_nobody_gets_in_at_the_end(void **state)
{
    (void)state;
    assert_true(open_one("127.0.0.1:0"));
    int before = begin_to_connect();
    assert_true(is_settled(before, 5000) && errno == 0);
    listener_hold(&list.one[0]);
    int late = begin_to_connect();
    assert_false(is_settled(late, 200));
    int accepted = accept(list.one[0].fd, NULL, NULL);
    assert_true(accepted >= 0); /* the one from before */
    assert_true(listener_empty(&list.one[0]));
    listener_shut(&list.one[0]);
    assert_true(is_settled(late, 10000) && errno == ECONNREFUSED);
    close(accepted);
    close(before);
    close(late);
    close_all();
}

/* To shut it, or to leave a filter at it, would end socket activation until the
 * service manager itself is restarted. */
static void test_an_inherited_socket_goes_on_listening(void **state)
{
    (void)state;
    assert_true(open_one("127.0.0.1:0"));
    assert_int_equal(dup2(list.one[0].fd, 3), 3);
    struct listener_list adopted = {.count = 0};
    assert_true(listener_adopt(&adopted, 0, false, &error));
    listener_hold(&adopted.one[0]);
    listener_shut(&adopted.one[0]);
    int late = begin_to_connect();
    assert_true(is_settled(late, 5000) && errno == 0);
    int accepted = accept(list.one[0].fd, NULL, NULL);
    assert_true(accepted >= 0);
    close(accepted);
    close(late);
    close_all();
    close(3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_addresses_of_a_name),
        cmocka_unit_test(test_what_the_machine_lacks),
        cmocka_unit_test(test_one_of_them_in_use),
        cmocka_unit_test(test_what_is_no_address),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_nobody_gets_in_at_the_end),
        cmocka_unit_test(test_an_inherited_socket_goes_on_listening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
