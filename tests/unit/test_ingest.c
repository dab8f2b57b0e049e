// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "engine/clock.h"
#include "stages/source/ingest.h"
#include "tests/check.h"

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

static enum tr_code script_open(void *self, const struct tr_resume *resume, struct tr_error *err)
{
    struct script *script = self;
    const uint32_t i = script->link_next;

    assert_true(i < script->link_count);
    script->link_next++;
    script->at = 0;
    (void)snprintf(script->resume_files[i], sizeof(script->resume_files[i]), "%.15s",
                   resume->point.file);
    if (script->links[i].open_code != TR_OK) {
        return TR_FAIL(err, script->links[i].open_code, script->links[i].remedy,
                       "connect refused by the script");
    }
    return TR_OK;
}

static enum tr_read script_read(void *self, void *out, size_t room_bytes, int64_t wait_ns,
                                size_t *bytes, struct tr_error *err)
{
    struct script *script = self;
    const struct script_link *link = &script->links[script->link_next - 1];

    script->wait_ns = wait_ns;
    assert_true(wait_ns == 0 || script->may_wait);
    assert_true(room_bytes > 0);
    script->read_count++;
    if (script->dry_every > 0 && script->read_count % script->dry_every == 0) {
        return TR_READ_WOULD_BLOCK;
    }
    if (script->at == link->byte_count) {
        if (link->at_end == TR_READ_ERROR) {
            (void)TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RECONNECT, "reset by the script");
        }
        return link->at_end;
    }
    size_t n = link->byte_count - script->at;
    n = n < room_bytes ? n : room_bytes;
    n = n < script->read_bytes_max ? n : script->read_bytes_max;
    memcpy(out, link->bytes + script->at, n);
    script->at += n;
    *bytes = n;
    return TR_READ_BYTES;
}

static void script_close(void *self)
{
    ((struct script *)self)->close_count++;
}

static void script_wake(void *self)
{
    ((struct script *)self)->wake_count++;
}

