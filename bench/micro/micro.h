// SPDX-License-Identifier: Apache-2.0
/*
 * Micro-benchmarks: one step at a time, on one core, in memory.
 *
 * A case prepares its input once and then runs batches; the harness repeats them for a while,
 * several times, and reports the median of the runs with their spread. Time is the thread's CPU
 * time, so that a busy machine costs less of the truth; cases with threads of their own are
 * measured by the wall clock.
 * @thread one
 */
#ifndef TR_BENCH_MICRO_MICRO_H
#define TR_BENCH_MICRO_MICRO_H

#include <stdbool.h>
#include <stdint.h>

/* What one batch did. */
struct tr_micro_work {
    uint64_t items;
    uint64_t bytes;
};

struct tr_micro_case {
    const char *name;
    const char *item;  /* what is counted: "row", "record" */
    double floor;      /* items per second that must be reached; 0 = none */
    double goal;       /* the later goal; 0 = none */
    bool by_wall;      /* the wall clock instead of the thread's CPU time */
    uint32_t argument; /* the case's own */
    /* NULL: not on this processor, skipped. Ends the program with a message when it cannot
     * prepare. */
    void *(*open)(const struct tr_micro_case *self);
    struct tr_micro_work (*run)(void *state);
    void (*close)(void *state);
};

/* Tables of cases, ended by one without a name. */
extern const struct tr_micro_case tr_micro_engine_cases[];
extern const struct tr_micro_case tr_micro_decode_cases[];
extern const struct tr_micro_case tr_micro_text_cases[];
extern const struct tr_micro_case tr_micro_ship_cases[];

/* Ends the program: "tailrace-micro: what" on stderr. */
__attribute__((noreturn, format(printf, 1, 2))) void tr_micro_die(const char *format, ...);

/* Keeps the compiler from dropping what computed `value`. */
static inline void tr_micro_keep(uint64_t value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

#endif
