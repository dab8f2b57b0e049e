// SPDX-License-Identifier: Apache-2.0
/* The store, and what a start would do with what it holds on this server. */
#include <inttypes.h>

#include "engine/app/check.h"
#include "engine/app/start_history.h"
#include "engine/app/start_parts.h"
#include "engine/clock.h"

#define RETENTION_S_SHORT (24 * 3600) /* one bad night */
#define RETENTION_S_ADVICE (7 * 24 * 3600)

static const char *store_place(const struct tr_check *check)
{
    return check->config->offset_storage == TR_CONFIG_OFFSET_REDIS ? check->config->redis_address
                                                                   : check->config->offset_file;
}

/* Opens, looks, loads; false when there is nothing to go on with. */
static bool check_store(struct tr_check *check, struct tr_store_content *content)
{
    struct tr_start *start = &check->start;
    struct tr_check_report *report = &check->report;
    struct tr_span holder;
    struct tr_error err;
    if (check->config->offset_storage == TR_CONFIG_OFFSET_MEMORY) {
        tr_check_report_warn(
            report, "state.store",
            "the memory store keeps nothing: after a stop, capture begins anew; set "
            "debezium.source.offset.storage to the file or the Redis store");
        return false;
    }
    if (tr_start_open_store(start, NULL, &err) != TR_OK ||
        tr_start_look_store(start, &holder, &err) != TR_OK) {
        tr_check_report_fail(report, "state.store", &err);
        return false;
    }
    tr_check_report_ok(report, "state.store", "%s %s can be read and written", start->store.name,
                       store_place(check));
    if (holder.bytes > 0) {
        tr_check_report_warn(report, "state.lock",
                             "held by %.*s, which runs on this state: another instance would be "
                             "refused; stop that one first, if it is not the one you mean to run",
                             (int)holder.bytes, (const char *)holder.data);
    } else {
        tr_check_report_ok(report, "state.lock", "nobody holds it");
    }
    if (tr_start_load_store(start, content, &err) != TR_OK) {
        tr_check_report_fail(report, "state.offset", &err);
        return false;
    }
    return true;
}

static const char *history_place(const struct tr_check *check)
{
    return check->config->history_storage == TR_CONFIG_HISTORY_REDIS
               ? check->config->history_redis_address
               : check->config->history_file;
}

/* Opens and reads it; false when a start would not get as far as the position. */
static bool check_history(struct tr_check *check)
{
    struct tr_start *start = &check->start;
    struct tr_check_report *report = &check->report;
    struct tr_error err;
    uint64_t count;
    if (check->config->history_storage == TR_CONFIG_HISTORY_NONE) {
        return true; /* what that means is said of binlog_row_metadata */
    }
    if (check->config->history_storage == TR_CONFIG_HISTORY_MEMORY) {
        tr_check_report_warn(
            report, "state.history",
            "the memory store keeps nothing: a start with a saved offset is refused; set "
            "debezium.source.schema.history.internal to the file or the Redis store");
        return false;
    }
    if (tr_start_open_history(start, &err) != TR_OK ||
        tr_start_load_history(start, NULL, NULL, &count, &err) != TR_OK) {
        tr_check_report_fail(report, "state.history", &err);
        return false;
    }
    tr_check_report_ok(report, "state.history", "%s %s: %" PRIu64 " documents", start->history.name,
                       history_place(check), count);
    return true;
}

static bool is_by_gtids(const struct tr_start *start)
{
    return start->position.gtids != NULL && !tr_gtid_set_is_empty(start->position.gtids);
}

static void report_resume(struct tr_check *check)
{
    const struct tr_start *start = &check->start;
    const struct tr_log_point *point = &start->position.point;
    tr_check_report_ok(&check->report, "state.resume",
                       "goes on at %s:%" PRIu64 ", event %" PRIu64 ", row %" PRIu64 "%s%s",
                       point->file, point->pos, point->event_count, point->row_count,
                       is_by_gtids(start) ? ", by GTIDs" : "",
                       point->event_count > 0 && !start->counters_apply
                           ? " (the open transaction is sent again from its first row: the offset "
                             "is not known to be of this server)"
                           : "");
}

/* Where the file says nothing, because the offset may be of another server. */
static void check_replay_by_gtids(struct tr_check *check, const struct tr_server_log *log)
{
    char bytes[32];
    tr_check_report_ok(
        &check->report, "state.replay",
        "the log has all that the offset's GTIDs lack; how much that is of its %s in "
        "%" PRIu32 " files, is not known before it is read",
        tr_check_write_bytes(log->bytes, bytes), log->file_count);
}

