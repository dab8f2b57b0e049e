// SPDX-License-Identifier: Apache-2.0
#include "engine/error.h"

#include <stdio.h>
#include <string.h>

#include "engine/assert.h"

static const struct {
    const char *name;
    int exit_code;
    const char *help;
} code_table[TR_CODE_COUNT] = {
    [TR_OK] = {"ok", 0, "stopped as asked, everything delivered and saved"},
    [TR_ERR_USAGE] = {"usage", 2, "command line"},
    [TR_ERR_CONFIG] = {"config", 3, "configuration"},
    [TR_ERR_SYSTEM] = {"system", 4, "operating system: file, memory, descriptor"},
    [TR_ERR_SOURCE_AUTH] = {"source_auth", 10, "the database refused login or privilege"},
    [TR_ERR_SOURCE_SETUP] = {"source_setup", 11, "a server setting that capture needs is missing"},
    [TR_ERR_SOURCE_LINK] = {"source_link", 12, "the database cannot be reached"},
    [TR_ERR_SOURCE_GONE] = {"source_gone", 13, "the position is not on the server any more"},
    [TR_ERR_SOURCE_CLASH] = {"source_clash", 14, "another replica uses our server id"},
    [TR_ERR_PROTOCOL] = {"protocol", 20, "bytes that are not a valid binary log"},
    [TR_ERR_UNSUPPORTED] = {"unsupported", 21,
                            "an event, type or statement this version cannot deliver"},
    [TR_ERR_SCHEMA] = {"schema", 22, "a row does not fit its schema, or a schema cannot be had"},
    [TR_ERR_SINK_AUTH] = {"sink_auth", 30, "Kinesis refused the credentials"},
    [TR_ERR_SINK_STREAM] = {"sink_stream", 31, "a stream is missing or unusable"},
    [TR_ERR_SINK_RECORD] = {"sink_record", 32, "a record the service would refuse"},
    [TR_ERR_SINK_LINK] = {"sink_link", 33, "Kinesis cannot be reached"},
    [TR_ERR_STATE] = {"state", 40, "offset store: corrupt, unreachable, foreign"},
    [TR_ERR_LOCKED] = {"locked", 41, "another instance runs on this state"},
    [TR_ERR_MEMORY_LIMIT] = {"memory_limit", 50, "a bounded table is exhausted for good"},
    [TR_ERR_INTERRUPTED] = {"interrupted", 60,
                            "interrupted: second signal, or the shutdown deadline passed"},
};

enum tr_code tr_error_set(struct tr_error *err, enum tr_code code, enum tr_remedy remedy,
                          const char *file, int line, const char *format, ...)
{
    TR_ASSERT(code != TR_OK);
    if (err == NULL) {
        return code;
    }
    err->code = code;
    err->remedy = remedy;
    err->file = file;
    err->line = line;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, args); /* a cut text is still an error */
    va_end(args);
    return code;
}

enum tr_code tr_error_prefix(struct tr_error *err, const char *format, ...)
{
    char before[TR_ERROR_TEXT_BYTES];

    va_list args;
    va_start(args, format);
    (void)vsnprintf(before, sizeof(before), format, args);
    va_end(args);
    const size_t before_bytes = strlen(before);
    const size_t text_bytes = strlen(err->text);
    const size_t room_bytes = sizeof(err->text) - 1;
    if (before_bytes + 2 > room_bytes) {
        return err->code;
    }
    const size_t keep_bytes =
        text_bytes < room_bytes - before_bytes - 2 ? text_bytes : room_bytes - before_bytes - 2;
    memmove(err->text + before_bytes + 2, err->text, keep_bytes);
    memcpy(err->text, before, before_bytes);
    memcpy(err->text + before_bytes, ": ", 2);
    err->text[before_bytes + 2 + keep_bytes] = '\0';
    return err->code;
}

const char *tr_code_name(enum tr_code code)
{
    TR_ASSERT(code < TR_CODE_COUNT);
    return code_table[code].name;
}

int tr_error_exit_code(enum tr_code code)
{
    TR_ASSERT(code < TR_CODE_COUNT);
    return code_table[code].exit_code;
}

const char *tr_code_help(enum tr_code code)
{
    TR_ASSERT(code < TR_CODE_COUNT);
    return code_table[code].help;
}

void tr_assert_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "tailrace: bug: %s:%d: assertion failed: %s\n", file, line, condition);
    __builtin_trap();
}
