// SPDX-License-Identifier: Apache-2.0
/*
 * A random log cut into random units, acknowledged in random order, saved into a store that fails
 * at random. A slow model resumes from each saved text by Debezium's rules and counts which record
 * would come next: that must be exactly the first one after the safe unit, and never one beyond
 * what was acknowledged.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/cover.h"
#include "engine/log.h"
#include "offsets/coordinator.h"
#include "tests/property/seed.h"

#define SOURCES_MAX 300
#define EVENTS_PER_TRANSACTION_MAX 6
#define SHIPPER_COUNT 3
#define RING_SLOTS 256

struct event {
    uint64_t start_pos; /* end_pos is the next one's start, or the next file's */
    uint64_t end_pos;
    uint32_t file;
    uint32_t transaction;
    uint32_t index; /* in its transaction: 0 = BEGIN, last = COMMIT */
    uint32_t rows;
    bool is_captured;
};

struct transaction {
    uint32_t source;
    uint64_t number;
    uint32_t first_event;
    uint32_t event_count;
};

struct log {
    enum tr_flavor flavor;
    bool has_gtids;
    uint32_t source_count;
    struct transaction *transactions;
    uint32_t transaction_count;
    struct event *events;
    uint32_t event_count;
    uint64_t *records_before; /* captured rows before each event; one more entry for the end */
    struct tr_gtid_sources *sources;
    const struct tr_gtid_source *interned[SOURCES_MAX];
    struct tr_unit_position *units;
    uint64_t *unit_records; /* captured rows up to each unit's end; entry 0 = none */
    uint32_t unit_count;
};

struct round {
    uint64_t seed;
    uint64_t random;
    struct log log;
    struct tr_ring positions;
    struct tr_coordinator coordinator;
    struct tr_store store;
    struct tr_fault fault;
    _Atomic uint64_t acked_seq[SHIPPER_COUNT];
    _Atomic uint64_t sequenced_seq;
    _Atomic uint64_t safe_seq;
    _Atomic uint64_t safe_log_bytes;
    _Atomic uint64_t saved_seq;
    struct tr_saved_position initial;
    struct tr_saved_position resumed;
    /* The store's, used by the coordinator's thread only. */
    uint64_t store_random;
    bool is_busy;
    bool will_fail;
    bool store_is_steady;  /* from now on nothing fails */
    bool store_was_steady; /* nothing ever failed */
    uint64_t save_count;
    char *stored;
    size_t stored_bytes;
};

static void check(const struct round *r, bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "coordinator property: %s does not hold, seed %" PRIu64 "\n", what,
                      r->seed);
        abort();
    }
}

static uint64_t below(struct round *r, uint64_t bound)
{
    return tr_seed_next(&r->random) % bound;
}

/* --- the log --- */

static void make_transaction(struct round *r, uint32_t t, uint64_t *pos, uint32_t *file,
                             uint64_t *next_numbers)
{
    struct log *log = &r->log;
    struct transaction *transaction = &log->transactions[t];

    transaction->source = (uint32_t)below(r, log->source_count);
    transaction->number = ++next_numbers[transaction->source];
    transaction->first_event = log->event_count;
    transaction->event_count = 2 + (uint32_t)below(r, EVENTS_PER_TRANSACTION_MAX - 1);
    const bool is_filtered = below(r, 3) == 0;
    for (uint32_t i = 0; i < transaction->event_count; i++) {
        struct event *event = &log->events[log->event_count];
        const bool has_rows = i > 0 && i + 1 < transaction->event_count;

        *event = (struct event){.start_pos = *pos, .file = *file, .transaction = t, .index = i};
        event->rows = has_rows ? 1 + (uint32_t)below(r, 4) : 0;
        event->is_captured = has_rows && !is_filtered && below(r, 4) != 0;
        *pos += 20 + below(r, 100);
        event->end_pos = *pos;
        log->records_before[log->event_count + 1] =
            log->records_before[log->event_count] + (event->is_captured ? event->rows : 0);
        log->event_count++;
    }
    if (below(r, 200) == 0) { /* a new file */
        (*file)++;
        *pos = 4;
    }
}

