// SPDX-License-Identifier: Apache-2.0
/*
 * A lost link and a restart at every place of a log: what comes out in both lives together is what
 * comes out of one life, nothing lost, nothing twice (MySQL's XA groups repeat from their
 * beginning: Debezium has no counts for them).
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/check.h"
#include "tests/support/sequencer_rig.h"

#define MAGIC_BYTES 4

struct sample {
    const char *name;
    enum tr_flavor flavor;
    bool repeats; /* XA on MySQL */
};

static const struct sample samples[] = {
    {"mysql97-rows-query-multi.000001", TR_FLAVOR_MYSQL, false},
    {"mysql97-compressed.000001", TR_FLAVOR_MYSQL, false},
    {"mysql97-gtid-tagged.000001", TR_FLAVOR_MYSQL, false},
    {"mysql97-savepoint.000001", TR_FLAVOR_MYSQL, false},
    {"mysql97-xa.000001", TR_FLAVOR_MYSQL, true},
    {"mysql56-gtid.000001", TR_FLAVOR_MYSQL, false},
    {"mysql56-savepoint.000001", TR_FLAVOR_MYSQL, false},
    {"mariadb1011-annotate.000001", TR_FLAVOR_MARIADB, false},
    {"mariadb1011-compressed.000001", TR_FLAVOR_MARIADB, false},
    {"mariadb1011-savepoint.000001", TR_FLAVOR_MARIADB, false},
    {"mariadb118-gtid-xa.000001", TR_FLAVOR_MARIADB, false},
    {"mariadb118-two-phase-alter.000001", TR_FLAVOR_MARIADB, false},
};

#define SAMPLE_COUNT (sizeof(samples) / sizeof(samples[0]))

static struct rig rig;
static struct rig_item *wanted;
static uint32_t wanted_count;
static char wanted_executed[4096];
static uint8_t *content;
static size_t content_bytes;

static struct tr_span format_description(void)
{
    return tr_span_of(content + MAGIC_BYTES, tr_load_u32(content + MAGIC_BYTES + 9));
}

static void open_at(const struct sample *sample, const struct tr_log_point *point,
                    const char *gtids)
{
    rig_open(&rig, &(struct rig_options){.flavor = sample->flavor,
                                         .file = sample->name,
                                         .pos = point == NULL ? MAGIC_BYTES : point->pos,
                                         .event_count = point == NULL ? 0 : point->event_count,
                                         .row_count = point == NULL ? 0 : point->row_count,
                                         .gtids = gtids,
                                         .gtid_mode = true});
}

static void feed_from(uint64_t pos, uint64_t to, size_t chunk_bytes)
{
    assert_in_range(pos, MAGIC_BYTES, to);
    rig_feed(&rig, tr_span_of(content + pos, to - pos), chunk_bytes);
    if (tr_fault_seen(&rig.fault) != NULL) {
        fail_msg("%s", tr_fault_seen(&rig.fault)->text);
    }
}

/* What the whole log gives in one life. */
static void read_sample(const struct sample *sample)
{
    content = rig_read_file(sample->name, &content_bytes);
    open_at(sample, NULL, "");
    feed_from(MAGIC_BYTES, content_bytes, TR_CHUNK_BYTES);
    wanted_count = rig.item_count;
    wanted = calloc(wanted_count + 1, sizeof(*wanted));
    memcpy(wanted, rig.items, wanted_count * sizeof(*wanted));
    (void)snprintf(wanted_executed, sizeof(wanted_executed), "%s", rig_executed(&rig));
    rig_close(&rig);
}

static void free_sample(void)
{
    free(content);
    free(wanted);
}

static void check_items(const struct sample *sample, uint64_t cut, uint32_t first,
                        bool first_is_split)
{
    if (sample->repeats && rig.item_count > wanted_count - first) {
        first = wanted_count - rig.item_count; /* more than needed: the same suffix */
    }
    if (rig.item_count != wanted_count - first) {
        fail_msg("%s cut at %llu: %u rows events, want %u", sample->name, (unsigned long long)cut,
                 rig.item_count, wanted_count - first);
    }
    for (uint32_t i = 0; i < rig.item_count; i++) {
        struct rig_item item = rig.items[i];
        assert_int_equal(item.row_first, first_is_split && i == 0 ? 1 : 0);
        item.row_first = 0;
        item.ts_us =
            wanted[first + i].ts_us; /* after a restart the first event has no time before it */
        if (memcmp(&item, &wanted[first + i], sizeof(item)) != 0) {
            const struct rig_item *want = &wanted[first + i];
            fail_msg("%s cut at %llu: rows event %u: %s %s:%llu gtid %s thread %lld, want %s "
                     "%s:%llu gtid %s "
                     "thread %lld",
                     sample->name, (unsigned long long)cut, i, item.table, item.file,
                     (unsigned long long)item.pos, item.gtid, (long long)item.thread_id,
                     want->table, want->file, (unsigned long long)want->pos, want->gtid,
                     (long long)want->thread_id);
        }
    }
    assert_string_equal(rig_executed(&rig), wanted_executed);
}

