// SPDX-License-Identifier: Apache-2.0
#include "engine/app/app_tail.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "engine/app/app_tail_print.h"
#include "engine/assert.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/pool.h"

#define TAIL_SHARDS_MAX 10000
#define READ_INTERVAL_NS (TR_NS_PER_S / 5) /* while behind: the shard's limit */
#define IDLE_INTERVAL_NS TR_NS_PER_S       /* at the tip */
#define PAGE_RECORDS_MAX 1000
#define LIST_TRIES_MAX 3

enum tail_shard_state { TAIL_WAITING = 0, TAIL_READING, TAIL_FINISHED };

struct tail_shard {
    enum tail_shard_state state;
    bool is_at_tip;
    bool is_child; /* seen only after the start: read from its beginning */
    int64_t due_ns;
    char id[TR_KINESIS_SHARD_ID_BYTES_MAX + 1];
    char parents[2][TR_KINESIS_SHARD_ID_BYTES_MAX + 1]; /* empty: none */
    char sequence[TR_KINESIS_SEQUENCE_BYTES_MAX + 1]; /* of the last record printed; empty: none */
    char iterator[TR_KINESIS_ITERATOR_BYTES_MAX + 1]; /* empty: to be asked for */
};

struct tail_run {
    struct tr_kinesis_client *client;
    const struct tr_app_tail_options *options;
    int64_t start_unix_ms; /* of this run: where an iterator of LATEST that expired goes on */
    bool has_started;
    struct tr_control_body body;
    struct tr_shard_list list; /* scratch */
    struct tail_shard *shards; /* owns; TAIL_SHARDS_MAX mapped */
    uint32_t shard_count;
    struct tail_shard *current; /* whose page is being printed */
    struct tr_app_tail_printer printer;
};

static enum tr_code open_run(struct tail_run *run, struct tr_error *err);
static void close_run(struct tail_run *run);
static enum tr_code list_shards(struct tail_run *run, struct tr_error *err);
static enum tr_code read_page(struct tail_run *run, struct tail_shard *shard, struct tr_error *err);
static enum tr_code turn(struct tail_run *run, bool *has_ended, struct tr_error *err);

enum tr_code tr_app_tail(const struct tr_app_kinesis_options *kinesis,
                         const struct tr_app_tail_options *options, struct tr_error *err)
{
    struct tr_app_kinesis session;
    struct tr_app_kinesis_options with_room = *kinesis;
    with_room.answer_bytes_max = TR_APP_TAIL_ANSWER_BYTES_MAX;
    enum tr_code code = tr_app_kinesis_open(&session, &with_room, err);
    if (code == TR_OK) {
        code = tr_app_tail_run(&session.client, options, err);
        tr_app_kinesis_close(&session);
    }
    return code;
}

enum tr_code tr_app_tail_run(struct tr_kinesis_client *client,
                             const struct tr_app_tail_options *options, struct tr_error *err)
{
    if (!tr_kinesis_stream_name_is_valid(options->stream)) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                       "stream \"%.260s\": Kinesis wants 1 to %d of a-z A-Z 0-9 _ . -",
                       options->stream, TR_KINESIS_STREAM_NAME_BYTES_MAX);
    }
    struct tail_run run = {.client = client, .options = options};
    run.start_unix_ms = tr_clock_wall_unix_ns(client->clock) / TR_NS_PER_MS;
    enum tr_code code = open_run(&run, err);
    bool has_ended = false;
    while (code == TR_OK && !has_ended) {
        code = turn(&run, &has_ended, err);
    }
    close_run(&run);
    if (code == TR_ERR_INTERRUPTED) {
        return TR_OK; /* how a tail that follows ends */
    }
    if (code != TR_OK) {
        (void)tr_error_prefix(err, "stream \"%s\"", options->stream);
    }
    return code;
}

static enum tr_code open_run(struct tail_run *run, struct tr_error *err)
{
    run->list.shards = tr_memory_map(sizeof(struct tr_shard) * TAIL_SHARDS_MAX, err);
    run->list.shards_max = TAIL_SHARDS_MAX;
    run->shards = tr_memory_map(sizeof(struct tail_shard) * TAIL_SHARDS_MAX, err);
    if (run->list.shards == NULL || run->shards == NULL) {
        return err->code;
    }
    if (tr_app_tail_printer_open(&run->printer, run->options, err) != TR_OK) {
        return err->code;
    }
    return list_shards(run, err);
}