static void make_log(struct round *r, uint32_t transaction_count)
{
    struct log *log = &r->log;
    uint64_t next_numbers[SOURCES_MAX] = {0};
    struct tr_error err;
    uint64_t pos = 4;
    uint32_t file = 1;

    log->has_gtids = log->flavor == TR_FLAVOR_MARIADB || below(r, 4) != 0;
    log->transaction_count = transaction_count;
    log->transactions = calloc(transaction_count, sizeof(*log->transactions));
    log->events =
        calloc(transaction_count * (EVENTS_PER_TRANSACTION_MAX + 1), sizeof(*log->events));
    log->records_before =
        calloc(transaction_count * (EVENTS_PER_TRANSACTION_MAX + 1) + 1, sizeof(uint64_t));
    check(r, tr_gtid_sources_open(&log->sources, &err) == TR_OK, "sources open");
    for (uint32_t i = 0; i < log->source_count; i++) {
        const uint8_t uuid[16] = {(uint8_t)i, (uint8_t)(i >> 8)};

        log->interned[i] = log->flavor == TR_FLAVOR_MYSQL
                               ? tr_gtid_source_mysql(log->sources, uuid, tr_span_of_text(""), &err)
                               : tr_gtid_source_mariadb(log->sources, i, &err);
        next_numbers[i] = below(r, 1000);
    }
    /* What the numbers were before the log: the initial set has them. */
    for (uint32_t i = 0; log->has_gtids && i < log->source_count; i++) {
        const struct tr_gtid_range range = {
            .source = log->interned[i], .first = 1, .last = next_numbers[i], .server_id = 7};

        if (next_numbers[i] > 0) {
            check(r, tr_gtid_set_add(r->initial.gtids, &range, &err) == TR_OK, "add");
        }
    }
    for (uint32_t t = 0; t < transaction_count; t++) {
        make_transaction(r, t, &pos, &file, next_numbers);
    }
}

static void set_file(struct tr_log_point *point, uint32_t file)
{
    (void)snprintf(point->file, sizeof(point->file), "b.%06" PRIu32, file);
}

/* --- units: what sequencer and collector would say --- */

/* The point after `rows_done` rows of event `e` (all of its rows: after the event). */
static struct tr_log_point point_after(const struct log *log, uint32_t e, uint32_t rows_done)
{
    const struct event *event = &log->events[e];
    const struct transaction *transaction = &log->transactions[event->transaction];
    struct tr_log_point point = {0};

    if (event->index + 1 == transaction->event_count) {
        set_file(&point, event->file);
        point.pos = event->end_pos;
        return point;
    }
    const struct event *begin = &log->events[transaction->first_event];

    set_file(&point, begin->file);
    point.pos = begin->start_pos;
    point.event_count = event->index + (rows_done == event->rows ? 1 : 0);
    point.row_count = rows_done == event->rows ? 0 : rows_done;
    return point;
}

/* Debezium's offset after `rows_done` rows of captured event `e`. */
static struct tr_log_point record_after(const struct log *log, uint32_t e, uint32_t rows_done)
{
    const struct event *event = &log->events[e];
    const struct event *begin = &log->events[log->transactions[event->transaction].first_event];
    struct tr_log_point point = {0};

    set_file(&point, begin->file);
    point.pos = begin->start_pos;
    point.event_count = event->index;
    point.row_count = rows_done;
    return point;
}

/* Cuts the log into units: after a few events, sometimes inside a rows event, at the latest when
 * the ranges are full. */
