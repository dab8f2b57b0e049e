// SPDX-License-Identifier: Apache-2.0
/*
 * The source's modules against a real server, one at a time, for test_source.py:
 *
 *   source_probe login|facts|position|check|tables|dump key=value...
 *   keys: host port user password tls ca plugin_dir connect_timeout_ms | server_id file pos gtids
 * database rows (dump: end after so many rows events) seconds (dump: give up) startup_wait_ms
 *
 * Prints what it found, one fact a line. An error is one line `error <code> <text>`, and the exit
 * code is the error's.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "stages/source/ingest.h"
#include "stages/source/mysql_query.h"
#include "stages/source/schema_query.h"
#include "stages/source/server_facts.h"
#include "stages/source/wire_source.h"

struct probe {
    char **args;
    struct tr_mysql_options mysql;
    struct tr_gtid_sources *sources;
    struct tr_saved_position position;
    struct tr_mysql_query query;
    struct tr_server_facts facts;
    struct tr_error err;
};

struct dump {
    struct tr_wire_source source;
    struct tr_ring to_sequencer;
    struct tr_ring resume_ring;
    struct tr_ring returned;
    struct tr_ring *returns[1];
    struct tr_fault fault;
    struct tr_ingest ingest;
    struct tr_resume resume;
    uint64_t rows_events;
    uint64_t event_bytes;
    uint64_t chunk_count;
    int64_t first_ns; /* when the first and the newest chunk came */
    int64_t last_ns;
    bool is_quiet; /* no line per event */
    bool ended;
};

static const char *text_of(const struct probe *probe, const char *key, const char *otherwise)
{
    const size_t key_bytes = strlen(key);

    for (char **arg = probe->args; *arg != NULL; arg++) {
        if (strncmp(*arg, key, key_bytes) == 0 && (*arg)[key_bytes] == '=') {
            return *arg + key_bytes + 1;
        }
    }
    return otherwise;
}

