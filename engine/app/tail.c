// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/app/app_tail.h"
#include "engine/app/commands.h"

/* A decimal number, or false. */
static bool parse_number(const char *text, uint64_t *number)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

bool tr_app_tail_parse_time(const char *text, int64_t *unix_ms)
{
    struct tm utc = {0};
    uint64_t seconds = 0;
    if (parse_number(text, &seconds)) {
        *unix_ms = seconds < INT64_MAX / 1000 ? (int64_t)(seconds * 1000) : 0;
        return seconds < INT64_MAX / 1000;
    }
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
    if (rest == NULL) {
        return false;
    }
    int64_t ms = 0;
    if (*rest == '.') {
        const char *first = ++rest;
        for (int64_t unit_ms = 100; *rest >= '0' && *rest <= '9'; unit_ms /= 10) {
            ms += (*rest++ - '0') * unit_ms;
        }
        if (rest == first) {
            return false;
        }
    }
    *unix_ms = (int64_t)timegm(&utc) * 1000 + ms;
    return strcmp(rest, "Z") == 0 && *unix_ms >= 0;
}

/* What the command line says; the stream's name is checked later. */
static enum tr_code read_options(const struct tr_command_call *call,
                                 struct tr_app_tail_options *options, struct tr_error *err)
{
    const char *from = tr_command_value(call, "--from");
    const char *limit = tr_command_value(call, "--limit");
    *options = (struct tr_app_tail_options){
        .stream = call->words[0],
        .start = TR_ITERATOR_TRIM_HORIZON,
        .ends_at_tip = tr_command_value(call, "--no-follow") != NULL,
        .with_keys = tr_command_value(call, "--keys") != NULL,
        .out = stdout,
    };
    if (from != NULL && strcmp(from, "latest") == 0) {
        options->start = TR_ITERATOR_LATEST;
    } else if (from != NULL && strcmp(from, "trim-horizon") != 0) {
        if (!tr_app_tail_parse_time(from, &options->start_unix_ms)) {
            return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                           "tail --from %.100s: want trim-horizon, latest, a time like "
                           "2026-01-15T12:00:00Z, or seconds since 1970",
                           from);
        }
        options->start = TR_ITERATOR_AT_TIMESTAMP;
    }
    if (limit != NULL && (!parse_number(limit, &options->limit) || options->limit == 0)) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP, "tail --limit %.100s: want a number from 1",
                       limit);
    }
    return TR_OK;
}

enum tr_code tr_command_tail(struct tr_command_call *call, struct tr_error *err)
{
    struct tr_app_tail_options options;
    struct tr_config *config = NULL;
    if (read_options(call, &options, err) != TR_OK ||
        tr_command_load_config(call, TR_CONFIG_FOR_SINK, &config, err) != TR_OK) {
        return err->code;
    }
    const struct tr_app_kinesis_options kinesis = tr_app_kinesis_options_of(config);
    const enum tr_code code = tr_app_tail(&kinesis, &options, err);
    tr_config_close(config);
    return code;
}
