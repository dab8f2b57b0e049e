// SPDX-License-Identifier: Apache-2.0
/*
 * The sequencer and inflate on one thread, with the rest of the pipeline played by the rig: it
 * hands in chunks, takes units in manifest order, notes what they hold, and sends units and chunks
 * home.
 */
#ifndef TR_TESTS_SUPPORT_SEQUENCER_RIG_H
#define TR_TESTS_SUPPORT_SEQUENCER_RIG_H

#include "stages/sequence/inflate.h"
#include "stages/sequence/sequencer.h"

#define RIG_ITEMS_MAX 4096
#define RIG_UNITS_MAX 8192
#define RIG_CHUNKS 8

/* A rows event (or piece) as it would reach a decoder. */
struct rig_item {
    char table[160];
    char gtid[TR_GTID_TEXT_BYTES_MAX];
    char file[64];
    uint64_t pos;
    int64_t ts_us;
    int64_t thread_id;
    uint32_t server_id;
    uint32_t bytes;
    uint32_t crc; /* of the event's bytes */
    uint32_t row_first;
    uint32_t column_count; /* of the pinned schema version */
    uint8_t op;
    uint8_t kind;
    uint8_t event_type;
};

struct rig_unit {
    struct tr_unit_position position;
    uint32_t decoder;
    uint32_t item_end;       /* items up to it lie in this unit or before */
    uint32_t item_mark;      /* the item with is_record_mark, if has_record */
    uint64_t prepared_bytes; /* of its prepared records */
    bool is_end;
};

struct rig_options {
    enum tr_flavor flavor;
    uint32_t decoder_count; /* 0 = 1 */
    uint32_t unit_count;    /* 0 = 8 */
    const char *file;       /* of the start; "" = told by a ROTATE */
    uint64_t pos;           /* 0 = 4 */
    uint64_t event_count;   /* of a saved position */
    uint64_t row_count;
    const char *gtids; /* executed before; NULL = not told */
    bool strict;       /* tables without metadata stop it */
    bool metadata_is_full;
    bool gtid_mode;
    uint64_t row_bytes_max;    /* 0 = 16 MiB */
    uint64_t replay_bytes_max; /* 0 = no bound */
    uint32_t output_ratio_q8;  /* 0 = the default */
    const char *table_include;
    struct tr_table *model;   /* taken */
    struct tr_ddl_model *ddl; /* what statements make of the tables; NULL = they are looked at */
    const struct tr_ddl_publisher *publisher;
    struct tr_ring *history; /* struct tr_history_entry; the test is the historian */
};

struct rig {
    struct rig_options options;
    struct tr_gtid_sources *sources;
    struct tr_gtid_set *start_gtids;
    struct tr_streams *streams;
    struct tr_filter *filter;
    struct tr_catalog *catalog;
    struct tr_progress progress;
    struct tr_fault fault;
    struct tr_clock clock;
    int64_t wall_unix_ns;
    struct tr_sequencer sequencer;
    struct tr_inflate inflate;
    struct tr_ring chunks, resumes, jobs, done, manifest, units, homes;
    struct tr_ring decoders[TR_DECODERS_MAX];
    struct tr_ring *inflate_returns[1];
    struct tr_chunk *free_chunks[RIG_CHUNKS];
    uint32_t free_count;
    _Atomic bool paused; /* set by the sequencer for ingest */
    bool hold_units;     /* keep what was dealt: the sequencer runs out of units */
    struct rig_item *items;
    uint32_t item_count;
    struct rig_unit *taken;
    uint32_t taken_count;
    uint64_t link_epoch;
};

/* `rig` is large: static. Fails the test on errors. */
void rig_open(struct rig *rig, const struct rig_options *options);
void rig_close(struct rig *rig);
/* Steps everybody until nobody finds work. */
void rig_run(struct rig *rig);
/* An empty chunk to be filled; runs until one is free. */
struct tr_chunk *rig_chunk(struct rig *rig, enum tr_chunk_kind kind);
/* Hands it to the sequencer. */
void rig_send(struct rig *rig, struct tr_chunk *chunk);
/* Sends whole events (no frames), cut into chunks of at most `chunk_bytes` at event boundaries,
 * larger ones in pieces; runs. */
void rig_feed(struct rig *rig, struct tr_span events, size_t chunk_bytes);
/* What a server sends before a dump from that place: an artificial ROTATE, the file's
 * FORMAT_DESCRIPTION. */
void rig_feed_dump_head(struct rig *rig, const char *file, uint64_t pos,
                        struct tr_span format_description);
/* TR_CHUNK_END, TR_CHUNK_LINK_DOWN; runs. */
void rig_send_empty(struct rig *rig, enum tr_chunk_kind kind);
/* The last resume point, or NULL when none came since the last call. */
const struct tr_resume *rig_resume(struct rig *rig);
/* The executed set as text, in a static buffer. */
const char *rig_executed(struct rig *rig);
/* Reads a whole file of tests/data/binlogs; freed by the caller with free(). */
uint8_t *rig_read_file(const char *name, size_t *bytes);

#endif
