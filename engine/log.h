// SPDX-License-Identifier: Apache-2.0
/*
 * Logging: one line per event on stderr, `time level thread event key=value…`, or JSON lines by option.
 *
 * The event is a fixed dotted name ("shipper.throttled"); variable parts are typed fields with units in their keys.
 * Levels: error needs a human, warn may need one, info is life-cycle and hand-overs, debug is off by default. The data
 * path logs nothing per row, event or request above debug. Each call site is throttled (10 lines at once, then one per
 * second); the next line let through carries suppressed=N. No row values, keys, credentials or signed headers, ever.
 *
 * @thread any; a line is written with one write(2).
 */
#ifndef TR_ENGINE_LOG_H
#define TR_ENGINE_LOG_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct tr_clock;

enum tr_log_level { TR_LOG_ERROR = 0, TR_LOG_WARN, TR_LOG_INFO, TR_LOG_DEBUG };
enum tr_log_format { TR_LOG_TEXT = 0, TR_LOG_JSON };

struct tr_log_field {
    const char *key;
    enum { TR_LOG_FIELD_TEXT, TR_LOG_FIELD_INT, TR_LOG_FIELD_UINT, TR_LOG_FIELD_DOUBLE } kind;
    union {
        const char *text; /* NULL prints as empty */
        int64_t sint;
        uint64_t uint;
        double real;
    };
};

#define TR_TEXT(k, v) ((struct tr_log_field){.key = (k), .kind = TR_LOG_FIELD_TEXT, .text = (v)})
#define TR_INT(k, v)                                                                               \
    ((struct tr_log_field){.key = (k), .kind = TR_LOG_FIELD_INT, .sint = (int64_t)(v)})
#define TR_UINT(k, v)                                                                              \
    ((struct tr_log_field){.key = (k), .kind = TR_LOG_FIELD_UINT, .uint = (uint64_t)(v)})
#define TR_REAL(k, v) ((struct tr_log_field){.key = (k), .kind = TR_LOG_FIELD_DOUBLE, .real = (v)})

struct tr_log_site { /* one static per call site */
    _Atomic int64_t window_start_ns;
    _Atomic uint32_t window_count;
    _Atomic uint64_t suppressed_count;
};

/* Sets level and format for the process; call before threads start. Default: info, text, stderr. */
void tr_log_setup(enum tr_log_level level, enum tr_log_format format, int fd);

/* Tells time by `clock` (borrowed) instead of the system's clocks; NULL goes back. For tests and the simulation. */
void tr_log_set_clock(const struct tr_clock *clock);

/* Whether lines of `level` are written. */
int tr_log_is_on(enum tr_log_level level);

/* Writes one line, throttled per site (`site` NULL: not throttled). Used through TR_LOG. */
void tr_log_write(struct tr_log_site *site, enum tr_log_level level, const char *event,
                  const struct tr_log_field *fields, size_t field_count);

/* TR_LOG(TR_LOG_WARN, "shipper.throttled", TR_TEXT("stream", name), TR_UINT("delay_ms", 20)); */
#define TR_LOG(level, event, ...)                                                                  \
    do {                                                                                           \
        if (tr_log_is_on(level)) {                                                                 \
            static struct tr_log_site log_site;                                                    \
            const struct tr_log_field log_fields[] = {__VA_ARGS__};                                \
            tr_log_write(&log_site, (level), (event), log_fields,                                  \
                         sizeof(log_fields) / sizeof(log_fields[0]));                              \
        }                                                                                          \
    } while (0)

/* A line without fields: TR_LOG_PLAIN(TR_LOG_INFO, "engine.stopped"); */
#define TR_LOG_PLAIN(level, event)                                                                 \
    do {                                                                                           \
        if (tr_log_is_on(level)) {                                                                 \
            static struct tr_log_site log_site;                                                    \
            tr_log_write(&log_site, (level), (event), NULL, 0);                                    \
        }                                                                                          \
    } while (0)

/* The one line of a fatal or handled error: event, code, remedy, text. Throttled per event name. */
void tr_log_error(enum tr_log_level level, const char *event, const struct tr_error *err);

#endif
