// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "machine.h"

#include <dirent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the cgroup hierarchies, and of what tells this process's place there. */
#define CGROUP "/sys/fs/cgroup"
#define SELF "/proc/self/cgroup"

enum { PATH_BYTES = 1024 };

/** The numbers at the head of a file, "max" being UINT64_MAX; how many. */
static int read_numbers(const char *path, uint64_t *numbers, int most)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    int n = 0;
    char word[32];
    while (n < most && fscanf(file, "%31s", word) == 1) {
        char *end;
        numbers[n] = strtoull(word, &end, 10);
        if (strcmp(word, "max") == 0 || word[0] == '-')
            numbers[n] = UINT64_MAX;
        else if (*end || end == word)
            break;
        n++;
    }
    fclose(file);
    return n;
}

/** Does a list such as "cpu,cpuacct" hold the controller? Version 2 has one
 *  hierarchy, whose list is empty. */
static bool lists(const char *list, const char *controller)
{
    size_t bytes = strlen(controller), word;
    for (;; list += word + 1) {
        word = strcspn(list, ",");
        if (word == bytes && memcmp(list, controller, bytes) == 0)
            return true;
        if (!list[word])
            return false;
    }
}

/** This process's folder of a cgroup hierarchy: "" in most containers. */
static void own_cgroup(const char *root, const char *controller, char *path)
{
    char line[PATH_BYTES];
    path[0] = '\0';
    snprintf(line, sizeof line, "%s" SELF, root);
    FILE *file = fopen(line, "re");
    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        char *kind = strchr(line, ':');
        char *where = kind ? strchr(kind + 1, ':') : NULL;
        if (!where)
            continue;
        *where++ = '\0';
        if (!lists(kind + 1, controller))
            continue;
        where[strcspn(where, "\n")] = '\0';
        snprintf(path, PATH_BYTES, "%s", where);
        break;
    }
    fclose(file);
}

/** Call visit for the file in this process's cgroup and all above it. */
static void each_level(const char *root, const char *controller,
                       const char *name,
                       void (*visit)(const char *, uint64_t *), uint64_t *least)
{
    char own[PATH_BYTES], path[3 * PATH_BYTES];
    own_cgroup(root, controller, own);
    for (;;) {
        snprintf(path, sizeof path, "%s" CGROUP "%s%s%s/%s", root,
                 *controller ? "/" : "", controller, own, name);
        visit(path, least);
        char *slash = strrchr(own, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

static void least_memory(const char *path, uint64_t *least)
{
    uint64_t bytes;
    if (read_numbers(path, &bytes, 1) == 1 && bytes < *least)
        *least = bytes;
}

static void cap_cores(uint64_t quota, uint64_t period, uint64_t *least)
{
    if (quota == UINT64_MAX || period == 0)
        return;
    uint64_t cores = (quota + period - 1) / period;
    if (cores < *least)
        *least = cores;
}

static void least_cores(const char *path, uint64_t *least)
{
    uint64_t quota[2]; /* microseconds, a period's microseconds */
    if (read_numbers(path, quota, 2) == 2)
        cap_cores(quota[0], quota[1], least);
}

/** Version 1 has quota and period in files of their own. */
static void least_cores_v1(const char *path, uint64_t *least)
{
    char file[3 * PATH_BYTES + 16];
    uint64_t quota, period;
    snprintf(file, sizeof file, "%s_quota_us", path);
    if (read_numbers(file, &quota, 1) != 1)
        return;
    snprintf(file, sizeof file, "%s_period_us", path);
    if (read_numbers(file, &period, 1) == 1)
        cap_cores(quota, period, least);
}

void machine_limit_cores(const char *root, uint64_t *cores)
{
    each_level(root, "", "cpu.max", least_cores, cores);
    each_level(root, "cpu", "cpu.cfs", least_cores_v1, cores);
}

void machine_limit_memory(const char *root, uint64_t *bytes)
{
    each_level(root, "", "memory.max", least_memory, bytes);
    each_level(root, "memory", "memory.limit_in_bytes", least_memory, bytes);
}

uint64_t machine_cores(void)
{
    cpu_set_t set;
    uint64_t cores = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cores = (uint64_t)CPU_COUNT(&set);
    else if (sysconf(_SC_NPROCESSORS_ONLN) > 0)
        cores = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    machine_limit_cores("", &cores);
    return cores ? cores : 1;
}

uint64_t machine_memory(void)
{
    uint64_t bytes =
        (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    machine_limit_memory("", &bytes);
    return bytes;
}

size_t machine_open_files(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    for (const struct dirent *entry; folder && (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    if (folder)
        closedir(folder);
    return count > 0 ? count - 1 : 0; /* the folder itself is one */
}
