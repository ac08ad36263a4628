// SPDX-License-Identifier: MIT
/*
 * A mapping whose object was truncated raises SIGBUS where it is touched, and
 * so does one whose pages the file system has no room for. The handler finds
 * the mapping in a table of all, puts zeros of our own in its place from there
 * on, and notes that it is broken: whoever touched it goes on.
 *
 * To copy with pread and pwrite instead would need none of this, but takes 0.45
 * and 0.48 ms for 4 MiB where the softmax of them takes 0.3.
 */
#define _GNU_SOURCE
#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- mappings, which the handler knows ---------------------------------- */

/* Twice the regions: those in use may have lost their names. */
enum { MAPPINGS = 2 * REGIONS_MAX, IN_PLACE_BYTES = 64 * 1024 };

struct mapping {
    atomic_bool taken;
    _Atomic uintptr_t begin; /* 0: not to be handled */
    _Atomic size_t bytes;
    atomic_bool broken;
};

static struct mapping mappings[MAPPINGS];
static uintptr_t page_bytes;
static struct sigaction before;

static struct mapping *mapping_at(uintptr_t address)
{
    for (size_t i = 0; i < MAPPINGS; i++) {
        uintptr_t begin = atomic_load(&mappings[i].begin);
        if (begin && address >= begin &&
            address - begin < atomic_load(&mappings[i].bytes))
            return &mappings[i];
    }
    return NULL;
}

/* mmap is a bare system call here, as a handler may make it. */
static void bus_error(int signal, siginfo_t *info, void *context)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    struct mapping *mapping = mapping_at(address);
    int error = errno;
    (void)context;
    if (mapping) {
        uintptr_t page = address - address % page_bytes;
        size_t left = mapping->begin + mapping->bytes - page;
        if (mmap((void *)page, left, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                 0) != MAP_FAILED) {
            atomic_store(&mapping->broken, true);
            errno = error;
            return;
        }
    }
    /* Not ours: the access faults again, and the handler of before gets it. */
    sigaction(signal, &before, NULL);
}

