// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sequencer_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/crc32.h"
#include "tests/check.h"

/* One rig at a time: taken once, since tests open thousands of rigs. */
static struct rig_item items[RIG_ITEMS_MAX];
static struct rig_unit taken[RIG_UNITS_MAX];
static struct tr_chunk chunks[RIG_CHUNKS];

static int64_t rig_now(void *self)
{
    (void)self;
    return 0;
}

static int64_t rig_wall(void *self)
{
    return ((struct rig *)self)->wall_unix_ns;
}

static void must(enum tr_code code, const struct tr_error *err)
{
    if (code != TR_OK) {
        fail_msg("%s", err->text);
    }
}

static void open_catalog(struct rig *rig)
{
    struct tr_error err;
    const struct tr_filter_options filter = {
        .table_include =
            tr_span_of_text(rig->options.table_include == NULL ? "" : rig->options.table_include)};

    must(tr_filter_open(&rig->filter, &filter, &err), &err);
    must(tr_streams_open(&rig->streams, 1, &err), &err);
    const struct tr_catalog_options options = {
        .flavor = rig->options.flavor,
        .filter = rig->filter,
        .streams = rig->streams,
        .topic = {.prefix = tr_span_of_text("p")},
        .bytes_max = 64u << 20,
        .metadata_is_full = rig->options.metadata_is_full,
        .lenient = !rig->options.strict,
    };
    must(tr_catalog_open(&rig->catalog, &options, &err), &err);
    if (rig->options.model != NULL) {
        struct tr_table *model = rig->options.model;
        must(tr_catalog_set_model(rig->catalog, model->database, model->name, model, &err), &err);
        tr_table_close(model); /* the catalog has a share */
    }
}

static void open_rings(struct rig *rig)
{
    struct tr_error err;
    const uint64_t inflate_chunks = tr_inflate_chunk_count(rig->options.decoder_count);

    must(tr_ring_init(&rig->chunks, RIG_CHUNKS, sizeof(void *), &err), &err);
    must(tr_ring_init(&rig->resumes, 2, sizeof(void *), &err), &err);
    must(tr_ring_init(&rig->jobs, TR_INFLATE_JOBS_MAX, sizeof(struct tr_inflate_job), &err), &err);
    must(tr_ring_init(&rig->done, inflate_chunks + 2 * TR_INFLATE_JOBS_MAX + 2,
                      sizeof(struct tr_inflate_done), &err),
         &err);
    must(tr_ring_init(&rig->manifest, rig->options.unit_count, sizeof(struct tr_manifest_entry),
                      &err),
         &err);
    must(tr_ring_init(&rig->units, rig->options.unit_count, sizeof(void *), &err), &err);
    must(tr_ring_init(&rig->homes, inflate_chunks, sizeof(void *), &err), &err);
    for (uint32_t d = 0; d < rig->options.decoder_count; d++) {
        must(tr_ring_init(&rig->decoders[d], rig->options.unit_count, sizeof(void *), &err), &err);
    }
}

static void open_inflate(struct rig *rig)
{
    struct tr_error err;

    rig->inflate_returns[0] = &rig->homes;
    const struct tr_inflate_options options = {
        .jobs = &rig->jobs,
        .done = &rig->done,
        .returns = rig->inflate_returns,
        .return_count = 1,
        .chunk_count = tr_inflate_chunk_count(rig->options.decoder_count),
    };
    must(tr_inflate_init(&rig->inflate, &options, NULL, &err), &err);
}

static void open_sequencer(struct rig *rig)
{
    struct tr_error err;
    struct tr_sequencer_options options = {
        .flavor = rig->options.flavor,
        .gtid_mode = rig->options.gtid_mode,
        .source_is_same = true,
        .row_bytes_max = rig->options.row_bytes_max == 0 ? 16u << 20 : rig->options.row_bytes_max,
        .replay_bytes_max = rig->options.replay_bytes_max,
        .output_ratio_q8 = rig->options.output_ratio_q8,
        .paused = &rig->paused,
        .start = {.pos = rig->options.pos == 0 ? 4 : rig->options.pos,
                  .event_count = rig->options.event_count,
                  .row_count = rig->options.row_count},
        .catalog = rig->catalog,
        .model = rig->options.ddl,
        .publisher = rig->options.publisher,
        .history = rig->options.history,
        .sources = rig->sources,
        .clock = &rig->clock,
        .progress = &rig->progress,
        .fault = &rig->fault,
        .unit_count = rig->options.unit_count,
        .chunks = &rig->chunks,
        .resumes = &rig->resumes,
        .inflate_jobs = &rig->jobs,
        .inflate_done = &rig->done,
        .manifest = &rig->manifest,
        .units = &rig->units,
        .decoder_count = rig->options.decoder_count,
    };
    for (uint32_t d = 0; d < rig->options.decoder_count; d++) {
        options.decoders[d].units = &rig->decoders[d];
    }
    (void)snprintf(options.start.file, sizeof(options.start.file), "%s",
                   rig->options.file == NULL ? "" : rig->options.file);
    if (rig->options.gtids != NULL) {
        must(tr_gtid_set_open(&rig->start_gtids, rig->options.flavor, &err), &err);
        must(tr_gtid_set_parse(rig->start_gtids, rig->sources, tr_span_of_text(rig->options.gtids),
                               &err),
             &err);
        options.start_gtids = rig->start_gtids;
    }
    must(tr_sequencer_init(&rig->sequencer, &options, NULL, &err), &err);
}

