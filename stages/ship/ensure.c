// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/ensure.h"

#include <stdio.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/log.h"
#include "stages/ship/stream_list.h"

#define DESCRIBE_INTERVAL_NS (TR_NS_PER_S / 15) /* the account has 20 a second */
#define CREATE_INTERVAL_NS (TR_NS_PER_S / 4)    /* the account has 5 a second */
#define CREATING_MAX 5                          /* at once, per account */
#define ACTIVE_TIMEOUT_NS (180 * TR_NS_PER_S)
#define ACTIVE_POLL_NS (500 * TR_NS_PER_MS)
#define DENIED_GRACE_NS (5 * TR_NS_PER_S) /* a policy arrives; as the shippers' start_grace_ns */
#define DENIED_POLL_NS TR_NS_PER_S
#define MISSING_NAMED_MAX 3
#define LISTED_FROM 16 /* streams: fewer are described within a second */

/* A stream that exists but cannot be used yet. */
struct pending_stream {
    const char *name;
    enum tr_stream_presence presence; /* to be reported */
    int64_t deadline_ns;
};

struct ensure_run {
    struct tr_kinesis_client *client;
    const struct tr_ensure_options *options;
    struct tr_control_body body;
    int64_t next_describe_ns;
    int64_t next_create_ns;
    struct pending_stream pending[CREATING_MAX];
    uint32_t pending_count;
    const char *missing[MISSING_NAMED_MAX]; /* the first ones */
    uint32_t missing_count;
    bool denied_is_logged;
    struct tr_stream_list list; /* empty: all are described */
};

static void report(const struct ensure_run *run, const char *name, enum tr_stream_presence presence,
                   const struct tr_stream_summary *summary)
{
    if (run->options->on_presence != NULL) {
        run->options->on_presence(run->options->self, name, presence, summary);
    }
}

static int64_t now_of(const struct ensure_run *run)
{
    return tr_clock_monotonic_ns(run->client->clock);
}

static bool failure_is(const struct tr_kinesis_refusal *refusal, const char *type)
{
    return strcmp(refusal->failure.type, type) == 0;
}

/* One look at a stream; TR_OK with `presence` THERE (and `summary`), MISSING or UNKNOWN: denied. */
static enum tr_code describe_once(struct ensure_run *run, const char *name,
                                  enum tr_stream_presence *presence,
                                  struct tr_stream_summary *summary, struct tr_error *err)
{
    struct tr_kinesis_refusal refusal;
    struct tr_span answer;
    if (tr_kinesis_wait_until(run->client, run->next_describe_ns, err) != TR_OK) {
        return err->code;
    }
    run->next_describe_ns = now_of(run) + DESCRIBE_INTERVAL_NS;
    tr_control_write_describe_stream_summary(&run->body, name);
    const enum tr_code code =
        tr_kinesis_call(run->client, "DescribeStreamSummary", &run->body, &answer, &refusal, err);
    if (code == TR_OK) {
        *presence = TR_STREAM_IS_THERE;
        return tr_control_parse_stream_summary(run->client->reader, answer, summary, err);
    }
    if (failure_is(&refusal, "ResourceNotFoundException")) {
        *presence = TR_STREAM_IS_MISSING;
        return TR_OK;
    }
    (void)tr_error_prefix(err, "stream \"%s\"", name);
    if (failure_is(&refusal, "AccessDeniedException")) {
        *presence = TR_STREAM_IS_UNKNOWN;
        return TR_OK;
    }
    return code;
}

/*
 * The same until it is known. A producer may be denied and runs; who creates must know: it is tried
 * again for a while, since a new policy takes seconds to arrive everywhere, and then an error.
 */
static enum tr_code describe(struct ensure_run *run, const char *name,
                             enum tr_stream_presence *presence, struct tr_stream_summary *summary,
                             struct tr_error *err)
{
    int64_t give_up_ns = 0;
    for (;;) { /* until give_up_ns */
        if (describe_once(run, name, presence, summary, err) != TR_OK) {
            return err->code;
        }
        if (*presence != TR_STREAM_IS_UNKNOWN) {
            return TR_OK;
        }
        if (!run->denied_is_logged) {
            run->denied_is_logged = true;
            tr_log_error(TR_LOG_WARN, "streams.describe_denied", err);
        }
        if (!run->options->create) {
            return TR_OK;
        }
        give_up_ns = give_up_ns == 0 ? now_of(run) + DENIED_GRACE_NS : give_up_ns;
        if (now_of(run) >= give_up_ns) {
            return err->code;
        }
        if (tr_kinesis_wait_until(run->client, now_of(run) + DENIED_POLL_NS, err) != TR_OK) {
            return err->code;
        }
    }
}

