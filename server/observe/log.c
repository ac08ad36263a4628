// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../octets.h"
#include "../utf8.h"

enum {
    BUFFER_BYTES = 256 * 1024,
    TEXT_MAX = 1024,    /* characters of a message or a path */
    WORD_MAX = 128,     /* of any other text */
    LINE_BYTES = 16384, /* for the longest: 6 bytes a character at worst */
    PIPE_BYTES = 4096,  /* that a pipe with room takes without blocking */
    PATIENCE_MS = 1000, /* with a pipe that nobody reads, at the end */
    FLUSH_MS = 100      /* a line waits at most this long */
};

struct log {
    int fd;
    bool file; /* fd never blocks: no pipe, socket or terminal */
    enum log_format format;
    enum log_level level;
    pthread_mutex_t lock; /* of filling and used */
    pthread_cond_t wake;
    pthread_t thread;
    char *filling, *writing;
    size_t used;
    atomic_bool stop;
    _Atomic uint64_t dropped;
    char decimals[1000][4]; /* ".000" to ".999" */
    char numbers[1000][4];  /* "0" to "999", and how many digits that is */
};

/** Wait until fd can be written to. false: the log ends, and has waited long
 *  enough. */
static bool writable(struct log *log)
{
    struct pollfd out = {.fd = log->fd, .events = POLLOUT};
    for (int waited = 0; poll(&out, 1, FLUSH_MS) == 0; waited += FLUSH_MS)
        if (log->stop && waited >= PATIENCE_MS)
            return false;
    return true;
}

/** Write all or give up: no log is worth waiting until a full disk has room. */
static bool write_all(struct log *log, const char *bytes, size_t count)
{
    while (count > 0) {
        size_t piece = log->file || count < PIPE_BYTES ? count : PIPE_BYTES;
        if (!log->file && !writable(log))
            return false;
        ssize_t n = write(log->fd, bytes, piece);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        count -= (size_t)n;
    }
    return true;
}

static size_t count_lines(const char *text, size_t bytes)
{
    size_t lines = 0;
    for (size_t i = 0; i < bytes; i++)
        lines += text[i] == '\n';
    return lines;
}

/** With the lock held; lets go of it while it writes. */
static void flush(struct log *log)
{
    char *full = log->filling;
    size_t bytes = log->used;
    log->filling = log->writing;
    log->writing = full;
    log->used = 0;
    pthread_mutex_unlock(&log->lock);
    if (!write_all(log, full, bytes))
        log->dropped += count_lines(full, bytes);
    pthread_mutex_lock(&log->lock);
}