static uint64_t number_of(const struct probe *probe, const char *key, uint64_t otherwise)
{
    const char *text = text_of(probe, key, NULL);

    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static int failed(const struct tr_error *err)
{
    (void)printf("error %s %s\n", tr_code_name(err->code), err->text);
    return tr_error_exit_code(err->code);
}

static int on_login_row(void *self, const struct tr_span *cells, uint32_t count)
{
    (void)self;
    for (uint32_t i = 0; i < count; i++) {
        (void)printf("%.*s\n", (int)cells[i].bytes, (const char *)cells[i].data);
    }
    return 0;
}

static int login(struct probe *probe)
{
    struct tr_mysql_link *link;

    if (tr_mysql_link_open(&link, &probe->mysql, &probe->err) != TR_OK) {
        return failed(&probe->err);
    }
    (void)printf("library %s\nversion %s\ntls %s\n", tr_mysql_library_name(),
                 tr_mysql_link_version(link), tr_mysql_link_tls(link));
    const enum tr_code code = tr_mysql_link_query(link, "SELECT CONCAT('user ', CURRENT_USER())",
                                                  on_login_row, NULL, &probe->err);
    tr_mysql_link_close(link);
    return code == TR_OK ? 0 : failed(&probe->err);
}

static int facts(struct probe *probe)
{
    const struct tr_server_facts *f = &probe->facts;

    (void)printf("flavor %s\nversion %s\nnumber %" PRIu32 "\nserver_id %" PRIu32
                 "\nuuid %s\nrow_metadata %s\n"
                 "gtid_mode %s\nretention_s %" PRIu64 "\nuser %s\nchecksum %s\ntime_zone %s\n",
                 f->flavor == TR_FLAVOR_MARIADB ? "mariadb" : "mysql", f->version,
                 f->version_number, f->server_id, f->server_uuid, f->binlog_row_metadata,
                 f->gtid_mode, f->retention_s, f->user, f->binlog_checksum, f->time_zone);
    if (tr_server_facts_check(f, (uint32_t)number_of(probe, "server_id", 4242), &probe->err) !=
        TR_OK) {
        return failed(&probe->err);
    }
    return 0;
}

static int position(struct probe *probe)
{
    if (tr_server_position_read(&probe->position, &probe->facts, &probe->query.port, probe->sources,
                                &probe->err) != TR_OK) {
        return failed(&probe->err);
    }
    char *text = calloc(1, tr_gtid_set_text_bytes(probe->position.gtids) + 1);
    if (text == NULL) {
        return 1;
    }
    tr_gtid_set_write_text(probe->position.gtids, text);
    (void)printf("file %s\npos %" PRIu64 "\ngtids %s\n", probe->position.point.file,
                 probe->position.point.pos, text);
    free(text);
    return 0;
}

static int check(struct probe *probe)
{
    if (tr_server_position_check(&probe->position, &probe->facts, &probe->query.port,
                                 probe->sources, &probe->err) != TR_OK) {
        return failed(&probe->err);
    }
    (void)printf("available\n");
    return 0;
}

static enum tr_code in_database(void *self, struct tr_span database, struct tr_span table,
                                bool *is_captured, struct tr_error *err)
{
    (void)table;
    (void)err;
    *is_captured = tr_span_equals(database, tr_span_of_text(text_of(self, "database", "")));
    return TR_OK;
}

static enum tr_code print_table(void *self, struct tr_table *table, struct tr_error *err)
{
    (void)self;
    (void)err;
    (void)printf("table %.*s charset %.*s key", (int)table->name.bytes,
                 (const char *)table->name.data, (int)table->charset_name.bytes,
                 (const char *)table->charset_name.data);
    for (uint32_t i = 0; i < table->key_count; i++) {
        const struct tr_span name = table->columns[table->key_columns[i]].name;
        (void)printf(" %.*s", (int)name.bytes, (const char *)name.data);
    }
    (void)printf("\n");
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct tr_column *c = &table->columns[i];
        (void)printf("column %.*s %s", (int)c->name.bytes, (const char *)c->name.data,
                     tr_column_type_name(c->type));
        (void)printf(" length=%" PRIu32 " precision=%u scale=%u charset=%d", c->length,
                     c->precision, c->scale, c->charset);
        (void)printf("%s%s%s%s", c->is_unsigned ? " unsigned" : "", c->is_nullable ? " null" : "",
                     c->is_generated ? " generated" : "", c->is_auto_increment ? " auto" : "");
        for (uint32_t k = 0; k < c->option_count; k++) {
            (void)printf(" [%.*s]", (int)c->options[k].bytes, (const char *)c->options[k].data);
        }
        if (c->has_default) {
            (void)printf(" %s=<%.*s>", c->default_is_expression ? "expression" : "default",
                         (int)c->default_text.bytes, (const char *)c->default_text.data);
        }
        (void)printf("\n");
    }
    tr_table_close(table);
    return TR_OK;
}

static int tables(struct probe *probe)
{
    const struct tr_schema_query query = {.port = &probe->query.port,
                                          .flavor = probe->facts.flavor,
                                          .filter = in_database,
                                          .filter_self = probe,
                                          .on_table = print_table};

    return tr_schema_query_tables(&query, &probe->err) == TR_OK ? 0 : failed(&probe->err);
}

static bool is_rows_event(uint8_t type)
{
    return (type >= 23 && type <= 25) || (type >= 30 && type <= 32);
}

static void take_events(struct dump *dump, const struct tr_chunk *chunk)
{
    for (uint32_t at = 0; at < chunk->used_bytes;) {
        const uint8_t *event = chunk->bytes + at + chunk->frame_bytes;
        const uint32_t event_bytes = tr_load_u32(event + 9);
        dump->rows_events += is_rows_event(event[4]) ? 1 : 0;
        dump->event_bytes += event_bytes;
        if (!dump->is_quiet) {
            (void)printf("event %u %" PRIu32 "\n", event[4], event_bytes);
        }
        at += chunk->frame_bytes + event_bytes;
    }
}

static void give_resume(struct dump *dump)
{
    *(struct tr_resume **)tr_ring_claim_one(&dump->resume_ring) = &dump->resume;
    tr_ring_publish(&dump->resume_ring, 1);
}

