// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "offsets/coordinator.h"
#include "tests/check.h"

#define UUID "aea691b3-e646-11f1-8b4e-02fc00000001"
#define OTHER_UUID "bea691b3-e646-11f1-8b4e-02fc00000002"
#define RING_SLOTS 64
#define SHIPPER_COUNT 2

/* A store that does what the test says. */
struct fake_store {
    struct tr_store store;
    enum tr_store_state
        next; /* what the next poll reports; PENDING until the test says otherwise */
    enum tr_remedy remedy;
    bool is_busy;
    uint32_t save_count;
    char value[4096];
    char identity[4096];
};

struct fixture {
    struct tr_gtid_sources *sources;
    const struct tr_gtid_source *source;
    struct tr_ring positions;
    struct tr_coordinator coordinator;
    struct fake_store fake;
    struct tr_fault fault;
    struct tr_error err;
    _Atomic uint64_t acked_seq[SHIPPER_COUNT];
    _Atomic uint64_t sequenced_seq;
    _Atomic uint64_t safe_seq;
    _Atomic uint64_t safe_log_bytes;
    _Atomic uint64_t saved_seq;
    struct tr_saved_position initial;
    struct tr_identity identity;
    int64_t now_ns;
    uint64_t seq;
};

static void fake_start_save(void *self, struct tr_span value, struct tr_span identity, int64_t now)
{
    struct fake_store *fake = self;

    (void)now;
    assert_false(fake->is_busy);
    fake->is_busy = true;
    fake->save_count++;
    assert_true(value.bytes < sizeof(fake->value) && identity.bytes < sizeof(fake->identity));
    memcpy(fake->value, value.data, value.bytes);
    fake->value[value.bytes] = '\0';
    memcpy(fake->identity, identity.data, identity.bytes);
    fake->identity[identity.bytes] = '\0';
}

static enum tr_store_state fake_poll(void *self, int64_t now_ns, struct tr_store_content *content,
                                     struct tr_error *err)
{
    struct fake_store *fake = self;
    const enum tr_store_state state = fake->next;

    (void)now_ns;
    (void)content;
    assert_true(fake->is_busy);
    fake->is_busy = state == TR_STORE_PENDING;
    if (state == TR_STORE_FAILED) {
        (void)TR_FAIL(err, TR_ERR_STATE, fake->remedy, "the fake store was told to fail");
    }
    return state;
}

static struct fixture *f;

static int open_fixture(void **state)
{
    static const uint8_t uuid[16] = {0xae, 0xa6, 0x91, 0xb3, 0xe6, 0x46, 0x11, 0xf1,
                                     0x8b, 0x4e, 0x02, 0xfc, 0,    0,    0,    1};

    (void)state;
    f = aligned_alloc(TR_NO_SHARE_BYTES,
                      (sizeof(*f) + TR_NO_SHARE_BYTES - 1) / TR_NO_SHARE_BYTES * TR_NO_SHARE_BYTES);
    if (f == NULL) {
        return -1;
    }
    memset(f, 0, sizeof(*f));
    f->now_ns = 1000 * TR_NS_PER_S;
    f->fake.next = TR_STORE_DONE;
    f->fake.store = (struct tr_store){
        .self = &f->fake, .name = "fake", .start_save = fake_start_save, .poll = fake_poll};
    (void)snprintf(f->identity.server_uuid, sizeof(f->identity.server_uuid), "%s", UUID);
    (void)snprintf(f->identity.binlog_base, sizeof(f->identity.binlog_base), "b");
    (void)snprintf(f->initial.point.file, sizeof(f->initial.point.file), "b.1");
    f->initial.point.pos = 100;
    if (tr_gtid_sources_open(&f->sources, &f->err) != TR_OK ||
        tr_gtid_set_open(&f->initial.gtids, TR_FLAVOR_MYSQL, &f->err) != TR_OK ||
        tr_gtid_set_parse(f->initial.gtids, f->sources, tr_span_of_text(UUID ":1-10"), &f->err) !=
            TR_OK ||
        tr_ring_init(&f->positions, RING_SLOTS, sizeof(struct tr_unit_position), &f->err) !=
            TR_OK) {
        return -1;
    }
    f->source = tr_gtid_source_mysql(f->sources, uuid, tr_span_of_text(""), &f->err);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    tr_coordinator_deinit(&f->coordinator);
    tr_ring_deinit(&f->positions);
    tr_gtid_set_close(f->initial.gtids);
    tr_gtid_sources_close(f->sources);
    free(f);
    return 0;
}