/* Everything around one ingest, and what came out of it. */
struct bench {
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

#define FILE_BYTES_MAX ((size_t)96 * 1024 * 1024)

static void bench_open(struct bench *b, enum tr_framing framing, struct tr_ingest_options options)
{
    struct tr_error err;
    const struct tr_ingest_rings rings = {
        .to_sequencer = &b->to_sequencer,
        .resume = &b->resume_ring,
        .returns = b->returns,
        .return_count = 1,
    };

    b->port = (struct tr_source_port){
        .self = &b->script,
        .framing = framing,
        .open = script_open,
        .read = script_read,
        .close = script_close,
        .wake = script_wake,
    };
    options.port = &b->port;
    options.chunk_count = options.chunk_count == 0 ? tr_ingest_chunk_count(1) : options.chunk_count;
    options.non_blocking = !b->script.may_wait;
    options.paused = &b->paused;
    options.fault = &b->fault;
    b->returns[0] = &b->returned;
    assert_int_equal(tr_ring_init(&b->to_sequencer, options.chunk_count, sizeof(void *), &err),
                     TR_OK);
    assert_int_equal(tr_ring_init(&b->returned, options.chunk_count, sizeof(void *), &err), TR_OK);
    assert_int_equal(tr_ring_init(&b->resume_ring, 2, sizeof(void *), &err), TR_OK);
    assert_int_equal(tr_ingest_init(&b->ingest, &options, &rings, NULL, &err), TR_OK);
    b->now_ns = 1000 * TR_NS_PER_S;
    b->script.read_bytes_max = b->script.read_bytes_max == 0 ? SIZE_MAX : b->script.read_bytes_max;
    b->out_bytes_max = 1;
    for (uint32_t i = 0; i < b->script.link_count; i++) {
        b->out_bytes_max += b->script.links[i].byte_count;
    }
    b->out = malloc(b->out_bytes_max);
    assert_non_null(b->out);
}

static void bench_close(struct bench *b)
{
    tr_ingest_deinit(&b->ingest);
    tr_ring_deinit(&b->to_sequencer);
    tr_ring_deinit(&b->returned);
    tr_ring_deinit(&b->resume_ring);
    free(b->out);
}

static void give_resume(struct bench *b, const char *file)
{
    (void)snprintf(b->resume.point.file, sizeof(b->resume.point.file), "%s", file);
    *(struct tr_resume **)tr_ring_claim_one(&b->resume_ring) = &b->resume;
    tr_ring_publish(&b->resume_ring, 1);
}

static void keep(struct bench *b, const uint8_t *bytes, size_t byte_count)
{
    assert_true(b->out_bytes + byte_count <= b->out_bytes_max);
    memcpy(b->out + b->out_bytes, bytes, byte_count);
    b->out_bytes += byte_count;
}

/* What the sequencer would do with a chunk of events: walk the frames. */
static void take_events(struct bench *b, const struct tr_chunk *chunk)
{
    uint32_t at = 0;

    assert_true(chunk->used_bytes > 0);
    assert_false(b->in_event);
    while (at < chunk->used_bytes) {
        const uint32_t event_bytes = tr_load_u32(chunk->bytes + at + chunk->frame_bytes + 9);
        keep(b, chunk->bytes + at + chunk->frame_bytes, event_bytes);
        at += chunk->frame_bytes + event_bytes;
        b->event_count++;
    }
    assert_int_equal(at, chunk->used_bytes);
}

static void take_piece(struct bench *b, const struct tr_chunk *chunk)
{
    b->piece_count++;
    assert_int_equal(chunk->frame_bytes, 0);
    assert_int_equal(b->in_event, chunk->piece != TR_PIECE_FIRST);
    b->in_event = chunk->piece != TR_PIECE_LAST;
    if (chunk->piece == TR_PIECE_FIRST) {
        assert_true(chunk->used_bytes >= TR_EVENT_HEADER_BYTES);
        assert_int_equal(tr_load_u32(chunk->bytes + 9), chunk->event_bytes);
    }
    if (chunk->piece == TR_PIECE_LAST) {
        assert_true(chunk->used_bytes >= TR_PIECE_LAST_BYTES_MIN);
        b->event_count++;
    }
    keep(b, chunk->bytes, chunk->used_bytes);
}

static void take_chunks(struct bench *b)
{
    void *slots;

    while (!b->hold && tr_ring_peek(&b->to_sequencer, 1, &slots) > 0) {
        struct tr_chunk *chunk = *(struct tr_chunk **)slots;
        tr_ring_release(&b->to_sequencer, 1);
        b->chunk_count++;
        assert_int_equal(b->end_count, 0);
        assert_true(chunk->link_epoch >= b->last_epoch);
        b->last_epoch = chunk->link_epoch;
        switch (chunk->kind) {
        case TR_CHUNK_EVENTS:
            take_events(b, chunk);
            break;
        case TR_CHUNK_PIECE:
            take_piece(b, chunk);
            break;
        case TR_CHUNK_LINK_DOWN:
            b->down_count++;
            b->down_error = chunk->error;
            b->in_event = false;
            break;
        case TR_CHUNK_END:
            b->end_count++;
            b->in_event = false;
            break;
        }
        *(struct tr_chunk **)tr_ring_claim_one(&b->returned) = chunk;
        tr_ring_publish(&b->returned, 1);
    }
}

/* Steps until ingest has nothing to do twice in a row; time stands still. */
static void run_dry(struct bench *b)
{
    uint32_t idle = 0;

    while (idle < 3) {
        idle = tr_ingest_step(&b->ingest, b->now_ns) == 0 ? idle + 1 : 0;
        take_chunks(b);
    }
}

static uint8_t *load(const char *name, size_t *byte_count)
{
    char path[512];
    (void)snprintf(path, sizeof(path), TR_TEST_DATA "/binlogs/%s", name);
    gzFile file = gzopen(path, "rb"); /* reads plain files as they are */
    assert_non_null(file);
    uint8_t *bytes = malloc(FILE_BYTES_MAX);
    assert_non_null(bytes);
    const int n = gzread(file, bytes, (unsigned)FILE_BYTES_MAX);
    assert_true(n > 0);
    assert_int_equal(gzclose(file), Z_OK);
    *byte_count = (size_t)n;
    bytes = realloc(bytes, *byte_count);
    assert_non_null(bytes);
    return bytes;
}

/* The events of a capture by the obvious way: join all payloads, drop status bytes. */
static size_t strip_frames(const uint8_t *stream, size_t byte_count, size_t status_bytes,
                           uint8_t *out)
{
    size_t out_bytes = 0;
    bool continued = false;

    for (size_t at = 0; at + 4 <= byte_count;) {
        const size_t payload_bytes = tr_load_u24(stream + at);
        const size_t skip = continued ? 0 : status_bytes;
        if (!continued && payload_bytes < 9) {
            break; /* EOF packet */
        }
        memcpy(out + out_bytes, stream + at + 4 + skip, payload_bytes - skip);
        out_bytes += payload_bytes - skip;
        continued = payload_bytes == 0xFFFFFF;
        at += 4 + payload_bytes;
    }
    return out_bytes;
}

static const char *const captures[] = {"mysql97-wire-gtid.stream", "mariadb1011-wire-file.stream",
                                       "mariadb118-wire-gtid.stream", "mysql56-wire-nocrc.stream"};

static void captures_come_out_whole_at_every_read_size(void **state)
{
    (void)state;
    for (size_t c = 0; c < sizeof(captures) / sizeof(captures[0]); c++) {
        size_t byte_count;
        uint8_t *stream = load(captures[c], &byte_count);
        uint8_t *expected = malloc(byte_count);
        const size_t expected_bytes = strip_frames(stream, byte_count, 1, expected);
        for (size_t read_bytes = 1; read_bytes <= 200; read_bytes += read_bytes < 60 ? 1 : 37) {
            struct bench b = {
                .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                           .link_count = 1,
                           .read_bytes_max = read_bytes,
                           .dry_every = read_bytes % 3 == 0 ? 2 : 0}};
            bench_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){0});
            give_resume(&b, "binlog.000001");
            run_dry(&b);
            assert_int_equal(b.out_bytes, expected_bytes);
            assert_memory_equal(b.out, expected, expected_bytes);
            bench_close(&b);
        }
        free(expected);
        free(stream);
    }
}