static void take_chunks(struct dump *dump, int64_t now_ns)
{
    void *slots;

    while (tr_ring_peek(&dump->to_sequencer, 1, &slots) > 0) {
        struct tr_chunk *chunk = *(struct tr_chunk **)slots;
        tr_ring_release(&dump->to_sequencer, 1);
        dump->first_ns = dump->chunk_count == 0 ? now_ns : dump->first_ns;
        dump->last_ns = now_ns;
        dump->chunk_count++;
        switch (chunk->kind) {
        case TR_CHUNK_EVENTS:
            take_events(dump, chunk);
            break;
        case TR_CHUNK_PIECE:
            dump->event_bytes += chunk->used_bytes;
            if (chunk->piece == TR_PIECE_FIRST) {
                (void)printf("pieces %u %" PRIu64 "\n", chunk->bytes[4], chunk->event_bytes);
            }
            dump->rows_events += chunk->piece == TR_PIECE_LAST ? 1 : 0;
            break;
        case TR_CHUNK_LINK_DOWN:
            (void)printf("down %s %s\n", tr_code_name(chunk->error.code), chunk->error.text);
            give_resume(dump);
            break;
        case TR_CHUNK_END:
            dump->ended = true;
            break;
        }
        (void)fflush(stdout);
        *(struct tr_chunk **)tr_ring_claim_one(&dump->returned) = chunk;
        tr_ring_publish(&dump->returned, 1);
    }
}

static enum tr_code dump_open(struct dump *dump, struct probe *probe)
{
    const struct tr_wire_options wire = {
        .mysql = probe->mysql,
        .server_id = (uint32_t)number_of(probe, "server_id", 4242),
        .heartbeat_ns = (int64_t)number_of(probe, "heartbeat_ms", 1000) * TR_NS_PER_MS};
    enum tr_code code = tr_wire_source_init(&dump->source, &wire, &probe->err);
    const uint32_t chunk_count = tr_ingest_chunk_count(1);
    const struct tr_ingest_options options = {
        .port = &dump->source.port,
        .chunk_count = chunk_count,
        .silence_ns = TR_HEARTBEATS_MISSED_MAX * dump->source.options.heartbeat_ns,
        .startup_wait_ms = (int64_t)number_of(probe, "startup_wait_ms", 0),
        .fault = &dump->fault,
    };

    dump->returns[0] = &dump->returned;
    const struct tr_ingest_rings rings = {.to_sequencer = &dump->to_sequencer,
                                          .resume = &dump->resume_ring,
                                          .returns = dump->returns,
                                          .return_count = 1};
    code = code == TR_OK
               ? tr_ring_init(&dump->to_sequencer, chunk_count, sizeof(void *), &probe->err)
               : code;
    code = code == TR_OK ? tr_ring_init(&dump->returned, chunk_count, sizeof(void *), &probe->err)
                         : code;
    code = code == TR_OK ? tr_ring_init(&dump->resume_ring, 2, sizeof(void *), &probe->err) : code;
    return code == TR_OK ? tr_ingest_init(&dump->ingest, &options, &rings, NULL, &probe->err)
                         : code;
}

