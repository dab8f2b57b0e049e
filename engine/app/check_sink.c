// SPDX-License-Identifier: Apache-2.0
/* Kinesis: are the keys accepted, is its clock ours, are the streams there. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/app/app_kinesis.h"
#include "engine/app/check.h"
#include "engine/app/start_parts.h"
#include "engine/clock.h"
#include "stages/ship/ensure.h"

#define OPERATION "DescribeStreamSummary"
#define ACTIVE_TIMEOUT_NS TR_NS_PER_S /* a stream that is being created is not waited for */

struct look {
    struct tr_check *check;
    const char *region;
    uint32_t there_count;
    uint32_t missing_count;
    uint32_t unknown_count;
    uint64_t shard_count;
    uint32_t record_kib_min;
};

/* One plain attempt, for the answer's Date alone: signatures follow the service's clock, records do
 * not. */
static void check_clock(struct tr_check *check, struct tr_kinesis_client *client,
                        const struct tr_control_body *body)
{
    struct tr_call_done done;
    struct tr_error err;
    if (tr_kinesis_call_blocking(client, OPERATION, tr_control_body_span(body), &done, &err) !=
            TR_OK ||
        done.state != TR_CALL_ANSWERED || done.date_unix_s == 0) {
        return; /* what keeps it from answering, the next call tells */
    }
    const int64_t skew_s =
        done.date_unix_s - tr_clock_wall_unix_ns(tr_clock_system()) / TR_NS_PER_S;
    if (skew_s > TR_CHECK_CLOCK_SKEW_S || skew_s < -TR_CHECK_CLOCK_SKEW_S) {
        tr_check_report_warn(&check->report, "sink.clock",
                             "Kinesis' clock is %" PRId64 " s %s ours: signatures are corrected by "
                             "themselves, ts_ms of the records is not; run NTP (chronyd) on this "
                             "machine",
                             skew_s > 0 ? skew_s : -skew_s, skew_s > 0 ? "ahead of" : "behind");
    } else {
        tr_check_report_ok(&check->report, "sink.clock", "within %d s of ours",
                           TR_CHECK_CLOCK_SKEW_S);
    }
}

/* A stream's name that may be asked for: of a table, or any that is well-formed. */
static const char *probe_name(const struct tr_check *check)
{
    for (uint32_t i = 0; i < tr_streams_count(check->start.streams); i++) {
        const char *name = tr_streams_get(check->start.streams, i)->name;
        if (tr_kinesis_stream_name_is_valid(name)) {
            return name;
        }
    }
    return tr_kinesis_stream_name_is_valid(check->config->topic_prefix)
               ? check->config->topic_prefix
               : "tailrace";
}

static bool check_keys(struct tr_check *check, struct tr_app_kinesis *session)
{
    static struct tr_control_body body;
    struct tr_kinesis_refusal refusal;
    struct tr_span answer;
    struct tr_error err;
    const char *origin = tr_credentials_origin(session->credentials);
    tr_control_write_describe_stream_summary(&body, probe_name(check));
    check_clock(check, &session->client, &body);
    const enum tr_code code =
        tr_kinesis_call(&session->client, OPERATION, &body, &answer, &refusal, &err);
    if (code != TR_OK && strcmp(refusal.failure.type, "ResourceNotFoundException") != 0 &&
        strcmp(refusal.failure.type, "AccessDeniedException") != 0) {
        tr_check_report_fail(&check->report,
                             code == TR_ERR_SINK_AUTH ? "sink.credentials" : "sink.connection",
                             &err);
        return false;
    }
    if (code == TR_ERR_SINK_AUTH) {
        tr_check_report_warn(
            &check->report, "sink.credentials",
            "keys of %s are accepted by %s, but may not describe streams, so that a "
            "missing one is found by its first record: allow kinesis:%s",
            origin, session->endpoint.host, OPERATION);
        return true;
    }
    tr_check_report_ok(&check->report, "sink.credentials", "keys of %s are accepted by %s (%s)",
                       origin, session->endpoint.host, session->endpoint.region);
    return true;
}