static void make_units(struct round *r, uint64_t events_max, uint64_t log_bytes_per_event)
{
    struct log *log = &r->log;
    uint32_t e = 0;
    uint32_t rows_done = 0;
    uint64_t log_bytes = 0;

    log->units = calloc(log->event_count * 2 + 1, sizeof(*log->units));
    log->unit_records = calloc(log->event_count * 2 + 2, sizeof(uint64_t));
    while (e < log->event_count) {
        struct tr_unit_position *unit = &log->units[log->unit_count];
        const uint64_t wanted = 1 + below(r, events_max);

        unit->seq = ++log->unit_count;
        for (uint64_t n = 0; n < wanted && e < log->event_count; n++) {
            const struct event *event = &log->events[e];
            const struct transaction *transaction = &log->transactions[event->transaction];
            const bool splits = event->rows > rows_done + 1 && n + 1 == wanted && below(r, 2) == 0;
            const uint32_t rows_now = splits ? rows_done + 1 : event->rows;
            const bool commits = event->index + 1 == transaction->event_count;
            const struct tr_gtid gtid = {.source = log->interned[transaction->source],
                                         .number = transaction->number,
                                         .server_id = 7};

            if (event->is_captured && rows_now > rows_done) {
                unit->has_record = true;
                unit->record = record_after(log, e, rows_now);
                unit->record_range_count = unit->range_count;
            }
            if (commits && log->has_gtids &&
                !tr_gtid_ranges_append(unit->ranges, &unit->range_count, TR_UNIT_RANGES_MAX,
                                       unit->record_range_count, &gtid)) {
                break; /* the COMMIT goes to the next unit */
            }
            log_bytes += log_bytes_per_event;
            unit->log_bytes = log_bytes;
            unit->end = point_after(log, e, rows_now);
            log->unit_records[unit->seq] =
                log->records_before[e] + (event->is_captured ? rows_now : 0);
            rows_done = splits ? rows_now : 0;
            e += splits ? 0 : 1;
        }
    }
}

/* --- the model: where would a resume begin? --- */

/* The first transaction that the server would send for this position. */
static uint32_t first_transaction(struct round *r, const struct tr_saved_position *position)
{
    const struct log *log = &r->log;
    uint32_t t = 0;

    for (; t < log->transaction_count; t++) {
        const struct transaction *transaction = &log->transactions[t];
        const struct event *begin = &log->events[transaction->first_event];
        const struct tr_gtid gtid = {.source = log->interned[transaction->source],
                                     .number = transaction->number};
        struct tr_log_point at = {0};

        set_file(&at, begin->file);
        const int order = strcmp(at.file, position->point.file);
        const bool by_pos = order > 0 || (order == 0 && begin->start_pos >= position->point.pos);

        if (log->has_gtids) {
            const bool by_gtid = !tr_gtid_set_contains(position->gtids, &gtid);

            check(r, by_gtid == by_pos, "GTIDs and file position say the same");
        }
        if (by_pos) {
            break;
        }
    }
    for (uint32_t later = t; log->has_gtids && later < log->transaction_count;
         later += 1 + later / 8) {
        const struct transaction *transaction = &log->transactions[later];
        const struct tr_gtid gtid = {.source = log->interned[transaction->source],
                                     .number = transaction->number};

        check(r, !tr_gtid_set_contains(position->gtids, &gtid),
              "no later transaction is in the set");
    }
    return t;
}

/* How many records a resume from the text would regard as delivered. */
static uint64_t records_delivered(struct round *r, struct tr_span text)
{
    const struct log *log = &r->log;
    struct tr_error err;

    if (tr_position_parse_json(&r->resumed, log->sources, text, &err) != TR_OK) {
        check(r, false, err.text);
    }
    const struct tr_log_point *point = &r->resumed.point;
    const uint32_t t = first_transaction(r, &r->resumed);

    if (t == log->transaction_count) {
        return log->records_before[log->event_count];
    }
    const struct transaction *transaction = &log->transactions[t];

    if (point->event_count == 0) {
        return log->records_before[transaction->first_event];
    }
    check(r, point->pos == log->events[transaction->first_event].start_pos,
          "the position is that of BEGIN");
    check(r, point->event_count < transaction->event_count, "event lies in the transaction");
    const uint32_t e = transaction->first_event + (uint32_t)point->event_count;
    const struct event *event = &log->events[e];
    const uint64_t rows = point->row_count < event->rows ? point->row_count : event->rows;

    return log->records_before[e] + (event->is_captured ? rows : 0);
}

/* --- the store --- */

