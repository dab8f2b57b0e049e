// SPDX-License-Identifier: Apache-2.0
/*
 * One ingest between a source that is a script and a sequencer that is this file: what the tests of
 * reading share. Everything is checked with cmocka assertions.
 */
#ifndef TR_TESTS_SUPPORT_INGEST_RIG_H
#define TR_TESTS_SUPPORT_INGEST_RIG_H

#include "stages/source/ingest.h"

/* A source whose answers are a script: connect results, then one stream of bytes per connection. */
struct script_link {
    const uint8_t *bytes;
    size_t byte_count;
    enum tr_code open_code; /* != TR_OK: this connect fails */
    enum tr_remedy remedy;
    enum tr_read at_end; /* what follows the last byte; WOULD_BLOCK = silence */
};

struct script {
    struct script_link links[8];
    uint32_t link_count;
    uint32_t link_next; /* counts opens */
    size_t at;
    size_t read_bytes_max; /* per read */
    uint32_t dry_every;    /* every n-th read says WOULD_BLOCK; 0 = never */
    uint32_t read_count;
    int64_t wait_ns; /* of the last read */
    bool may_wait;
    uint32_t close_count;
    uint32_t wake_count;
    char resume_files[8][16];
};

/* Everything around one ingest, and what came out of it. */
struct ingest_rig {
    struct script script;
    struct tr_source_port port;
    struct tr_ring to_sequencer;
    struct tr_ring resume_ring;
    struct tr_ring returned;
    struct tr_ring *returns[1];
    struct tr_fault fault;
    _Atomic bool paused;
    struct tr_ingest ingest;
    struct tr_resume resume;
    int64_t now_ns;
    uint8_t *out; /* all event bytes, frames stripped, in order */
    size_t out_bytes;
    size_t out_bytes_max;
    uint32_t event_count;
    uint32_t piece_count;
    uint32_t chunk_count;
    uint32_t end_count;
    uint32_t down_count;
    struct tr_error down_error;
    uint64_t last_epoch;
    bool in_event; /* between first and last piece */
    bool hold;     /* keep chunks instead of sending them home */
};

/* Opens the ingest on rig->script; `options` without port, pause and fault. */
void ingest_rig_open(struct ingest_rig *b, enum tr_framing framing,
                     struct tr_ingest_options options);

void ingest_rig_close(struct ingest_rig *b);

/* The sequencer's answer to a lost link: go on in `file`. */
void ingest_rig_resume(struct ingest_rig *b, const char *file);

/* Takes what has come, frames stripped, into b->out, and sends the chunks home. */
void ingest_rig_take_chunks(struct ingest_rig *b);

/* Steps until ingest has nothing to do twice in a row; time stands still. */
void ingest_rig_run_dry(struct ingest_rig *b);

/* A file of tests/data/binlogs, unpacked; the caller frees it. */
uint8_t *ingest_rig_load(const char *name, size_t *byte_count);

/* The events of a capture by the obvious way: join all payloads, drop status bytes. */
size_t ingest_rig_strip_frames(const uint8_t *stream, size_t byte_count, size_t status_bytes,
                               uint8_t *out);

/* A packet with one event of `event_bytes`, whose body is a pattern. Returns its bytes. */
size_t ingest_rig_write_event_packet(uint8_t *out, uint8_t sequence, uint32_t event_bytes);

#endif