static void a_stream_cut_anywhere_gives_its_whole_events_and_a_link_down(void **state)
{
    (void)state;
    size_t byte_count;
    uint8_t *stream = load(captures[0], &byte_count);
    uint8_t *expected = malloc(byte_count);

    for (size_t cut = 0; cut < byte_count; cut++) {
        size_t whole = 0;
        while (whole + 4 <= cut && whole + 4 + tr_load_u24(stream + whole) <= cut) {
            whole += 4 + tr_load_u24(stream + whole);
        }
        const size_t expected_bytes = strip_frames(stream, whole, 1, expected);
        struct bench b = {
            .script = {.links = {{stream, cut, TR_OK, TR_STOP, TR_READ_END}}, .link_count = 1}};
        bench_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){0});
        give_resume(&b, "binlog.000001");
        run_dry(&b);
        assert_int_equal(b.out_bytes, expected_bytes);
        assert_memory_equal(b.out, expected, expected_bytes);
        assert_int_equal(b.down_count, 1);
        assert_int_equal(b.down_error.code, TR_ERR_SOURCE_LINK);
        assert_int_equal(b.script.close_count, 1);
        assert_int_equal(b.ingest.state, TR_INGEST_AWAIT_RESUME);
        bench_close(&b);
    }
    free(expected);
    free(stream);
}

static void split_packets_come_out_as_pieces(void **state)
{
    (void)state;
    size_t byte_count;
    uint8_t *stream = load("mysql97-wire-split.stream.gz", &byte_count);
    uint8_t *expected = malloc(byte_count);
    const size_t expected_bytes = strip_frames(stream, byte_count, 1, expected);
    const size_t read_sizes[] = {SIZE_MAX, 65536, 100001};

    for (size_t i = 0; i < sizeof(read_sizes) / sizeof(read_sizes[0]); i++) {
        struct bench b = {
            .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                       .link_count = 1,
                       .read_bytes_max = read_sizes[i]}};
        bench_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){0});
        give_resume(&b, "binlog.000001");
        run_dry(&b);
        assert_int_equal(b.out_bytes, expected_bytes);
        assert_memory_equal(b.out, expected, expected_bytes);
        assert_true(b.piece_count >= 4 * 64);
        assert_int_equal(b.down_count, 1); /* the capture ends with an EOF packet */
        bench_close(&b);
    }
    free(expected);
    free(stream);
}