void rig_open(struct rig *rig, const struct rig_options *options)
{
    struct tr_error err;

    *rig = (struct rig){.options = *options, .wall_unix_ns = INT64_C(1800000000000000000)};
    if (rig->options.decoder_count == 0) {
        rig->options.decoder_count = 1;
    }
    if (rig->options.unit_count == 0) {
        rig->options.unit_count = 8;
    }
    rig->clock = (struct tr_clock){
        .self = rig, .monotonic_ns = rig_now, .wall_unix_ns = rig_wall, .boottime_ns = rig_now};
    rig->items = items;
    rig->taken = taken;
    for (uint32_t i = 0; i < RIG_CHUNKS; i++) {
        chunks[i].magic = TR_CHUNK_MAGIC;
        rig->free_chunks[rig->free_count++] = &chunks[i];
    }
    must(tr_gtid_sources_open(&rig->sources, &err), &err);
    open_catalog(rig);
    open_rings(rig);
    open_inflate(rig);
    open_sequencer(rig);
}

void rig_close(struct rig *rig)
{
    tr_sequencer_deinit(&rig->sequencer);
    tr_inflate_deinit(&rig->inflate);
    tr_catalog_close(rig->catalog);
    tr_filter_close(rig->filter);
    tr_streams_close(rig->streams);
    tr_gtid_set_close(rig->start_gtids);
    tr_gtid_sources_close(rig->sources);
    tr_ring_deinit(&rig->chunks);
    tr_ring_deinit(&rig->resumes);
    tr_ring_deinit(&rig->jobs);
    tr_ring_deinit(&rig->done);
    tr_ring_deinit(&rig->manifest);
    tr_ring_deinit(&rig->units);
    tr_ring_deinit(&rig->homes);
    for (uint32_t d = 0; d < TR_DECODERS_MAX; d++) {
        tr_ring_deinit(&rig->decoders[d]);
    }
    *rig = (struct rig){0};
}

static void note_item(struct rig *rig, const struct tr_unit *unit, const struct tr_unit_item *item)
{
    assert_true(rig->item_count < RIG_ITEMS_MAX);
    struct rig_item *noted = &rig->items[rig->item_count++];
    memset(noted, 0, sizeof(*noted)); /* compared as bytes */
    noted->kind = item->kind;
    if (item->kind == TR_ITEM_PREPARED) {
        rig->taken[rig->taken_count].prepared_bytes +=
            item->prepared->key_bytes + item->prepared->value_bytes;
        return;
    }
    const struct tr_table *table = item->schema->table;

    assert_in_range(item->at + item->bytes, 0, unit->chunk->used_bytes);
    (void)snprintf(noted->table, sizeof(noted->table), "%.*s.%.*s", (int)table->database.bytes,
                   (const char *)table->database.data, (int)table->name.bytes,
                   (const char *)table->name.data);
    noted->gtid[item->gtid.source == NULL ? 0 : tr_gtid_write(noted->gtid, &item->gtid)] = '\0';
    (void)snprintf(noted->file, sizeof(noted->file), "%.63s", unit->file);
    noted->pos = item->pos;
    noted->ts_us = item->ts_us;
    noted->thread_id = item->thread_id;
    noted->server_id = item->server_id;
    noted->bytes = item->bytes;
    noted->crc = tr_crc32(0, tr_span_of(unit->chunk->bytes + item->at, item->bytes));
    noted->row_first = item->row_first;
    noted->column_count = table->column_count;
    noted->op = item->op;
    noted->event_type = item->event_type;
}

