// SPDX-License-Identifier: Apache-2.0
#include "engine/app/check.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "engine/app/commands.h"
#include "engine/app/settings.h"
#include "engine/log.h"
#include "stages/source/mysql_link.h"

#define FDS 64
#define TIMERS 16

const char *tr_check_write_bytes(uint64_t bytes, char *out)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double amount = (double)bytes;
    size_t unit = 0;
    while (amount >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        amount /= 1024;
        unit++;
    }
    (void)snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.1f %s", amount, units[unit]);
    return out;
}

const char *tr_check_write_seconds(uint64_t seconds, char *out)
{
    static const struct {
        uint64_t seconds;
        const char *name;
    } units[] = {{86400, "days"}, {3600, "h"}, {60, "min"}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (seconds >= 2 * units[i].seconds) {
            (void)snprintf(out, 32, "%" PRIu64 " %s", seconds / units[i].seconds, units[i].name);
            return out;
        }
    }
    (void)snprintf(out, 32, "%" PRIu64 " s", seconds);
    return out;
}

/* One finding per line that the configuration wrote; err NULL: they are warnings. */
static void report_lines(struct tr_check *check, const struct tr_config_lines *lines,
                         struct tr_error *err)
{
    const char *at = lines->text;
    while (at != NULL && *at != '\0') {
        const int bytes = (int)strcspn(at, "\n");
        if (err == NULL) {
            tr_check_report_warn(&check->report, "config", "%.*s", bytes, at);
        } else {
            (void)snprintf(err->text, sizeof(err->text), "%.*s", bytes, at);
            tr_check_report_fail(&check->report, "config", err);
        }
        at += bytes + (at[bytes] == '\n');
    }
}

static bool check_config(struct tr_check *check, const struct tr_config *config, enum tr_code code,
                         struct tr_error *err)
{
    report_lines(check, &config->warnings, NULL);
    if (code == TR_OK) {
        tr_check_report_ok(&check->report, "config", "%s",
                           config->file_path[0] == '\0' ? "from the environment alone"
                                                        : config->file_path);
        return true;
    }
    if (config->problems.count == 0) {
        tr_check_report_fail(&check->report, "config", err);
    }
    report_lines(check, &config->problems, err);
    return false;
}

static enum tr_code check_all(struct tr_check *check, struct tr_error *err)
{
    struct tr_start *start = &check->start;
    const struct tr_filter_options filter = tr_settings_filter(check->config);
    start->config = check->config;
    start->signals = &check->signals;
    start->read_only = true;
    start->is_command = true;
    if (tr_reactor_open(&start->reactor, (enum tr_reactor_engine)check->config->reactor, FDS,
                        TIMERS, err) != TR_OK ||
        tr_gtid_sources_open(&start->gtid_sources, err) != TR_OK ||
        tr_streams_open(&start->streams, 1, err) != TR_OK) {
        return err->code;
    }
    start->service_reactor = start->reactor;
    if (tr_filter_open(&start->filter, &filter, err) != TR_OK) {
        tr_check_report_fail(&check->report, "config", err);
        return TR_OK;
    }
    tr_check_source(check);
    if (check->has_facts) {
        tr_check_tables(check);
    }
    tr_check_sink(check);
    tr_check_state(check);
    return TR_OK;
}

enum tr_code tr_command_check(struct tr_command_call *call, struct tr_error *err)
{
    static struct tr_check check; /* too large for the stack */
    const struct tr_config_request request = {.file_path = tr_command_value(call, "-c"),
                                              .environment = environ,
                                              .purpose = TR_CONFIG_FOR_RUN};
    struct tr_config *config;
    enum tr_code code = tr_config_load(&config, &request, err);
    if (config == NULL) {
        return code;
    }
    tr_log_setup(TR_LOG_ERROR, TR_LOG_TEXT, STDERR_FILENO);
    check.config = config;
    check.report.out = stdout;
    check.report.as_json = tr_command_value(call, "--json") != NULL;
    tr_check_report_begin(&check.report);
    if (check_config(&check, config, code, err)) {
        code = tr_mysql_library_open(err);
        if (code == TR_OK) {
            code = check_all(&check, err);
        }
        tr_start_deinit(&check.start);
        tr_reactor_close(check.start.reactor);
        tr_mysql_library_close();
        if (code != TR_OK) {
            tr_check_report_fail(&check.report, "check", err);
        }
    }
    tr_config_close(config);
    return tr_check_report_end(&check.report, err);
}
