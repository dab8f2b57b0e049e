// SPDX-License-Identifier: Apache-2.0
/*
 * Every binlog file of tests/data/binlogs through the sequencer: its rows events must be those of
 * facts.txt (made by an implementation of its own from the same files), at every chunking and for
 * every number of decoders.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/check.h"
#include "tests/support/sequencer_rig.h"

#define FILES_MAX 128
#define MAGIC_BYTES 4

struct fact {
    uint64_t pos;
    char op;
    char gtid[TR_GTID_TEXT_BYTES_MAX];
    char table[160];
};

struct fact_file {
    char name[64];
    enum tr_flavor flavor;
    uint32_t first;
    uint32_t count;
};

static struct fact *facts;
static uint32_t fact_count;
static struct fact_file files[FILES_MAX];
static uint32_t file_count;
static struct rig rig;

static void read_fact_line(char *line)
{
    char flavor[16];
    char checksum[16];

    if (line[0] == '=') {
        struct fact_file *file = &files[file_count++];
        assert_true(file_count <= FILES_MAX);
        assert_int_equal(sscanf(line, "= %63s %15s %15s", file->name, flavor, checksum), 3);
        file->flavor = strcmp(flavor, "mariadb") == 0 ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL;
        file->first = fact_count;
        return;
    }
    struct fact *fact = &facts[fact_count++];
    unsigned long long pos;
    assert_int_equal(
        sscanf(line, "%llu %c %127s %159[^\n]", &pos, &fact->op, fact->gtid, fact->table), 4);
    fact->pos = pos;
    if (strcmp(fact->gtid, "-") == 0) {
        fact->gtid[0] = '\0';
    }
    files[file_count - 1].count++;
}

static int read_facts(void **state)
{
    (void)state;
    size_t bytes;
    uint8_t *text = rig_read_file("facts.txt", &bytes);
    facts = calloc(RIG_ITEMS_MAX, sizeof(*facts));
    for (char *line = (char *)text; *line != '\0';) {
        char *end = strchr(line, '\n');
        *end = '\0';
        read_fact_line(line);
        line = end + 1;
    }
    free(text);
    return 0;
}

static int free_facts(void **state)
{
    (void)state;
    free(facts);
    return 0;
}

static void feed_file(const struct fact_file *file, uint32_t decoder_count, size_t chunk_bytes)
{
    size_t bytes;
    uint8_t *content = rig_read_file(file->name, &bytes);

    rig_open(&rig, &(struct rig_options){.flavor = file->flavor,
                                         .decoder_count = decoder_count,
                                         .file = file->name,
                                         .gtids = "",
                                         .gtid_mode = true});
    rig_feed(&rig, tr_span_of(content + MAGIC_BYTES, bytes - MAGIC_BYTES), chunk_bytes);
    rig_send_empty(&rig, TR_CHUNK_END);
    free(content);
}

static void check_file(const struct fact_file *file)
{
    const struct tr_error *fault = tr_fault_seen(&rig.fault);
    if (strstr(file->name, "encrypted") != NULL) {
        assert_non_null(fault);
        assert_int_equal(fault->code, TR_ERR_UNSUPPORTED);
        assert_non_null(strstr(fault->text, "encrypted"));
        return;
    }
    if (fault != NULL) {
        fail_msg("%s: %s", file->name, fault->text);
    }
    if (rig.item_count != file->count) {
        fail_msg("%s: %u rows events, want %u", file->name, rig.item_count, file->count);
    }
    for (uint32_t i = 0; i < file->count; i++) {
        const struct fact *fact = &facts[file->first + i];
        const struct rig_item *item = &rig.items[i];
        if (item->pos != fact->pos || "IUD"[item->op] != fact->op ||
            strcmp(item->gtid, fact->gtid) != 0 || strcmp(item->table, fact->table) != 0) {
            fail_msg("%s: rows event %u: %llu %c %s %s, want %llu %c %s %s", file->name, i,
                     (unsigned long long)item->pos, "IUD"[item->op], item -> gtid, item -> table,
                     (unsigned long long)fact -> pos, fact -> op, fact -> gtid, fact -> table);
        }
    }
    assert_true(rig.taken_count > 0);
    assert_true(rig.taken[rig.taken_count - 1].is_end);
    assert_int_equal(rig.free_count, RIG_CHUNKS);
    assert_int_equal(rig.inflate.pool.free_count, rig.inflate.options.chunk_count);
}

static void sequencer_gives_the_rows_events_of_every_file(void **state)
{
    (void)state;
    assert_true(file_count > 60);
    for (uint32_t i = 0; i < file_count; i++) {
        feed_file(&files[i], 1, TR_CHUNK_BYTES);
        check_file(&files[i]);
        rig_close(&rig);
    }
}

static void sequencer_position_behind_every_file_is_its_end(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < file_count; i++) {
        if (strstr(files[i].name, "encrypted") != NULL) {
            continue;
        }
        size_t bytes;
        uint8_t *content = rig_read_file(files[i].name, &bytes);
        feed_file(&files[i], 1, 1);
        const struct tr_log_point *end = &rig.taken[rig.taken_count - 1].position.end;
        assert_int_equal(end->event_count, 0);
        if (strcmp(end->file, files[i].name) ==
            0) { /* else it ends with a ROTATE: the next file's beginning */
            if (end->pos != bytes) {
                fail_msg("%s ends at %llu, want %zu", files[i].name, (unsigned long long)end->pos,
                         bytes);
            }
        } else {
            assert_int_equal(end->pos, 4);
        }
        uint64_t log_bytes = 0;
        for (uint32_t k = 0; k < rig.taken_count; k++) {
            assert_true(rig.taken[k].position.log_bytes >= log_bytes);
            log_bytes = rig.taken[k].position.log_bytes;
        }
        assert_int_equal(log_bytes, bytes - MAGIC_BYTES);
        rig_close(&rig);
        free(content);
    }
}