/* What decoder and collector do with a unit. */
static void take_unit(struct rig *rig, struct tr_unit *unit)
{
    assert_int_equal(unit->magic, TR_UNIT_MAGIC);
    assert_int_equal(unit->seq, rig->taken_count + 1);
    uint32_t marks = 0;
    uint32_t mark = UINT32_MAX;
    assert_true(rig->taken_count < RIG_UNITS_MAX);
    struct rig_unit *noted = &rig->taken[rig->taken_count];
    noted->prepared_bytes = 0;
    for (uint32_t i = 0; i < unit->item_count; i++) {
        mark = unit->items[i].is_record_mark ? rig->item_count : mark;
        marks += unit->items[i].is_record_mark;
        note_item(rig, unit, &unit->items[i]);
    }
    /* A record without a mark stands at a place between groups: the end of an XA group. */
    assert_true(marks == unit->position.has_record ||
                (marks == 0 && unit->position.record.event_count == 0));
    *noted = (struct rig_unit){.position = unit->position,
                               .decoder = unit->decoder,
                               .item_end = rig->item_count,
                               .item_mark = mark,
                               .prepared_bytes = noted->prepared_bytes,
                               .is_end = unit->is_end};
    rig->taken_count++;
    if (unit->chunk_last) {
        if (unit->chunk->home == TR_HOME_INGEST) {
            rig->free_chunks[rig->free_count++] = unit->chunk;
        } else {
            struct tr_chunk **slot = tr_ring_claim_one(&rig->homes);
            *slot = unit->chunk;
            tr_ring_publish(&rig->homes, 1);
        }
    }
    atomic_store_explicit(&rig->progress.routed_seq, unit->seq, memory_order_release);
    struct tr_unit **slot = tr_ring_claim_one(&rig->units);
    *slot = unit;
    tr_ring_publish(&rig->units, 1);
}

static uint32_t take_units(struct rig *rig)
{
    void *slots;
    uint32_t work = 0;

    while (!rig->hold_units && tr_ring_peek(&rig->manifest, 1, &slots) == 1) {
        const struct tr_manifest_entry entry = *(struct tr_manifest_entry *)slots;
        tr_ring_release(&rig->manifest, 1);
        assert_int_equal(tr_ring_peek(&rig->decoders[entry.decoder], 1, &slots), 1);
        struct tr_unit *unit = *(struct tr_unit **)slots;
        tr_ring_release(&rig->decoders[entry.decoder], 1);
        assert_ptr_equal(unit, entry.unit);
        assert_int_equal(unit->decoder, entry.decoder);
        take_unit(rig, unit);
        work++;
    }
    return work;
}

void rig_run(struct rig *rig)
{
    uint32_t work;

    do {
        const bool sequencer_has_work = tr_sequencer_has_work(&rig->sequencer);
        const uint32_t sequenced = tr_sequencer_step(&rig->sequencer, 0);
        if (sequenced > 0 && !sequencer_has_work) {
            fail_msg("the sequencer worked though it had said that there was nothing to do");
        }
        work = sequenced + tr_inflate_step(&rig->inflate, 0) + take_units(rig);
    } while (work > 0);
}

/* Whether another chunk can be had; not after a fault, when nothing comes home any more. */
static bool has_chunk(struct rig *rig)
{
    if (rig->free_count == 0) {
        rig_run(rig);
    }
    return rig->free_count > 0 || tr_fault_seen(&rig->fault) == NULL;
}

struct tr_chunk *rig_chunk(struct rig *rig, enum tr_chunk_kind kind)
{
    if (rig->free_count == 0) {
        rig_run(rig);
    }
    if (rig->free_count == 0) {
        fail_msg("no chunk came home");
    }
    struct tr_chunk *chunk = rig->free_chunks[--rig->free_count];
    chunk->kind = kind;
    chunk->piece = TR_PIECE_FIRST;
    chunk->home = TR_HOME_INGEST;
    chunk->frame_bytes = 0;
    chunk->inner = false;
    chunk->used_bytes = 0;
    chunk->event_bytes = 0;
    chunk->link_epoch = rig->link_epoch;
    return chunk;
}

void rig_send(struct rig *rig, struct tr_chunk *chunk)
{
    struct tr_chunk **slot = tr_ring_claim_one(&rig->chunks);
    *slot = chunk;
    tr_ring_publish(&rig->chunks, 1);
}

void rig_feed_dump_head(struct rig *rig, const char *file, uint64_t pos,
                        struct tr_span format_description)
{
    uint8_t rotate[TR_EVENT_HEADER_BYTES + 8 + 64] = {0};
    const size_t name_bytes = strlen(file);
    const uint32_t event_bytes = (uint32_t)(TR_EVENT_HEADER_BYTES + 8 + name_bytes);

