// SPDX-License-Identifier: Apache-2.0
/* Links that fail, end, wait and come back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "tests/check.h"
#include "tests/support/ingest_rig.h"

static size_t write_error_packet(uint8_t *out, uint8_t sequence, uint16_t number, const char *text)
{
    const size_t payload_bytes = 9 + strlen(text);

    out[0] = (uint8_t)payload_bytes;
    out[1] = 0;
    out[2] = 0;
    out[3] = sequence;
    out[4] = 0xFF;
    memcpy(out + 5, &number, 2);
    memcpy(out + 7, "#HY000", 6);
    memcpy(out + 13, text, strlen(text));
    return 4 + payload_bytes;
}

/* Opens one connection that gives these packets, and then that. */
static void open_on(struct ingest_rig *b, const uint8_t *bytes, size_t byte_count,
                    enum tr_read at_end)
{
    *b = (struct ingest_rig){
        .script = {.links = {{bytes, byte_count, TR_OK, TR_STOP, at_end}}, .link_count = 1}};
    ingest_rig_open(b, TR_FRAMING_PACKETS, (struct tr_ingest_options){0});
    ingest_rig_resume(b, "binlog.000001");
}

static void server_errors_stop_or_reconnect_by_their_family(void **state)
{
    (void)state;
    const struct {
        uint16_t number;
        const char *text;
        enum tr_code code;
        bool is_fatal;
    } cases[] = {
        {1236, "Could not find first log file name in binary log index file", TR_ERR_SOURCE_GONE,
         true},
        {1236,
         "A replica with the same server_uuid/server_id as this replica has connected to the "
         "source; the first event",
         TR_ERR_SOURCE_CLASH, true},
        {1236, "Client requested source to start replication from position > file size",
         TR_ERR_SOURCE_GONE, true},
        {1236, "Cannot replicate because the source purged required binary logs.",
         TR_ERR_SOURCE_GONE, true},
        {1236, "log event entry exceeded max_allowed_packet; Increase max_allowed_packet",
         TR_ERR_PROTOCOL, true},
        {1236, "something a later server says", TR_ERR_SOURCE_GONE, true},
        {4052, "A slave with the same server_id has connected", TR_ERR_SOURCE_CLASH, true},
        {1227, "Access denied; you need (at least one of) the REPLICATION SLAVE privilege(s)",
         TR_ERR_SOURCE_AUTH, true},
        {1053, "Server shutdown in progress", TR_ERR_SOURCE_LINK, false},
        {1927, "Connection was killed", TR_ERR_SOURCE_LINK, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t stream[512];
        size_t byte_count = ingest_rig_write_event_packet(stream, 1, 60);
        byte_count += write_error_packet(stream + byte_count, 2, cases[i].number, cases[i].text);
        struct ingest_rig b;

        open_on(&b, stream, byte_count, TR_READ_END);
        ingest_rig_run_dry(&b);
        assert_int_equal(b.event_count, 1); /* what came before the error counts */
        const struct tr_error *fault = tr_fault_seen(&b.fault);
        assert_int_equal(fault != NULL, cases[i].is_fatal);
        assert_int_equal(b.end_count, cases[i].is_fatal ? 1 : 0);
        assert_int_equal(b.down_count, cases[i].is_fatal ? 0 : 1);
        const struct tr_error *seen = fault != NULL ? fault : &b.down_error;
        assert_int_equal(seen->code, cases[i].code);
        assert_non_null(strstr(seen->text, cases[i].text));
        ingest_rig_close(&b);
    }
}

static void wrong_sequence_length_or_status_stops_with_a_protocol_error(void **state)
{
    (void)state;
    uint8_t good[300];
    const size_t first_bytes = ingest_rig_write_event_packet(good, 1, 60);
    const size_t byte_count =
        first_bytes + ingest_rig_write_event_packet(good + first_bytes, 2, 80);
    const struct {
        size_t at;
        uint8_t value;
    } flips[] = {
        {first_bytes + 3, 7},         /* sequence */
        {first_bytes + 4, 0x11},      /* status */
        {first_bytes + 5 + 9, 81},    /* event length: more than the packet */
        {first_bytes + 5 + 9, 79},    /* less */
        {first_bytes + 5 + 12, 0x7F}, /* 2 GiB */
        {first_bytes, 10},            /* packet too short for an event */
        {first_bytes, 0},             /* empty packet */
    };
    for (size_t i = 0; i < sizeof(flips) / sizeof(flips[0]); i++) {
        uint8_t stream[300];
        memcpy(stream, good, byte_count);
        stream[flips[i].at] = flips[i].value;
        struct ingest_rig b;

        open_on(&b, stream, byte_count, TR_READ_END);
        ingest_rig_run_dry(&b);
        const struct tr_error *fault = tr_fault_seen(&b.fault);
        assert_non_null(fault);
        assert_int_equal(fault->code, TR_ERR_PROTOCOL);
        assert_int_equal(b.event_count, 1);
        assert_int_equal(b.end_count, 1);
        ingest_rig_close(&b);
    }
}

static void a_lost_link_resumes_where_the_sequencer_says(void **state)
{
    (void)state;
    uint8_t stream[200];
    const size_t byte_count = ingest_rig_write_event_packet(stream, 1, 60);
    struct ingest_rig b = {
        .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_ERROR},
                             {NULL, 0, TR_ERR_SOURCE_LINK, TR_RETRY, TR_READ_END},
                             {NULL, 0, TR_ERR_SOURCE_LINK, TR_RETRY, TR_READ_END},
                             {stream, byte_count, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                   .link_count = 4}};
    ingest_rig_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){.seed = 7});
    ingest_rig_resume(&b, "binlog.000001");
    ingest_rig_run_dry(&b);
    assert_int_equal(b.down_count, 1);
    assert_int_equal(b.script.link_next, 1); /* waits for the resume point */
    ingest_rig_resume(&b, "binlog.000009");
    ingest_rig_run_dry(&b);
    assert_int_equal(b.script.link_next,
                     1); /* the link fell at once: backoff before the next attempt */
    for (uint32_t ms = 0; ms < 3000 && b.event_count < 2; ms += 10) {
        b.now_ns += 10 * TR_NS_PER_MS;
        ingest_rig_run_dry(&b);
    }
    assert_int_equal(b.script.link_next, 4);
    assert_int_equal(b.event_count, 2);
    assert_int_equal(b.last_epoch, 2);
    assert_string_equal(b.script.resume_files[3], "binlog.000009");
    assert_null(tr_fault_seen(&b.fault));
    ingest_rig_close(&b);
}

