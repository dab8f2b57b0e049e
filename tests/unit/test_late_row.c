// SPDX-License-Identifier: Apache-2.0
/* `source.row` of records without a row: by the decoder where a row of the unit is before them, else by the collector. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/collect/collector.h"
#include "stages/decode/row.h"
#include "stages/prepared.h"
#include "tests/check.h"

#define KEY "{\"databaseName\":\"d\"}"
#define HEAD "{\"row\":"
#define TAIL ",\"x\":1}"
#define TEXT_BYTES 1024

static struct tr_fragment *fragment_open(void)
{
    struct tr_fragment *fragment = NULL;
    assert_int_equal(posix_memalign((void **)&fragment, 64, sizeof(*fragment) + 4096 + 64), 0);
    memset(fragment, 0, sizeof(*fragment));
    fragment->magic = TR_FRAGMENT_MAGIC;
    fragment->room_bytes = 4096;
    return fragment;
}

/* Adds a record whose row is late, or fixed as 0. */
static void put(struct tr_fragment *fragment, const struct tr_stream *stream, bool is_late,
                uint32_t row_last)
{
    static const char bytes[] = KEY HEAD "0" TAIL;
    struct tr_prepared *prepared = calloc(1, sizeof(*prepared) + sizeof(bytes));
    assert_non_null(prepared);
    prepared->stream = stream;
    prepared->key_bytes = (uint32_t)strlen(KEY);
    prepared->value_bytes = (uint32_t)(strlen(bytes) - strlen(KEY));
    prepared->row_at = is_late ? (uint32_t)strlen(HEAD) : 0;
    memcpy(prepared->bytes, bytes, strlen(bytes));
    struct tr_unit_item item = {.kind = TR_ITEM_PREPARED};
    item.prepared = prepared;
    struct tr_row row = {.item = &item, .fragment = fragment, .unit_seq = fragment->unit_seq};
    assert_int_equal(tr_row_put_prepared(&row, row_last), TR_WRITE_OK);
    free(prepared);
}

static bool collect(void *self, const struct tr_stream *stream, const struct tr_record *record)
{
    char *text = self;
    (void)stream;
    assert_int_equal(record->key_bytes, strlen(KEY));
    assert_memory_equal(tr_record_key(record), KEY, strlen(KEY));
    assert_int_equal(record->flags, 0);
    assert_true(strlen(text) + record->value_bytes + 1 < TEXT_BYTES);
    (void)strncat(text, (const char *)tr_record_value(record), record->value_bytes);
    return true;
}

struct rig {
    struct tr_collector_options options;
    struct tr_collector collector;
    struct tr_ring rings[4];
    struct tr_progress progress;
    struct tr_metric_block metrics;
    struct tr_streams *streams;
    const struct tr_stream *stream;
    uint64_t seq;
    char text[TEXT_BYTES];
};

static void rig_open(struct rig *rig)
{
    static const size_t slot_bytes[] = {sizeof(struct tr_manifest_entry), sizeof(struct tr_unit *),
                                        sizeof(struct tr_decoded), sizeof(struct tr_fragment *)};
    struct tr_error err;

    *rig = (struct rig){0};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(tr_ring_init(&rig->rings[i], 8, slot_bytes[i], &err), TR_OK);
    }
    assert_int_equal(tr_streams_open(&rig->streams, 1, &err), TR_OK);
    rig->stream = tr_streams_intern(rig->streams, tr_span_of_text("p"), &err);
    assert_non_null(rig->stream);
    rig->options = (struct tr_collector_options){.manifest = &rig->rings[0],
                                                 .units = &rig->rings[1],
                                                 .decoder_count = 1,
                                                 .streams = rig->streams,
                                                 .progress = &rig->progress,
                                                 .metrics = &rig->metrics,
                                                 .sink = collect,
                                                 .sink_self = rig->text};
    rig->options.decoders[0].decoded = &rig->rings[2];
    rig->options.decoders[0].empty = &rig->rings[3];
    tr_collector_init(&rig->collector, &rig->options);
}

static void rig_close(struct rig *rig)
{
    for (size_t i = 0; i < 4; i++) {
        tr_ring_deinit(&rig->rings[i]);
    }
    tr_streams_close(rig->streams);
}

