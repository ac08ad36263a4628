// SPDX-License-Identifier: MIT
/*
 * To be preloaded: calls fail as the plans say in the file that FAILING_CALLS
 * names, which the test maps, too. What they are preloaded into
 * goes through here for what it calls in other libraries, and those for what
 * they call in the C library, but not that library itself, except where it
 * allocates.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PLANS = 2, NAME_BYTES = 48 };

/* An errno, or what the call returns where it is one that returns errors; 0:
 * it does not fail, but takes one byte only. */
static struct plan {
    _Atomic int64_t first; /* the call that fails, from 1; 0: none */
    _Atomic int64_t seen;  /* so many calls of that name so far */
    int64_t last;
    int32_t error;
    int32_t fd; /* only calls on it, -1: on any */
    char name[NAME_BYTES];
} * _Atomic plans;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAILING_CALLS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *map = mmap(NULL, PLANS * sizeof *plans, PROT_READ | PROT_WRITE,
                     MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        plans = map;
}

/* What a process does that is over is not the program's any more, such as to
 * write what was counted (tests/mutation/counters_at_exit.c). */
void failing_calls_end(void);
void failing_calls_end(void)
{
    plans = NULL;
}

/* The plan by which this call fails; NULL: it does not. */
static const struct plan *failing(const char *name, long fd)
{
    for (struct plan *plan = plans; plan && plan < plans + PLANS; plan++) {
        if (plan->first == 0 || strcmp(name, plan->name) != 0 ||
            (plan->fd >= 0 && plan->fd != fd))
            continue;
        int64_t number = atomic_fetch_add(&plan->seen, 1) + 1;
        if (number >= plan->first && number <= plan->last)
            return plan;
    }
    return NULL;
}

/* Eight words are what any of these calls takes; those of fewer leave the
 * others alone. */
#define WORDS long a, long b, long c, long d, long e, long f, long g, long h

#define CALL(name, failure) CALL_WHERE(true, name, #name, failure)
/* Of another name here, since its header declares other parameters. */
#define CALL_WHERE(may_fail, name, planned, failure)                           \
    long my_##name(WORDS) __asm__(#name);                                      \
    long my_##name(WORDS)                                                      \
    {                                                                          \
        static long (*call)(WORDS);                                            \
        if (!call)                                                             \
            *(void **)&call = dlsym(RTLD_NEXT, #name);                         \
        const struct plan *plan = (may_fail) ? failing(planned, a) : NULL;     \
        if (plan) {                                                            \
            failure;                                                           \
        }                                                                      \
        return call(a, b, c, d, e, f, g, h);                                   \
    }

#define MINUS(name) CALL(name, errno = plan->error; return -1)
#define ZERO(name) CALL(name, errno = plan->error; return 0)
#define CODE(name) CALL(name, return plan->error)
#define BYTES(name)                                                            \
    CALL(                                                                      \
        name, if (plan->error) {                                               \
            errno = plan->error;                                               \
            return -1;                                                         \
        } c = c > 1)

/* One plan for them all. */
#define ALLOCATION(name)                                                       \
    CALL_WHERE(true, name, "malloc", errno = plan->error; return 0)

/* The C library. */
MINUS(accept4)
ALLOCATION(aligned_alloc)
MINUS(bind)
ALLOCATION(calloc)
MINUS(chmod)
MINUS(connect)
MINUS(epoll_create1)
/* To take away what is there never fails; libmicrohttpd ends the process if it
 * does. */
CALL_WHERE(b == EPOLL_CTL_ADD, epoll_ctl, "epoll_ctl", errno = plan->error;
           return -1)
MINUS(epoll_wait)
MINUS(eventfd)
MINUS(fcntl)
ZERO(fopen)
MINUS(fstat)
CODE(getaddrinfo)
MINUS(getpeername)
MINUS(getrandom)
MINUS(getrlimit)
MINUS(getrusage)
MINUS(getsockname)
MINUS(getsockopt)
MINUS(listen)
MINUS(lstat)
ALLOCATION(malloc)
MINUS(mmap)
MINUS(mremap)
MINUS(open)
ZERO(open_memstream)
ZERO(opendir)
MINUS(poll)
CODE(pthread_create)
CODE(pthread_key_create)
CODE(pthread_setspecific)
ALLOCATION(realloc)
MINUS(recv)
MINUS(sched_getaffinity)
MINUS(send)
MINUS(sendmsg)
MINUS(setrlimit)
MINUS(setsockopt)
MINUS(shm_open)
MINUS(shutdown)
MINUS(sigwaitinfo)
MINUS(socket)
MINUS(sysconf)
MINUS(unlink)
BYTES(write)

/* zlib. */
CODE(deflate)
CODE(deflateInit2_)
CODE(inflate)
CODE(inflateInit2_)

/* libmicrohttpd. */
ZERO(MHD_add_response_header)
ZERO(MHD_create_response_from_buffer)
ZERO(MHD_create_response_from_callback)
ZERO(MHD_create_response_from_iovec)
ZERO(MHD_queue_response)

/* It takes any number of words. */
void *my_MHD_start_daemon(unsigned flags, uint16_t port, void *a, void *b,
                          void *c, void *d, ...) __asm__("MHD_start_daemon");
void *my_MHD_start_daemon(unsigned flags, uint16_t port, void *a, void *b,
                          void *c, void *d, ...)
{
    void *(*start)(unsigned, uint16_t, void *, void *, void *, void *, va_list);
    *(void **)&start = dlsym(RTLD_NEXT, "MHD_start_daemon_va");
    if (failing("MHD_start_daemon", -1))
        return NULL;
    va_list options;
    va_start(options, d);
    void *daemon = start(flags, port, a, b, c, d, options);
    va_end(options);
    return daemon;
}

/* GnuTLS. */
CODE(gnutls_certificate_allocate_credentials)
CODE(gnutls_certificate_set_x509_key_mem2)
CODE(gnutls_certificate_set_x509_trust_file)
CODE(gnutls_certificate_verify_peers2)
CODE(gnutls_credentials_set)
CODE(gnutls_handshake)
CODE(gnutls_init)
CODE(gnutls_load_file)
CODE(gnutls_priority_init)
CODE(gnutls_record_recv)
CODE(gnutls_record_send)
CODE(gnutls_set_default_priority)
CODE(gnutls_x509_crt_list_import2)