static void a_part_that_is_complete_leads_to_the_next_open_at_once(void **state)
{
    (void)state;
    uint8_t stream[200];
    const size_t byte_count = ingest_rig_write_event_packet(stream, 1, 60);
    struct ingest_rig b = {
        .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_PART_END},
                             {stream, byte_count, TR_OK, TR_STOP, TR_READ_BUSY}},
                   .link_count = 2}};

    ingest_rig_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){0});
    ingest_rig_resume(&b, "binlog.000001");
    ingest_rig_run_dry(&b);
    assert_int_equal(b.event_count, 1); /* before the news */
    assert_int_equal(b.down_count, 1);
    assert_int_equal(b.down_error.code, TR_OK); /* no loss */
    assert_int_equal(b.script.close_count, 1);
    ingest_rig_resume(&b, "binlog.000009");
    ingest_rig_run_dry(&b); /* the clock stands: no backoff */
    assert_int_equal(b.script.link_next, 2);
    assert_string_equal(b.script.resume_files[1], "binlog.000009");
    assert_int_equal(b.event_count, 2);
    assert_int_equal(b.down_count, 1);
    ingest_rig_close(&b);
}

static void silence_of_a_source_at_work_is_no_dead_link(void **state)
{
    (void)state;
    struct ingest_rig b = {
        .script = {.links = {{NULL, 0, TR_OK, TR_STOP, TR_READ_BUSY}}, .link_count = 1}};

    ingest_rig_open(&b, TR_FRAMING_PACKETS,
                    (struct tr_ingest_options){.silence_ns = 15 * TR_NS_PER_S});
    ingest_rig_resume(&b, "binlog.000001");
    for (int i = 0; i < 10; i++) {
        ingest_rig_run_dry(&b);
        b.now_ns += 100 * TR_NS_PER_S;
    }
    assert_int_equal(b.down_count, 0);
    b.script.links[0].at_end = TR_READ_WOULD_BLOCK;
    ingest_rig_run_dry(&b);
    assert_int_equal(b.down_count, 1); /* and the deadline is looked at again */
    ingest_rig_close(&b);
}