/* How much log lies behind the position. `age_s` is what its last event says: 0 = nothing to read,
 * or not known. */
static void check_replay(struct tr_check *check, uint64_t *age_s)
{
    const struct tr_start *start = &check->start;
    const struct tr_log_point *point = &start->position.point;
    const int64_t now_s = tr_clock_wall_unix_ns(tr_clock_system()) / TR_NS_PER_S;
    struct tr_server_log log;
    struct tr_error err;
    char bytes[32];
    char age[32];
    if (tr_server_log_read(&log, point, &start->facts, &start->query.port, &err) != TR_OK) {
        tr_check_report_fail(&check->report, "state.replay", &err);
        return;
    }
    if (point->ts_sec > 0 && now_s > point->ts_sec && (!log.has_file || log.after_bytes > 0)) {
        *age_s = (uint64_t)(now_s - point->ts_sec);
    }
    if (is_by_gtids(start) && (!start->counters_apply || !log.has_file)) {
        check_replay_by_gtids(check, &log);
    } else if (*age_s == 0) {
        tr_check_report_ok(&check->report, "state.replay", "%s of log to read, all still there",
                           tr_check_write_bytes(log.after_bytes, bytes));
    } else {
        tr_check_report_ok(&check->report, "state.replay",
                           "%s of log to read, all still there, behind an event of %s ago",
                           tr_check_write_bytes(log.after_bytes, bytes),
                           tr_check_write_seconds(*age_s, age));
    }
}

/* The statement that keeps logs longer, as this server spells it. */
static const char *retention_remedy(const struct tr_server_facts *facts, char *out, size_t room)
{
    if (facts->is_rds) {
        (void)snprintf(out, room,
                       "run CALL mysql.rds_set_configuration('binlog retention hours', %d)",
                       RETENTION_S_ADVICE / 3600);
        return out;
    }
    const bool in_seconds = facts->flavor == TR_FLAVOR_MARIADB ? facts->version_number >= 100601
                                                               : facts->version_number >= 80000;
    (void)snprintf(out, room,
                   "run SET GLOBAL %s = %d, and set it in the server's configuration too",
                   in_seconds ? "binlog_expire_logs_seconds" : "expire_logs_days",
                   in_seconds ? RETENTION_S_ADVICE : RETENTION_S_ADVICE / 86400);
    return out;
}

static void check_retention(struct tr_check *check, uint64_t age_s)
{
    const struct tr_server_facts *facts = &check->start.facts;
    char retention[32];
    char left[32];
    char remedy[128];
    (void)tr_check_write_seconds(facts->retention_s, retention);
    (void)retention_remedy(facts, remedy, sizeof(remedy));
    if (facts->retention_s == 0) {
        tr_check_report_ok(&check->report, "source.retention",
                           "logs are kept until they are purged by hand");
    } else if (age_s * 2 > facts->retention_s) {
        const uint64_t left_s = age_s < facts->retention_s ? facts->retention_s - age_s : 0;
        tr_check_report_warn(&check->report, "source.retention",
                             "logs are kept for %s, and the position is older than half of that: "
                             "start soon (%s left); %s",
                             retention, tr_check_write_seconds(left_s, left), remedy);
    } else if (facts->retention_s < RETENTION_S_SHORT) {
        tr_check_report_warn(&check->report, "source.retention",
                             "logs are kept for %s: a longer outage loses events; %s", retention,
                             remedy);
    } else {
        tr_check_report_ok(&check->report, "source.retention", "logs are kept for %s", retention);
    }
}

/* A start without an offset, too, reads the documents that are there, to know that the one behind it can. */
static bool check_documents(struct tr_check *check)
{
    struct tr_error err;
    uint64_t count;
    if (check->start.history.self == NULL ||
        (tr_start_open_catalog(&check->start, &err) == TR_OK &&
         tr_start_recover_tables(&check->start, &count, &err) == TR_OK)) {
        return true;
    }
    tr_check_report_fail(&check->report, "state.history", &err);
    return false;
}

