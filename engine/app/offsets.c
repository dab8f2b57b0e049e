// SPDX-License-Identifier: Apache-2.0
/* `tailrace offsets show`: the saved position, from whichever store is configured; writes nothing
 * and takes no lock. */
#include <stdio.h>

#include "engine/app/commands.h"
#include "engine/app/start.h"
#include "engine/log.h"
#include "offsets/position.h"

#define FDS 64
#define TIMERS 16
#define KEY_BYTES 1024

static void print_text(const char *label, struct tr_span text)
{
    printf("%s ", label);
    (void)fwrite(text.data, 1, text.bytes,
                 stdout); /* main checks that standard output could be written */
    (void)putchar('\n');
}

static enum tr_code show(const struct tr_config *config, struct tr_error *err)
{
    struct tr_start start = {.config = config, .read_only = true};
    struct tr_signals signals = {0};
    struct tr_store_content content = {0};
    struct tr_reactor *reactor = NULL;
    char key[KEY_BYTES];

    if (tr_reactor_open(&reactor, (enum tr_reactor_engine)config->reactor, FDS, TIMERS, err) !=
        TR_OK) {
        return err->code;
    }
    start.signals = &signals;
    start.reactor = reactor;
    start.service_reactor = reactor;
    enum tr_code code = tr_start_open_store(&start, NULL, err);
    if (code == TR_OK) {
        code = tr_start_load_store(&start, &content, err);
    }
    if (code == TR_OK) {
        const size_t bytes =
            tr_position_write_key(tr_span_of_text(config->topic_prefix), key, sizeof(key));
        print_text("key:     ", tr_span_of(key, bytes));
        print_text("value:   ", content.offset_value.bytes == 0 ? tr_span_of_text("(none)")
                                                                : content.offset_value);
        print_text("identity:",
                   content.identity.bytes == 0 ? tr_span_of_text("(none)") : content.identity);
    }
    tr_start_deinit(&start);
    tr_reactor_close(reactor);
    return code;
}

enum tr_code tr_command_offsets(struct tr_command_call *call, struct tr_error *err)
{
    struct tr_config *config;

    if (strcmp(call->words[0], "show") != 0) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP, "offsets %s: want `tailrace offsets show`",
                       call->words[0]);
    }
    if (tr_command_load_config(call, TR_CONFIG_FOR_STATE, &config, err) != TR_OK) {
        return err->code;
    }
    tr_log_setup(TR_LOG_WARN, TR_LOG_TEXT, 2);
    const enum tr_code code = show(config, err);
    tr_config_close(config);
    return code;
}