static struct tr_coordinator_options options_of(const char *stored, int64_t flush_interval_ns)
{
    struct tr_coordinator_options options = {
        .flavor = TR_FLAVOR_MYSQL,
        .keep_gtids = true,
        .initial = &f->initial,
        .stored_value = tr_span_of_text(stored),
        .identity = &f->identity,
        .store = &f->fake.store,
        .positions = &f->positions,
        .shipper_count = SHIPPER_COUNT,
        .sequenced_seq = &f->sequenced_seq,
        .safe_seq = &f->safe_seq,
        .safe_log_bytes = &f->safe_log_bytes,
        .saved_seq = &f->saved_seq,
        .flush_interval_ns = flush_interval_ns,
        .fault = &f->fault,
    };

    for (uint32_t i = 0; i < SHIPPER_COUNT; i++) {
        options.acked_seq[i] = &f->acked_seq[i];
    }
    return options;
}

#define INITIAL "{\"file\":\"b.1\",\"pos\":100,\"gtids\":\"" UUID ":1-10\"}"

static void start(const char *stored, int64_t flush_interval_ns)
{
    const struct tr_coordinator_options options = options_of(stored, flush_interval_ns);

    assert_int_equal(tr_coordinator_init(&f->coordinator, &options, &f->err), TR_OK);
}

/* Steps until nothing is done, a bounded number of times. */
static void settle(void)
{
    for (int i = 0; i < 100; i++) {
        if (f->coordinator.actor.step(f->coordinator.actor.self, f->now_ns) == 0) {
            return;
        }
    }
    fail_msg("the coordinator does not come to rest");
}

/* The next unit: ends at pos = 1000 * seq with one transaction completed, number 10 + seq; its
 * record is at pos - 500. */
static void route(bool has_record)
{
    void *slot;
    struct tr_unit_position *position;

    assert_int_equal(tr_ring_claim(&f->positions, 1, &slot), 1);
    f->seq++;
    position = slot;
    *position = (struct tr_unit_position){
        .seq = f->seq,
        .log_bytes = 1000 * f->seq,
        .link_epoch = f->seq < 10 ? 1 : 2,
        .has_record = has_record,
        .range_count = 1,
        .record_range_count = 0,
    };
    position->ranges[0] =
        (struct tr_gtid_range){.source = f->source, .first = 10 + f->seq, .last = 10 + f->seq};
    (void)snprintf(position->end.file, sizeof(position->end.file), "b.1");
    position->end.pos = 1000 * f->seq;
    if (has_record) {
        position->record = position->end;
        position->record.pos -= 500;
        position->record.event_count = 2;
        position->record.row_count = 1;
    }
    tr_ring_publish(&f->positions, 1);
    atomic_store_explicit(&f->sequenced_seq, f->seq, memory_order_release);
}

static void ack(uint32_t shipper, uint64_t seq)
{
    atomic_store_explicit(&f->acked_seq[shipper], seq, memory_order_release);
}

static void ack_all(uint64_t seq)
{
    for (uint32_t i = 0; i < SHIPPER_COUNT; i++) {
        ack(i, seq);
    }
}

static void initial_position_is_saved_when_the_store_is_empty(void **state)
{
    (void)state;
    start("", 60 * TR_NS_PER_S);
    settle();
    assert_int_equal(f->fake.save_count, 1);
    assert_string_equal(f->fake.value, INITIAL);
    assert_non_null(strstr(f->fake.identity, "\"server_uuid\":\"" UUID "\""));
}

static void stored_position_is_not_written_again(void **state)
{
    (void)state;
    start(INITIAL, 0);
    settle();
    f->now_ns += 100 * TR_NS_PER_S;
    settle();
    assert_int_equal(f->fake.save_count, 0);
}

static void history_is_sealed_with_the_position(void **state)
{
    static struct tr_historian historian;
    const struct tr_historian_options historian_options = {
        .seal = {.document_count = 3, .chain = 0xabc}};
    struct tr_coordinator_options options = options_of("", 0);

    (void)state;
    tr_historian_init(&historian, &historian_options);
    options.historian = &historian;
    assert_int_equal(tr_coordinator_init(&f->coordinator, &options, &f->err), TR_OK);
    settle();
    assert_non_null(
        strstr(f->fake.identity, "\"history_documents\":3,\"history_chain\":\"0000000000000abc\""));
}

