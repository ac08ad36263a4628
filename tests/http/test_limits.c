// SPDX-License-Identifier: MIT
/* Admission, memory and clients that leave. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "../support/daemon_fixture.h"
#include "../support/slow_endpoint.h"

#define BODY "{\"logits\":[1,2,3]}"
#define HEAD(path, body_bytes)                                                 \
    "POST " path " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"  \
    "Content-Length: " body_bytes "\r\n\r\n"

static struct fixture fixture;

static void start(const char *const *flags)
{
    fixture_start_routes(&fixture, flags, &slow_routes);
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/** Everything until the daemon closes; to be freed. */
static char *read_all(int fd)
{
    size_t room = 1 << 16, used = 0;
    char *got = calloc(1, room);
    ssize_t n;
    assert_non_null(got);
    while (used < room - 1 &&
           (n = recv(fd, got + used, room - 1 - used, 0)) > 0)
        used += (size_t)n;
    return got;
}

static void expect_get(const char *path, int status)
{
    struct http_answer answer = http_get(fixture.url, path);
    assert_int_equal(answer.status, status);
    http_answer_free(&answer);
}

static void expect_post(const char *path, const char *body, int status)
{
    struct http_answer answer = http_post(fixture.url, path, body);
    assert_int_equal(answer.status, status);
    http_answer_free(&answer);
}

/** An answer is here before its request is counted. */
static void expect_metric(const char *line)
{
    bool found = false;
    for (int i = 0; i < 1000 && !found; i++) {
        struct http_answer answer = http_get(fixture.url, "/metrics");
        found = strstr(answer.body, line) != NULL;
        http_answer_free(&answer);
        fixture_sleep_ms(found ? 0 : 5);
    }
    assert_true(found);
}

/* ---- admission -------------------------------------------------------- */

static void test_max_in_flight(void **state)
{
    (void)state;
    start((const char *const[]){"--max-in-flight=2", NULL});
    int fd[2];
    for (int i = 0; i < 2; i++) {
        fd[i] = fixture_connect(&fixture);
        send_text(fd[i], HEAD("/test/slow", "3") "700");
    }
    fixture_wait_in_flight(&fixture, 2);
    struct http_answer answer = http_post(fixture.url, "/softmax", BODY);
    char text[16];
    assert_int_equal(answer.status, 503);
    assert_true(http_header(&answer, "Retry-After", text, sizeof text));
    http_answer_free(&answer);
    expect_get("/healthz", 200);
    expect_get("/readyz", 200);
    expect_metric("softmaxd_rejected_total{reason=\"in_flight\"} 1\n");
    fixture_wait_in_flight(&fixture, 0);
    expect_post("/softmax", BODY, 200);
    close(fd[0]);
    close(fd[1]);
    fixture_stop(&fixture);
}

static void test_max_connections(void **state)
{
    (void)state;
    start((const char *const[]){"--max-connections=3", NULL});
    int fd[3];
    for (int i = 0; i < 3; i++) { /* under way: none of them gives way */
        fd[i] = fixture_connect(&fixture);
        send_text(fd[i], HEAD("/softmax", "18") "{");
    }
    fixture_wait_in_flight(&fixture, 3);
    struct http_answer answer = http_post(fixture.url, "/softmax", BODY);
    char text[16];
    assert_int_equal(answer.status, 503);
    assert_true(http_header(&answer, "Retry-After", text, sizeof text));
    assert_true(http_header(&answer, "Connection", text, sizeof text));
    assert_string_equal(text, "close");
    http_answer_free(&answer);
    expect_get("/healthz", 200);
    for (int i = 0; i < 3; i++)
        close(fd[i]);
    int status = 503; /* until they are noticed to be gone */
    for (int i = 0; i < 1000 && status == 503; i++) {
        answer = http_post(fixture.url, "/softmax", BODY);
        status = answer.status;
        http_answer_free(&answer);
        fixture_sleep_ms(5);
    }
    assert_int_equal(status, 200);
    fixture_stop(&fixture);
}

