// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "offsets/watermark.h"
#include "tests/check.h"

#define UUID "aea691b3-e646-11f1-8b4e-02fc00000001"
#define UNITS (3 * TR_WATERMARK_ENTRIES_MAX) /* thinned out more than once */

static struct fixture {
    struct tr_gtid_sources *sources;
    const struct tr_gtid_source *source;
    struct tr_saved_position saved; /* as read last */
    struct tr_watermark *watermark;
    struct tr_error err;
} fixture;
static struct fixture *const f = &fixture;

static int open_watermark(void **state)
{
    static const uint8_t uuid[16] = {0xae, 0xa6, 0x91, 0xb3, 0xe6, 0x46, 0x11, 0xf1,
                                     0x8b, 0x4e, 0x02, 0xfc, 0x00, 0x00, 0x00, 0x01};
    (void)state;
    memset(f, 0, sizeof(*f));
    assert_int_equal(tr_gtid_sources_open(&f->sources, &f->err), TR_OK);
    f->source = tr_gtid_source_mysql(f->sources, uuid, tr_span_of_text(""), &f->err);
    assert_non_null(f->source);
    assert_int_equal(tr_gtid_set_open(&f->saved.gtids, TR_FLAVOR_MYSQL, &f->err), TR_OK);
    assert_int_equal(tr_watermark_open(&f->watermark, TR_FLAVOR_MYSQL, true, &f->saved, &f->err),
                     TR_OK);
    return 0;
}

static int close_watermark(void **state)
{
    (void)state;
    tr_watermark_close(f->watermark);
    tr_gtid_set_close(f->saved.gtids);
    tr_gtid_sources_close(f->sources);
    return 0;
}

/* Unit `seq` completes one transaction. */
static void push(uint64_t seq, uint64_t number)
{
    struct tr_unit_position position = {.seq = seq, .log_bytes = seq, .range_count = 1};

    position.end.pos = seq;
    (void)snprintf(position.end.file, sizeof(position.end.file), "b.1");
    position.ranges[0] =
        (struct tr_gtid_range){.source = f->source, .first = number, .last = number};
    assert_true(tr_watermark_try_push(f->watermark, &position));
}

/* The GTIDs to save when everything up to `seq` is acknowledged. */
static void check_saved(uint64_t seq, const char *wanted)
{
    uint64_t link_epoch;
    char text[200];

    assert_int_equal(tr_watermark_advance(f->watermark, seq, &f->err), TR_OK);
    assert_int_equal(tr_watermark_position(f->watermark, false, &f->saved, &link_epoch, &f->err),
                     TR_OK);
    assert_true(tr_gtid_set_text_bytes(f->saved.gtids) < sizeof(text));
    tr_gtid_set_write_text(f->saved.gtids, text);
    assert_string_equal(text, wanted);
}

static void number_left_out_stays_out_when_entries_are_thinned(void **state)
{
    char wanted[100];

    (void)state;
    for (uint64_t seq = 1; seq <= UNITS; seq++) {
        push(seq, seq <= 100 ? seq : seq + 1); /* 101 comes at the end */
    }
    (void)snprintf(wanted, sizeof(wanted), UUID ":1-100:102-%d", UNITS + 1);
    check_saved(UNITS, wanted);
    push(UNITS + 1, 101);
    (void)snprintf(wanted, sizeof(wanted), UUID ":1-%d", UNITS + 1);
    check_saved(UNITS + 1, wanted);
}

static void many_holes_stay_open_when_entries_are_thinned(void **state)
{
    char wanted[100];

    (void)state;
    for (uint64_t seq = 1; seq <= UNITS; seq++) { /* even numbers, then the odd ones */
        push(seq, seq <= 4 ? 2 * seq : seq + 5);
    }
    (void)snprintf(wanted, sizeof(wanted), UUID ":2-2:4-4:6-6:8-8:10-%d", UNITS + 5);
    check_saved(UNITS, wanted);
}

static void safe_place_between_thinned_entries_has_what_is_before_it_only(void **state)
{
    uint64_t link_epoch;
    char text[200];
    char wanted[100];

    (void)state;
    for (uint64_t seq = 1; seq <= UNITS; seq++) {
        push(seq, seq <= 100 ? seq : seq + 1);
    }
    assert_int_equal(tr_watermark_advance(f->watermark, 1000, &f->err), TR_OK);
    const uint64_t safe_seq = tr_watermark_safe_seq(f->watermark);
    assert_in_range(safe_seq, 900, 1000);
    assert_int_equal(tr_watermark_position(f->watermark, false, &f->saved, &link_epoch, &f->err),
                     TR_OK);
    tr_gtid_set_write_text(f->saved.gtids, text);
    (void)snprintf(wanted, sizeof(wanted), UUID ":1-100:102-%llu",
                   (unsigned long long)safe_seq + 1);
    assert_string_equal(text, wanted);
    assert_int_equal(f->saved.point.pos, safe_seq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(number_left_out_stays_out_when_entries_are_thinned,
                                        open_watermark, close_watermark),
        cmocka_unit_test_setup_teardown(many_holes_stay_open_when_entries_are_thinned,
                                        open_watermark, close_watermark),
        cmocka_unit_test_setup_teardown(
            safe_place_between_thinned_entries_has_what_is_before_it_only, open_watermark,
            close_watermark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