static void newest_unit_saves_its_record_and_older_ones_their_end(void **state)
{
    (void)state;
    start(INITIAL, 0);
    route(true);
    ack_all(1);
    settle();
    assert_string_equal(f->fake.value, "{\"file\":\"b.1\",\"pos\":500,\"gtids\":\"" UUID
                                       ":1-10\",\"row\":1,\"event\":2}");
    route(true); /* a later unit exists, unacknowledged */
    settle();
    assert_string_equal(f->fake.value,
                        "{\"file\":\"b.1\",\"pos\":1000,\"gtids\":\"" UUID ":1-11\"}");
    assert_int_equal(f->fake.save_count, 2);
    assert_int_equal(atomic_load(&f->saved_seq), 1);
}

static void newest_unit_without_a_record_saves_the_last_one(void **state)
{
    (void)state;
    start(INITIAL, 0);
    route(true);
    route(false);
    ack_all(2);
    settle();
    assert_string_equal(f->fake.value, "{\"file\":\"b.1\",\"pos\":500,\"gtids\":\"" UUID
                                       ":1-10\",\"row\":1,\"event\":2}");
    assert_int_equal(atomic_load(&f->safe_seq), 2);
    assert_int_equal(atomic_load(&f->safe_log_bytes), 2000);
}

static void units_without_any_record_keep_the_initial_position(void **state)
{
    (void)state;
    start(INITIAL, 0);
    route(false);
    route(false);
    ack_all(2);
    settle();
    assert_int_equal(f->fake.save_count, 0);
}

static void record_far_behind_gives_way_to_the_end(void **state)
{
    (void)state;
    start(INITIAL, 0);
    route(true);
    for (int i = 0; i < 1100; i++) { /* 1.1 MB of log without a record */
        route(false);
        ack_all(f->seq);
        settle();
    }
    assert_string_equal(f->fake.value,
                        "{\"file\":\"b.1\",\"pos\":1101000,\"gtids\":\"" UUID ":1-1111\"}");
}

static void slowest_shipper_decides(void **state)
{
    (void)state;
    start(INITIAL, 0);
    for (int i = 0; i < 3; i++) {
        route(true);
    }
    ack(0, 3);
    ack(1, 1);
    settle();
    assert_int_equal(atomic_load(&f->safe_seq), 1);
    assert_string_equal(f->fake.value,
                        "{\"file\":\"b.1\",\"pos\":1000,\"gtids\":\"" UUID ":1-11\"}");
    ack(1, 3);
    settle();
    assert_int_equal(atomic_load(&f->safe_seq), 3);
}

static void nothing_is_saved_before_the_interval_has_passed(void **state)
{
    (void)state;
    start(INITIAL, 10 * TR_NS_PER_S);
    route(true);
    ack_all(1);
    settle();
    assert_int_equal(f->fake.save_count, 1);
    route(true);
    ack_all(2);
    f->now_ns += 10 * TR_NS_PER_S - 1;
    settle();
    assert_int_equal(f->fake.save_count, 1);
    f->now_ns += 1;
    settle();
    assert_int_equal(f->fake.save_count, 2);
}

static void failed_save_is_repeated_with_backoff_and_streaming_goes_on(void **state)
{
    (void)state;
    start(INITIAL, 0);
    route(true);
    ack_all(1);
    f->fake.next = TR_STORE_FAILED;
    f->fake.remedy = TR_RETRY;
    settle();
    assert_int_equal(f->fake.save_count, 1);
    assert_true(atomic_load(&f->coordinator.failing_ns) != 0);
    f->now_ns += 299 * TR_NS_PER_MS;
    route(true);
    ack_all(2);
    settle();
    assert_int_equal(f->fake.save_count, 1);
    assert_int_equal(atomic_load(&f->safe_seq), 2); /* goes on without the store */
    f->now_ns += 1 * TR_NS_PER_MS;
    settle();
    assert_int_equal(f->fake.save_count, 2);
    f->now_ns += 599 * TR_NS_PER_MS; /* doubled */
    settle();
    assert_int_equal(f->fake.save_count, 2);
    f->fake.next = TR_STORE_DONE;
    f->now_ns += 1 * TR_NS_PER_MS;
    settle();
    assert_int_equal(f->fake.save_count, 3);
    assert_int_equal(atomic_load(&f->saved_seq), 2);
    assert_true(atomic_load(&f->coordinator.failing_ns) == 0);
    assert_null(tr_fault_seen(&f->fault));
}

