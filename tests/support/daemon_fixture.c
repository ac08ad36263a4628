// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "daemon_fixture.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../server/api/native.h"
#include "../../server/page/page.h"
#include "../../server/v2/v2_routes.h"

enum {
    MAX_FLAGS = 32,
    DRAIN_LOOKS = 3000,
    WAIT_LOOKS = 2000,
    TIMEOUT_MS = 20000
};

static void prepare_once(void)
{
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void parse(struct fixture *fixture, const char *const *flags)
{
    char *argv[MAX_FLAGS];
    struct error error;
    int argc = 0;
    bool listens = false;
    argv[argc++] = (char *)"softmaxd";
    for (; flags && *flags; flags++) {
        assert_true(argc < MAX_FLAGS - 1);
        listens |= strncmp(*flags, "--listen=", 9) == 0;
        argv[argc++] = (char *)(uintptr_t)*flags;
    }
    if (!listens)
        argv[argc++] = (char *)"--listen=127.0.0.1:0";
    if (!options_parse(&fixture->options, argc, argv, &error))
        fail_msg("%s", error.text);
}

void fixture_refuses(const char *const *flags, const char *part)
{
    struct fixture fixture;
    struct error error = {""};
    parse(&fixture, flags);
    assert_null(daemon_start(&fixture.options, NULL, 0, STDERR_FILENO, &error));
    if (!strstr(error.text, part))
        fail_msg("no \"%s\" in: %s", part, error.text);
    options_free(&fixture.options);
}

void fixture_start_routes(struct fixture *fixture, const char *const *flags,
                          const struct route_table *routes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct route_table tables[4];
    struct error error;
    size_t count = 0;
    pthread_once(&once, prepare_once);
    if (routes)
        tables[count++] = *routes;
    tables[count++] = (struct route_table){api_routes, api_route_count};
    tables[count++] = (struct route_table){v2_routes, v2_route_count};
    tables[count++] = (struct route_table){page_routes, page_route_count};
    parse(fixture, flags);
    fixture->log_fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(fixture->log_fd >= 0);
    fixture->daemon =
        daemon_start(&fixture->options, tables, count, fixture->log_fd, &error);
    if (!fixture->daemon)
        fail_msg("%s", error.text);
    fixture->url = daemon_address(fixture->daemon, 0);
}

void fixture_start(struct fixture *fixture, const char *const *flags)
{
    fixture_start_routes(fixture, flags, NULL);
}

void fixture_sleep_ms(long ms)
{
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

void fixture_wait_in_flight(const struct fixture *fixture, size_t count)
{
    for (int i = 0; i < WAIT_LOOKS; i++) {
        if (daemon_in_flight(fixture->daemon) == count)
            return;
        fixture_sleep_ms(5);
    }
    assert_int_equal(daemon_in_flight(fixture->daemon), count);
}

void fixture_stop(struct fixture *fixture)
{
    struct service *service = daemon_service(fixture->daemon);
    /* a client has its answer before the daemon has put the request away */
    for (int i = 0; i < 1000 && service->budget.taken > 0; i++)
        fixture_sleep_ms(5);
    size_t taken = service->budget.taken;
    daemon_stop(fixture->daemon);
    options_free(&fixture->options);
    close(fixture->log_fd);
    assert_int_equal(taken, 0);
}

enum daemon_drained fixture_drain(struct fixture *fixture)
{
    enum daemon_drained drained = DRAIN_RUNNING;
    daemon_drain(fixture->daemon);
    for (int i = 0; i < DRAIN_LOOKS && drained == DRAIN_RUNNING; i++) {
        fixture_sleep_ms(10);
        drained = daemon_drained(fixture->daemon);
    }
    return drained;
}

char *fixture_log(const struct fixture *fixture)
{
    off_t bytes = lseek(fixture->log_fd, 0, SEEK_END);
    assert_true(bytes >= 0);
    char *text = calloc(1, (size_t)bytes + 1);
    assert_non_null(text);
    assert_int_equal(pread(fixture->log_fd, text, (size_t)bytes, 0), bytes);
    return text;
}

void fixture_outer_url(const struct fixture *fixture, char *url,
                       size_t url_bytes)
{
    struct ifaddrs *list, *at;
    char host[INET_ADDRSTRLEN];
    assert_int_equal(getifaddrs(&list), 0);
    for (at = list; at; at = at->ifa_next)
        if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET &&
            (at->ifa_flags & IFF_UP) && !(at->ifa_flags & IFF_LOOPBACK))
            break;
    if (at)
        getnameinfo(at->ifa_addr, sizeof(struct sockaddr_in), host, sizeof host,
                    NULL, 0, NI_NUMERICHOST);
    freeifaddrs(list);
    if (!at)
        skip();
    snprintf(url, url_bytes, "http://%s:%d", host, fixture_port(fixture->url));
}

int fixture_port(const char *url)
{
    const char *colon = strrchr(url, ':');
    assert_non_null(colon);
    return (int)strtol(colon + 1, NULL, 10);
}

int fixture_connect(const struct fixture *fixture)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_MS / 1000};
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)fixture_port(fixture->url)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address),
                     0);
    return fd;
}