/* What a created stream needs besides; it is ACTIVE. */
static enum tr_code finish_created(struct ensure_run *run, const char *name,
                                   struct tr_stream_summary *summary, struct tr_error *err)
{
    const uint32_t hours = run->options->wish.retention_hours;
    struct tr_span answer;
    if (hours <= summary->retention_hours) {
        return TR_OK;
    }
    if (tr_kinesis_wait_until(run->client, run->next_create_ns, err) != TR_OK) {
        return err->code;
    }
    run->next_create_ns = now_of(run) + CREATE_INTERVAL_NS;
    tr_control_write_increase_retention(&run->body, name, hours);
    if (tr_kinesis_call(run->client, "IncreaseStreamRetentionPeriod", &run->body, &answer, NULL,
                        err) != TR_OK) {
        return tr_error_prefix(err, "stream \"%s\" was created, but not its retention of %u hours",
                               name, hours);
    }
    summary->retention_hours = hours;
    return TR_OK;
}

/* A problem of one stream: told, where somebody wants to hear of all; else the error. */
static enum tr_code problem_of_one(const struct ensure_run *run, struct tr_error *err)
{
    if (run->options->on_problem == NULL || err->code != TR_ERR_SINK_STREAM) {
        return err->code;
    }
    run->options->on_problem(run->options->self, err);
    return TR_OK;
}

static enum tr_code not_active(const struct ensure_run *run, const char *name, struct tr_error *err)
{
    const int64_t timeout_ns =
        run->options->active_timeout_ns == 0 ? ACTIVE_TIMEOUT_NS : run->options->active_timeout_ns;
    (void)TR_FAIL(err, TR_ERR_SINK_STREAM, TR_STOP,
                  "stream \"%s\": not ACTIVE after %lld s: look at it in the console", name,
                  (long long)(timeout_ns / TR_NS_PER_S));
    return problem_of_one(run, err);
}

/* Looks at the pending streams until fewer than `count_max` are left. */
static enum tr_code wait_for_pending(struct ensure_run *run, uint32_t count_max,
                                     struct tr_error *err)
{
    while (run->pending_count > count_max) { /* each stream has a deadline */
        for (uint32_t i = 0; i < run->pending_count;) {
            struct pending_stream *pending = &run->pending[i];
            struct tr_stream_summary summary;
            enum tr_stream_presence presence = TR_STREAM_IS_UNKNOWN;
            if (describe(run, pending->name, &presence, &summary, err) != TR_OK) {
                return err->code;
            }
            /* Just created streams are missing for a moment at some services. */
            const bool is_ready =
                presence == TR_STREAM_IS_UNKNOWN ||
                (presence == TR_STREAM_IS_THERE &&
                 (summary.status == TR_STREAM_ACTIVE || summary.status == TR_STREAM_UPDATING));
            if (is_ready && presence == TR_STREAM_IS_THERE &&
                pending->presence == TR_STREAM_IS_CREATED &&
                finish_created(run, pending->name, &summary, err) != TR_OK) {
                return err->code;
            }
            if (is_ready) {
                report(run, pending->name, pending->presence,
                       presence == TR_STREAM_IS_THERE ? &summary : NULL);
                *pending = run->pending[--run->pending_count];
                continue;
            }
            if (now_of(run) >= pending->deadline_ns) {
                if (not_active(run, pending->name, err) != TR_OK) {
                    return err->code;
                }
                *pending = run->pending[--run->pending_count];
                continue;
            }
            i++;
        }
        if (run->pending_count > count_max &&
            tr_kinesis_wait_until(run->client, now_of(run) + ACTIVE_POLL_NS, err) != TR_OK) {
            return err->code;
        }
    }
    return TR_OK;
}

static enum tr_code add_pending(struct ensure_run *run, const char *name,
                                enum tr_stream_presence presence, struct tr_error *err)
{
    const int64_t timeout_ns =
        run->options->active_timeout_ns == 0 ? ACTIVE_TIMEOUT_NS : run->options->active_timeout_ns;
    if (wait_for_pending(run, CREATING_MAX - 1, err) != TR_OK) {
        return err->code;
    }
    run->pending[run->pending_count++] = (struct pending_stream){
        .name = name, .presence = presence, .deadline_ns = now_of(run) + timeout_ns};
    return TR_OK;
}

