// SPDX-License-Identifier: Apache-2.0
/* `tailrace streams [--create]`: which streams the captured tables need, whether they exist, and
 * creating those that do not. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/app/app_kinesis.h"
#include "engine/app/app_streams.h"
#include "engine/app/commands.h"
#include "engine/app/start.h"
#include "engine/log.h"
#include "stages/source/mysql_link.h"

#define FDS 64
#define TIMERS 16

static enum tr_code list(struct tr_start *start, bool create, struct tr_error *err)
{
    if (tr_start_list_streams(start, err) != TR_OK) {
        return err->code;
    }
    const uint32_t count = tr_streams_count(start->streams);
    const struct tr_app_kinesis_options kinesis = tr_app_kinesis_options_of(start->config);
    const char **names = calloc(count + 1, sizeof(*names));
    if (names == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "streams: no memory for %u names: add memory",
                       count);
    }
    for (uint32_t i = 0; i < count; i++) {
        names[i] = tr_streams_get(start->streams, i)->name;
    }
    const struct tr_app_streams_options options = {.kinesis = &kinesis,
                                                   .names = names,
                                                   .name_count = count,
                                                   .create = create,
                                                   .shard_count =
                                                       (uint32_t)start->config->streams_shards,
                                                   .out = stdout};
    const enum tr_code code = tr_app_streams(&options, err);
    free(names);
    return code;
}

enum tr_code tr_command_streams(struct tr_command_call *call, struct tr_error *err)
{
    struct tr_config *config;
    struct tr_signals signals = {0};
    struct tr_start start = {.signals = &signals, .read_only = true};

    if (tr_command_load_config(call, TR_CONFIG_FOR_RUN, &config, err) != TR_OK) {
        return err->code;
    }
    tr_log_setup(TR_LOG_WARN, TR_LOG_TEXT, 2);
    start.config = config;
    enum tr_code code = tr_mysql_library_open(err);
    if (code == TR_OK) {
        code = tr_reactor_open(&start.reactor, (enum tr_reactor_engine)config->reactor, FDS, TIMERS,
                               err);
    }
    if (code == TR_OK) {
        code = list(&start, tr_command_value(call, "--create") != NULL, err);
    }
    tr_start_deinit(&start);
    tr_reactor_close(start.reactor);
    tr_mysql_library_close();
    tr_config_close(config);
    return code;
}
