// SPDX-License-Identifier: Apache-2.0
/*
 * The simulation's command line.
 *
 *   tailrace-sim --first N --count M     M seeds from N on; a failing one prints the command that
 * replays it tailrace-sim --seed N --verbose      one seed, with what was drawn and what happened
 *   tailrace-sim --compare --first N --count M   streams through 1, 2 and 4 decoders are the same
 * bytes tailrace-sim --kill-each-step --first N --count M    short runs, killed once at each step
 *   --until-failure                      stops at the first one
 *   --unreachable FILE                   fails when a coverage mark was hit by none of the seeds,
 * but for those that FILE names with a reason
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cover.h"
#include "engine/log.h"
#include "tests/sim/sim_run.h"

#define MARKS_TEXT_BYTES 65536

struct batch {
    const char *program;
    uint64_t first;
    uint64_t count;
    bool verbose;
    bool compares;
    bool kills_each_step;
    bool until_failure;
    const char *unreachable;
    uint64_t run_count;
    uint64_t failed_count;
};

static struct tr_sim_options under_way; /* for on_abort() */

/* An assertion of the engine or of a model failed: say which seed it was. */
static void on_abort(int signal_number)
{
    (void)printf("\nseed %" PRIu64 ": an assertion failed\nreplay: tailrace-sim --seed %" PRIu64
                 " --kill-at %" PRIu64 " --verbose\n",
                 under_way.seed, under_way.seed, under_way.kill_at_step);
    (void)fflush(NULL);
    (void)signal(signal_number, SIG_DFL); /* returning ends the program as before */
}

/* Whether the run passed. */
static bool run_one(struct batch *batch, const struct tr_sim_options *options,
                    struct tr_sim_result *result)
{
    under_way = *options;
    batch->run_count++;
    if (batch->compares) {
        tr_sim_compare_decoders(options->seed, result);
    } else {
        tr_sim_run(options, result);
    }
    if (batch->verbose || !result->passed) {
        (void)printf("seed %" PRIu64 ": %s\n", options->seed, result->text);
    }
    if (!result->passed) {
        batch->failed_count++;
        (void)printf("replay: %s --seed %" PRIu64 " --verbose%s", batch->program, options->seed,
                     batch->compares ? " --compare" : "");
        if (options->is_short) {
            (void)printf(" --short --kill-at %" PRIu64, options->kill_at_step);
        }
        (void)printf("\n");
    }
    return result->passed;
}

/* The same short run as often as it has steps, each time killed one step later. */
static void run_each_step(struct batch *batch, uint64_t seed)
{
    struct tr_sim_options options = {.seed = seed, .verbose = batch->verbose, .is_short = true};
    struct tr_sim_result result = {0};
    bool goes_on = run_one(batch, &options, &result);
    const uint64_t step_count = result.step_count;
    for (options.kill_at_step = 1; goes_on && options.kill_at_step < step_count;
         options.kill_at_step++) {
        goes_on = run_one(batch, &options, &result) || !batch->until_failure;
    }
}

static void run_batch(struct batch *batch, const struct tr_sim_options *one)
{
    struct tr_sim_result result = {0};
    for (uint64_t i = 0; i < batch->count && !(batch->until_failure && batch->failed_count > 0);
         i++) {
        struct tr_sim_options options = *one;
        options.seed = batch->first + i;
        if (batch->kills_each_step) {
            run_each_step(batch, options.seed);
        } else {
            (void)run_one(batch, &options, &result);
        }
    }
}

/* --- marks --------------------------------------------------------------------------------------
 */

/* Reads the whole file into `text`; false with a message. */
static bool read_file(const char *path, char *text, size_t room)
{
    FILE *file = fopen(path, "r");
    const size_t bytes = file == NULL ? 0 : fread(text, 1, room - 1, file);
    if (file == NULL || fclose(file) != 0) {
        (void)fprintf(stderr, "tailrace-sim: cannot read %s\n", path);
        return false;
    }
    text[bytes] = '\0';
    return true;
}

