// SPDX-License-Identifier: MIT
/* From SIGTERM's first effect to the end of the last request. */
#define _GNU_SOURCE
#include <curl/curl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "../support/daemon_fixture.h"
#include "../support/slow_endpoint.h"

#define BODY "{\"logits\":[1,2,3]}"
#define SLOW(ms_bytes)                                                         \
    "POST /test/slow HTTP/1.1\r\nHost: x\r\n"                                  \
    "Content-Type: application/json\r\nContent-Length: " ms_bytes "\r\n\r\n"

static struct fixture fixture;

static void start(const char *const *flags)
{
    fixture_start_routes(&fixture, flags, &slow_routes);
}

static void test_idle_daemon(void **state)
{
    (void)state;
    start(NULL);
    assert_int_equal(fixture_drain(&fixture), DRAIN_DONE);
    struct http_answer answer = http_get(fixture.url, "/healthz");
    assert_int_equal(answer.code, CURLE_COULDNT_CONNECT);
    http_answer_free(&answer);
    fixture_stop(&fixture);
}

static void test_delay_serves_but_is_not_ready(void **state)
{
    (void)state;
    start((const char *const[]){"--drain-delay=2", NULL});
    daemon_drain(fixture.daemon);
    struct http_answer answer = http_get(fixture.url, "/readyz");
    assert_int_equal(answer.status, 503);
    http_answer_free(&answer);
    answer = http_get(fixture.url, "/healthz");
    assert_int_equal(answer.status, 200);
    http_answer_free(&answer);
    answer = http_post(fixture.url, "/softmax", BODY);
    assert_int_equal(answer.status, 200);
    http_answer_free(&answer);
    assert_int_equal(daemon_drained(fixture.daemon), DRAIN_RUNNING);
    for (int i = 0; i < 500 && daemon_drained(fixture.daemon) == DRAIN_RUNNING;
         i++)
        fixture_sleep_ms(10);
    assert_int_equal(daemon_drained(fixture.daemon), DRAIN_DONE);
    fixture_stop(&fixture);
}

static void test_finishes_what_is_in_flight(void **state)
{
    (void)state;
    start(NULL);
    int fd = fixture_connect(&fixture);
    const char *text = SLOW("3") "800";
    char got[4096] = "";
    size_t used = 0;
    ssize_t n;
    assert_true(send(fd, text, strlen(text), MSG_NOSIGNAL) > 0);
    fixture_wait_in_flight(&fixture, 1);
    assert_int_equal(fixture_drain(&fixture), DRAIN_DONE);
    while ((n = recv(fd, got + used, sizeof got - 1 - used, 0)) > 0)
        used += (size_t)n;
    assert_non_null(strstr(got, "200 OK"));
    assert_non_null(strstr(got, "Connection: close"));
    assert_non_null(strstr(got, "done"));
    close(fd);
    fixture_stop(&fixture);
}

static uint64_t cpu_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

/* The event loops wait for the request, not in circles. */
static void test_waits_without_work(void **state)
{
    (void)state;
    start(NULL);
    int fd = fixture_connect(&fixture);
    const char *text = SLOW("4") "1500";
    assert_true(send(fd, text, strlen(text), MSG_NOSIGNAL) > 0);
    fixture_wait_in_flight(&fixture, 1);
    uint64_t before = cpu_ms();
    assert_int_equal(fixture_drain(&fixture), DRAIN_DONE);
    assert_in_range(cpu_ms() - before, 0, 300);
    close(fd);
    fixture_stop(&fixture);
}

static void test_timeout(void **state)
{
    (void)state;
    start((const char *const[]){"--drain-timeout=1", NULL});
    int fd = fixture_connect(&fixture);
    const char *text = SLOW("4") "3000";
    assert_true(send(fd, text, strlen(text), MSG_NOSIGNAL) > 0);
    fixture_wait_in_flight(&fixture, 1);
    assert_int_equal(fixture_drain(&fixture), DRAIN_TIMEOUT);
    close(fd);
    fixture_stop(&fixture);
}

/* ---- under load ------------------------------------------------------- */

static atomic_uint answered, lost;

static size_t ignore(char *bytes, size_t size, size_t count, void *cls)
{
    (void)bytes;
    (void)cls;
    return size * count;
}

/** Post until nobody listens any more. argument: keep the connection? */
static void *post_until_refused(void *argument)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *list =
        curl_slist_append(NULL, "Content-Type: application/json");
    char url[256];
    snprintf(url, sizeof url, "%s/softmax", fixture.url);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, BODY);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 10000L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, argument ? 0L : 1L);
    for (;;) {
        long status = 0;
        CURLcode code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        if (code == CURLE_COULDNT_CONNECT)
            break;
        if (code == CURLE_OK && status == 200)
            answered++;
        else
            lost++;
        if (lost > 100)
            break;
    }
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
    return NULL;
}

static void drain_under_load(bool keep)
{
    enum { CLIENTS = 12 };
    pthread_t threads[CLIENTS];
    answered = lost = 0;
    start(NULL);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_until_refused,
                                        keep ? &fixture : NULL),
                         0);
    for (int i = 0; i < 2000 && answered <= 2 * CLIENTS; i++)
        fixture_sleep_ms(5);
    assert_int_equal(fixture_drain(&fixture), DRAIN_DONE);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    assert_true(answered > CLIENTS);
    assert_int_equal(lost, 0);
    fixture_stop(&fixture);
}

static void test_keep_alive_clients_lose_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        drain_under_load(true);
}

static void test_new_connections_lose_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        drain_under_load(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_daemon),
        cmocka_unit_test(test_delay_serves_but_is_not_ready),
        cmocka_unit_test(test_finishes_what_is_in_flight),
        cmocka_unit_test(test_waits_without_work),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_keep_alive_clients_lose_nothing),
        cmocka_unit_test(test_new_connections_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