static void store_start_save(void *self, struct tr_span value, struct tr_span identity,
                             int64_t now_ns)
{
    struct round *r = self;
    uint64_t acked = UINT64_MAX;

    (void)identity;
    (void)now_ns;
    check(r, !r->is_busy, "one save at a time");
    check(r, !tr_span_equals(value, tr_span_of(r->stored, r->stored_bytes)) || !r->store_was_steady,
          "nothing equal is saved again");
    for (uint32_t s = 0; s < SHIPPER_COUNT; s++) {
        const uint64_t seq = atomic_load_explicit(&r->acked_seq[s], memory_order_acquire);

        acked = seq < acked ? seq : acked;
    }
    const uint64_t delivered = records_delivered(r, value);
    const uint64_t safe_seq = atomic_load_explicit(&r->safe_seq, memory_order_relaxed);

    check(r, delivered <= r->log.unit_records[acked],
          "nothing unacknowledged is regarded as delivered");
    check(r, delivered == r->log.unit_records[safe_seq], "exactly the safe unit's records are");
    r->is_busy = true;
    r->save_count++;
    /* A save that fails may have arrived all the same. */
    r->will_fail = !r->store_is_steady && tr_seed_next(&r->store_random) % 3 == 0;
    if (!r->will_fail || tr_seed_next(&r->store_random) % 2 == 0) {
        memcpy(r->stored, value.data, value.bytes);
        r->stored_bytes = value.bytes;
    }
}

static enum tr_store_state store_poll(void *self, int64_t now_ns, struct tr_store_content *content,
                                      struct tr_error *err)
{
    struct round *r = self;

    (void)now_ns;
    (void)content;
    if (!r->store_is_steady && tr_seed_next(&r->store_random) % 8 < 3) {
        return TR_STORE_PENDING;
    }
    r->is_busy = false;
    if (r->will_fail) {
        (void)TR_FAIL(err, TR_ERR_STATE, TR_RETRY, "by chance");
        return TR_STORE_FAILED;
    }
    return TR_STORE_DONE;
}

/* --- a round --- */

static void open_round(struct round *r, uint64_t seed)
{
    struct tr_error err;

    memset(r, 0, sizeof(*r));
    r->seed = seed;
    r->random = seed;
    r->store_random = seed ^ 1;
    r->log.flavor = below(r, 3) == 0 ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL;
    r->stored = calloc(1, TR_STORE_TEXT_BYTES_MAX);
    check(r, r->stored != NULL, "memory");
    check(r, tr_gtid_set_open(&r->initial.gtids, r->log.flavor, &err) == TR_OK, "set");
    check(r, tr_gtid_set_open(&r->resumed.gtids, r->log.flavor, &err) == TR_OK, "set");
    check(r,
          tr_ring_init(&r->positions, RING_SLOTS, sizeof(struct tr_unit_position), &err) == TR_OK,
          "ring");
    set_file(&r->initial.point, 1);
    r->initial.point.pos = 4;
    r->store_is_steady = below(r, 2) == 0;
    r->store_was_steady = r->store_is_steady;
    r->store = (struct tr_store){
        .self = r, .name = "model", .start_save = store_start_save, .poll = store_poll};
}

static void start_coordinator(struct round *r)
{
    static const struct tr_identity identity;
    struct tr_error err;
    struct tr_coordinator_options options = {
        .flavor = r->log.flavor,
        .keep_gtids = r->log.has_gtids,
        .initial = &r->initial,
        .identity = &identity,
        .store = &r->store,
        .positions = &r->positions,
        .shipper_count = SHIPPER_COUNT,
        .sequenced_seq = &r->sequenced_seq,
        .safe_seq = &r->safe_seq,
        .safe_log_bytes = &r->safe_log_bytes,
        .saved_seq = &r->saved_seq,
        .flush_interval_ns = (int64_t)below(r, 3) * 5 * TR_NS_PER_MS,
        .fault = &r->fault,
    };

    for (uint32_t i = 0; i < SHIPPER_COUNT; i++) {
        options.acked_seq[i] = &r->acked_seq[i];
    }
    check(r, tr_coordinator_init(&r->coordinator, &options, &err) == TR_OK, "init");
}