static void report_missing(struct look *look, const char *name)
{
    struct tr_check *check = look->check;
    struct tr_error err;
    if (look->missing_count++ >= TR_CHECK_NAMES_MAX) {
        return;
    }
    if (check->config->streams_create) {
        tr_check_report_warn(&check->report, "sink.streams",
                             "stream \"%s\" does not exist in region %s: the start will create it "
                             "(tailrace.streams.create=true, tailrace.streams.shards=%" PRIu64 ")",
                             name, look->region, check->config->streams_shards);
        return;
    }
    (void)TR_FAIL(
        &err, TR_ERR_SINK_STREAM, TR_STOP,
        "stream \"%s\" does not exist in region %s: run `tailrace streams --create`, or set "
        "tailrace.streams.create=true",
        name, look->region);
    tr_check_report_fail(&check->report, "sink.streams", &err);
}

static void on_presence(void *self, const char *name, enum tr_stream_presence presence,
                        const struct tr_stream_summary *summary)
{
    struct look *look = self;
    switch (presence) {
    case TR_STREAM_IS_THERE:
    case TR_STREAM_IS_CREATED:
        look->there_count++;
        if (summary != NULL) {
            look->shard_count += summary->open_shard_count;
            look->record_kib_min = summary->max_record_kib < look->record_kib_min
                                       ? summary->max_record_kib
                                       : look->record_kib_min;
        }
        break;
    case TR_STREAM_IS_MISSING:
        report_missing(look, name);
        break;
    case TR_STREAM_IS_UNKNOWN:
        look->unknown_count++;
        break;
    }
}

static void on_problem(void *self, const struct tr_error *problem)
{
    struct look *look = self;
    tr_check_report_fail(&look->check->report, "sink.streams", problem);
}

static void report_streams(struct look *look, enum tr_code code, const struct tr_error *err)
{
    struct tr_check_report *report = &look->check->report;
    if (look->missing_count > TR_CHECK_NAMES_MAX) {
        tr_check_report_warn(report, "sink.streams", "and %" PRIu32 " streams more do not exist",
                             look->missing_count - TR_CHECK_NAMES_MAX);
    }
    if (look->there_count > 0) {
        tr_check_report_ok(report, "sink.streams",
                           "%" PRIu32 " exist, with %" PRIu64 " shards; records up to %" PRIu32
                           " KiB are taken by all of them",
                           look->there_count, look->shard_count, look->record_kib_min);
    }
    if (look->unknown_count > 0) {
        tr_check_report_warn(report, "sink.streams",
                             "%" PRIu32 " are not known: these keys may not describe them",
                             look->unknown_count);
    }
    if (code != TR_OK && (code != TR_ERR_SINK_STREAM || look->missing_count == 0)) {
        tr_check_report_fail(report, "sink.streams", err);
    }
}

static void check_streams(struct tr_check *check, struct tr_app_kinesis *session)
{
    struct look look = {
        .check = check, .region = session->endpoint.region, .record_kib_min = UINT32_MAX};
    struct tr_error err;
    if (tr_start_open_publisher(&check->start, &err) != TR_OK) { /* the stream of schema changes */
        tr_check_report_fail(&check->report, "sink.streams", &err);
        return;
    }
    const uint32_t count = tr_streams_count(check->start.streams);
    const char **names = calloc(count + 1, sizeof(*names));
    if (names == NULL) {
        (void)TR_FAIL(&err, TR_ERR_SYSTEM, TR_STOP, "no memory for %" PRIu32 " streams: add memory",
                      count);
        tr_check_report_fail(&check->report, "sink.streams", &err);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        names[i] = tr_streams_get(check->start.streams, i)->name;
    }
    const struct tr_ensure_options ensure = {.names = names,
                                             .name_count = count,
                                             .create = false,
                                             .active_timeout_ns = ACTIVE_TIMEOUT_NS,
                                             .region = session->endpoint.region,
                                             .on_presence = on_presence,
                                             .on_problem = on_problem,
                                             .self = &look};
    const enum tr_code code = tr_streams_ensure(&session->client, &ensure, &err);
    report_streams(&look, code, &err);
    free(names);
}

void tr_check_sink(struct tr_check *check)
{
    static struct tr_app_kinesis session;
    const struct tr_app_kinesis_options options = tr_app_kinesis_options_of(check->config);
    struct tr_error err;
    if (tr_app_kinesis_open(&session, &options, &err) != TR_OK) {
        tr_check_report_fail(&check->report, "sink.credentials", &err);
        return;
    }
    if (check_keys(check, &session) && check->has_tables) {
        check_streams(check, &session);
    }
    tr_app_kinesis_close(&session);
}