static void save_that_needs_an_operator_raises_the_fault(void **state)
{
    (void)state;
    start(INITIAL, 0);
    route(true);
    ack_all(1);
    f->fake.next = TR_STORE_FAILED;
    f->fake.remedy = TR_STOP;
    settle();
    assert_non_null(tr_fault_seen(&f->fault));
    assert_int_equal(tr_fault_seen(&f->fault)->code, TR_ERR_STATE);
    route(true);
    ack_all(2);
    settle(); /* keeps draining, saves no more */
    assert_int_equal(f->fake.save_count, 1);
    assert_int_equal(atomic_load(&f->safe_seq), 2);
    tr_coordinator_begin_stop(&f->coordinator);
    settle();
    assert_true(tr_coordinator_is_stopped(&f->coordinator));
}

static void store_that_fails_too_long_raises_the_fault(void **state)
{
    struct tr_coordinator_options options;

    (void)state;
    options = options_of(INITIAL, 0);
    options.save_failing_ns_max = 60 * TR_NS_PER_S;
    assert_int_equal(tr_coordinator_init(&f->coordinator, &options, &f->err), TR_OK);
    route(true);
    ack_all(1);
    f->fake.next = TR_STORE_FAILED;
    f->fake.remedy = TR_RETRY;
    for (int i = 0; i < 59; i++) {
        settle();
        assert_null(tr_fault_seen(&f->fault));
        f->now_ns += TR_NS_PER_S;
    }
    f->now_ns += 11 * TR_NS_PER_S;
    settle();
    assert_non_null(tr_fault_seen(&f->fault));
}

static void stop_saves_what_is_safe_without_waiting_for_the_interval(void **state)
{
    (void)state;
    start(INITIAL, 60 * TR_NS_PER_S);
    route(true);
    ack_all(1);
    settle();
    route(true);
    route(true);
    ack_all(2);
    settle();
    assert_int_equal(f->fake.save_count, 1);
    f->fake.next = TR_STORE_PENDING;
    tr_coordinator_begin_stop(&f->coordinator);
    settle();
    assert_false(tr_coordinator_is_stopped(&f->coordinator));
    f->fake.next = TR_STORE_DONE;
    settle();
    assert_true(tr_coordinator_is_stopped(&f->coordinator));
    assert_int_equal(f->fake.save_count, 2);
    assert_string_equal(f->fake.value,
                        "{\"file\":\"b.1\",\"pos\":2000,\"gtids\":\"" UUID ":1-12\"}");
    char text[4096];
    tr_coordinator_saved_text(&f->coordinator, text, sizeof(text));
    assert_string_equal(text, f->fake.value);
}

static void final_save_that_keeps_failing_is_given_up(void **state)
{
    (void)state;
    start(INITIAL, 0);
    route(true);
    ack_all(1);
    f->fake.next = TR_STORE_FAILED;
    f->fake.remedy = TR_RETRY;
    tr_coordinator_begin_stop(&f->coordinator);
    for (int i = 0; i < 20 && !tr_coordinator_is_stopped(&f->coordinator); i++) {
        settle();
        f->now_ns += TR_NS_PER_S;
    }
    assert_true(tr_coordinator_is_stopped(&f->coordinator));
    assert_non_null(tr_fault_seen(&f->fault));
}

static void identity_is_of_the_server_that_the_point_was_read_from(void **state)
{
    (void)state;
    struct tr_identity other = f->identity;

    (void)snprintf(other.server_uuid, sizeof(other.server_uuid), "%s", OTHER_UUID);
    start(INITIAL, 0);
    tr_coordinator_add_source(&f->coordinator, 2, &other); /* units from 10 on */
    for (int i = 0; i < 9; i++) {
        route(true);
    }
    ack_all(9);
    settle();
    assert_non_null(strstr(f->fake.identity, "\"" UUID "\""));
    assert_non_null(strstr(f->fake.identity, "\"pos\":8500,\"event\":2,\"row\":1"));
    route(false); /* from the other server, but the saved point is still the first one's */
    ack_all(10);
    settle();
    assert_non_null(strstr(f->fake.identity, "\"" UUID "\""));
    route(true);
    ack_all(11);
    settle();
    assert_non_null(strstr(f->fake.identity, "\"" OTHER_UUID "\""));
}