/* A packet with one event of `event_bytes`, whose body is a pattern. Returns its bytes. */
static size_t write_event_packet(uint8_t *out, uint8_t sequence, uint32_t event_bytes)
{
    const uint32_t payload_bytes = event_bytes + 1;

    out[0] = (uint8_t)payload_bytes;
    out[1] = (uint8_t)(payload_bytes >> 8);
    out[2] = (uint8_t)(payload_bytes >> 16);
    out[3] = sequence;
    out[4] = 0;
    for (uint32_t i = 0; i < event_bytes; i++) {
        out[5 + i] = (uint8_t)(i * 131 + sequence);
    }
    memcpy(out + 5 + 9, &event_bytes, 4);
    return 5 + event_bytes;
}

static void events_around_the_chunk_size_come_out_whole(void **state)
{
    (void)state;
    uint8_t *stream = malloc(4 * TR_CHUNK_BYTES);
    uint8_t *expected = malloc(4 * TR_CHUNK_BYTES);

    for (uint32_t event_bytes = TR_CHUNK_BYTES - 140; event_bytes <= TR_CHUNK_BYTES + 70;
         event_bytes += 3) {
        for (uint32_t before = 0; before < 2; before++) {
            size_t byte_count = 0;
            uint8_t sequence = 1;
            if (before == 1) {
                byte_count += write_event_packet(stream, sequence++, 100);
            }
            byte_count += write_event_packet(stream + byte_count, sequence++, event_bytes);
            byte_count += write_event_packet(stream + byte_count, sequence++, 50);
            const size_t expected_bytes = strip_frames(stream, byte_count, 1, expected);
            struct bench b = {
                .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                           .link_count = 1}};
            bench_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){.chunk_count = 2});
            give_resume(&b, "binlog.000001");
            run_dry(&b);
            assert_int_equal(b.event_count, 2 + before);
            assert_int_equal(b.piece_count, event_bytes + 5 > TR_CHUNK_BYTES ? 2 : 0);
            assert_int_equal(b.out_bytes, expected_bytes);
            assert_memory_equal(b.out, expected, expected_bytes);
            bench_close(&b);
        }
    }
    free(expected);
    free(stream);
}

static void semi_sync_bytes_are_part_of_the_frame(void **state)
{
    (void)state;
    const char *const names[] = {"mysql97-wire-semisync.stream",
                                 "mariadb1011-wire-semisync.stream"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t byte_count;
        uint8_t *stream = load(names[i], &byte_count);
        uint8_t *expected = malloc(byte_count);
        const size_t expected_bytes = strip_frames(stream, byte_count, 3, expected);
        struct bench b = {
            .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                       .link_count = 1}};
        bench_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){.semi_sync = true});
        give_resume(&b, "binlog.000001");
        run_dry(&b);
        assert_int_equal(b.out_bytes, expected_bytes);
        assert_memory_equal(b.out, expected, expected_bytes);
        bench_close(&b);
        free(expected);
        free(stream);
    }
}

static void a_file_is_read_to_its_end(void **state)
{
    (void)state;
    size_t byte_count;
    uint8_t *file = load("mysql97-big-transaction.000001", &byte_count);
    struct bench b = {.script = {.links = {{file + 4, byte_count - 4, TR_OK, TR_STOP, TR_READ_END}},
                                 .link_count = 1}};

    bench_open(&b, TR_FRAMING_EVENTS, (struct tr_ingest_options){0});
    give_resume(&b, "binlog.000001");
    run_dry(&b);
    assert_int_equal(b.out_bytes, byte_count - 4);
    assert_memory_equal(b.out, file + 4, byte_count - 4);
    assert_int_equal(b.end_count, 1);
    assert_null(tr_fault_seen(&b.fault));
    bench_close(&b);
    free(file);
}