static void sequencer_output_is_the_same_for_every_chunking_and_decoder_count(void **state)
{
    (void)state;
    static const size_t chunk_sizes[] = {1, 300, 1000, 5000, TR_CHUNK_BYTES};
    struct rig_item *wanted = calloc(RIG_ITEMS_MAX, sizeof(*wanted));
    char executed[4096];

    for (uint32_t i = 0; i < file_count; i++) {
        if (strstr(files[i].name, "encrypted") != NULL) {
            continue;
        }
        feed_file(&files[i], 1, TR_CHUNK_BYTES);
        const uint32_t wanted_count = rig.item_count;
        memcpy(wanted, rig.items, wanted_count * sizeof(*wanted));
        (void)snprintf(executed, sizeof(executed), "%s", rig_executed(&rig));
        rig_close(&rig);
        for (size_t k = 0; k < sizeof(chunk_sizes) / sizeof(chunk_sizes[0]); k++) {
            const uint32_t decoder_count = (uint32_t)(k % 4) + 1;
            feed_file(&files[i], decoder_count, chunk_sizes[k]);
            check_file(&files[i]);
            assert_int_equal(rig.item_count, wanted_count);
            assert_memory_equal(rig.items, wanted, wanted_count * sizeof(*wanted));
            assert_string_equal(rig_executed(&rig), executed);
            rig_close(&rig);
        }
    }
    free(wanted);
}

/* Feeds a captured dump, packet by packet: the frames stay in front of the events. An EOF packet
 * ends it. */
static void feed_stream(const char *name, uint8_t frame_bytes)
{
    size_t bytes;
    uint8_t *content = rig_read_file(name, &bytes);
    struct tr_chunk *chunk = NULL;

    for (size_t at = 0; at + 5 <= bytes;) {
        const size_t packet_bytes = 4 + (size_t)tr_load_u24(content + at);
        assert_in_range(packet_bytes, 5, bytes - at);
        if (content[at + 4] != 0) {
            break;
        }
        if (chunk != NULL && chunk->used_bytes + packet_bytes > 600) { /* a few packets a chunk */
            rig_send(&rig, chunk);
            chunk = NULL;
        }
        if (chunk == NULL) {
            chunk = rig_chunk(&rig, TR_CHUNK_EVENTS);
            chunk->frame_bytes = frame_bytes;
        }
        memcpy(chunk->bytes + chunk->used_bytes, content + at, packet_bytes);
        chunk->used_bytes += (uint32_t)packet_bytes;
        at += packet_bytes;
    }
    if (chunk != NULL) {
        rig_send(&rig, chunk);
    }
    rig_send_empty(&rig, TR_CHUNK_END);
    free(content);
}