static void a_reconnect_that_is_refused_stops_the_engine(void **state)
{
    (void)state;
    struct ingest_rig b = {
        .script = {.links = {{NULL, 0, TR_OK, TR_STOP, TR_READ_END},
                             {NULL, 0, TR_ERR_SOURCE_AUTH, TR_STOP, TR_READ_END}},
                   .link_count = 2}};
    ingest_rig_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){0});
    ingest_rig_resume(&b, "binlog.000001");
    ingest_rig_run_dry(&b);
    ingest_rig_resume(&b, "binlog.000001");
    b.now_ns += TR_NS_PER_S;
    ingest_rig_run_dry(&b);
    assert_non_null(tr_fault_seen(&b.fault));
    assert_int_equal(tr_fault_seen(&b.fault)->code, TR_ERR_SOURCE_AUTH);
    assert_int_equal(b.end_count, 1);
    ingest_rig_close(&b);
}

static void the_first_connect_is_tried_only_so_long(void **state)
{
    (void)state;
    struct ingest_rig b = {.script = {.link_count = 8}};
    for (uint32_t i = 0; i < 8; i++) {
        b.script.links[i] =
            (struct script_link){NULL, 0, TR_ERR_SOURCE_LINK, TR_RETRY, TR_READ_END};
    }
    ingest_rig_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){.startup_wait_ms = 1000});
    ingest_rig_resume(&b, "binlog.000001");
    int64_t waited_ms = 0;
    while (tr_fault_seen(&b.fault) == NULL) {
        ingest_rig_run_dry(&b);
        b.now_ns += 10 * TR_NS_PER_MS;
        waited_ms += 10;
        assert_true(waited_ms < 2000);
    }
    assert_true(waited_ms >= 1000);
    assert_true(b.script.link_next >= 3);
    assert_int_equal(tr_fault_seen(&b.fault)->code, TR_ERR_SOURCE_LINK);
    ingest_rig_close(&b);
}

static void silence_beyond_the_deadline_is_a_dead_link(void **state)
{
    (void)state;
    uint8_t stream[200];
    const size_t byte_count = ingest_rig_write_event_packet(stream, 1, 60);
    struct ingest_rig b = {
        .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                   .link_count = 1}};

    ingest_rig_open(&b, TR_FRAMING_PACKETS,
                    (struct tr_ingest_options){.silence_ns = 15 * TR_NS_PER_S});
    ingest_rig_resume(&b, "binlog.000001");
    ingest_rig_run_dry(&b);
    b.now_ns += 14 * TR_NS_PER_S;
    ingest_rig_run_dry(&b);
    assert_int_equal(b.down_count, 0);
    /* Time in which we did not listen does not count. */
    atomic_store(&b.paused, true);
    b.now_ns += 100 * TR_NS_PER_S;
    ingest_rig_run_dry(&b);
    atomic_store(&b.paused, false);
    b.now_ns += 14 * TR_NS_PER_S;
    ingest_rig_run_dry(&b);
    assert_int_equal(b.down_count, 0);
    b.now_ns += TR_NS_PER_S;
    ingest_rig_run_dry(&b);
    assert_int_equal(b.down_count, 1);
    ingest_rig_close(&b);
}

static void a_paused_ingest_hands_on_what_it_has_and_reads_nothing(void **state)
{
    (void)state;
    uint8_t stream[200];
    const size_t byte_count = ingest_rig_write_event_packet(stream, 1, 60);
    struct ingest_rig b;

    open_on(&b, stream, byte_count, TR_READ_WOULD_BLOCK);
    atomic_store(&b.paused, true);
    ingest_rig_run_dry(&b);
    assert_int_equal(b.script.read_count, 0);
    atomic_store(&b.paused, false);
    ingest_rig_run_dry(&b);
    assert_int_equal(b.event_count, 1);
    ingest_rig_close(&b);
}

static void a_stop_hands_on_whole_events_and_ends(void **state)
{
    (void)state;
    uint8_t stream[400];
    size_t byte_count = ingest_rig_write_event_packet(stream, 1, 60);
    byte_count += ingest_rig_write_event_packet(stream + byte_count, 2, 60);
    struct ingest_rig b;

    open_on(&b, stream, byte_count - 10, TR_READ_WOULD_BLOCK);
    (void)tr_ingest_step(&b.ingest, b.now_ns); /* resume */
    (void)tr_ingest_step(&b.ingest, b.now_ns); /* connect */
    (void)tr_ingest_step(&b.ingest, b.now_ns); /* read */
    tr_ingest_stop(&b.ingest);
    assert_true(tr_ingest_has_work(&b.ingest));
    ingest_rig_run_dry(&b);
    assert_int_equal(b.event_count, 1);
    assert_int_equal(b.end_count, 1);
    assert_int_equal(b.script.close_count, 1);
    assert_int_equal(b.script.wake_count, 1);
    assert_null(tr_fault_seen(&b.fault));
    assert_false(tr_ingest_has_work(&b.ingest));
    ingest_rig_close(&b);
}

