// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/decode_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/json.h"

#define JSON_BYTES_MAX (4u << 20)

/* What lives through all inputs. */
static struct {
    struct tr_json_reader *reader;
    struct tr_streams *streams;
    const struct tr_stream *stream;
    struct tr_unit *unit;
    struct tr_fragment *fragments[2];
} kept;

void decode_rig_require(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "decode: %s\n", what);
        abort();
    }
}

static void check_json(const uint8_t *text, size_t bytes)
{
    struct tr_error err;
    struct tr_span name;

    tr_json_begin(kept.reader, tr_span_of(text, bytes));
    decode_rig_require(tr_json_enter_object(kept.reader), "a record is no object");
    while (tr_json_next_member(kept.reader, &name)) {
    }
    decode_rig_require(tr_json_finish(kept.reader, &err) == TR_OK, "a record is no JSON");
}

/* Returns how many there are. */
static uint32_t check_records(const struct tr_fragment *fragment, bool has_tombstones)
{
    uint32_t count = 0;

    decode_rig_require(fragment->low_bytes + fragment->high_bytes <= fragment->room_bytes,
                       "records and index overlap");
    for (uint32_t g = 0; g < fragment->group_count; g++) {
        const struct tr_record *record = fragment->groups[g].first;
        for (; record != NULL; record = record->next) {
            count++;
            decode_rig_require(record->key_bytes == 0 ||
                                   record->key_at + record->key_bytes <= fragment->low_bytes,
                               "key outside");
            decode_rig_require(record->value_at + record->value_bytes <= fragment->low_bytes,
                               "value outside");
            if (record->value_bytes != 0 || !has_tombstones) {
                check_json(tr_record_value(record), record->value_bytes);
            }
            if (record->key_bytes != 0) {
                check_json(tr_record_key(record), record->key_bytes);
            }
        }
    }
    return count;
}

static struct tr_fragment *make_fragment(uint32_t room_bytes, bool jumbo)
{
    struct tr_fragment *fragment = aligned_alloc(64, sizeof(*fragment) + room_bytes + 64);

    decode_rig_require(fragment != NULL, "no memory");
    fragment->magic = TR_FRAGMENT_MAGIC;
    fragment->room_bytes = room_bytes;
    fragment->jumbo = jumbo;
    tr_row_reset_fragment(fragment, 1);
    return fragment;
}

const struct tr_stream *decode_rig_stream(void)
{
    struct tr_error err;

    if (kept.reader != NULL) {
        return kept.stream;
    }
    decode_rig_require(tr_json_open(&kept.reader, JSON_BYTES_MAX, &err) == TR_OK, "no reader");
    decode_rig_require(tr_streams_open(&kept.streams, 1, &err) == TR_OK, "no streams");
    kept.stream = tr_streams_intern(kept.streams, tr_span_of_text("p.d.t"), &err);
    kept.unit = calloc(1, sizeof(*kept.unit));
    decode_rig_require(kept.stream != NULL && kept.unit != NULL, "no unit");
    kept.fragments[0] = make_fragment(24 * 1024, false);
    kept.fragments[1] = make_fragment(256 * 1024, true);
    return kept.stream;
}

void decode_rig_run(const struct decode_rig_event *event)
{
    struct tr_decode decode;
    struct tr_error err = {0};
    /* At the chunk's end, so that what is read behind its slack is outside the allocation. */
    struct tr_chunk *chunk = calloc(1, sizeof(*chunk));
    struct tr_fragment *fragment = kept.fragments[0];
    enum tr_decode_outcome outcome;
    uint64_t count = 0;

    decode_rig_require(chunk != NULL && tr_decode_init(&decode, 1024, &err) == TR_OK, "no memory");
    const uint32_t at = TR_CHUNK_BYTES - (uint32_t)event->byte_count;
    memcpy(chunk->bytes + at, event->bytes, event->byte_count);
    kept.unit->magic = TR_UNIT_MAGIC;
    kept.unit->seq = 1;
    kept.unit->chunk = chunk;
    kept.unit->item_count = 1;
    (void)snprintf(kept.unit->file, sizeof(kept.unit->file), "binlog.000001");
    kept.unit->items[0] = event->item;
    kept.unit->items[0].at = at;
    kept.unit->items[0].bytes = (uint32_t)event->byte_count;
    tr_decode_begin_unit(&decode, kept.unit);
    do {
        tr_row_reset_fragment(fragment, 1);
        outcome = tr_decode_run(&decode, fragment, UINT64_MAX, &err);
        count += check_records(fragment, event->has_tombstones);
        decode_rig_require(count <= event->records_max, "more records than bytes of rows");
        fragment = kept.fragments[outcome == TR_DECODE_NEEDS_JUMBO];
    } while (outcome == TR_DECODE_NEEDS_FRAGMENT || outcome == TR_DECODE_NEEDS_JUMBO);
    decode_rig_require(outcome == TR_DECODE_DONE || outcome == TR_DECODE_FAILED,
                       "it paused without a budget");
    decode_rig_require((outcome == TR_DECODE_FAILED) == (err.text[0] != '\0'),
                       "failure and error differ");
    tr_decode_deinit(&decode);
    free(chunk);
}