char *converse(int fd, const char *text, const char *until)
{
    char *got = calloc(1, 65536);
    size_t used = 0;
    assert_non_null(got);
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    while (used < 65535 && !(until && strstr(got, until))) {
        ssize_t n = recv(fd, got + used, 65535 - used, 0);
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    return got;
}

/* ---- libcurl ---------------------------------------------------------- */

struct text {
    char *bytes;
    size_t count, room;
};

static size_t append(char *bytes, size_t size, size_t count, void *cls)
{
    struct text *text = cls;
    size_t more = size * count;
    if (text->room <= text->count + more) {
        /* Doubled: some allocators copy it all each time. */
        size_t room = 2 * (text->count + more) + 1;
        char *grown = realloc(text->bytes, room);
        if (!grown)
            return 0;
        text->bytes = grown;
        text->room = room;
    }
    memcpy(text->bytes + text->count, bytes, more);
    text->count += more;
    text->bytes[text->count] = '\0';
    return more;
}

struct source {
    const char *bytes;
    size_t left;
};

static size_t give(char *buffer, size_t size, size_t count, void *cls)
{
    struct source *source = cls;
    size_t room = size * count;
    size_t n = source->left < room ? source->left : room;
    memcpy(buffer, source->bytes, n);
    source->bytes += n;
    source->left -= n;
    return n;
}

static struct curl_slist *header_list(const struct http_request *request)
{
    struct curl_slist *list = NULL;
    bool typed = !request->body;
    for (const char *const *h = request->headers; h && *h; h++) {
        typed |= strncasecmp(*h, "Content-Type:", 13) == 0;
        list = curl_slist_append(list, *h);
    }
    if (!typed)
        list = curl_slist_append(list, "Content-Type: application/json");
    if (request->chunked)
        list = curl_slist_append(list, "Transfer-Encoding: chunked");
    return list;
}

static void set_body(CURL *curl, const struct http_request *request,
                     struct source *source)
{
    size_t bytes =
        request->body_bytes ? request->body_bytes : strlen(request->body);
    *source = (struct source){request->body, bytes};
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    if (request->chunked) {
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
        curl_easy_setopt(curl, CURLOPT_READDATA, source);
        return;
    }
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes);
}

struct http_answer http_send(const char *url,
                             const struct http_request *request)
{
    struct http_answer answer = {0};
    struct text headers = {0}, body = {0};
    struct source source;
    char full[1024];
    long status = 0;
    CURL *curl = curl_easy_init();
    struct curl_slist *list = header_list(request);
    bool local = strncmp(url, "unix:", 5) == 0;
    assert_non_null(curl);
    snprintf(full, sizeof full, "%s%s", local ? "http://localhost" : url,
             request->path);
    curl_easy_setopt(curl, CURLOPT_URL, full);
    if (local)
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, url + 5);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     request->timeout_ms ? request->timeout_ms
                                         : (long)TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, append);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(curl, CURLOPT_CAINFO, request->ca);
    curl_easy_setopt(curl, CURLOPT_SSLCERT, request->cert);
    curl_easy_setopt(curl, CURLOPT_SSLKEY, request->key);
    if (request->body)
        set_body(curl, request, &source);
    if (request->method && strcmp(request->method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    if (request->method)
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    answer.code = (int)curl_easy_perform(curl);
    if (answer.code != CURLE_OK) /* some tests expect it */
        print_message("curl: %s: %s\n", full,
                      curl_easy_strerror((CURLcode)answer.code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    answer.status = (int)status;
    answer.headers = headers.bytes ? headers.bytes : calloc(1, 1);
    answer.body = body.bytes ? body.bytes : calloc(1, 1);
    answer.body_bytes = body.count;
    assert_non_null(answer.headers);
    assert_non_null(answer.body);
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
    return answer;
}

struct http_answer http_post(const char *url, const char *path,
                             const char *json)
{
    return http_send(url, &(struct http_request){.path = path, .body = json});
}

struct http_answer http_get(const char *url, const char *path)
{
    return http_send(url, &(struct http_request){.path = path});
}

bool http_header(const struct http_answer *answer, const char *name, char *text,
                 size_t text_bytes)
{
    size_t bytes = strlen(name);
    const char *line = answer->headers;
    while (*line) {
        size_t end = strcspn(line, "\r\n");
        if (strncasecmp(line, name, bytes) == 0 && line[bytes] == ':') {
            const char *value = line + bytes + 1;
            value += strspn(value, " ");
            snprintf(text, text_bytes, "%.*s", (int)(line + end - value),
                     value);
            return true;
        }
        line += end;
        line += strspn(line, "\r\n");
    }
    return false;
}

void http_answer_free(struct http_answer *answer)
{
    free(answer->headers);
    free(answer->body);
    *answer = (struct http_answer){0};
}