static void close_run(struct tail_run *run)
{
    tr_app_tail_printer_close(&run->printer);
    if (run->list.shards != NULL) {
        tr_memory_unmap(run->list.shards, sizeof(struct tr_shard) * TAIL_SHARDS_MAX);
    }
    if (run->shards != NULL) {
        tr_memory_unmap(run->shards, sizeof(struct tail_shard) * TAIL_SHARDS_MAX);
    }
}

static struct tail_shard *find_shard(struct tail_run *run, const char *id)
{
    for (uint32_t i = 0; i < run->shard_count; i++) {
        if (strcmp(run->shards[i].id, id) == 0) {
            return &run->shards[i];
        }
    }
    return NULL;
}

/* Whether what came before in the same key range has been read; a parent that expired has. */
static bool parents_are_read(struct tail_run *run, const struct tail_shard *shard)
{
    for (size_t i = 0; i < 2; i++) {
        const struct tail_shard *parent =
            shard->parents[i][0] == '\0' ? NULL : find_shard(run, shard->parents[i]);
        if (parent != NULL && parent->state != TAIL_FINISHED) {
            return false;
        }
    }
    return true;
}

static void add_shard(struct tail_run *run, const struct tr_shard *listed)
{
    struct tail_shard *shard = &run->shards[run->shard_count++];
    *shard = (struct tail_shard){.is_child = run->has_started};
    memcpy(shard->id, listed->id, sizeof(shard->id));
    memcpy(shard->parents[0], listed->parent_id, sizeof(shard->parents[0]));
    memcpy(shard->parents[1], listed->adjacent_parent_id, sizeof(shard->parents[1]));
    if (!run->has_started && run->options->start == TR_ITERATOR_LATEST && listed->is_closed) {
        shard->state = TAIL_FINISHED; /* nothing new can come into it */
    }
}

/* Adds the shards that are not known yet. */
static enum tr_code list_shards(struct tail_run *run, struct tr_error *err)
{
    struct tr_kinesis_refusal refusal;
    struct tr_span answer;
    uint32_t tries = 1;
    run->list.shard_count = 0;
    run->list.next_token[0] = '\0';
    do {
        tr_control_write_list_shards(&run->body, run->options->stream, run->list.next_token);
        const enum tr_code code =
            tr_kinesis_call(run->client, "ListShards", &run->body, &answer, &refusal, err);
        if (code != TR_OK) {
            if (refusal.rule.verdict != TR_VERDICT_RESTART || tries == LIST_TRIES_MAX) {
                return code;
            }
            tries++; /* the page's token was too old: from the beginning */
            run->list.shard_count = 0;
            run->list.next_token[0] = '\0';
        } else if (tr_control_parse_shards(run->client->reader, answer, &run->list, err) != TR_OK) {
            return err->code;
        }
    } while (run->list.next_token[0] != '\0' || run->list.shard_count == 0);
    for (uint32_t i = 0; i < run->list.shard_count; i++) {
        const struct tr_shard *listed = &run->list.shards[i];
        if (find_shard(run, listed->id) != NULL) {
            continue;
        }
        if (run->shard_count == TAIL_SHARDS_MAX) {
            return TR_FAIL(err, TR_ERR_MEMORY_LIMIT, TR_STOP,
                           "more than %d shards since the start: start again", TAIL_SHARDS_MAX);
        }
        add_shard(run, listed);
    }
    run->has_started = true;
    return TR_OK;
}

/* Asks for the iterator from which the shard goes on. */
static enum tr_code renew_iterator(struct tail_run *run, struct tail_shard *shard,
                                   struct tr_error *err)
{
    struct tr_span answer;
    struct tr_iterator_request request = {
        .stream = run->options->stream,
        .shard_id = shard->id,
        .type = run->options->start,
        .timestamp_unix_ms = run->options->start_unix_ms,
    };
    if (shard->sequence[0] != '\0') {
        request.type = TR_ITERATOR_AFTER_SEQUENCE;
        request.sequence = shard->sequence;
    } else if (shard->is_child && run->options->start == TR_ITERATOR_LATEST) {
        request.type = TR_ITERATOR_TRIM_HORIZON;
    } else if (request.type == TR_ITERATOR_LATEST && shard->due_ns != 0) {
        request.type = TR_ITERATOR_AT_TIMESTAMP; /* its first one expired without a record */
        request.timestamp_unix_ms = run->start_unix_ms;
    }
    tr_control_write_get_shard_iterator(&run->body, &request);
    if (tr_kinesis_call(run->client, "GetShardIterator", &run->body, &answer, NULL, err) != TR_OK) {
        return err->code;
    }
    return tr_control_parse_shard_iterator(run->client->reader, answer, shard->iterator, err);
}