/* Whether a line begins with the mark and a blank. */
static bool is_listed(const char *text, const char *mark)
{
    const size_t bytes = strlen(mark);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, mark, bytes) == 0 && (line[bytes] == ' ' || line[bytes] == '\n')) {
            return true;
        }
    }
    return false;
}

static bool was_hit(const char *name)
{
    uint64_t count = 0;
    for (struct tr_cover_mark *const *mark = __start_tr_cover; mark != __stop_tr_cover; mark++) {
        if (strcmp((*mark)->name, name) == 0) {
            /* Relaxed: nothing runs any more. */
            count += atomic_load_explicit(&(*mark)->hit_count, memory_order_relaxed);
        }
    }
    return count > 0;
}

/* Marks that no seed hit: each must be listed. Listed ones that were hit are named, too. */
static bool check_marks(const char *path)
{
    static char text[MARKS_TEXT_BYTES];
    bool passed = read_file(path, text, sizeof(text));
    for (struct tr_cover_mark *const *mark = __start_tr_cover; passed && mark != __stop_tr_cover;
         mark++) {
        const bool hit = was_hit((*mark)->name);
        if (hit && is_listed(text, (*mark)->name)) {
            (void)printf("mark %s: was hit, though %s lists it\n", (*mark)->name, path);
        }
    }
    if (!passed) {
        return false;
    }
    for (struct tr_cover_mark *const *mark = __start_tr_cover; mark != __stop_tr_cover; mark++) {
        if (!was_hit((*mark)->name) && !is_listed(text, (*mark)->name)) {
            (void)printf(
                "mark %s: was hit by no seed: reach it, or list it in %s with the reason\n",
                (*mark)->name, path);
            passed = false;
        }
    }
    return passed;
}

static int usage(void)
{
    (void)fprintf(
        stderr,
        "usage: tailrace-sim [--first N --count M | --seed N] [--verbose] [--until-failure]\n"
        "       [--compare | --kill-each-step | --short --kill-at STEP] [--unreachable FILE]\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option table[] = {{"first", required_argument, NULL, 'f'},
                                          {"count", required_argument, NULL, 'c'},
                                          {"seed", required_argument, NULL, 'f'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {"compare", no_argument, NULL, 'p'},
                                          {"kill-each-step", no_argument, NULL, 'e'},
                                          {"short", no_argument, NULL, 's'},
                                          {"kill-at", required_argument, NULL, 'k'},
                                          {"until-failure", no_argument, NULL, 'u'},
                                          {"unreachable", required_argument, NULL, 'm'},
                                          {NULL, 0, NULL, 0}};
    struct batch batch = {.program = argv[0], .first = 1, .count = 1};
    struct tr_sim_options one = {0};
    int option;
    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (option) {
        case 'f':
            batch.first = strtoull(optarg, NULL, 10);
            break;
        case 'c':
            batch.count = strtoull(optarg, NULL, 10);
            break;
        case 'k':
            one.kill_at_step = strtoull(optarg, NULL, 10);
            break;
        case 'm':
            batch.unreachable = optarg;
            break;
        case 'v':
            batch.verbose = true;
            break;
        case 'p':
            batch.compares = true;
            break;
        case 'e':
            batch.kills_each_step = true;
            break;
        case 's':
            one.is_short = true;
            break;
        case 'u':
            batch.until_failure = true;
            break;
        default:
            return usage();
        }
    }
    one.verbose = batch.verbose;
    tr_log_setup(batch.verbose ? TR_LOG_INFO : TR_LOG_ERROR, TR_LOG_TEXT, 2);
    (void)signal(SIGABRT, on_abort);
    (void)signal(SIGILL, on_abort);
    (void)signal(SIGTRAP, on_abort);
#ifndef __SANITIZE_ADDRESS__
    (void)signal(SIGSEGV, on_abort);
#endif
    run_batch(&batch, &one);
    const bool marks_passed = batch.unreachable == NULL || check_marks(batch.unreachable);
    (void)printf("%" PRIu64 " seeds from %" PRIu64 ", %" PRIu64 " runs: %" PRIu64 " failed\n",
                 batch.count, batch.first, batch.run_count, batch.failed_count);
    return batch.failed_count == 0 && marks_passed ? 0 : 1;
}