static int dump(struct probe *probe)
{
    static struct dump dump; /* large */
    const struct tr_clock *clock = tr_clock_system();
    const uint64_t rows_wanted = number_of(probe, "rows", 1);
    const int64_t deadline_ns =
        tr_clock_monotonic_ns(clock) + (int64_t)number_of(probe, "seconds", 20) * TR_NS_PER_S;

    if (dump_open(&dump, probe) != TR_OK) {
        return failed(&probe->err);
    }
    dump.resume.point = probe->position.point;
    dump.resume.gtids = probe->position.gtids;
    dump.resume.flavor = strcmp(text_of(probe, "flavor", "mysql"), "mariadb") == 0
                             ? TR_FLAVOR_MARIADB
                             : TR_FLAVOR_MYSQL;
    dump.is_quiet = number_of(probe, "quiet", 0) != 0;
    give_resume(&dump);
    while (!dump.ended) {
        const int64_t now_ns = tr_clock_monotonic_ns(clock);
        if (tr_ingest_step(&dump.ingest, now_ns) == 0) {
            (void)poll(NULL, 0, 5);
        }
        take_chunks(&dump, tr_clock_monotonic_ns(clock));
        if (dump.rows_events >= rows_wanted || now_ns > deadline_ns) {
            tr_ingest_stop(&dump.ingest);
        }
    }
    (void)printf("rows_events %" PRIu64 "\nevent_bytes %" PRIu64 "\nchunks %" PRIu64
                 "\nmicros %" PRId64 "\n",
                 dump.rows_events, dump.event_bytes, dump.chunk_count,
                 (dump.last_ns - dump.first_ns) / 1000);
    const struct tr_error *fault = tr_fault_seen(&dump.fault);
    const int result = fault != NULL ? failed(fault) : dump.rows_events >= rows_wanted ? 0 : 1;
    tr_ingest_deinit(&dump.ingest);
    tr_wire_source_deinit(&dump.source);
    tr_ring_deinit(&dump.to_sequencer);
    tr_ring_deinit(&dump.returned);
    tr_ring_deinit(&dump.resume_ring);
    return result;
}

static enum tr_code probe_open(struct probe *probe)
{
    probe->mysql = (struct tr_mysql_options){
        .host = text_of(probe, "host", "127.0.0.1"),
        .user = text_of(probe, "user", "root"),
        .password = text_of(probe, "password", ""),
        .ca_path = text_of(probe, "ca", NULL),
        .plugin_dir = text_of(probe, "plugin_dir", NULL),
        .port = (uint16_t)number_of(probe, "port", 3306),
        .connect_timeout_ms = (uint32_t)number_of(probe, "connect_timeout_ms", 5000),
    };
    if (!tr_tls_mode_parse(text_of(probe, "tls", "disabled"), &probe->mysql.tls)) {
        return TR_FAIL(&probe->err, TR_ERR_USAGE, TR_STOP, "tls: no such mode");
    }
    tr_mysql_query_init(&probe->query, &probe->mysql);
    const bool is_mariadb = strcmp(text_of(probe, "flavor", "mysql"), "mariadb") == 0;
    const char *gtids = text_of(probe, "gtids", "");
    enum tr_code code = tr_mysql_library_open(&probe->err);
    code = code == TR_OK ? tr_gtid_sources_open(&probe->sources, &probe->err) : code;
    code = code == TR_OK
               ? tr_gtid_set_open(&probe->position.gtids,
                                  is_mariadb ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL, &probe->err)
               : code;
    code = code == TR_OK ? tr_gtid_set_parse(probe->position.gtids, probe->sources,
                                             tr_span_of_text(gtids), &probe->err)
                         : code;
    (void)snprintf(probe->position.point.file, sizeof(probe->position.point.file), "%s",
                   text_of(probe, "file", ""));
    probe->position.point.pos = number_of(probe, "pos", 4);
    return code;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct probe *probe);
        bool needs_facts;
    } commands[] = {{"login", login, false}, {"facts", facts, true},   {"position", position, true},
                    {"check", check, true},  {"tables", tables, true}, {"dump", dump, false}};
    struct probe probe = {.args = argv + 1};
    int result = 2;

    if (argc < 2) {
        (void)fprintf(stderr,
                      "usage: source_probe login|facts|position|check|tables|dump key=value...\n");
        return 2;
    }
    (void)signal(SIGPIPE,
                 SIG_IGN); /* as the engine does: TLS libraries write without MSG_NOSIGNAL */
    if (probe_open(&probe) != TR_OK) {
        return failed(&probe.err);
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) != 0) {
            continue;
        }
        if (commands[i].needs_facts &&
            tr_server_facts_read(&probe.facts, &probe.query.port, &probe.err) != TR_OK) {
            result = failed(&probe.err);
        } else {
            result = commands[i].run(&probe);
        }
    }
    tr_mysql_query_deinit(&probe.query);
    tr_gtid_set_close(probe.position.gtids);
    tr_gtid_sources_close(probe.sources);
    tr_mysql_library_close();
    return result;
}