static void a_cut_file_is_a_fault_after_its_whole_events(void **state)
{
    (void)state;
    size_t byte_count;
    uint8_t *file = load("mysql97-wire-gtid.000001", &byte_count);
    struct bench b = {.script = {.links = {{file + 4, byte_count - 5, TR_OK, TR_STOP, TR_READ_END}},
                                 .link_count = 1}};

    bench_open(&b, TR_FRAMING_EVENTS, (struct tr_ingest_options){0});
    give_resume(&b, "binlog.000001");
    run_dry(&b);
    assert_true(b.event_count > 5);
    assert_int_equal(b.end_count, 1);
    const struct tr_error *error = tr_fault_seen(&b.fault);
    assert_non_null(error);
    assert_int_equal(error->code, TR_ERR_PROTOCOL);
    bench_close(&b);
    free(file);
}

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
        size_t byte_count = write_event_packet(stream, 1, 60);
        byte_count += write_error_packet(stream + byte_count, 2, cases[i].number, cases[i].text);
        struct bench b = {.script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_END}},
                                     .link_count = 1}};
        bench_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){0});
        give_resume(&b, "binlog.000001");
        run_dry(&b);
        assert_int_equal(b.event_count, 1); /* what came before the error counts */
        const struct tr_error *fault = tr_fault_seen(&b.fault);
        assert_int_equal(fault != NULL, cases[i].is_fatal);
        assert_int_equal(b.end_count, cases[i].is_fatal ? 1 : 0);
        assert_int_equal(b.down_count, cases[i].is_fatal ? 0 : 1);
        const struct tr_error *seen = fault != NULL ? fault : &b.down_error;
        assert_int_equal(seen->code, cases[i].code);
        assert_non_null(strstr(seen->text, cases[i].text));
        bench_close(&b);
    }
}

static void wrong_sequence_length_or_status_stops_with_a_protocol_error(void **state)
{
    (void)state;
    uint8_t good[300];
    const size_t first_bytes = write_event_packet(good, 1, 60);
    const size_t byte_count = first_bytes + write_event_packet(good + first_bytes, 2, 80);
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
        struct bench b = {.script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_END}},
                                     .link_count = 1}};
        bench_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){0});
        give_resume(&b, "binlog.000001");
        run_dry(&b);
        const struct tr_error *fault = tr_fault_seen(&b.fault);
        assert_non_null(fault);
        assert_int_equal(fault->code, TR_ERR_PROTOCOL);
        assert_int_equal(b.event_count, 1);
        assert_int_equal(b.end_count, 1);
        bench_close(&b);
    }
}

static void a_lost_link_resumes_where_the_sequencer_says(void **state)
{
    (void)state;
    uint8_t stream[200];
    const size_t byte_count = write_event_packet(stream, 1, 60);
    struct bench b = {
        .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_ERROR},
                             {NULL, 0, TR_ERR_SOURCE_LINK, TR_RETRY, TR_READ_END},
                             {NULL, 0, TR_ERR_SOURCE_LINK, TR_RETRY, TR_READ_END},
                             {stream, byte_count, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                   .link_count = 4}};
    bench_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){.seed = 7});
    give_resume(&b, "binlog.000001");
    run_dry(&b);
    assert_int_equal(b.down_count, 1);
    assert_int_equal(b.script.link_next, 1); /* waits for the resume point */
    give_resume(&b, "binlog.000009");
    run_dry(&b);
    assert_int_equal(b.script.link_next,
                     1); /* the link fell at once: backoff before the next attempt */
    for (uint32_t ms = 0; ms < 3000 && b.event_count < 2; ms += 10) {
        b.now_ns += 10 * TR_NS_PER_MS;
        run_dry(&b);
    }
    assert_int_equal(b.script.link_next, 4);
    assert_int_equal(b.event_count, 2);
    assert_int_equal(b.last_epoch, 2);
    assert_string_equal(b.script.resume_files[3], "binlog.000009");
    assert_null(tr_fault_seen(&b.fault));
    bench_close(&b);
}

