// SPDX-License-Identifier: MIT
/*
 * 1,048,576 float32 logits through /v2 as a binary tensor, 4 MiB in and 4 MiB
 * out, against a bare libmicrohttpd that echoes the same bytes; and the same
 * logits as JSON through /v2 against the native endpoint. Medians of rounds
 * that take turns, over loopback, one connection each.
 *
 * usage: bench_binary SOFTMAXD JSON-FILE, which gets rows like bench-http.json
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>
#include <microhttpd.h>

enum {
    ROWS = 1024,
    CLASSES = 1024,
    COUNT = ROWS * CLASSES,
    ROUNDS = 31,
    JSON_ROUNDS = 9,
    CONNECTION_BYTES = 256 * 1024, /* as softmaxd has */
    NUMBER_ROOM = 16
};

static void die(const char *what)
{
    fprintf(stderr, "bench_binary: %s\n", what);
    exit(1);
}

static void *get(size_t bytes)
{
    void *data = malloc(bytes);
    if (!data)
        die("out of memory");
    return data;
}

/* ---- the echo ----------------------------------------------------------- */

struct upload {
    size_t used, room;
    char body[];
};

static enum MHD_Result echo_end(struct MHD_Connection *connection,
                                struct upload *upload)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        upload->used, upload->body, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result done = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return done;
}

static enum MHD_Result echo(void *cls, struct MHD_Connection *connection,
                            const char *url, const char *method,
                            const char *version, const char *data,
                            size_t *bytes, void **state)
{
    (void)cls, (void)url, (void)method, (void)version;
    struct upload *upload = *state;
    if (!upload) {
        const char *length = MHD_lookup_connection_value(
            connection, MHD_HEADER_KIND, "Content-Length");
        size_t room = length ? strtoul(length, NULL, 10) : 0;
        *state = upload = get(sizeof *upload + room);
        *upload = (struct upload){.room = room};
        return MHD_YES;
    }
    if (*bytes == 0)
        return echo_end(connection, upload);
    if (*bytes > upload->room - upload->used)
        return MHD_NO;
    memcpy(upload->body + upload->used, data, *bytes);
    upload->used += *bytes;
    *bytes = 0;
    return MHD_YES;
}

static void echo_done(void *cls, struct MHD_Connection *connection,
                      void **state, enum MHD_RequestTerminationCode why)
{
    (void)cls, (void)connection, (void)why;
    free(*state);
    *state = NULL;
}

static struct MHD_Daemon *echo_start(char *address, size_t bytes)
{
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, echo,
                         NULL, MHD_OPTION_NOTIFY_COMPLETED, echo_done, NULL,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         (size_t)CONNECTION_BYTES, MHD_OPTION_END);
    if (!daemon)
        die("the echo did not start");
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    snprintf(address, bytes, "http://127.0.0.1:%d", (int)info->port);
    return daemon;
}

/* ---- the daemon --------------------------------------------------------- */