static void identity_is_read_back_and_compared(void **state)
{
    (void)state;
    struct tr_identity back;
    char text[TR_IDENTITY_TEXT_BYTES_MAX];

    f->identity.schema_fingerprint = UINT64_C(0x0123456789abcdef);
    f->identity.saved_unix_ms = 1795345528123;
    f->identity.point = f->initial.point;
    f->identity.history =
        (struct tr_history_seal){.document_count = 7, .chain = UINT64_C(0xfedcba9876543210)};
    const size_t bytes = tr_identity_write_json(&f->identity, text, sizeof(text));

    assert_int_equal(bytes, strlen(text));
    assert_int_equal(tr_identity_parse_json(&back, tr_span_of(text, bytes), &f->err), TR_OK);
    assert_true(tr_identity_same_server(&back, &f->identity));
    assert_true(tr_identity_is_of(&back, &f->initial.point));
    assert_true(back.schema_fingerprint == f->identity.schema_fingerprint);
    assert_int_equal(back.history.document_count, 7);
    assert_true(back.history.chain == f->identity.history.chain);
    assert_true(back.saved_unix_ms == f->identity.saved_unix_ms);
    back.point.row_count++;
    assert_false(tr_identity_is_of(&back, &f->initial.point));
    back.server_uuid[0] = '\0'; /* unknown is never the same */
    assert_false(tr_identity_same_server(&back, &back));
    for (size_t cut = 0; cut < bytes; cut++) {
        assert_int_equal(tr_identity_parse_json(&back, tr_span_of(text, cut), &f->err),
                         TR_ERR_STATE);
    }
    assert_int_equal(tr_identity_parse_json(&back, tr_span_of_text("{\"format\":2}"), &f->err),
                     TR_ERR_STATE);
    assert_non_null(strstr(f->err.text, "newer version"));
    tr_identity_binlog_base("my.bin.000001", text);
    assert_string_equal(text, "my.bin");
}

static void identity_of_mariadb_is_server_id_and_domain(void **state)
{
    (void)state;
    struct tr_identity a = {.flavor = TR_FLAVOR_MARIADB, .server_id = 5, .domain_id = 0};
    struct tr_identity b;
    char text[TR_IDENTITY_TEXT_BYTES_MAX];

    (void)snprintf(a.binlog_base, sizeof(a.binlog_base), "mbin");
    const size_t bytes = tr_identity_write_json(&a, text, sizeof(text));

    assert_int_equal(tr_identity_parse_json(&b, tr_span_of(text, bytes), &f->err), TR_OK);
    assert_true(tr_identity_same_server(&a, &b));
    b.domain_id = 1;
    assert_false(tr_identity_same_server(&a, &b));
    b = a;
    b.server_id = 6;
    assert_false(tr_identity_same_server(&a, &b));
    b = a;
    b.binlog_base[0] = 'x';
    assert_false(tr_identity_same_server(&a, &b));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        CASE(initial_position_is_saved_when_the_store_is_empty),
        CASE(stored_position_is_not_written_again),
        CASE(history_is_sealed_with_the_position),
        CASE(newest_unit_saves_its_record_and_older_ones_their_end),
        CASE(newest_unit_without_a_record_saves_the_last_one),
        CASE(units_without_any_record_keep_the_initial_position),
        CASE(record_far_behind_gives_way_to_the_end),
        CASE(slowest_shipper_decides),
        CASE(nothing_is_saved_before_the_interval_has_passed),
        CASE(failed_save_is_repeated_with_backoff_and_streaming_goes_on),
        CASE(save_that_needs_an_operator_raises_the_fault),
        CASE(store_that_fails_too_long_raises_the_fault),
        CASE(stop_saves_what_is_safe_without_waiting_for_the_interval),
        CASE(final_save_that_keeps_failing_is_given_up),
        CASE(identity_is_of_the_server_that_the_point_was_read_from),
        CASE(identity_is_read_back_and_compared),
        CASE(identity_of_mariadb_is_server_id_and_domain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
