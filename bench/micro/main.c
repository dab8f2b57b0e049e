// SPDX-License-Identifier: Apache-2.0
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/micro/micro.h"

#define RUNS_MAX 64
#define NS_PER_S 1e9

static const char usage[] = "tailrace-micro: measures single steps of the engine on one core\n"
                            "  --json          one JSON document instead of a table\n"
                            "  --runs N        runs of each case; the median counts (default 7)\n"
                            "  --run-ms N      length of a run (default 300)\n"
                            "  --only TEXT     cases whose name contains TEXT\n"
                            "  --list          names only\n";

struct settings {
    bool json;
    bool list;
    uint32_t run_count;
    uint32_t run_ms;
    const char *only;
};

struct outcome {
    double rates[RUNS_MAX]; /* items per second, ascending */
    double bytes_per_item;
};

void tr_micro_die(const char *format, ...)
{
    va_list args;
    (void)fputs("tailrace-micro: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(1);
}

static double now_ns(bool by_wall)
{
    struct timespec at;
    (void)clock_gettime(by_wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &at);
    return (double)at.tv_sec * NS_PER_S + (double)at.tv_nsec;
}

static int compare_rates(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* False: the case is not for this processor. */
static bool measure(const struct tr_micro_case *subject, const struct settings *settings,
                    struct outcome *outcome)
{
    void *state = subject->open(subject);
    struct tr_micro_work total = {0};

    if (state == NULL) {
        return false;
    }
    (void)subject->run(state); /* warms caches, touches pages */
    for (uint32_t i = 0; i < settings->run_count; i++) {
        const double start_ns = now_ns(subject->by_wall);
        const double end_ns = start_ns + settings->run_ms * 1e6;
        uint64_t items = 0;
        double at_ns;
        do {
            const struct tr_micro_work work = subject->run(state);
            items += work.items;
            total.items += work.items;
            total.bytes += work.bytes;
            at_ns = now_ns(subject->by_wall);
        } while (at_ns < end_ns);
        outcome->rates[i] = (double)items * NS_PER_S / (at_ns - start_ns);
    }
    qsort(outcome->rates, settings->run_count, sizeof(outcome->rates[0]), compare_rates);
    outcome->bytes_per_item = (double)total.bytes / (double)total.items;
    subject->close(state);
    return true;
}

static const char *verdict(const struct tr_micro_case *subject, double rate)
{
    return subject->floor <= 0 ? "" : rate < subject->floor ? "MISSED" : "met";
}

static void print_line(const struct tr_micro_case *subject, const struct settings *settings,
                       const struct outcome *outcome)
{
    const double median = outcome->rates[settings->run_count / 2];
    const double spread =
        100.0 * (outcome->rates[settings->run_count - 1] - outcome->rates[0]) / median;
    char floor[32] = "";

    if (subject->floor > 0) {
        (void)snprintf(floor, sizeof(floor), "%.2fM", subject->floor / 1e6);
    }
    (void)printf("%-44s %10.3fM %-9s %9.1f ns %9.0f MB/s %5.0f %% %8s %s\n", subject->name,
                 median / 1e6, subject->item, NS_PER_S / median,
                 median * outcome->bytes_per_item / 1e6, spread, floor, verdict(subject, median));
    (void)fflush(stdout);
}

static void print_json(const struct tr_micro_case *subject, const struct settings *settings,
                       const struct outcome *outcome, bool first)
{
    const double median = outcome->rates[settings->run_count / 2];
    (void)printf("%s\n  {\"name\":\"%s\",\"item\":\"%s\",\"clock\":\"%s\",\"per_second\":%.0f,"
                 "\"bytes_per_item\":%.1f,\"floor\":%.0f,\"goal\":%.0f,\"met\":%s,\"runs\":[",
                 first ? "" : ",", subject->name, subject->item, subject->by_wall ? "wall" : "cpu",
                 median, outcome->bytes_per_item, subject->floor, subject->goal,
                 subject->floor <= 0        ? "null"
                 : median >= subject->floor ? "true"
                                            : "false");
    for (uint32_t i = 0; i < settings->run_count; i++) {
        (void)printf("%s%.0f", i == 0 ? "" : ",", outcome->rates[i]);
    }
    (void)printf("]}");
    (void)fflush(stdout);
}

static void run_table(const struct tr_micro_case *cases, const struct settings *settings,
                      uint32_t *done_count)
{
    for (const struct tr_micro_case *subject = cases; subject->name != NULL; subject++) {
        struct outcome outcome = {0};
        if (settings->only != NULL && strstr(subject->name, settings->only) == NULL) {
            continue;
        }
        if (settings->list) {
            (void)puts(subject->name);
            continue;
        }
        if (!measure(subject, settings, &outcome)) {
            continue;
        }
        if (settings->json) {
            print_json(subject, settings, &outcome, *done_count == 0);
        } else {
            print_line(subject, settings, &outcome);
        }
        (*done_count)++;
    }
}

static uint32_t number_of(const char *name, const char *text, uint32_t max)
{
    char *end;
    const unsigned long value = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < 1 || value > max) {
        tr_micro_die("%s = \"%s\": want 1..%" PRIu32, name, text, max);
    }
    return (uint32_t)value;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"list", no_argument, NULL, 'l'},
                                            {"runs", required_argument, NULL, 'r'},
                                            {"run-ms", required_argument, NULL, 'm'},
                                            {"only", required_argument, NULL, 'o'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct settings settings = {.run_count = 7, .run_ms = 300};
    uint32_t done_count = 0;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            settings.json = true;
            break;
        case 'l':
            settings.list = true;
            break;
        case 'r':
            settings.run_count = number_of("--runs", optarg, RUNS_MAX);
            break;
        case 'm':
            settings.run_ms = number_of("--run-ms", optarg, 60000);
            break;
        case 'o':
            settings.only = optarg;
            break;
        default:
            (void)fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
    }
    if (settings.json) {
        (void)printf("{\"runs\":%" PRIu32 ",\"run_ms\":%" PRIu32 ",\"cases\":[", settings.run_count,
                     settings.run_ms);
    } else if (!settings.list) {
        (void)printf("%-44s %21s %12s %14s %7s %8s\n", "case (median per second of one core)",
                     "per second", "each", "bytes", "spread", "floor");
    }
    run_table(tr_micro_engine_cases, &settings, &done_count);
    run_table(tr_micro_decode_cases, &settings, &done_count);
    run_table(tr_micro_text_cases, &settings, &done_count);
    run_table(tr_micro_ship_cases, &settings, &done_count);
    if (settings.json) {
        (void)puts("\n]}");
    }
    return done_count > 0 || settings.list ? 0 : 2;
}