static void sequencer_repeats_and_loses_nothing_when_the_link_is_lost_anywhere(void **state)
{
    (void)state;
    for (size_t s = 0; s < SAMPLE_COUNT; s++) {
        read_sample(&samples[s]);
        for (uint64_t cut = MAGIC_BYTES; cut < content_bytes;
             cut += tr_load_u32(content + cut + 9)) {
            open_at(&samples[s], NULL, "");
            assert_int_equal(rig_resume(&rig) == NULL, true);
            rig_run(&rig);
            assert_int_equal(rig_resume(&rig)->point.pos, MAGIC_BYTES);
            feed_from(MAGIC_BYTES, cut, 1);
            const uint32_t units_before = rig.taken_count;
            rig_send_empty(&rig, TR_CHUNK_LINK_DOWN);
            const struct tr_resume *resume = rig_resume(&rig);
            assert_non_null(resume);
            assert_non_null(resume->gtids);
            if (units_before > 0) { /* the position does not move back because of it */
                const struct tr_log_point *before = &rig.taken[units_before - 1].position.end;
                const struct tr_log_point *after = &rig.taken[rig.taken_count - 1].position.end;
                assert_int_equal(before->pos, after->pos);
                assert_int_equal(before->event_count, after->event_count);
            }
            rig_feed_dump_head(&rig, samples[s].name, resume->point.pos, format_description());
            feed_from(resume->point.pos, content_bytes, 500);
            check_items(&samples[s], cut, 0, false);
            rig_close(&rig);
        }
        free_sample();
    }
}

static void sequencer_repeats_and_loses_nothing_when_the_link_is_lost_twice(void **state)
{
    (void)state;
    for (size_t s = 0; s < SAMPLE_COUNT; s++) {
        read_sample(&samples[s]);
        for (uint64_t cut = MAGIC_BYTES; cut < content_bytes;
             cut += tr_load_u32(content + cut + 9)) {
            open_at(&samples[s], NULL, "");
            feed_from(MAGIC_BYTES, cut, 1);
            rig_send_empty(&rig, TR_CHUNK_LINK_DOWN);
            const struct tr_resume *resume = rig_resume(&rig);
            if (strcmp(resume->point.file, samples[s].name) != 0) { /* behind its ROTATE */
                rig_close(&rig);
                continue;
            }
            const uint64_t first = resume->point.pos;
            rig_feed_dump_head(&rig, samples[s].name, first, format_description());
            uint64_t second_cut = first; /* two events later */
            for (int i = 0; i < 2 && second_cut < content_bytes; i++) {
                second_cut += tr_load_u32(content + second_cut + 9);
            }
            feed_from(first, second_cut, 1);
            rig_send_empty(&rig, TR_CHUNK_LINK_DOWN);
            resume = rig_resume(&rig);
            if (strcmp(resume->point.file, samples[s].name) == 0) {
                const uint64_t second = resume->point.pos;
                rig_feed_dump_head(&rig, samples[s].name, second, format_description());
                feed_from(second, content_bytes, 500);
            }
            check_items(&samples[s], cut, 0, false);
            rig_close(&rig);
        }
        free_sample();
    }
}

/* The executed set that would be saved with unit `unit`. */
static char *executed_at(const struct sample *sample, uint32_t unit, bool at_record)
{
    struct tr_error err;
    struct tr_gtid_set *set;

    assert_int_equal(tr_gtid_set_open(&set, sample->flavor, &err), TR_OK);
    for (uint32_t u = 0; u <= unit; u++) {
        const struct tr_unit_position *position = &rig.taken[u].position;
        const uint32_t count =
            at_record && u == unit ? position->record_range_count : position->range_count;
        assert_in_range(position->record_range_count, 0, position->range_count);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(tr_gtid_set_add(set, &position->ranges[i], &err), TR_OK);
        }
    }
    char *text = calloc(1, tr_gtid_set_text_bytes(set) + 1);
    tr_gtid_set_write_text(set, text);
    tr_gtid_set_close(set);
    return text;
}

