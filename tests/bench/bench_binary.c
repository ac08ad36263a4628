// SPDX-License-Identifier: MIT
/*
 * 1,048,576 float32 logits and as many probabilities in each form that there
 * is: /v2 with a binary tensor and in shared memory, /softmax with NumPy's
 * file, base64 and numbers of JSON, /v2 with JSON; against a bare libmicrohttpd
 * that echoes the bytes of the first. The least of rounds, as what else the
 * machine does only adds; all take turns, over loopback, one connection each;
 * JSON, which takes ten times as long, has its turn in every sixteenth.
 *
 * usage: bench_binary SOFTMAXD JSON-FILE, which gets rows like bench-http.json
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "large_echo.h"

enum {
    ROWS = 1024,
    CLASSES = 1024,
    COUNT = ROWS * CLASSES,
    TENSOR_BYTES = 4 * COUNT,
    ROUNDS = 400,
    JSON_EVERY = 16,
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
        execl(program, program, "--listen", "127.0.0.1:0", "--shared-memory",
              "--log-level", "error", (char *)NULL);
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
    const char *path;
    const char *header[3]; /* lines; NULL: no more */
    char *body;
    size_t bytes;
    size_t least; /* bytes of the answer */
    int every;    /* how many rounds from turn to turn */
    CURL *curl;
    struct curl_slist *headers;
    size_t received;
    double seconds; /* the least so far; 0: none */
};

static size_t receive(char *data, size_t size, size_t count, void *cls)
{
    (void)data;
    ((struct question *)cls)->received += size * count;
    return size * count;
}