static void *write_lines(void *argument)
{
    struct log *log = argument;
    pthread_setname_np(pthread_self(), "log");
    pthread_mutex_lock(&log->lock);
    while (!log->stop || log->used > 0) {
        while (log->used == 0 && !log->stop)
            pthread_cond_wait(&log->wake, &log->lock);
        if (!log->stop && log->used < BUFFER_BYTES / 2) {
            /* more lines will come: write them together */
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += FLUSH_MS * 1000000L;
            until.tv_sec += until.tv_nsec / 1000000000L;
            until.tv_nsec %= 1000000000L;
            pthread_cond_timedwait(&log->wake, &log->lock, &until);
        }
        if (log->used > 0)
            flush(log);
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

static void release(struct log *log)
{
    pthread_cond_destroy(&log->wake);
    pthread_mutex_destroy(&log->lock);
    free(log->filling);
    free(log->writing);
    free(log);
}

struct log *log_create(int fd, enum log_format format, enum log_level level)
{
    struct log *log = calloc(1, sizeof *log);
    if (!log)
        return NULL;
    struct stat status;
    log->fd = fd;
    log->file = fstat(fd, &status) == 0 &&
                (S_ISREG(status.st_mode) ||
                 (S_ISCHR(status.st_mode) && !isatty(fd))); /* /dev/null */
    log->format = format;
    log->level = level;
    for (size_t i = 0; i < 1000; i++) {
        size_t zeros = (size_t)(i < 100) + (i < 10);
        char *decimals = log->decimals[i];
        decimals[0] = '.';
        for (size_t place = 3, left = i; place > 0; place--, left /= 10)
            decimals[place] = (char)('0' + left % 10);
        memcpy(log->numbers[i], decimals + 1 + zeros, 3 - zeros);
        log->numbers[i][3] = (char)(3 - zeros);
    }
    log->filling = malloc(BUFFER_BYTES);
    log->writing = malloc(BUFFER_BYTES);
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->wake, NULL);
    if (log->filling && log->writing &&
        pthread_create(&log->thread, NULL, write_lines, log) == 0)
        return log;
    release(log);
    return NULL;
}

static void put(struct log *log, const char *line, size_t bytes)
{
    pthread_mutex_lock(&log->lock);
    bool fits = bytes <= BUFFER_BYTES - log->used;
    bool wake = log->used == 0;
    if (fits) {
        memcpy(log->filling + log->used, line, bytes);
        wake |= log->used < BUFFER_BYTES / 2 &&
                log->used + bytes >= BUFFER_BYTES / 2;
        log->used += bytes;
    }
    pthread_mutex_unlock(&log->lock);
    if (!fits)
        log->dropped++;
    else if (wake)
        pthread_cond_signal(&log->wake);
}

/* ---- a line ----------------------------------------------------------- */

/* A line is made in room for the longest, so that no function has to check how
 * much is left: each adds something at a place and tells where it ends. */
_Static_assert(6 * (TEXT_MAX + 4 * WORD_MAX) + 1024 < LINE_BYTES,
               "log_request adds a path, four words and numbers");

static inline char *add_bytes(char *at, const char *text, size_t bytes)
{
    memcpy(at, text, bytes);
    return at + bytes;
}

static inline char *add_string(char *at, const char *text)
{
    return add_bytes(at, text, strlen(text));
}

/** A point and three decimals. */
static inline char *add_thousandths(const struct log *log, char *at,
                                    uint64_t number)
{
    return add_bytes(at, log->decimals[number], 4);
}

static inline char *add_small_number(const struct log *log, char *at,
                                     uint64_t number)
{
    memcpy(at, log->numbers[number], 4);
    return at + log->numbers[number][3];
}

static char *add_large_number(const struct log *log, char *at, uint64_t number)
{
    if (number < 1000)
        return add_small_number(log, at, number);
    at = add_large_number(log, at, number / 1000);
    return add_bytes(at, log->decimals[number % 1000] + 1, 3);
}

/** Most are small. */
static inline char *add_number(const struct log *log, char *at, uint64_t number)
{
    return number < 1000 ? add_small_number(log, at, number)
                         : add_large_number(log, at, number);
}

/** Nanoseconds as milliseconds with three decimals. */
static inline char *add_ms(const struct log *log, char *at, uint64_t ns)
{
    uint64_t us = ns / 1000;
    at = add_number(log, at, us / 1000);
    return add_thousandths(log, at, us % 1000);
}

/** Bytes that stand for themselves in quotes. */
static const bool safe[256] = {
    [' '] = true, ['!'] = true, ['#' ... '['] = true, [']' ... '~'] = true};

static inline bool eight_are_safe(const char *text)
{
    uint64_t eight = octets_load(text);
    return !(octets_below(eight, ' ') | octets_have(eight, '"') |
             octets_have(eight, '\\') | octets_have(eight, 0x7f) |
             (eight & 0x80 * OCTETS_EACH));
}

/** Bytes of the character, beyond ASCII, that may stand as it is; 0: it is no
 *  UTF-8, or a control character, which a terminal might obey. */
static size_t beyond_ascii(const char *text, size_t bytes)
{
    size_t n = utf8_bytes(text, bytes);
    bool control = n == 2 && (unsigned char)text[0] == 0xc2 &&
                   (unsigned char)text[1] < 0xa0;
    return n < 2 || control ? 0 : n;
}

/** Text of which some characters have to be escaped. */
static char *add_escaped(char *at, const char *text, size_t bytes)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0, n; i < bytes; i += n) {
        unsigned char c = (unsigned char)text[i];
        n = safe[c] ? 1 : beyond_ascii(text + i, bytes - i);
        if (n > 0) {
            at = add_bytes(at, text + i, n);
        } else if (c == '"' || c == '\\') {
            *at++ = '\\';
            *at++ = (char)c;
        } else {
            at = add_string(at, "\\u00");
            *at++ = hex[c >> 4];
            *at++ = hex[c & 15];
        }
        n += n == 0;
    }
    return at;
}

/** Text of a client in quotes; nothing in it can end the quotes or line. */
static inline char *add_quoted(char *at, const char *text, size_t most)
{
    size_t bytes = strlen(text);
    if (bytes > most)
        bytes = most;
    *at++ = '"';
    for (; bytes >= 8 && eight_are_safe(text); text += 8, bytes -= 8)
        at = add_bytes(at, text, 8);
    for (; bytes > 0 && safe[(unsigned char)*text]; text++, bytes--)
        *at++ = *text; /* most texts are no more than that */
    if (bytes > 0)
        at = add_escaped(at, text, bytes);
    *at++ = '"';
    return at;
}