static void without_free_chunks_reading_waits_and_loses_nothing(void **state)
{
    (void)state;
    size_t byte_count;
    uint8_t *file = ingest_rig_load("mysql97-big-transaction.000001", &byte_count);
    struct ingest_rig b = {
        .script = {.links = {{file + 4, byte_count - 4, TR_OK, TR_STOP, TR_READ_END}},
                   .link_count = 1}};

    ingest_rig_open(&b, TR_FRAMING_EVENTS, (struct tr_ingest_options){.chunk_count = 3});
    ingest_rig_resume(&b, "binlog.000001");
    b.hold = true;
    ingest_rig_run_dry(&b);
    const size_t stalled_at = b.script.at;
    assert_true(stalled_at < byte_count - 4);
    ingest_rig_run_dry(&b);
    assert_int_equal(b.script.at, stalled_at);
    b.hold = false;
    ingest_rig_run_dry(&b);
    assert_int_equal(b.out_bytes, byte_count - 4);
    assert_memory_equal(b.out, file + 4, byte_count - 4);
    assert_int_equal(b.end_count, 1);
    ingest_rig_close(&b);
    free(file);
}

static void busy_sources_are_gathered_for_a_moment_and_idle_ones_are_not(void **state)
{
    (void)state;
    uint8_t stream[400];
    const size_t first_bytes = ingest_rig_write_event_packet(stream, 1, 60);
    const size_t byte_count =
        first_bytes + ingest_rig_write_event_packet(stream + first_bytes, 2, 60);
    struct ingest_rig b = {
        .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                   .link_count = 1,
                   .may_wait = true}};

    ingest_rig_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){.wait_ns = 7 * TR_NS_PER_S});
    b.script.links[0].byte_count = first_bytes;
    ingest_rig_resume(&b, "binlog.000001");
    for (int i = 0; i < 3; i++) {
        (void)tr_ingest_step(&b.ingest, b.now_ns); /* resume, connect, read */
    }
    assert_int_equal(b.script.wait_ns, 7 * TR_NS_PER_S);
    (void)tr_ingest_step(&b.ingest, b.now_ns);
    assert_int_equal(b.script.wait_ns, 0); /* after a pause: looks once more, and hands on */
    ingest_rig_take_chunks(&b);
    assert_int_equal(b.event_count, 1);

    b.script.links[0].byte_count = byte_count;
    b.now_ns += TR_NS_PER_MS / 10;
    (void)tr_ingest_step(&b.ingest, b.now_ns);
    (void)tr_ingest_step(&b.ingest, b.now_ns);
    assert_true(b.script.wait_ns > 0);
    assert_true(b.script.wait_ns < TR_NS_PER_MS);
    ingest_rig_take_chunks(&b);
    assert_int_equal(b.event_count, 2);
    ingest_rig_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_errors_stop_or_reconnect_by_their_family),
        cmocka_unit_test(wrong_sequence_length_or_status_stops_with_a_protocol_error),
        cmocka_unit_test(a_lost_link_resumes_where_the_sequencer_says),
        cmocka_unit_test(a_part_that_is_complete_leads_to_the_next_open_at_once),
        cmocka_unit_test(silence_of_a_source_at_work_is_no_dead_link),
        cmocka_unit_test(a_reconnect_that_is_refused_stops_the_engine),
        cmocka_unit_test(the_first_connect_is_tried_only_so_long),
        cmocka_unit_test(silence_beyond_the_deadline_is_a_dead_link),
        cmocka_unit_test(a_paused_ingest_hands_on_what_it_has_and_reads_nothing),
        cmocka_unit_test(a_stop_hands_on_whole_events_and_ends),
        cmocka_unit_test(busy_sources_are_gathered_for_a_moment_and_idle_ones_are_not),
        cmocka_unit_test(without_free_chunks_reading_waits_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