static void open_question(struct question *q, const char *address)
{
    char url[256];
    snprintf(url, sizeof url, "%s%s", address, q->path);
    q->curl = curl_easy_init();
    q->headers = curl_slist_append(NULL, "Expect:");
    for (int i = 0; q->header[i]; i++)
        q->headers = curl_slist_append(q->headers, q->header[i]);
    if (!q->curl || !q->headers)
        die("no curl");
    curl_easy_setopt(q->curl, CURLOPT_URL, url);
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

static double ask(struct question *q)
{
    struct timespec start, end;
    long status = 0;
    q->received = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    CURLcode code = curl_easy_perform(q->curl);
    clock_gettime(CLOCK_MONOTONIC, &end);
    curl_easy_getinfo(q->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status != 200 || q->received < q->least)
        die(q->name);
    return (double)(end.tv_sec - start.tv_sec) +
           1e-9 * (double)(end.tv_nsec - start.tv_nsec);
}

static void close_question(struct question *q)
{
    curl_easy_cleanup(q->curl);
    curl_slist_free_all(q->headers);
    free(q->body);
}

/* In turn, so that the machine's moods meet all; the first is no round. */
static void ask_in_turn(struct question *all, size_t count)
{
    for (int round = -1; round < ROUNDS; round++)
        for (size_t i = 0; i < count; i++) {
            if (round > 0 && round % all[i].every)
                continue;
            double seconds = ask(&all[i]);
            if (round >= 0 && (all[i].seconds == 0 || seconds < all[i].seconds))
                all[i].seconds = seconds;
        }
}

/* ---- bodies ------------------------------------------------------------- */

static float *make_logits(void)
{
    float *logits = get((COUNT + 1) * sizeof *logits);
    uint32_t seed = 1;
    logits[COUNT] = 0;
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

/* One tensor of the protocol and what asks for its answer. */
#define V2(input, output)                                                      \
    "{\"inputs\":[{\"name\":\"logits\",\"shape\":[1024,1024],"                 \
    "\"datatype\":\"FP32\"," input "}]" output "}"

static void add_text(struct question *q, const char *text)
{
    q->bytes = strlen(text);
    q->body = get(q->bytes + 1);
    memcpy(q->body, text, q->bytes + 1);
}

/* head, then the logits as they lie. */
static void add_tensor(struct question *q, const char *head, size_t head_bytes,
                       const float *logits)
{
    q->bytes = head_bytes + TENSOR_BYTES;
    q->body = get(q->bytes);
    memcpy(q->body, head, head_bytes);
    memcpy(q->body + head_bytes, logits, TENSOR_BYTES);
}

static void add_npy(struct question *q, const float *logits)
{
    char head[128] = "\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': "
                     "False, 'shape': (1024, 1024), }";
    size_t used = 10 + strlen(head + 10);
    memset(head + used, ' ', sizeof head - used);
    head[sizeof head - 1] = '\n';
    add_tensor(q, head, sizeof head, logits);
}

/* Two bytes of 0 follow the logits: those of the padding. */
static void add_base64(struct question *q, const float *logits)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char before[] = "{\"encoding\":\"base64\",\"logits\":{"
                                 "\"dtype\":\"float32\",\"shape\":[1024,"
                                 "1024],\"base64\":\"";
    const unsigned char *in = (const unsigned char *)logits;
    q->body = get(sizeof before + TENSOR_BYTES / 3 * 4 + 8);
    char *at = mempcpy(q->body, before, sizeof before - 1);
    for (size_t i = 0; i < TENSOR_BYTES; i += 3) {
        unsigned bits =
            (unsigned)in[i] << 16 | (unsigned)in[i + 1] << 8 | in[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *at++ = alphabet[bits >> shift & 63];
    }
    at = mempcpy(at - 2, "==\"}}", 5);
    q->bytes = (size_t)(at - q->body);
}

/* ---- shared memory ------------------------------------------------------ */

static char key[64];

static void remove_object(void)
{
    shm_unlink(key);
}

/* The logits, and room for as many probabilities behind them. */
static float *make_object(const float *logits)
{
    snprintf(key, sizeof key, "/softmaxd-bench-%d", (int)getpid());
    int object = shm_open(key, O_RDWR | O_CREAT | O_EXCL, 0600);
    atexit(remove_object);
    if (object < 0 || ftruncate(object, 2 * TENSOR_BYTES) != 0)
        die("no shared memory");
    float *data = mmap(NULL, 2 * TENSOR_BYTES, PROT_READ | PROT_WRITE,
                       MAP_SHARED, object, 0);
    if (data == MAP_FAILED)
        die("no shared memory");
    close(object);
    memcpy(data, logits, TENSOR_BYTES);
    return data;
}

static void register_object(const char *address)
{
    struct question q = {.name = "register",
                         .path =
                             "/v2/systemsharedmemory/region/bench/register"};
    char text[128];
    snprintf(text, sizeof text, "{\"key\":\"%s\",\"byte_size\":%d}", key,
             2 * TENSOR_BYTES);
    add_text(&q, text);
    open_question(&q, address);
    ask(&q);
    close_question(&q);
}

/* It has been put there: each row's probabilities sum to 1. */
static void check_object(const float *probabilities)
{
    for (size_t row = 0; row < ROWS; row++) {
        double sum = 0;
        for (size_t i = 0; i < CLASSES; i++)
            sum += (double)probabilities[row * CLASSES + i];
        if (fabs(sum - 1) > 1e-5)
            die("no softmax in shared memory");
    }
}

/* ---- all of them -------------------------------------------------------- */

#define JSON "Content-Type: application/json"
#define OCTETS "Content-Type: application/octet-stream"
#define NPY "application/x-npy"
#define PLACE(offset)                                                          \
    "\"parameters\":{\"shared_memory_region\":\"bench\","                      \
    "\"shared_memory_byte_size\":4194304,\"shared_memory_offset\":" offset "}"

enum { ECHO, BINARY, SHARED, FILES, BASE64, NUMBERS, V2_NUMBERS, QUESTIONS };

#define INFER "/v2/models/softmax/infer"

static struct question questions[QUESTIONS] = {
    [ECHO] = {"bare echo", "/", {OCTETS}, .least = TENSOR_BYTES, .every = 1},
    [BINARY] = {"binary", INFER, {OCTETS}, .least = TENSOR_BYTES, .every = 1},
    [SHARED] = {"shared memory", INFER, {JSON}, .least = 1, .every = 1},
    [FILES] = {"npy",
               "/softmax",
               {"Content-Type: " NPY, "Accept: " NPY},
               .least = TENSOR_BYTES,
               .every = 1},
    [BASE64] = {"base64",
                "/softmax",
                {JSON},
                .least = TENSOR_BYTES / 3 * 4,
                .every = 1},
    [NUMBERS] = {"softmaxd, /softmax",
                 "/softmax",
                 {JSON},
                 .least = COUNT,
                 .every = JSON_EVERY},
    [V2_NUMBERS] =
        {"/v2 JSON", INFER, {JSON}, .least = COUNT, .every = JSON_EVERY},
};

static const struct {
    const char *name;
    int of, to;
} rows[] = {
    {"/v2 binary, 4 MiB each way", BINARY, ECHO},
    {"/v2 shared memory, 4 MiB each way", SHARED, ECHO},
    {"/softmax .npy, 4 MiB each way", FILES, ECHO},
    {"/softmax base64, 4 MiB each way", BASE64, ECHO},
    {"/softmax base64, 1,048,576 logits", BASE64, NUMBERS},
    {"/v2 JSON, 1,048,576 logits", V2_NUMBERS, NUMBERS},
};

static void add_bodies(const float *logits)
{
    static const char head[] =
        V2("\"parameters\":{\"binary_data_size\":4194304}",
           ",\"parameters\":{\"binary_data_output\":true}");
    static char length[64];
    struct question *q = questions;
    snprintf(length, sizeof length, "Inference-Header-Content-Length: %zu",
             sizeof head - 1);
    q[BINARY].header[1] = length;
    add_tensor(&q[BINARY], head, sizeof head - 1, logits);
    add_tensor(&q[ECHO], head, sizeof head - 1, logits);
    add_text(&q[SHARED],
             V2(PLACE("0"), ",\"outputs\":[{\"name\":\"probabilities\"," PLACE(
                                "4194304") "}]"));
    add_npy(&q[FILES], logits);
    add_base64(&q[BASE64], logits);
    q[NUMBERS].body =
        make_json("{\"logits\":[", logits, true, "]}", &q[NUMBERS].bytes);
    q[V2_NUMBERS].body =
        make_json("{\"inputs\":[{\"name\":\"logits\",\"shape\":[1024,1024],"
                  "\"datatype\":\"FP32\",\"data\":[",
                  logits, false, "]}]}", &q[V2_NUMBERS].bytes);
}

static void write_rows(FILE *file)
{
    size_t count = sizeof rows / sizeof rows[0];
    fprintf(file, "[\n");
    for (size_t i = 0; i < count; i++) {
        double of = questions[rows[i].of].seconds;
        double to = questions[rows[i].to].seconds;
        const char *peer = questions[rows[i].to].name;
        printf("%-40s %-20s softmaxd %12.2f ms           peer %12.2f  ratio "
               "%.2f\n",
               rows[i].name, peer, of * 1e3, to * 1e3, to / of);
        fprintf(
            file,
            " {\"case\": \"%s\", \"unit\": \"ms\", \"peer\": \"%s\", "
            "\"softmaxd\": %.4f, \"peer_value\": %.4f, \"ratio\": %.4f}%s\n",
            rows[i].name, peer, of * 1e3, to * 1e3, to / of,
            i + 1 < count ? "," : "");
    }
    fprintf(file, "]\n");
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
    struct MHD_Daemon *daemon = large_echo_start(echo_at, sizeof echo_at);
    if (!daemon)
        die("the echo did not start");
    pid_t pid = daemon_start(argv[1], address, sizeof address);
    float *logits = make_logits(), *object = make_object(logits);
    register_object(address);
    add_bodies(logits);
    for (size_t i = 0; i < QUESTIONS; i++)
        open_question(&questions[i], i == ECHO ? echo_at : address);
    ask_in_turn(questions, QUESTIONS);
    check_object(object + COUNT);
    write_rows(file);
    for (size_t i = 0; i < QUESTIONS; i++)
        close_question(&questions[i]);
    free(logits);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    large_echo_stop(daemon);
    curl_global_cleanup();
    return fclose(file) == 0 ? 0 : 1;
}
