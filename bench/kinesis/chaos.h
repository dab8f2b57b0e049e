// SPDX-License-Identifier: Apache-2.0
/*
 * Faults on demand: what the stand-in does to a PutRecords request, from a script or from a seed.
 *
 * A script is one fault a line: `<request>[-<last>] <fault> [value]`, requests counted from 1, `#`
 * comments; the first line that matches decides. A seed draws a fault for a share of the requests.
 * Each kind counts how often it fired.
 */
#ifndef TR_BENCH_KINESIS_CHAOS_H
#define TR_BENCH_KINESIS_CHAOS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

/* id, name in scripts and reports, drawn by a seed, what happens. value: see each. */
#define TR_FAULTS(X)                                                                               \
    X(PARTIAL, "partial", true, "value % of the entries (default 10) fail with InternalFailure")   \
    X(THROTTLE, "throttle", true, "value % of the entries (default 50) are throttled")             \
    X(THROTTLE_ALL, "throttle-all", true, "400 ThrottlingException, nothing applied")              \
    X(ERROR_500, "500", true, "500 InternalFailure, nothing applied")                              \
    X(ERROR_500_APPLIED, "500-applied", true, "500 InternalFailure, everything applied")           \
    X(ERROR_503, "503", true, "503 ServiceUnavailable, nothing applied")                           \
    X(LOST, "lost", true, "connection closed, nothing applied")                                    \
    X(LOST_APPLIED, "lost-applied", true,                                                          \
      "everything applied, connection closed without an answer")                                   \
    X(HALF, "half", true, "everything applied, half of the answer, then closed")                   \
    X(GARBAGE, "garbage", true, "everything applied, 200 with bytes that are not JSON")            \
    X(SHORT, "short", true, "everything applied, an answer with one entry too few")                \
    X(RESET, "reset", true, "connection reset in the middle of the body, nothing applied")         \
    X(STALL, "stall", true, "everything applied, the answer comes value ms later (default 1000)")  \
    X(HANG, "hang", false, "everything applied, the answer never comes")                           \
    X(EXPIRED, "expired", false, "400 ExpiredTokenException")                                      \
    X(DENIED, "denied", false, "400 AccessDeniedException")                                        \
    X(NOT_FOUND, "not-found", false, "400 ResourceNotFoundException")                              \
    X(CLOCK, "clock", false,                                                                       \
      "403 SignatureDoesNotMatch, signature expired; Date is value s ahead")                       \
    X(SPLIT, "split", true, "the first open shard is split, then the request is served")

enum tr_fault_kind {
    TR_CHAOS_NONE = 0,
#define X(id, name, drawn, help) TR_CHAOS_##id,
    TR_FAULTS(X)
#undef X
        TR_CHAOS_KIND_COUNT
};

#define TR_CHAOS_RULES_MAX 1024

struct tr_chaos_rule {
    uint64_t first;
    uint64_t last;
    enum tr_fault_kind kind;
    uint32_t value;
};

struct tr_chaos {
    uint64_t request_count; /* PutRecords requests seen */
    uint64_t random_state;  /* splitmix64 */
    uint32_t rate_permille; /* share of requests that get a drawn fault */
    uint32_t rule_count;
    struct tr_chaos_rule rules[TR_CHAOS_RULES_MAX];
    uint64_t fired[TR_CHAOS_KIND_COUNT];
};

/* Reads a script's text. Errors: TR_ERR_USAGE with line and word. */
TR_NODISCARD enum tr_code tr_chaos_parse(struct tr_chaos *chaos, struct tr_span script,
                                         struct tr_error *err);

/* The next request's fault and its value (the kind's default where the rule gave none); counts it.
 */
enum tr_fault_kind tr_chaos_next(struct tr_chaos *chaos, uint32_t *value);

/* A number below `bound` from the seed. */
uint32_t tr_chaos_random(struct tr_chaos *chaos, uint32_t bound);

const char *tr_chaos_name(enum tr_fault_kind kind);
const char *tr_chaos_help(enum tr_fault_kind kind);

#endif