/* What a start with nothing saved, or nothing that it goes on from, would do. */
static void report_first_start(struct tr_check *check, const char *why)
{
    static const char *const does[] = {
        [TR_CONFIG_SNAPSHOT_INITIAL] = "a snapshot of all captured rows, then the log",
        [TR_CONFIG_SNAPSHOT_INITIAL_ONLY] =
            "a snapshot of all captured rows, and nothing behind it",
        [TR_CONFIG_SNAPSHOT_NO_DATA] = "the log from now on, without the rows that are there",
        [TR_CONFIG_SNAPSHOT_ALWAYS] = "a snapshot of all captured rows, then the log",
        [TR_CONFIG_SNAPSHOT_WHEN_NEEDED] = "a snapshot of all captured rows, then the log",
        [TR_CONFIG_SNAPSHOT_RECOVERY] = "",
    };
    if (!check_documents(check)) {
        return;
    }
    tr_check_report_ok(&check->report, "state.resume", "%s: the start begins with %s", why,
                       does[check->config->snapshot_mode]);
    tr_check_snapshot(check);
}

static void check_resume(struct tr_check *check, const struct tr_store_content *content,
                         uint64_t *age_s)
{
    const uint32_t mode = check->config->snapshot_mode;
    struct tr_start *start = &check->start;
    struct tr_error err;
    if (tr_start_resume(start, content, &err) == TR_OK) {
        report_resume(check);
        if (check->may_read_log) {
            check_replay(check, age_s);
        }
    } else if (err.code == TR_ERR_SOURCE_GONE && mode == TR_CONFIG_SNAPSHOT_WHEN_NEEDED) {
        tr_check_report_warn(&check->report, "state.resume", "%s", err.text);
        report_first_start(check, "snapshot.mode = when_needed");
    } else if (err.code != TR_ERR_SOURCE_AUTH || check->may_read_log) { /* else said already */
        tr_check_report_fail(&check->report, "state.resume", &err);
    }
}

/* The decision of tr_start_begin(), with what is stored. */
static void check_begin(struct tr_check *check, const struct tr_store_content *content,
                        bool has_history, uint64_t *age_s)
{
    const uint32_t mode = check->config->snapshot_mode;
    const bool is_recovery = mode == TR_CONFIG_SNAPSHOT_RECOVERY;
    struct tr_start *start = &check->start;
    struct tr_error err;
    if (tr_start_read_offset(start, content->offset_value, &err) != TR_OK) {
        tr_check_report_fail(&check->report, "state.resume", &err);
    } else if (content->offset_value.bytes == 0 && is_recovery) {
        (void)TR_FAIL(&err, TR_ERR_STATE, TR_STOP,
                      "debezium.source.snapshot.mode = recovery: it goes on from a stored offset, "
                      "and there is none: set initial or no_data");
        tr_check_report_fail(&check->report, "state.resume", &err);
    } else if (content->offset_value.bytes == 0) {
        if (content->other_key.bytes > 0) {
            tr_check_report_warn(&check->report, "state.offset",
                                 "%s has an offset of %.*s, and none of this "
                                 "debezium.source.topic.prefix, \"%s\": correct it, if that is the "
                                 "one to go on from",
                                 store_place(check), (int)content->other_key.bytes,
                                 (const char *)content->other_key.data,
                                 check->config->topic_prefix);
        }
        report_first_start(check, "nothing is saved yet");
    } else if (start->position.point.snapshot && !is_recovery) {
        report_first_start(check, "a snapshot was not finished");
    } else if (mode == TR_CONFIG_SNAPSHOT_ALWAYS) {
        report_first_start(check, "snapshot.mode = always");
    } else if (has_history) {
        check_resume(check, content, age_s);
    }
}

void tr_check_state(struct tr_check *check)
{
    struct tr_store_content content = {0};
    uint64_t age_s = 0;
    const bool has_store = check_store(check, &content);
    const bool has_history = check_history(check);
    if (has_store && check->has_facts) {
        check_begin(check, &content, has_history, &age_s);
    } else if (has_store) {
        tr_check_report_ok(&check->report, "state.resume", "%s",
                           content.offset_value.bytes == 0
                               ? "nothing is saved yet: this would be a first start"
                               : "an offset is saved; whether the source still has what is "
                                 "behind it, only the source can tell");
    } else if (check->config->offset_storage == TR_CONFIG_OFFSET_MEMORY && check->has_facts) {
        report_first_start(check, "the memory store keeps nothing");
    }
    struct tr_error err;
    if (!has_store && has_history && check->has_facts &&
        check->config->offset_storage != TR_CONFIG_OFFSET_MEMORY &&
        tr_start_read_offset(&check->start, (struct tr_span){0}, &err) == TR_OK) {
        (void)check_documents(check); /* the offset's fault does not hide the history's */
    }
    if (check->has_facts) {
        check_retention(check, age_s);
    }
}