static void a_reconnect_that_is_refused_stops_the_engine(void **state)
{
    (void)state;
    struct bench b = {.script = {.links = {{NULL, 0, TR_OK, TR_STOP, TR_READ_END},
                                           {NULL, 0, TR_ERR_SOURCE_AUTH, TR_STOP, TR_READ_END}},
                                 .link_count = 2}};
    bench_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){0});
    give_resume(&b, "binlog.000001");
    run_dry(&b);
    give_resume(&b, "binlog.000001");
    b.now_ns += TR_NS_PER_S;
    run_dry(&b);
    assert_non_null(tr_fault_seen(&b.fault));
    assert_int_equal(tr_fault_seen(&b.fault)->code, TR_ERR_SOURCE_AUTH);
    assert_int_equal(b.end_count, 1);
    bench_close(&b);
}

static void the_first_connect_is_tried_only_so_long(void **state)
{
    (void)state;
    struct bench b = {.script = {.link_count = 8}};
    for (uint32_t i = 0; i < 8; i++) {
        b.script.links[i] =
            (struct script_link){NULL, 0, TR_ERR_SOURCE_LINK, TR_RETRY, TR_READ_END};
    }
    bench_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){.startup_wait_ms = 1000});
    give_resume(&b, "binlog.000001");
    int64_t waited_ms = 0;
    while (tr_fault_seen(&b.fault) == NULL) {
        run_dry(&b);
        b.now_ns += 10 * TR_NS_PER_MS;
        waited_ms += 10;
        assert_true(waited_ms < 2000);
    }
    assert_true(waited_ms >= 1000);
    assert_true(b.script.link_next >= 3);
    assert_int_equal(tr_fault_seen(&b.fault)->code, TR_ERR_SOURCE_LINK);
    bench_close(&b);
}

static void silence_beyond_the_deadline_is_a_dead_link(void **state)
{
    (void)state;
    uint8_t stream[200];
    const size_t byte_count = write_event_packet(stream, 1, 60);
    struct bench b = {
        .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                   .link_count = 1}};

    bench_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){.silence_ns = 15 * TR_NS_PER_S});
    give_resume(&b, "binlog.000001");
    run_dry(&b);
    b.now_ns += 14 * TR_NS_PER_S;
    run_dry(&b);
    assert_int_equal(b.down_count, 0);
    /* Time in which we did not listen does not count. */
    atomic_store(&b.paused, true);
    b.now_ns += 100 * TR_NS_PER_S;
    run_dry(&b);
    atomic_store(&b.paused, false);
    b.now_ns += 14 * TR_NS_PER_S;
    run_dry(&b);
    assert_int_equal(b.down_count, 0);
    b.now_ns += TR_NS_PER_S;
    run_dry(&b);
    assert_int_equal(b.down_count, 1);
    bench_close(&b);
}

static void a_paused_ingest_hands_on_what_it_has_and_reads_nothing(void **state)
{
    (void)state;
    uint8_t stream[200];
    const size_t byte_count = write_event_packet(stream, 1, 60);
    struct bench b = {
        .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                   .link_count = 1}};

    bench_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){0});
    give_resume(&b, "binlog.000001");
    atomic_store(&b.paused, true);
    run_dry(&b);
    assert_int_equal(b.script.read_count, 0);
    atomic_store(&b.paused, false);
    run_dry(&b);
    assert_int_equal(b.event_count, 1);
    bench_close(&b);
}

static void a_stop_hands_on_whole_events_and_ends(void **state)
{
    (void)state;
    uint8_t stream[400];
    size_t byte_count = write_event_packet(stream, 1, 60);
    byte_count += write_event_packet(stream + byte_count, 2, 60);
    struct bench b = {
        .script = {.links = {{stream, byte_count - 10, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                   .link_count = 1}};

    bench_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){0});
    give_resume(&b, "binlog.000001");
    (void)tr_ingest_step(&b.ingest, b.now_ns); /* resume */
    (void)tr_ingest_step(&b.ingest, b.now_ns); /* connect */
    (void)tr_ingest_step(&b.ingest, b.now_ns); /* read */
    tr_ingest_stop(&b.ingest);
    assert_true(tr_ingest_has_work(&b.ingest));
    run_dry(&b);
    assert_int_equal(b.event_count, 1);
    assert_int_equal(b.end_count, 1);
    assert_int_equal(b.script.close_count, 1);
    assert_int_equal(b.script.wake_count, 1);
    assert_null(tr_fault_seen(&b.fault));
    assert_false(tr_ingest_has_work(&b.ingest));
    bench_close(&b);
}