    assert_in_range(name_bytes, 1, 64);
    rotate[4] = TR_EVENT_ROTATE;
    rotate[5] = 7; /* server id */
    memcpy(rotate + 9, &event_bytes, sizeof(event_bytes));
    rotate[17] = TR_EVENT_FLAG_ARTIFICIAL;
    memcpy(rotate + TR_EVENT_HEADER_BYTES, &pos, sizeof(pos));
    memcpy(rotate + TR_EVENT_HEADER_BYTES + 8, file, name_bytes);
    rig_feed(rig, tr_span_of(rotate, event_bytes), TR_CHUNK_BYTES);
    rig_feed(rig, format_description, TR_CHUNK_BYTES);
}

void rig_send_empty(struct rig *rig, enum tr_chunk_kind kind)
{
    rig_send(rig, rig_chunk(rig, kind));
    rig_run(rig);
}

static void send_pieces(struct rig *rig, struct tr_span event)
{
    size_t at = 0;

    while (at < event.bytes && has_chunk(rig)) {
        struct tr_chunk *chunk = rig_chunk(rig, TR_CHUNK_PIECE);
        size_t bytes = event.bytes - at < TR_CHUNK_BYTES ? event.bytes - at : TR_CHUNK_BYTES;
        if (at + bytes < event.bytes && event.bytes - at - bytes < TR_PIECE_LAST_BYTES_MIN) {
            bytes -= TR_PIECE_LAST_BYTES_MIN;
        }
        chunk->piece = at == 0 ? TR_PIECE_FIRST
                               : (at + bytes == event.bytes ? TR_PIECE_LAST : TR_PIECE_MIDDLE);
        chunk->event_bytes = event.bytes;
        chunk->used_bytes = (uint32_t)bytes;
        memcpy(chunk->bytes, event.data + at, bytes);
        rig_send(rig, chunk);
        at += bytes;
    }
}

void rig_feed(struct rig *rig, struct tr_span events, size_t chunk_bytes)
{
    size_t at = 0;
    struct tr_chunk *chunk = NULL;

    while (at < events.bytes && (chunk != NULL || has_chunk(rig))) {
        size_t bytes = events.bytes - at;
        if (bytes >= TR_EVENT_HEADER_BYTES) {
            const uint32_t event_bytes = tr_load_u32(events.data + at + 9);
            bytes =
                event_bytes >= TR_EVENT_HEADER_BYTES && event_bytes < bytes ? event_bytes : bytes;
        }
        if (chunk != NULL && (chunk->used_bytes + bytes > chunk_bytes || bytes > TR_CHUNK_BYTES)) {
            rig_send(rig, chunk);
            chunk = NULL;
            if (!has_chunk(rig)) {
                break;
            }
        }
        if (bytes > TR_CHUNK_BYTES) {
            send_pieces(rig, tr_span_of(events.data + at, bytes));
        } else {
            if (chunk == NULL) {
                chunk = rig_chunk(rig, TR_CHUNK_EVENTS);
            }
            memcpy(chunk->bytes + chunk->used_bytes, events.data + at, bytes);
            chunk->used_bytes += (uint32_t)bytes;
        }
        at += bytes;
    }
    if (chunk != NULL) {
        rig_send(rig, chunk);
    }
    rig_run(rig);
}

const struct tr_resume *rig_resume(struct rig *rig)
{
    void *slots;
    const struct tr_resume *resume = NULL;

    while (tr_ring_peek(&rig->resumes, 1, &slots) == 1) {
        resume = *(const struct tr_resume **)slots;
        tr_ring_release(&rig->resumes, 1);
    }
    return resume;
}

const char *rig_executed(struct rig *rig)
{
    static char text[4096];

    assert_non_null(rig->sequencer.executed);
    assert_in_range(tr_gtid_set_text_bytes(rig->sequencer.executed), 0, sizeof(text) - 1);
    tr_gtid_set_write_text(rig->sequencer.executed, text);
    return text;
}

uint8_t *rig_read_file(const char *name, size_t *bytes)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/binlogs/%s", TR_TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("%s cannot be read", path);
    }
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *bytes = (size_t)ftell(file);
    assert_int_equal(fseek(file, 0, SEEK_SET), 0);
    uint8_t *content = malloc(*bytes + 1);
    assert_non_null(content);
    assert_int_equal(fread(content, 1, *bytes, file), *bytes);
    content[*bytes] = 0;
    (void)fclose(file); /* read only */
    return content;
}