static pid_t daemon_start(const char *program, char *address, size_t bytes)
{
    int ends[2];
    char line[512];
    if (pipe(ends) != 0)
        die("no pipe");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        execl(program, program, "--listen", "127.0.0.1:0", "--log-level",
              "error", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *log = fdopen(ends[0], "r");
    while (pid > 0 && log && fgets(line, sizeof line, log)) {
        char *at = strstr(line, "http://");
        if (!at)
            continue;
        snprintf(address, bytes, "%.*s", (int)strcspn(at, " \n"), at);
        return pid; /* the pipe stays open, and quiet, until the end */
    }
    die("softmaxd did not start");
    return 0;
}

/* ---- one question ------------------------------------------------------- */

struct question {
    const char *name;
    char url[256];
    const char *type;
    char length[96]; /* header line; "": none */
    const char *body;
    size_t bytes;
    CURL *curl;
    struct curl_slist *headers;
    size_t received;
    double seconds[ROUNDS];
};

static size_t receive(char *data, size_t size, size_t count, void *cls)
{
    (void)data;
    ((struct question *)cls)->received += size * count;
    return size * count;
}

static void open_question(struct question *q)
{
    char type[64];
    snprintf(type, sizeof type, "Content-Type: %s", q->type);
    q->curl = curl_easy_init();
    q->headers = curl_slist_append(NULL, type);
    q->headers = curl_slist_append(q->headers, "Expect:");
    if (q->length[0])
        q->headers = curl_slist_append(q->headers, q->length);
    if (!q->curl || !q->headers)
        die("no curl");
    curl_easy_setopt(q->curl, CURLOPT_URL, q->url);
    curl_easy_setopt(q->curl, CURLOPT_HTTPHEADER, q->headers);
    curl_easy_setopt(q->curl, CURLOPT_POSTFIELDS, q->body);
    curl_easy_setopt(q->curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)q->bytes);
    curl_easy_setopt(q->curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(q->curl, CURLOPT_WRITEDATA, q);
    curl_easy_setopt(q->curl, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(q->curl, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
    curl_easy_setopt(q->curl, CURLOPT_BUFFERSIZE, 512L * 1024);
}

static void ask(struct question *q, int round)
{
    struct timespec start, end;
    long status = 0;
    q->received = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    CURLcode code = curl_easy_perform(q->curl);
    clock_gettime(CLOCK_MONOTONIC, &end);
    curl_easy_getinfo(q->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status != 200 || q->received < COUNT)
        die(q->name);
    if (round >= 0)
        q->seconds[round] = (double)(end.tv_sec - start.tv_sec) +
                            1e-9 * (double)(end.tv_nsec - start.tv_nsec);
}

static void close_question(struct question *q)
{
    curl_easy_cleanup(q->curl);
    curl_slist_free_all(q->headers);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(struct question *q, int rounds)
{
    qsort(q->seconds, (size_t)rounds, sizeof *q->seconds, by_size);
    return q->seconds[rounds / 2];
}

/* Two questions in turn, so that the machine's moods meet both; ratio of the
 * medians, a row of the file. */
static void compare(FILE *file, const char *name, struct question *of,
                    struct question *to, int rounds)
{
    open_question(of);
    open_question(to);
    for (int round = -1; round < rounds; round++) {
        ask(of, round);
        ask(to, round);
    }
    double a = median(of, rounds), b = median(to, rounds);
    printf("%-40s %-20s softmaxd %12.1f ms           peer %12.1f  ratio %.2f\n",
           name, to->name, a * 1e3, b * 1e3, b / a);
    fprintf(file,
            " {\"case\": \"%s\", \"unit\": \"ms\", \"peer\": \"%s\", "
            "\"softmaxd\": %.4f, \"peer_value\": %.4f, \"ratio\": %.4f}",
            name, to->name, a * 1e3, b * 1e3, b / a);
    close_question(of);
    close_question(to);
}

/* ---- bodies ------------------------------------------------------------- */

static float *make_logits(void)
{
    float *logits = get(COUNT * sizeof *logits);
    uint32_t seed = 1;
    for (size_t i = 0; i < COUNT; i++) {
        seed = seed * 1664525u + 1013904223u;
        logits[i] = (float)(seed >> 8) * 0x1p-21f - 4;
    }
    return logits;
}

static size_t put_text(char *text, const float *logits, bool nested)
{
    size_t used = 0;
    for (size_t i = 0; i < COUNT; i++)
        used += (size_t)snprintf(text + used, NUMBER_ROOM + 4, "%s%.7g%s",
                                 nested && i % CLASSES == 0 ? "[" : "",
                                 (double)logits[i],
                                 i + 1 == COUNT ? (nested ? "]" : "")
                                 : nested && i % CLASSES == CLASSES - 1 ? "],"
                                                                        : ",");
    return used;
}

/* before + the logits as text + after */
static char *make_json(const char *before, const float *logits, bool nested,
                       const char *after, size_t *bytes)
{
    size_t used = strlen(before);
    char *text = get(used + (size_t)COUNT * (NUMBER_ROOM + 4) + strlen(after));
    memcpy(text, before, used);
    used += put_text(text + used, logits, nested);
    memcpy(text + used, after, strlen(after));
    *bytes = used + strlen(after);
    return text;
}

static char *make_binary(const float *logits, size_t *header, size_t *bytes)
{
    char *body = get(512 + COUNT * sizeof *logits);
    *header = (size_t)snprintf(
        body, 512,
        "{\"inputs\":[{\"name\":\"logits\",\"shape\":[%d,%d],\"datatype\":"
        "\"FP32\",\"parameters\":{\"binary_data_size\":%zu}}],"
        "\"parameters\":{\"binary_data_output\":true}}",
        ROWS, CLASSES, COUNT * sizeof *logits);
    memcpy(body + *header, logits, COUNT * sizeof *logits);
    *bytes = *header + COUNT * sizeof *logits;
    return body;
}

static void run_binary(FILE *file, const char *address, const char *echo_at,
                       const float *logits)
{
    static struct question of = {.name = "softmaxd"},
                           to = {.name = "bare echo"};
    size_t header;
    char *body = make_binary(logits, &header, &of.bytes);
    of.type = to.type = "application/octet-stream";
    of.body = to.body = body;
    to.bytes = of.bytes;
    snprintf(of.url, sizeof of.url, "%s/v2/models/softmax/infer", address);
    snprintf(to.url, sizeof to.url, "%s/", echo_at);
    snprintf(of.length, sizeof of.length,
             "Inference-Header-Content-Length: %zu", header);
    compare(file, "/v2 binary, 4 MiB each way", &of, &to, ROUNDS);
    free(body);
}

static void run_json(FILE *file, const char *address, const float *logits)
{
    static struct question of = {.name = "softmaxd"},
                           to = {.name = "softmaxd, /softmax"};
    char *v2 = make_json("{\"inputs\":[{\"name\":\"logits\",\"shape\":[1024,"
                         "1024],\"datatype\":\"FP32\",\"data\":[",
                         logits, false, "]}]}", &of.bytes);
    char *plain = make_json("{\"logits\":[", logits, true, "]}", &to.bytes);
    of.type = to.type = "application/json";
    of.body = v2;
    to.body = plain;
    snprintf(of.url, sizeof of.url, "%s/v2/models/softmax/infer", address);
    snprintf(to.url, sizeof to.url, "%s/softmax", address);
    compare(file, "/v2 JSON, 1,048,576 logits", &of, &to, JSON_ROUNDS);
    free(v2);
    free(plain);
}

int main(int argc, char **argv)
{
    char address[128], echo_at[128];
    if (argc != 3)
        die("usage: bench_binary SOFTMAXD JSON-FILE");
    FILE *file = fopen(argv[2], "w");
    if (!file)
        die("the file cannot be written");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct MHD_Daemon *daemon = echo_start(echo_at, sizeof echo_at);
    pid_t pid = daemon_start(argv[1], address, sizeof address);
    float *logits = make_logits();
    fprintf(file, "[\n");
    run_binary(file, address, echo_at, logits);
    fprintf(file, ",\n");
    run_json(file, address, logits);
    fprintf(file, "\n]\n");
    free(logits);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    MHD_stop_daemon(daemon);
    curl_global_cleanup();
    return fclose(file) == 0 ? 0 : 1;
}