static void close_round(struct round *r)
{
    tr_coordinator_deinit(&r->coordinator);
    tr_ring_deinit(&r->positions);
    tr_gtid_set_close(r->initial.gtids);
    tr_gtid_set_close(r->resumed.gtids);
    tr_gtid_sources_close(r->log.sources);
    free(r->log.transactions);
    free(r->log.events);
    free(r->log.records_before);
    free(r->log.units);
    free(r->log.unit_records);
    free(r->stored);
}

/* Routes up to `count` units; fewer when the ring is full. The sequencer may be ahead. */
static uint32_t route(struct round *r, uint32_t routed, uint64_t count)
{
    const uint32_t unit_count = r->log.unit_count;

    for (uint64_t i = 0; i < count && routed < unit_count; i++) {
        void *slot;

        if (tr_ring_claim(&r->positions, 1, &slot) == 0) {
            break;
        }
        const uint64_t ahead = routed + 1 + below(r, 3);

        *(struct tr_unit_position *)slot = r->log.units[routed];
        if (ahead > atomic_load_explicit(&r->sequenced_seq, memory_order_relaxed)) {
            atomic_store_explicit(&r->sequenced_seq, ahead < unit_count ? ahead : unit_count,
                                  memory_order_release);
        }
        tr_ring_publish(&r->positions, 1);
        routed++;
    }
    return routed;
}

static void ack_some(struct round *r, uint32_t routed, bool all)
{
    for (uint32_t s = 0; s < SHIPPER_COUNT; s++) {
        const uint64_t acked = atomic_load_explicit(&r->acked_seq[s], memory_order_relaxed);
        const uint64_t more = all ? routed - acked : below(r, routed - acked + 1);

        if (all || below(r, 2) == 0) {
            atomic_store_explicit(&r->acked_seq[s], acked + more, memory_order_release);
        }
    }
}

/* Everything is acknowledged and the last save is done: the text is where the log ends, in
 * Debezium's words. */
static void check_end(struct round *r)
{
    const struct log *log = &r->log;
    const struct tr_unit_position *last = &log->units[log->unit_count - 1];
    const struct tr_unit_position *record = NULL;

    check(r, tr_fault_seen(&r->fault) == NULL, "no fault is raised");
    check(r, atomic_load(&r->safe_seq) == log->unit_count, "the newest unit is safe");
    check(r,
          records_delivered(r, tr_span_of(r->stored, r->stored_bytes)) ==
              log->records_before[log->event_count],
          "everything is regarded as delivered");
    for (uint32_t i = 0; i < log->unit_count; i++) {
        record = log->units[i].has_record ? &log->units[i] : record;
    }
    const bool is_near = record != NULL && strcmp(record->record.file, last->end.file) == 0 &&
                         last->log_bytes - record->log_bytes <= TR_WATERMARK_RECORD_LOG_BYTES_MAX;
    const struct tr_log_point *wanted = is_near ? &record->record : &last->end;
    const struct tr_log_point *got = &r->resumed.point;

    if (record != NULL) {
        check(r,
              strcmp(got->file, wanted->file) == 0 && got->pos == wanted->pos &&
                  got->event_count == wanted->event_count && got->row_count == wanted->row_count,
              "an idle engine stores Debezium's offset, or the end when the last record is far");
    }
}

static void make_round(struct round *r, uint64_t seed, uint32_t transaction_count,
                       uint32_t source_count)
{
    open_round(r, seed);
    r->log.source_count = source_count;
    make_log(r, transaction_count);
    make_units(r, 1 + below(r, 12), below(r, 4) == 0 ? 100000 : 60);
    start_coordinator(r);
}

/* All on one thread; `stalls`: nothing is acknowledged before the ring is stuck or all is routed.
 */
