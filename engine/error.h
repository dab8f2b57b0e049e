// SPDX-License-Identifier: Apache-2.0
/*
 * The one error type.
 *
 * Outcomes (full, empty, not yet) are return values of their functions; bugs are asserted (assert.h). What comes
 * from outside and may go wrong is a struct tr_error: it lies on the caller's stack or in its actor, holds a code,
 * a remedy, the place, and one bounded line of text that names the thing, the value found and the value wanted.
 * Text never holds row data or secrets. An error is logged exactly once, where it is handled.
 */
#ifndef TR_ENGINE_ERROR_H
#define TR_ENGINE_ERROR_H

#include <stdarg.h>
#include <stdint.h>

#define TR_NODISCARD __attribute__((warn_unused_result))
#define TR_PRINTF(format_index, args_index)                                                        \
    __attribute__((format(printf, format_index, args_index)))
#define TR_NORETURN __attribute__((noreturn))
#define TR_LIKELY(cond) __builtin_expect(!!(cond), 1)
#define TR_UNLIKELY(cond) __builtin_expect(!!(cond), 0)

/* What went wrong. tr_error_exit_code() maps each to the process's exit code (README, "Exit codes"). */
enum tr_code {
    TR_OK = 0,
    TR_ERR_USAGE,        /* command line */
    TR_ERR_CONFIG,       /* a property: unknown, malformed, not supported */
    TR_ERR_SYSTEM,       /* operating system: file, memory, descriptor */
    TR_ERR_SOURCE_AUTH,  /* the database refused login or privilege */
    TR_ERR_SOURCE_SETUP, /* a server setting that capture needs is missing */
    TR_ERR_SOURCE_LINK,  /* connection to the database: unreachable, lost, TLS */
    TR_ERR_SOURCE_GONE,  /* the position is not on the server any more, or another server answers */
    TR_ERR_SOURCE_CLASH, /* another replica uses our server id */
    TR_ERR_PROTOCOL,     /* bytes from the server or a file that are not a valid binary log */
    TR_ERR_UNSUPPORTED,  /* valid, but a type, event or statement this version cannot deliver */
    TR_ERR_SCHEMA,       /* a row does not fit its schema, or a schema cannot be had */
    TR_ERR_SINK_AUTH,    /* Kinesis refused the credentials */
    TR_ERR_SINK_STREAM,  /* a stream is missing or unusable */
    TR_ERR_SINK_RECORD,  /* a record the service refuses: too large, invalid */
    TR_ERR_SINK_LINK,    /* connection to Kinesis */
    TR_ERR_STATE,        /* offset or history store: corrupt, unreachable, foreign writer */
    TR_ERR_LOCKED,       /* a second instance on the same state */
    TR_ERR_MEMORY_LIMIT, /* a bounded pool or table is exhausted for good */
    TR_ERR_INTERRUPTED,  /* a second signal, or the shutdown deadline passed */
    TR_CODE_COUNT
};

/* What to do about it; decided where the error is understood, obeyed where the loop is. */
enum tr_remedy {
    TR_STOP = 0,  /* an operator must act: stop where we stand, position kept */
    TR_RETRY,     /* transient: try again with backoff */
    TR_RECONNECT, /* drop the connection, then try again */
};

#define TR_ERROR_TEXT_BYTES 1024

struct tr_error {
    enum tr_code code;
    enum tr_remedy remedy;
    const char *file; /* source file, static */
    int line;
    char text[TR_ERROR_TEXT_BYTES];
};

/* Fills `err` (may be NULL) and returns `code`. Used through TR_FAIL. */
enum tr_code tr_error_set(struct tr_error *err, enum tr_code code, enum tr_remedy remedy,
                          const char *file, int line, const char *format, ...) TR_PRINTF(6, 7);

/* Puts "context: " before the text; once per layer. Returns err->code. */
enum tr_code tr_error_prefix(struct tr_error *err, const char *format, ...) TR_PRINTF(2, 3);

/* Fixed lower-case word of a code, e.g. "source_auth"; for logs and metrics. */
const char *tr_code_name(enum tr_code code);

/* The process's exit code for an error; never 0 for anything but TR_OK. */
int tr_error_exit_code(enum tr_code code);

/* What that exit code means, for people: as in the README's table, which a test compares. */
const char *tr_code_help(enum tr_code code);

#define TR_FAIL(err, code, remedy, ...)                                                            \
    tr_error_set((err), (code), (remedy), __FILE__, __LINE__, __VA_ARGS__)

#endif
