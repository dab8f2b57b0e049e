// SPDX-License-Identifier: Apache-2.0
/* `tailrace streams [--create]`: which streams the captured tables need, whether they exist, creating
 * those that do not, and what they would need and cost at a rate. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/app/app_kinesis.h"
#include "engine/app/app_streams.h"
#include "engine/app/commands.h"
#include "engine/app/scrape.h"
#include "engine/app/settings.h"
#include "engine/app/start.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "stages/source/mysql_link.h"

#define FDS 64
#define TIMERS 16
#define RATE_MAX 1e9
#define RECORD_BYTES_MAX (10.0 * 1024 * 1024)
#define MEASURED_S_MIN 1.0 /* a shorter life tells no rate */

/* Where the rates come from. */
struct rates {
    struct tr_cost_rate given; /* --rate; records_per_s < 0: not given */
    struct tr_scrape measured; /* --measured; text NULL: not asked for */
};

static bool given_rate(void *self, const char *stream, struct tr_cost_rate *rate)
{
    const struct rates *rates = self;
    (void)stream;
    *rate = rates->given;
    return true;
}

/* The mean since that instance started. */
static bool measured_rate(void *self, const char *stream, struct tr_cost_rate *rate)
{
    const struct rates *rates = self;
    const double now_s = (double)tr_clock_wall_unix_ns(tr_clock_system()) / 1e9;
    double records = 0;
    double bytes = 0;
    double started_s = 0;

    if (!tr_scrape_value(&rates->measured, "tailrace_records_acked_total", stream, &records) ||
        !tr_scrape_value(&rates->measured, "tailrace_record_bytes_acked_total", stream, &bytes) ||
        !tr_scrape_value(&rates->measured, "process_start_time_seconds", NULL, &started_s) ||
        now_s - started_s < MEASURED_S_MIN || records <= 0) {
        return false;
    }
    *rate = (struct tr_cost_rate){.records_per_s = records / (now_s - started_s),
                                  .record_bytes = bytes / records};
    return true;
}

static enum tr_code list(struct tr_start *start, struct tr_app_streams_options *options,
                         struct tr_error *err)
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
    options->kinesis = &kinesis;
    options->names = names;
    options->name_count = count;
    options->wish = tr_settings_wish(start->config);
    options->out = stdout;
    const enum tr_code code = tr_app_streams(options, err);
    free(names);
    return code;
}

/* The number of an option; -1: it was not given. */
static enum tr_code read_number(const struct tr_command_call *call, const char *option, double most,
                                double *number, struct tr_error *err)
{
    const char *text = tr_command_value(call, option);
    char *end = NULL;

    *number = -1;
    if (text == NULL) {
        return TR_OK;
    }
    errno = 0;
    *number = strtod(text, &end);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || !(*number <= most)) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP, "streams %s %.100s: want a number up to %.0f",
                       option, text, most);
    }
    return TR_OK;
}

static enum tr_code read_options(const struct tr_command_call *call, struct rates *rates,
                                 struct tr_error *err)
{
    if (read_number(call, "--rate", RATE_MAX, &rates->given.records_per_s, err) != TR_OK ||
        read_number(call, "--record-bytes", RECORD_BYTES_MAX, &rates->given.record_bytes, err) !=
            TR_OK) {
        return err->code;
    }
    if ((rates->given.records_per_s < 0) != (rates->given.record_bytes < 0)) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                       "streams: --rate and --record-bytes belong together: give both");
    }
    if (rates->given.records_per_s >= 0 && tr_command_value(call, "--measured") != NULL) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                       "streams: --measured and --rate: give one of them");
    }
    return TR_OK;
}

static enum tr_code run(const struct tr_command_call *call, struct tr_start *start,
                        struct rates *rates, struct tr_error *err)
{
    const struct tr_config *config = start->config;
    struct tr_app_streams_options options = {.create = tr_command_value(call, "--create") != NULL,
                                             .with_tags = tr_command_value(call, "--tags") != NULL,
                                             .rate_self = rates};

    if (tr_command_value(call, "--measured") != NULL) {
        options.rate_of = measured_rate;
        if (tr_scrape_open(&rates->measured, config->http_host, (uint16_t)config->http_port, err) !=
            TR_OK) {
            return err->code;
        }
    } else if (rates->given.records_per_s >= 0) {
        options.rate_of = given_rate;
    }
    if (tr_mysql_library_open(err) != TR_OK ||
        tr_reactor_open(&start->reactor, (enum tr_reactor_engine)config->reactor, FDS, TIMERS,
                        err) != TR_OK) {
        return err->code;
    }
    return list(start, &options, err);
}

enum tr_code tr_command_streams(struct tr_command_call *call, struct tr_error *err)
{
    struct tr_config *config;
    struct tr_signals signals = {0};
    struct tr_start start = {.signals = &signals, .read_only = true};
    struct rates rates = {0};

    if (read_options(call, &rates, err) != TR_OK ||
        tr_command_load_config(call, TR_CONFIG_FOR_RUN, &config, err) != TR_OK) {
        return err->code;
    }
    tr_log_setup(TR_LOG_WARN, TR_LOG_TEXT, 2);
    start.config = config;
    const enum tr_code code = run(call, &start, &rates, err);
    tr_scrape_close(&rates.measured);
    tr_start_deinit(&start);
    tr_reactor_close(start.reactor);
    tr_mysql_library_close();
    tr_config_close(config);
    return code;
}