static enum tr_code create(struct ensure_run *run, const char *name, struct tr_error *err)
{
    struct tr_kinesis_refusal refusal;
    struct tr_span answer;
    enum tr_stream_presence presence = TR_STREAM_IS_CREATED;
    if (wait_for_pending(run, CREATING_MAX - 1, err) != TR_OK ||
        tr_kinesis_wait_until(run->client, run->next_create_ns, err) != TR_OK) {
        return err->code;
    }
    run->next_create_ns = now_of(run) + CREATE_INTERVAL_NS;
    tr_control_write_create_stream(&run->body, name, &run->options->wish);
    const enum tr_code code =
        tr_kinesis_call(run->client, "CreateStream", &run->body, &answer, &refusal, err);
    if (code != TR_OK) {
        if (!failure_is(&refusal, "ResourceInUseException")) {
            (void)tr_error_prefix(err, "stream \"%s\"", name);
            return code;
        }
        presence = TR_STREAM_IS_THERE; /* another one was faster, or our first try was heard */
    } else {
        TR_LOG(TR_LOG_INFO, "streams.created", TR_TEXT("stream", name),
               TR_UINT("shards", run->options->wish.shard_count));
    }
    return add_pending(run, name, presence, err);
}

static enum tr_code ensure_one(struct ensure_run *run, const char *name, struct tr_error *err)
{
    struct tr_stream_summary summary;
    enum tr_stream_presence presence = TR_STREAM_IS_UNKNOWN;
    if (!tr_kinesis_stream_name_is_valid(name)) {
        return TR_FAIL(err, TR_ERR_SINK_STREAM, TR_STOP,
                       "stream \"%.260s\": Kinesis wants 1 to %d of a-z A-Z 0-9 _ . -: change "
                       "debezium.source.topic.prefix, or route the table to another name",
                       name, TR_KINESIS_STREAM_NAME_BYTES_MAX);
    }
    if (tr_stream_list_is_usable(&run->list, name)) {
        return TR_OK;
    }
    if (describe(run, name, &presence, &summary, err) != TR_OK) {
        return err->code;
    }
    if (presence == TR_STREAM_IS_UNKNOWN) {
        report(run, name, presence, NULL);
        return TR_OK;
    }
    if (presence == TR_STREAM_IS_MISSING) {
        if (run->options->create) {
            return create(run, name, err);
        }
        if (run->missing_count < MISSING_NAMED_MAX) {
            run->missing[run->missing_count] = name;
        }
        run->missing_count++;
        report(run, name, presence, NULL);
        return TR_OK;
    }
    if (summary.status == TR_STREAM_CREATING) {
        return add_pending(run, name, presence, err);
    }
    if (summary.status == TR_STREAM_DELETING) {
        return TR_FAIL(
            err, TR_ERR_SINK_STREAM, TR_STOP,
            "stream \"%s\": is being deleted: start again when it is gone or created anew", name);
    }
    report(run, name, presence, &summary);
    return TR_OK;
}

static enum tr_code ensure_all(struct ensure_run *run, struct tr_error *err)
{
    const struct tr_ensure_options *options = run->options;

    /* Who wants to be told of each stream wants its summary too. */
    if (options->name_count >= LISTED_FROM && options->on_presence == NULL &&
        tr_stream_list_read(&run->list, run->client, options->names, options->name_count, err) !=
            TR_OK) {
        return err->code;
    }
    for (uint32_t i = 0; i < options->name_count; i++) {
        if (ensure_one(run, options->names[i], err) != TR_OK && problem_of_one(run, err) != TR_OK) {
            return err->code;
        }
    }
    return wait_for_pending(run, 0, err);
}

static enum tr_code missing_error(const struct ensure_run *run, struct tr_error *err)
{
    const bool is_one = run->missing_count == 1;
    char names[MISSING_NAMED_MAX * (TR_KINESIS_STREAM_NAME_BYTES_MAX + 4) + 32] = "";
    size_t at = 0;

    for (uint32_t i = 0; i < run->missing_count && i < MISSING_NAMED_MAX; i++) {
        at += (size_t)snprintf(names + at, sizeof(names) - at, "%s\"%s\"", i == 0 ? "" : ", ",
                               run->missing[i]);
    }
    if (run->missing_count > MISSING_NAMED_MAX) {
        (void)snprintf(names + at, sizeof(names) - at, " and %u more",
                       run->missing_count - MISSING_NAMED_MAX);
    }
    return TR_FAIL(err, TR_ERR_SINK_STREAM, TR_STOP,
                   "stream%s %s %s not exist in region %s: run `tailrace streams --create`, or set "
                   "tailrace.streams.create=true",
                   is_one ? "" : "s", names, is_one ? "does" : "do",
                   run->options->region == NULL ? "-" : run->options->region);
}

enum tr_code tr_streams_ensure(struct tr_kinesis_client *client,
                               const struct tr_ensure_options *options, struct tr_error *err)
{
    struct ensure_run run = {.client = client, .options = options};
    const enum tr_code code = ensure_all(&run, err);

    tr_stream_list_deinit(&run.list);
    if (code != TR_OK) {
        return code;
    }
    return run.missing_count > 0 ? missing_error(&run, err) : TR_OK;
}