/* Of a full house, who has been idle for longest gives way. */
static void test_idle_connections_give_way(void **state)
{
    (void)state;
    start((const char *const[]){"--max-connections=3", NULL});
    int fd[3];
    char byte;
    for (int i = 0; i < 3; i++) {
        fd[i] = fixture_connect(&fixture);
        if (i > 0) /* the first has nothing to say */
            free(converse(fd[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                          "ok"));
        fixture_sleep_ms(20);
    }
    fixture_sleep_ms(1200); /* before, any of them may be about to ask */
    expect_post("/softmax", BODY, 200);
    assert_int_equal(recv(fd[0], &byte, 1, 0), 0);
    assert_int_equal(recv(fd[2], &byte, 1, MSG_DONTWAIT), -1);
    char *got = converse(fd[2], HEAD("/softmax", "18") BODY, "0.66524094");
    assert_non_null(strstr(got, " 200 "));
    free(got);
    for (int i = 0; i < 3; i++)
        close(fd[i]);
    fixture_stop(&fixture);
}

/* So many logits; their Jacobian has the square of that in floats. */
#define ZEROS_20 "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"
#define ZEROS_100 ZEROS_20 "," ZEROS_20 "," ZEROS_20 "," ZEROS_20 "," ZEROS_20
#define ZEROS_300 ZEROS_100 "," ZEROS_100 "," ZEROS_100
#define ZEROS_600 ZEROS_300 "," ZEROS_300

static void test_memory_limit(void **state)
{
    (void)state;
    start((const char *const[]){"--memory-limit=1MiB", NULL});
    expect_post("/test/big", "2000000", 503);
    expect_post("/test/big", "500000", 200);
    expect_post("/gradient", "{\"of\":\"softmax\",\"logits\":[" ZEROS_600 "]}",
                413);
    fixture_wait_in_flight(&fixture, 0); /* else they still have some of it */
    struct budget *budget = &daemon_service(fixture.daemon)->budget;
    assert_true(budget_take(budget, 1000000));
    expect_post("/gradient", "{\"of\":\"softmax\",\"logits\":[" ZEROS_300 "]}",
                503);
    budget_give(budget, 1000000);
    expect_post("/gradient", "{\"of\":\"softmax\",\"logits\":[" ZEROS_300 "]}",
                200);
    fixture_wait_in_flight(
        &fixture, 0); /* an answer is here before its request is freed */
    assert_int_equal(budget->taken, 0);
    expect_post("/softmax", BODY, 200);
    fixture_stop(&fixture);
}

/* What Content-Length promises is reserved, so that the second of two bodies
 * that do not fit together is refused before it has come. */
static void test_room_is_reserved(void **state)
{
    (void)state;
    start((const char *const[]){"--memory-limit=1MiB", NULL});
    struct budget *budget = &daemon_service(fixture.daemon)->budget;
    const char *head = "POST /v2/models/softmax/infer HTTP/1.1\r\nHost: x\r\n"
                       "Inference-Header-Content-Length: 0\r\n"
                       "Content-Length: 600000\r\n\r\n";
    int first = fixture_connect(&fixture), second = fixture_connect(&fixture);
    send_text(first, head);
    fixture_wait_in_flight(&fixture, 1);
    for (int i = 0; budget->taken < 600000 && i < 1000; i++)
        fixture_sleep_ms(5);
    assert_int_equal(budget->taken, 600000);
    send_text(second, head);
    char *got = read_all(second);
    assert_non_null(strstr(got, " 503 "));
    assert_non_null(strstr(got, "Retry-After"));
    free(got);
    close(first);
    close(second);
    fixture_wait_in_flight(&fixture, 0);
    assert_int_equal(budget->taken, 0);
    fixture_stop(&fixture);
}

static void test_pages_need_no_room(void **state)
{
    (void)state;
    start((const char *const[]){"--memory-limit=1MiB", NULL});
    struct budget *budget = &daemon_service(fixture.daemon)->budget;
    assert_true(budget_take(budget, 1 << 20));
    expect_get("/metrics", 200);
    expect_get("/openapi.yaml", 200);
    expect_get("/openapi.json", 200);
    expect_get("/version", 200);
    expect_get("/", 200);
    expect_get("/v2/models/softmax", 200);
    expect_post("/softmax", BODY, 503);
    budget_give(budget, 1 << 20);
    expect_post("/softmax", BODY, 200);
    fixture_stop(&fixture);
}

static void test_not_ready_without_memory(void **state)
{
    (void)state;
    start((const char *const[]){"--memory-limit=1MiB", NULL});
    struct budget *budget = &daemon_service(fixture.daemon)->budget;
    assert_true(budget_take(budget, 1000000));
    expect_get("/readyz", 503);
    expect_get("/v2/health/ready", 503);
    expect_get("/healthz", 200);
    budget_give(budget, 1000000);
    expect_get("/readyz", 200);
    fixture_stop(&fixture);
}

/* ---- clients that leave ----------------------------------------------- */

static void test_leaves_while_it_waits_for_the_pool(void **state)
{
    (void)state;
    start((const char *const[]){"--compute-threads=1", NULL});
    unsigned before = slow_runs;
    int first = fixture_connect(&fixture);
    send_text(first, HEAD("/test/slow", "4") "1500");
    fixture_wait_in_flight(&fixture, 1);
    for (int i = 0; i < 5; i++) {
        int fd = fixture_connect(&fixture);
        send_text(fd, HEAD("/test/slow", "4") "1500");
        fixture_wait_in_flight(&fixture, (size_t)i + 2);
        close(fd);
    }
    fixture_wait_in_flight(&fixture, 0);
    assert_int_equal(slow_runs - before, 1); /* the five were dropped */
    close(first);
    fixture_stop(&fixture);
}

static void test_leaves_in_the_middle_of_an_answer(void **state)
{
    (void)state;
    start(NULL);
    for (int i = 0; i < 10; i++) {
        int fd = fixture_connect(&fixture);
        char some[1000];
        send_text(fd, HEAD("/test/big", "8") "30000000");
        assert_true(recv(fd, some, sizeof some, 0) > 0);
        close(fd);
    }
    fixture_wait_in_flight(&fixture, 0);
    expect_post("/softmax", BODY, 200);
    fixture_stop(&fixture);
}

static void test_half_closed_clients_get_their_answer(void **state)
{
    (void)state;
    start(NULL);
    int fd = fixture_connect(&fixture);
    send_text(fd, HEAD("/softmax", "18") BODY);
    shutdown(fd, SHUT_WR);
    char *got = read_all(fd);
    assert_non_null(strstr(got, "0.66524094"));
    free(got);
    close(fd);
    fixture_stop(&fixture);
}

/* ---- many ------------------------------------------------------------- */

static void *post_some(void *argument)
{
    intptr_t good = 0;
    (void)argument;
    for (int i = 0; i < 20; i++) {
        struct http_answer answer = http_post(fixture.url, "/softmax", BODY);
        good += answer.status == 200 && strstr(answer.body, "0.66524094");
        http_answer_free(&answer);
    }
    return (void *)good;
}

static void test_sixty_four_at_once(void **state)
{
    (void)state;
    enum { CLIENTS = 64 };
    pthread_t threads[CLIENTS];
    start(NULL);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_some, NULL), 0);
    for (int i = 0; i < CLIENTS; i++) {
        void *good;
        pthread_join(threads[i], &good);
        assert_int_equal((intptr_t)good, 20);
    }
    fixture_stop(&fixture);
}

static void test_stop_while_a_job_runs(void **state)
{
    (void)state;
    start(NULL);
    int fd[4];
    for (int i = 0; i < 4; i++) {
        fd[i] = fixture_connect(&fixture);
        send_text(fd[i], HEAD("/test/slow", "3") "300");
    }
    fixture_wait_in_flight(&fixture, 4);
    fixture_stop(&fixture);
    for (int i = 0; i < 4; i++)
        close(fd[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_max_in_flight),
        cmocka_unit_test(test_max_connections),
        cmocka_unit_test(test_idle_connections_give_way),
        cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_not_ready_without_memory),
        cmocka_unit_test(test_room_is_reserved),
        cmocka_unit_test(test_pages_need_no_room),
        cmocka_unit_test(test_leaves_while_it_waits_for_the_pool),
        cmocka_unit_test(test_leaves_in_the_middle_of_an_answer),
        cmocka_unit_test(test_half_closed_clients_get_their_answer),
        cmocka_unit_test(test_sixty_four_at_once),
        cmocka_unit_test(test_stop_while_a_job_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
