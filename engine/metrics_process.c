// SPDX-License-Identifier: Apache-2.0
#include "engine/metrics_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "engine/error.h"

struct text {
    char *out;
    size_t room_bytes;
    size_t bytes;
};

static void put_metric(struct text *text, const char *name, const char *type, const char *help,
                       double value)
{
    const size_t room_bytes = text->room_bytes - text->bytes;
    const int bytes =
        snprintf(text->out + text->bytes, room_bytes, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n",
                 name, help, name, type, name, value);

    if (bytes > 0 && (size_t)bytes < room_bytes) {
        text->bytes += (size_t)bytes;
    }
}

/* Reads a small file of /proc as text; 0 when that is not possible. */
static size_t read_file(const char *path, char *out, size_t room_bytes)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd == -1) {
        return 0;
    }
    const ssize_t bytes = read(fd, out, room_bytes - 1);
    (void)close(fd); /* read only: nothing to lose */
    if (bytes <= 0) {
        return 0;
    }
    out[bytes] = '\0';
    return (size_t)bytes;
}

static void put_memory(struct text *text)
{
    char line[128];
    char *end;

    if (read_file("/proc/self/statm", line, sizeof(line)) == 0) {
        return;
    }
    const unsigned long long virtual_pages = strtoull(line, &end, 10);
    const unsigned long long resident_pages = strtoull(end, &end, 10);
    const double page_bytes = (double)sysconf(_SC_PAGESIZE);
    put_metric(text, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
               (double)virtual_pages * page_bytes);
    put_metric(text, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
               (double)resident_pages * page_bytes);
}

/* Counted with getdents64, since opendir would allocate. */
static void put_descriptors(struct text *text)
{
    _Alignas(struct dirent64) char entries[4096];
    const int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct rlimit limit;
    uint64_t count = 0;
    ssize_t bytes;

    if (fd == -1) {
        return;
    }
    while ((bytes = getdents64(fd, entries, sizeof(entries))) > 0) { /* ends with the directory */
        for (ssize_t at = 0; at < bytes;) {
            const struct dirent64 *entry = (const void *)(entries + at);
            count += entry->d_name[0] != '.';
            at += entry->d_reclen;
        }
    }
    (void)close(fd); /* read only */
    if (count > 0) {
        put_metric(text, "process_open_fds", "gauge", "Number of open file descriptors.",
                   (double)(count - 1)); /* not the one that counted */
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        put_metric(text, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
                   (double)limit.rlim_cur);
    }
}

static void put_cpu(struct text *text)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        put_metric(text, "process_cpu_seconds_total", "counter",
                   "Total user and system CPU time spent in seconds.",
                   (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    }
}

/* Time of boot by the difference of two clocks, plus field 22 of /proc/self/stat in clock ticks
 * (proc(5)). */
static void put_start_time(struct text *text)
{
    char stat[1024];
    struct timespec wall;
    struct timespec since_boot;

    if (read_file("/proc/self/stat", stat, sizeof(stat)) == 0 ||
        clock_gettime(CLOCK_REALTIME, &wall) == -1 ||
        clock_gettime(CLOCK_BOOTTIME, &since_boot) == -1) {
        return;
    }
    const char *at = strrchr(stat, ')'); /* the name before it may hold anything */
    for (int field = 2; field < 22 && at != NULL; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL) {
        return;
    }
    const uint64_t since_boot_ms =
        strtoull(at + 1, NULL, 10) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
    const int64_t boot_unix_ms = (int64_t)(wall.tv_sec - since_boot.tv_sec) * 1000 +
                                 (wall.tv_nsec - since_boot.tv_nsec) / 1000000;
    /* To tenths of a second, so that the two readings' distance does not make it flicker. */
    put_metric(text, "process_start_time_seconds", "gauge",
               "Start time of the process since unix epoch in seconds.",
               (double)((boot_unix_ms + (int64_t)since_boot_ms) / 100) / 10);
}

size_t tr_metrics_process_write(char *out, size_t room_bytes)
{
    static const char build[] =
        "# HELP tailrace_build_info The version that runs.\n# TYPE tailrace_build_info gauge\n"
        "tailrace_build_info{version=\"" TAILRACE_VERSION "\"} 1\n";
    struct text text = {.out = out, .room_bytes = room_bytes};

    put_memory(&text);
    put_descriptors(&text);
    put_cpu(&text);
    put_start_time(&text);
    if (sizeof(build) <= room_bytes - text.bytes) {
        memcpy(out + text.bytes, build, sizeof(build) - 1);
        text.bytes += sizeof(build) - 1;
    }
    return text.bytes;
}