/** "2026-01-02T03:04:05.678Z", a few milliseconds coarse. A thread formats all
 *  but the decimals once a second. */
static char *add_time(const struct log *log, char *at)
{
    static _Thread_local time_t last;
    static _Thread_local char text[20];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != last || !text[0]) {
        struct tm parts;
        gmtime_r(&now.tv_sec, &parts);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
        last = now.tv_sec;
    }
    at = add_bytes(at, text, sizeof text - 1);
    at = add_thousandths(log, at, (uint64_t)now.tv_nsec / 1000000);
    *at++ = 'Z';
    return at;
}

/** What a line calls a member of a request, with what stands around it. */
struct name {
    char text[23];
    unsigned char bytes;
};

#define WORD(text)                                                             \
    {                                                                          \
        text, sizeof text - 1                                                  \
    }
#define LEVEL(word) WORD(" " word)
#define JSON_LEVEL(word) WORD("\",\"level\":\"" word "\"")
#define LEVELS(form) form("error"), form("warn"), form("info"), form("debug")
#define NAME(word) WORD(" " word "=")
#define JSON_NAME(word) WORD(",\"" word "\":")
#define NAMES(form)                                                            \
    form("status"), form("rows"), form("classes"), form("body_bytes"),         \
        form("answer_bytes"), form("read_ms"), form("compute_ms"),             \
        form("write_ms"), form("total_ms"), form("aborted"), form("endpoint"), \
        form("method"), form("path"), form("id"), form("traceparent")

static const struct name levels[][4] = {
    [LOG_TEXT] = {LEVELS(LEVEL)}, [LOG_JSON] = {LEVELS(JSON_LEVEL)}};
static const struct name names[][15] = {
    [LOG_TEXT] = {NAMES(NAME)}, [LOG_JSON] = {NAMES(JSON_NAME)}};

static inline char *add_name(char *at, const struct name *name)
{
    memcpy(at, name, sizeof *name);
    return at + name->bytes;
}

static inline char *begin_line(const struct log *log, char *at,
                               enum log_level level)
{
    if (log->format == LOG_JSON)
        at = add_string(at, "{\"time\":\"");
    return add_name(add_time(log, at), &levels[log->format][level]);
}

static void end_line(struct log *log, const char *line, char *at)
{
    if (log->format == LOG_JSON)
        *at++ = '}';
    *at++ = '\n';
    put(log, line, (size_t)(at - line));
}

void log_event(struct log *log, enum log_level level, const char *format, ...)
{
    char text[TEXT_MAX];
    char line[LINE_BYTES];
    if (level > log->level)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text[strcspn(text, "\n")] = '\0';
    char *at = begin_line(log, line, level);
    if (log->format == LOG_JSON) {
        at = add_string(at, ",\"message\":");
        at = add_quoted(at, text, TEXT_MAX);
    } else {
        *at++ = ' ';
        at = add_string(at, text);
    }
    end_line(log, line, at);
}

void log_request(struct log *log, const struct log_request *request)
{
    char line[LINE_BYTES];
    if (!log || LOG_INFO > log->level)
        return;
    enum { PATH = 2 }; /* which may be long */
    /* in the order of their names */
    const uint64_t counts[] = {request->status, request->rows, request->classes,
                               request->body_bytes, request->answer_bytes};
    const uint64_t ns[] = {request->read_ns, request->compute_ns,
                           request->write_ns, request->total_ns};
    const char *const texts[] = {request->endpoint, request->method,
                                 request->path, request->id, request->trace};
    const struct name *name = names[log->format];
    char *at = begin_line(log, line, LOG_INFO);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        at = add_number(log, add_name(at, name++), counts[i]);
    for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++)
        at = add_ms(log, add_name(at, name++), ns[i]);
    if (request->aborted)
        at = add_string(add_name(at, name), "true");
    name++;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++, name++)
        if (*texts[i])
            at = add_quoted(add_name(at, name), texts[i],
                            i == PATH ? TEXT_MAX : WORD_MAX);
    end_line(log, line, at);
}

uint64_t log_dropped(const struct log *log)
{
    return log->dropped;
}

void log_free(struct log *log)
{
    if (!log)
        return;
    pthread_mutex_lock(&log->lock);
    log->stop = true;
    pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->thread, NULL);
    release(log);
}