static void handle_bus_errors(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct sigaction now,
        action = {.sa_sigaction = bus_error, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    pthread_mutex_lock(&lock);
    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    sigaction(SIGBUS, NULL, &now);
    if (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != bus_error) {
        before = now;
        sigaction(SIGBUS, &action, NULL);
    }
    pthread_mutex_unlock(&lock);
}

/* NULL: all are taken. */
static struct mapping *mapping_take(void)
{
    for (size_t i = 0; i < MAPPINGS; i++)
        if (!atomic_exchange(&mappings[i].taken, true))
            return &mappings[i];
    return NULL;
}

static void mapping_give(struct mapping *mapping)
{
    atomic_store(&mapping->begin, 0);
    atomic_store(&mapping->broken, false);
    atomic_store(&mapping->taken, false);
}

/* ---- one region --------------------------------------------------------- */

struct region {
    struct region_status status;
    int fd;
    dev_t device;
    ino_t object;
    struct mapping *mapping;
    unsigned char *data; /* of the first byte of the region */
    atomic_uint users;   /* the name is one */
};

static void region_free(struct region *region)
{
    if (region->mapping) {
        void *begin = (void *)region->mapping->begin;
        size_t bytes = region->mapping->bytes;
        /* The next mapping may lie there: let go of the place before. */
        mapping_give(region->mapping);
        if (region->data)
            munmap(begin, bytes);
    }
    if (region->fd >= 0)
        close(region->fd);
    free(region);
}

void region_release(struct region *region)
{
    unsigned left = region ? atomic_fetch_sub(&region->users, 1) - 1 : 1;
    if (left == 0)
        region_free(region);
}

/* The object's size; 0 where it cannot be told. */
static size_t object_bytes(const struct region *region)
{
    struct stat now;
    return fstat(region->fd, &now) == 0 && now.st_size > 0 ? (size_t)now.st_size
                                                           : 0;
}

static bool has_bytes(const struct region *region, size_t offset, size_t count)
{
    size_t end;
    return !__builtin_add_overflow(region->status.offset, offset, &end) &&
           !__builtin_add_overflow(end, count, &end) &&
           end <= object_bytes(region);
}

/* A key is a name, as shm_open wants it; NULL: it is none. */
static const char *name_of_key(const char *key)
{
    key += strspn(key, "/");
    size_t bytes = strlen(key);
    bool name = bytes > 0 && bytes < REGION_NAME_BYTES && !strchr(key, '/') &&
                strcmp(key, ".") != 0 && strcmp(key, "..") != 0;
    return name ? key : NULL;
}

static bool region_open(struct region *region, struct problem *problem)
{
    const char *name = region->status.name;
    const char *key = name_of_key(region->status.key);
    struct stat object;
    char path[REGION_NAME_BYTES + 1] = "/";
    if (!key)
        return problem_set(problem, 400, NULL,
                           "key: got something else, must be the name of a "
                           "shared memory object, at most %d bytes without '/'",
                           REGION_NAME_BYTES - 1);
    memcpy(path + 1, key, strlen(key) + 1);
    region->fd = shm_open(path, O_RDWR, 0);
    if (region->fd < 0 || fstat(region->fd, &object) != 0 ||
        !S_ISREG(object.st_mode))
        return problem_set(problem, 400, NULL,
                           "Unable to open shared memory region: '%.60s'",
                           name);
    region->device = object.st_dev;
    region->object = object.st_ino;
    return (region->status.bytes > 0 &&
            has_bytes(region, 0, region->status.bytes)) ||
           problem_set(problem, 400, NULL,
                       "Invalid offset + byte size for shared memory region: "
                       "'%.60s'",
                       name);
}

/* From the page on that it begins in. */
static bool region_map(struct region *region, struct problem *problem)
{
    size_t skipped = region->status.offset % page_bytes;
    size_t bytes = skipped + region->status.bytes;
    region->mapping = mapping_take();
    if (!region->mapping)
        return problem_memory(problem);
    void *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                      region->fd, (off_t)(region->status.offset - skipped));
    if (data == MAP_FAILED)
        return problem_memory(problem);
    region->data = (unsigned char *)data + skipped;
    atomic_store(&region->mapping->bytes, bytes);
    atomic_store(&region->mapping->begin, (uintptr_t)data);
    return true;
}

void *region_at(struct region *region, size_t offset, size_t count,
                struct problem *problem)
{
    size_t end;
    const char *name = region->status.name;
    if (__builtin_add_overflow(offset, count, &end) ||
        end > region->status.bytes) {
        problem_set(problem, 400, NULL,
                    "Invalid offset + byte size for shared memory region: "
                    "'%.60s'",
                    name);
        return NULL;
    }
    if (!region_check(region, problem))
        return NULL;
    if (!has_bytes(region, offset, count)) {
        problem_set(problem, 400, NULL,
                    "shared memory region '%.60s': got fewer bytes than when "
                    "it was registered, must have as many",
                    name);
        return NULL;
    }
    return region->data + offset;
}

bool region_suits(const void *data, size_t bytes, size_t width)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ &&
           bytes >= IN_PLACE_BYTES && (uintptr_t)data % width == 0;
}

bool region_check(const struct region *region, struct problem *problem)
{
    return !atomic_load(&region->mapping->broken) ||
           problem_set(problem, 400, NULL,
                       "shared memory region '%.60s': got truncated while it "
                       "was used, must be registered anew",
                       region->status.name);
}

bool region_overlaps(const struct region *a, size_t a_offset, size_t a_count,
                     const struct region *b, size_t b_offset, size_t b_count)
{
    size_t a_begin = a->status.offset + a_offset;
    size_t b_begin = b->status.offset + b_offset;
    return a->device == b->device && a->object == b->object &&
           a_begin < b_begin + b_count && b_begin < a_begin + a_count;
}