static void run_single(uint64_t seed, uint32_t transaction_count, uint32_t source_count,
                       bool stalls)
{
    struct round *r = aligned_alloc(TR_NO_SHARE_BYTES, (sizeof(*r) + 127) / 128 * 128);
    int64_t now_ns = TR_NS_PER_S;
    uint32_t routed = 0;
    uint32_t acked = 0;
    uint32_t stuck = 0;

    make_round(r, seed, transaction_count, source_count);
    uint64_t stall_units = r->log.unit_count;
    struct tr_actor *actor = &r->coordinator.actor;
    while (routed < r->log.unit_count) {
        const uint32_t before = routed;

        routed = route(r, routed, 1 + below(r, stalls ? 300 : 20));
        stuck = routed == before ? stuck + 1 : 0;
        if (!stalls || stuck > 10 || routed - acked > stall_units) {
            ack_some(r, routed, false);
            acked = routed;
            stuck = 0;
            stall_units = 1 + below(r, r->log.unit_count);
        }
        for (uint64_t i = below(r, 4); i > 0; i--) {
            (void)actor->step(actor->self, now_ns);
            now_ns += (int64_t)below(r, 400) * TR_NS_PER_MS;
        }
    }
    ack_some(r, routed, true);
    r->store_is_steady = true;
    tr_coordinator_begin_stop(&r->coordinator);
    for (uint32_t i = 0; i < 10000 && !tr_coordinator_is_stopped(&r->coordinator); i++) {
        (void)actor->step(actor->self, now_ns);
        now_ns += 100 * TR_NS_PER_MS;
    }
    check(r, tr_coordinator_is_stopped(&r->coordinator), "it stops");
    check_end(r);
    close_round(r);
    free(r);
}

static void *run_coordinator(void *self)
{
    struct round *r = self;
    int64_t now_ns = TR_NS_PER_S;

    while (!tr_coordinator_is_stopped(&r->coordinator)) {
        (void)r->coordinator.actor.step(r->coordinator.actor.self, now_ns);
        now_ns += TR_NS_PER_MS;
    }
    return NULL;
}

/* The coordinator on a thread of its own. */
static void run_threads(uint64_t seed, uint32_t transaction_count)
{
    struct round *r = aligned_alloc(TR_NO_SHARE_BYTES, (sizeof(*r) + 127) / 128 * 128);
    uint32_t routed = 0;
    pthread_t thread;

    make_round(r, seed, transaction_count, 3);
    r->store_is_steady = true; /* failures would only make it wait */
    check(r, pthread_create(&thread, NULL, run_coordinator, r) == 0, "a thread");
    while (routed < r->log.unit_count) {
        routed = route(r, routed, 1 + below(r, 50));
        ack_some(r, routed, false);
    }
    ack_some(r, routed, true);
    tr_coordinator_begin_stop(&r->coordinator);
    check(r, pthread_join(thread, NULL) == 0, "join");
    check_end(r);
    close_round(r);
    free(r);
}

/* A rare path that no round takes is not tested: then the rounds are wrong. */
static bool covers(const char *name)
{
    for (struct tr_cover_mark *const *mark = __start_tr_cover; mark != __stop_tr_cover; mark++) {
        if (strcmp((*mark)->name, name) == 0 && atomic_load(&(*mark)->hit_count) > 0) {
            return true;
        }
    }
    (void)fprintf(stderr, "coordinator property: \"%s\" was never reached\n", name);
    return false;
}

int main(int argc, char **argv)
{
    const uint64_t seed = tr_seed_from(argc, argv);

    tr_log_setup(TR_LOG_ERROR, TR_LOG_TEXT, STDERR_FILENO); /* the failures are meant */
    for (uint64_t i = 0; i < 300; i++) {
        run_single(seed + i, 1 + (uint32_t)(i % 60), 1 + (uint32_t)(i % 4), false);
    }
    for (uint64_t i = 0; i < 8; i++) {
        run_single(seed + 1000 + i, 3000, 1 + (uint32_t)(i % 4), i % 2 == 0);
    }
    for (uint64_t i = 0; i < 4; i++) {
        /* Fills the table and thins it out; with many sources fills the ranges, too. */
        run_single(seed + 2000 + i, 40000, i == 0 ? 1 : SOURCES_MAX, true);
    }
    for (uint64_t i = 0; i < 8; i++) {
        run_threads(seed + 3000 + i, 500);
    }
    return covers("watermark.thinned") && covers("watermark.no_room") &&
                   covers("coordinator.save_retried")
               ? 0
               : 1;
}