/* Where a server begins to send: with GTIDs at the transaction's GTID event, which lies in front of
 * its BEGIN. */
static uint64_t sent_from(uint64_t pos)
{
    uint64_t before = MAGIC_BYTES;

    for (uint64_t at = MAGIC_BYTES; at < pos; at += tr_load_u32(content + at + 9)) {
        before = at;
    }
    const uint8_t type = content[before + 4];
    return type == TR_EVENT_GTID || type == TR_EVENT_GTID_TAGGED ? before : pos;
}

static void restart_at(const struct sample *sample, uint32_t unit, size_t chunk_bytes,
                       bool at_record)
{
    open_at(sample, NULL, "");
    feed_from(MAGIC_BYTES, content_bytes, chunk_bytes);
    const struct rig_unit taken = rig.taken[unit];
    char *gtids = executed_at(sample, unit, at_record);
    rig_close(&rig);

    struct tr_log_point point = at_record ? taken.position.record : taken.position.end;
    if (strcmp(point.file, sample->name) != 0) { /* behind its ROTATE */
        free(gtids);
        return;
    }
    const bool is_split = at_record && taken.item_mark != UINT32_MAX; /* not the end of an XA group */
    if (is_split) {
        point.row_count = 1; /* one row of the event was delivered */
    }
    open_at(sample, &point, gtids);
    rig_run(&rig);
    const struct tr_resume *resume = rig_resume(&rig);
    assert_int_equal(resume->point.pos, point.pos);
    rig_feed_dump_head(&rig, sample->name, sent_from(point.pos), format_description());
    feed_from(sent_from(point.pos), content_bytes, 500);
    check_items(sample, point.pos, is_split ? taken.item_mark : taken.item_end, is_split);
    rig_close(&rig);
    free(gtids);
}

static void restart_everywhere(size_t chunk_bytes)
{
    for (size_t s = 0; s < SAMPLE_COUNT; s++) {
        read_sample(&samples[s]);
        open_at(&samples[s], NULL, "");
        feed_from(MAGIC_BYTES, content_bytes, chunk_bytes);
        const uint32_t unit_count = rig.taken_count;
        bool *has_record = calloc(unit_count, sizeof(*has_record));
        for (uint32_t u = 0; u < unit_count; u++) {
            has_record[u] = rig.taken[u].position.has_record;
        }
        rig_close(&rig);
        for (uint32_t u = 0; u < unit_count; u++) {
            restart_at(&samples[s], u, chunk_bytes, false);
            if (has_record[u]) {
                restart_at(&samples[s], u, chunk_bytes, true);
            }
        }
        free(has_record);
        free_sample();
    }
}

static void sequencer_goes_on_exactly_behind_every_event_after_a_restart(void **state)
{
    (void)state;
    restart_everywhere(1);
}

static void sequencer_goes_on_exactly_behind_every_unit_after_a_restart(void **state)
{
    (void)state;
    restart_everywhere(700);
    restart_everywhere(TR_CHUNK_BYTES);
}

static void sequencer_does_not_skip_in_a_transaction_that_is_not_the_saved_one(void **state)
{
    (void)state;
    const struct sample *sample = &samples[0];
    read_sample(sample);
    /* A saved position whose place is no BEGIN: another log. Never skip on doubt. */
    const struct tr_log_point point = {.pos = 5, .event_count = 3, .row_count = 1};
    open_at(sample, &point, "");
    rig_feed_dump_head(&rig, sample->name, MAGIC_BYTES, format_description());
    const uint64_t behind_format = MAGIC_BYTES + format_description().bytes;
    feed_from(behind_format, content_bytes, TR_CHUNK_BYTES);
    check_items(sample, point.pos, 0, false);
    rig_close(&rig);
    free_sample();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequencer_repeats_and_loses_nothing_when_the_link_is_lost_anywhere),
        cmocka_unit_test(sequencer_repeats_and_loses_nothing_when_the_link_is_lost_twice),
        cmocka_unit_test(sequencer_goes_on_exactly_behind_every_event_after_a_restart),
        cmocka_unit_test(sequencer_goes_on_exactly_behind_every_unit_after_a_restart),
        cmocka_unit_test(sequencer_does_not_skip_in_a_transaction_that_is_not_the_saved_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