/* ---- all of them -------------------------------------------------------- */

struct regions {
    pthread_mutex_t lock;
    struct region *region[REGIONS_MAX];
    size_t count;
};

struct regions *regions_create(void)
{
    struct regions *regions = calloc(1, sizeof *regions);
    if (!regions)
        return NULL;
    handle_bus_errors();
    pthread_mutex_init(&regions->lock, NULL);
    return regions;
}

void regions_free(struct regions *regions)
{
    if (!regions)
        return;
    regions_remove(regions, NULL);
    pthread_mutex_destroy(&regions->lock);
    free(regions);
}

/* Its place; count where there is none of that name. */
static size_t slot_of(const struct regions *regions, const char *name)
{
    size_t i = 0;
    while (i < regions->count && strcmp(regions->region[i]->status.name, name))
        i++;
    return i;
}

static struct region *region_new(const char *name, const char *key,
                                 size_t offset, size_t bytes,
                                 struct problem *problem)
{
    struct region *region = calloc(1, sizeof *region);
    if (!region) {
        problem_memory(problem);
        return NULL;
    }
    *region = (struct region){.fd = -1, .users = 1};
    memcpy(region->status.name, name, strlen(name) + 1);
    memcpy(region->status.key, key, strlen(key) + 1);
    region->status.offset = offset;
    region->status.bytes = bytes;
    if (region_open(region, problem) && region_map(region, problem))
        return region;
    region_free(region);
    return NULL;
}

/* The lock is held. */
static bool check_place(const struct regions *regions, const char *name,
                        struct problem *problem)
{
    if (slot_of(regions, name) < regions->count)
        return problem_set(problem, 400, NULL,
                           "shared memory region '%.60s' already in manager",
                           name);
    return regions->count < REGIONS_MAX ||
           problem_set(problem, 503, NULL,
                       "shared memory: got one region more than %d, must be "
                       "fewer",
                       REGIONS_MAX);
}

bool regions_add(struct regions *regions, const char *name, const char *key,
                 size_t offset, size_t bytes, struct problem *problem)
{
    if (strlen(name) >= REGION_NAME_BYTES || strlen(key) >= REGION_NAME_BYTES)
        return problem_set(problem, 400, NULL,
                           "shared memory: got a longer name or key, must be "
                           "at most %d bytes",
                           REGION_NAME_BYTES - 1);
    pthread_mutex_lock(&regions->lock);
    struct region *region = NULL;
    if (check_place(regions, name, problem))
        region = region_new(name, key, offset, bytes, problem);
    if (region)
        regions->region[regions->count++] = region;
    pthread_mutex_unlock(&regions->lock);
    return region;
}

void regions_remove(struct regions *regions, const char *name)
{
    pthread_mutex_lock(&regions->lock);
    size_t first = name ? slot_of(regions, name) : 0;
    size_t end = name && first < regions->count ? first + 1 : regions->count;
    for (size_t i = first; i < end; i++)
        region_release(regions->region[i]);
    memmove(regions->region + first, regions->region + end,
            (regions->count - end) * sizeof *regions->region);
    regions->count -= end - first;
    pthread_mutex_unlock(&regions->lock);
}

struct region *regions_find(struct regions *regions, const char *name)
{
    struct region *region = NULL;
    pthread_mutex_lock(&regions->lock);
    size_t i = slot_of(regions, name);
    if (i < regions->count) {
        region = regions->region[i];
        atomic_fetch_add(&region->users, 1);
    }
    pthread_mutex_unlock(&regions->lock);
    return region;
}

void regions_each(struct regions *regions,
                  void (*visit)(void *cls, const struct region_status *status),
                  void *cls)
{
    pthread_mutex_lock(&regions->lock);
    for (size_t i = 0; i < regions->count; i++)
        visit(cls, &regions->region[i]->status);
    pthread_mutex_unlock(&regions->lock);
}