static bool accept_record(void *self, const struct tr_kinesis_record *record)
{
    (void)self;
    (void)record;
    return true;
}

static bool print_record(void *self, const struct tr_kinesis_record *record)
{
    struct tail_run *run = self;
    struct tail_shard *shard = run->current;
    if (tr_app_tail_printer_is_done(&run->printer)) {
        return true;
    }
    memcpy(shard->sequence, record->sequence.data, record->sequence.bytes);
    shard->sequence[record->sequence.bytes] = '\0';
    return tr_app_tail_print(&run->printer, record, shard->id);
}

static enum tr_code read_page(struct tail_run *run, struct tail_shard *shard, struct tr_error *err)
{
    struct tr_kinesis_refusal refusal;
    struct tr_records_page page;
    struct tr_span answer;
    if (shard->iterator[0] == '\0' && renew_iterator(run, shard, err) != TR_OK) {
        return err->code;
    }
    tr_control_write_get_records(&run->body, shard->iterator, PAGE_RECORDS_MAX);
    const enum tr_code code =
        tr_kinesis_call(run->client, "GetRecords", &run->body, &answer, &refusal, err);
    shard->due_ns = tr_clock_monotonic_ns(run->client->clock) + READ_INTERVAL_NS;
    if (code != TR_OK) {
        shard->iterator[0] = '\0';
        return refusal.rule.verdict == TR_VERDICT_RESTART ? TR_OK : code;
    }
    /* Once without effect: nothing of an answer that turns out to be broken is printed. */
    run->current = shard;
    if (tr_control_parse_records(run->client->reader, answer, &page, accept_record, NULL, err) !=
            TR_OK ||
        tr_control_parse_records(run->client->reader, answer, &page, print_record, run, err) !=
            TR_OK ||
        tr_app_tail_printer_flush(&run->printer, err) != TR_OK) {
        return run->printer.err.code != TR_OK ? (*err = run->printer.err, err->code) : err->code;
    }
    memcpy(shard->iterator, page.next_iterator, sizeof(shard->iterator));
    shard->is_at_tip = page.behind_ms == 0;
    if (shard->is_at_tip && page.record_count == 0) {
        shard->due_ns += IDLE_INTERVAL_NS - READ_INTERVAL_NS;
    }
    if (!page.has_next) {
        shard->state = TAIL_FINISHED;
        return list_shards(run, err); /* its children */
    }
    return TR_OK;
}

/* Reads every shard that is due once, then waits for the next one. */
static enum tr_code turn(struct tail_run *run, bool *has_ended, struct tr_error *err)
{
    int64_t next_ns = INT64_MAX;
    bool all_at_tip = true;
    for (uint32_t i = 0; i < run->shard_count; i++) { /* children are appended, and read at once */
        struct tail_shard *shard = &run->shards[i];
        if (shard->state == TAIL_WAITING && parents_are_read(run, shard)) {
            shard->state = TAIL_READING;
        }
        if (shard->state == TAIL_READING &&
            shard->due_ns <= tr_clock_monotonic_ns(run->client->clock)) {
            if (read_page(run, shard, err) != TR_OK) {
                return err->code;
            }
            if (tr_app_tail_printer_is_done(&run->printer)) {
                *has_ended = true;
                return TR_OK;
            }
        }
        if (shard->state == TAIL_READING) {
            all_at_tip = all_at_tip && shard->is_at_tip;
            next_ns = shard->due_ns < next_ns ? shard->due_ns : next_ns;
        } else if (shard->state == TAIL_WAITING) {
            all_at_tip = false;
        }
    }
    for (uint32_t i = 0; i < run->shard_count; i++) { /* whose parents ended in this turn */
        if (run->shards[i].state == TAIL_WAITING && parents_are_read(run, &run->shards[i])) {
            return TR_OK;
        }
    }
    if (next_ns == INT64_MAX || (run->options->ends_at_tip && all_at_tip)) {
        *has_ended = true; /* nothing is left to read: at the tip, or the stream is being deleted */
        return TR_OK;
    }
    return tr_kinesis_wait_until(run->client, next_ns, err);
}