/* A unit of `file` whose records (NULL: none) came to the collector; the values that the sink saw. */
static const char *pass(struct rig *rig, const char *file, struct tr_fragment *fragment,
                        uint32_t row_last)
{
    struct tr_unit *unit = calloc(1, sizeof(*unit));
    void *slot;

    assert_non_null(unit);
    unit->magic = TR_UNIT_MAGIC;
    unit->seq = ++rig->seq;
    unit->row_last = row_last;
    (void)snprintf(unit->file, sizeof(unit->file), "%s", file);
    if (fragment != NULL) {
        fragment->unit_seq = unit->seq;
    }
    *(struct tr_manifest_entry *)tr_ring_claim_one(&rig->rings[0]) =
        (struct tr_manifest_entry){.unit = unit};
    tr_ring_publish(&rig->rings[0], 1);
    *(struct tr_decoded *)tr_ring_claim_one(&rig->rings[2]) =
        (struct tr_decoded){.fragment = fragment, .unit_seq = unit->seq, .unit_last = true};
    tr_ring_publish(&rig->rings[2], 1);
    rig->text[0] = '\0';
    while (tr_collector_has_work(&rig->collector)) {
        (void)tr_collector_step(&rig->collector, 0);
    }
    assert_int_equal(tr_ring_peek(&rig->rings[1], 1, &slot), 1);
    tr_ring_release(&rig->rings[1], 1);
    free(unit);
    if (fragment != NULL) {
        assert_int_equal(tr_ring_peek(&rig->rings[3], 1, &slot), 1);
        tr_ring_release(&rig->rings[3], 1);
        free(fragment);
    }
    return rig->text;
}

static void decoder_writes_the_row_of_its_own_unit(void **state)
{
    struct rig rig;
    (void)state;
    rig_open(&rig);
    struct tr_fragment *fragment = fragment_open();
    put(fragment, rig.stream, true, 7);
    put(fragment, rig.stream, true, UINT32_MAX - 1);
    put(fragment, rig.stream, false, 7);
    assert_int_equal(fragment->groups[0].record_bytes,
                     3 * strlen(KEY HEAD "0" TAIL) + TR_LATE_ROW_BYTES);
    assert_string_equal(pass(&rig, "binlog.000001", fragment, 7),
                        HEAD "7" TAIL HEAD "4294967294" TAIL HEAD "0" TAIL);
    rig_close(&rig);
}

static void collector_writes_the_row_of_a_unit_before(void **state)
{
    struct rig rig;
    (void)state;
    rig_open(&rig);
    struct tr_fragment *fragment = fragment_open();
    put(fragment, rig.stream, true, TR_UNIT_ROW_NONE);
    assert_string_equal(pass(&rig, "binlog.000001", fragment, 12),
                        HEAD "0" TAIL);                        /* nothing before */
    (void)pass(&rig, "binlog.000001", NULL, TR_UNIT_ROW_NONE); /* no row in it */
    fragment = fragment_open();
    put(fragment, rig.stream, true, TR_UNIT_ROW_NONE);
    put(fragment, rig.stream, false, TR_UNIT_ROW_NONE);
    put(fragment, rig.stream, true, TR_UNIT_ROW_NONE);
    put(fragment, rig.stream, true, 3);
    assert_string_equal(pass(&rig, "binlog.000001", fragment, 3),
                        HEAD "12" TAIL HEAD "0" TAIL HEAD "12" TAIL HEAD "3" TAIL);
    rig_close(&rig);
}

static void the_count_begins_anew_with_a_file(void **state)
{
    struct rig rig;
    (void)state;
    rig_open(&rig);
    (void)pass(&rig, "binlog.000001", NULL, 12);
    struct tr_fragment *fragment = fragment_open();
    put(fragment, rig.stream, true, TR_UNIT_ROW_NONE);
    assert_string_equal(pass(&rig, "binlog.000002", fragment, TR_UNIT_ROW_NONE), HEAD "0" TAIL);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoder_writes_the_row_of_its_own_unit),
        cmocka_unit_test(collector_writes_the_row_of_a_unit_before),
        cmocka_unit_test(the_count_begins_anew_with_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