static void without_free_chunks_reading_waits_and_loses_nothing(void **state)
{
    (void)state;
    size_t byte_count;
    uint8_t *file = load("mysql97-big-transaction.000001", &byte_count);
    struct bench b = {.script = {.links = {{file + 4, byte_count - 4, TR_OK, TR_STOP, TR_READ_END}},
                                 .link_count = 1}};

    bench_open(&b, TR_FRAMING_EVENTS, (struct tr_ingest_options){.chunk_count = 3});
    give_resume(&b, "binlog.000001");
    b.hold = true;
    run_dry(&b);
    const size_t stalled_at = b.script.at;
    assert_true(stalled_at < byte_count - 4);
    run_dry(&b);
    assert_int_equal(b.script.at, stalled_at);
    b.hold = false;
    run_dry(&b);
    assert_int_equal(b.out_bytes, byte_count - 4);
    assert_memory_equal(b.out, file + 4, byte_count - 4);
    assert_int_equal(b.end_count, 1);
    bench_close(&b);
    free(file);
}

static void busy_sources_are_gathered_for_a_moment_and_idle_ones_are_not(void **state)
{
    (void)state;
    uint8_t stream[400];
    const size_t first_bytes = write_event_packet(stream, 1, 60);
    const size_t byte_count = first_bytes + write_event_packet(stream + first_bytes, 2, 60);
    struct bench b = {
        .script = {.links = {{stream, byte_count, TR_OK, TR_STOP, TR_READ_WOULD_BLOCK}},
                   .link_count = 1,
                   .may_wait = true}};

    bench_open(&b, TR_FRAMING_PACKETS, (struct tr_ingest_options){.wait_ns = 7 * TR_NS_PER_S});
    b.script.links[0].byte_count = first_bytes;
    give_resume(&b, "binlog.000001");
    for (int i = 0; i < 3; i++) {
        (void)tr_ingest_step(&b.ingest, b.now_ns); /* resume, connect, read */
    }
    assert_int_equal(b.script.wait_ns, 7 * TR_NS_PER_S);
    (void)tr_ingest_step(&b.ingest, b.now_ns);
    assert_int_equal(b.script.wait_ns, 0); /* after a pause: looks once more, and hands on */
    take_chunks(&b);
    assert_int_equal(b.event_count, 1);

    b.script.links[0].byte_count = byte_count;
    b.now_ns += TR_NS_PER_MS / 10;
    (void)tr_ingest_step(&b.ingest, b.now_ns);
    (void)tr_ingest_step(&b.ingest, b.now_ns);
    assert_true(b.script.wait_ns > 0);
    assert_true(b.script.wait_ns < TR_NS_PER_MS);
    take_chunks(&b);
    assert_int_equal(b.event_count, 2);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captures_come_out_whole_at_every_read_size),
        cmocka_unit_test(a_stream_cut_anywhere_gives_its_whole_events_and_a_link_down),
        cmocka_unit_test(split_packets_come_out_as_pieces),
        cmocka_unit_test(events_around_the_chunk_size_come_out_whole),
        cmocka_unit_test(semi_sync_bytes_are_part_of_the_frame),
        cmocka_unit_test(a_file_is_read_to_its_end),
        cmocka_unit_test(a_cut_file_is_a_fault_after_its_whole_events),
        cmocka_unit_test(server_errors_stop_or_reconnect_by_their_family),
        cmocka_unit_test(wrong_sequence_length_or_status_stops_with_a_protocol_error),
        cmocka_unit_test(a_lost_link_resumes_where_the_sequencer_says),
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