/* The fact that an item is, in the files whose names begin with `sample`; NULL = none. The server
 * calls its file NAME.00000n. */
static const struct fact *fact_of(const char *sample, const struct rig_item *item)
{
    for (uint32_t f = 0; f < file_count; f++) {
        if (strncmp(files[f].name, sample, strlen(sample)) != 0 ||
            strcmp(strrchr(files[f].name, '.'), strrchr(item->file, '.')) != 0) {
            continue;
        }
        for (uint32_t i = files[f].first; i < files[f].first + files[f].count; i++) {
            if (facts[i].pos == item->pos && strcmp(facts[i].gtid, item->gtid) == 0 &&
                strcmp(facts[i].table, item->table) == 0 && facts[i].op == "IUD"[item->op]) {
                return &facts[i];
            }
        }
    }
    return NULL;
}

static void sequencer_reads_the_dumps_that_servers_sent(void **state)
{
    (void)state;
    static const struct {
        const char *stream;
        const char *sample;
        enum tr_flavor flavor;
        uint8_t frame_bytes;
        uint32_t
            item_count; /* of the files' rows events, less those of the GTIDs that were known */
    } streams[] = {
        {"mysql97-wire-gtid.stream", "mysql97-wire-gtid.", TR_FLAVOR_MYSQL, 5, 4},
        {"mysql97-wire-semisync.stream", "mysql97-wire-semisync.", TR_FLAVOR_MYSQL, 7, 3},
        {"mysql56-wire-nocrc.stream", "mysql56-wire-nocrc.", TR_FLAVOR_MYSQL, 5, 3},
        {"mariadb1011-wire-file.stream", "mariadb1011-wire-file.", TR_FLAVOR_MARIADB, 5, 4},
        {"mariadb1011-wire-semisync.stream", "mariadb1011-wire-semisync.", TR_FLAVOR_MARIADB, 7, 3},
        {"mariadb118-wire-gtid.stream", "mariadb118-wire-gtid.", TR_FLAVOR_MARIADB, 5, 3},
    };
    for (size_t s = 0; s < sizeof(streams) / sizeof(streams[0]); s++) {
        rig_open(&rig, &(struct rig_options){.flavor = streams[s].flavor,
                                             .file = "x.000009",
                                             .gtids = "",
                                             .gtid_mode = true});
        feed_stream(streams[s].stream, streams[s].frame_bytes);
        if (tr_fault_seen(&rig.fault) != NULL) {
            fail_msg("%s: %s", streams[s].stream, tr_fault_seen(&rig.fault)->text);
        }
        const struct fact *last = NULL;
        for (uint32_t i = 0; i < rig.item_count; i++) {
            const struct fact *fact = fact_of(streams[s].sample, &rig.items[i]);
            if (fact == NULL) {
                fail_msg("%s: %s:%llu %s %s is in no file", streams[s].stream, rig.items[i].file,
                         (unsigned long long)rig.items[i].pos, rig.items[i].gtid,
                         rig.items[i].table);
            }
            assert_true(last == NULL || fact > last);
            last = fact;
        }
        if (rig.item_count != streams[s].item_count) {
            fail_msg("%s: %u rows events, want %u", streams[s].stream, rig.item_count,
                     streams[s].item_count);
        }
        assert_int_equal(rig.free_count, RIG_CHUNKS);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequencer_gives_the_rows_events_of_every_file),
        cmocka_unit_test(sequencer_position_behind_every_file_is_its_end),
        cmocka_unit_test(sequencer_reads_the_dumps_that_servers_sent),
        cmocka_unit_test(sequencer_output_is_the_same_for_every_chunking_and_decoder_count),
    };
    return cmocka_run_group_tests(tests, read_facts, free_facts);
}
