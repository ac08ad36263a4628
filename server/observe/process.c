// SPDX-License-Identifier: MIT
#include "process.h"

#include <sys/resource.h>
#include <unistd.h>

#include "../machine.h"

static void write_value(FILE *out, const char *name, const char *type,
                        const char *help, double value)
{
    fprintf(out,
            "# HELP process_%s %s\n# TYPE process_%s %s\nprocess_%s %.15g\n",
            name, help, name, type, name, value);
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void write_cpu(FILE *out)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        write_value(out, "cpu_seconds_total", "counter",
                    "CPU time, user and system.",
                    seconds(usage.ru_utime) + seconds(usage.ru_stime));
}

static void write_memory(FILE *out)
{
    unsigned long pages, resident;
    FILE *in = fopen("/proc/self/statm", "re");
    if (!in)
        return;
    if (fscanf(in, "%lu %lu", &pages, &resident) == 2) {
        double page_bytes = (double)sysconf(_SC_PAGESIZE);
        write_value(out, "virtual_memory_bytes", "gauge",
                    "Size of the address space.", (double)pages * page_bytes);
        write_value(out, "resident_memory_bytes", "gauge",
                    "Memory of it that is in RAM.",
                    (double)resident * page_bytes);
    }
    fclose(in);
}

static void write_files(FILE *out)
{
    struct rlimit limit;
    size_t open = machine_open_files();
    if (open > 0)
        write_value(out, "open_fds", "gauge", "Open file descriptors.",
                    (double)open);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        write_value(out, "max_fds", "gauge",
                    "File descriptors that may be open.",
                    (double)limit.rlim_cur);
}

void process_write(FILE *out, double started)
{
    write_cpu(out);
    write_memory(out);
    write_files(out);
    write_value(out, "start_time_seconds", "gauge",
                "When it started, in seconds since 1970.", started);
}
