// SPDX-License-Identifier: Apache-2.0
/*
 * `tailrace history show | verify`: the schema history, in whichever store is configured. Both write
 * nothing and take no lock: they may run beside an engine.
 *
 * verify does what a start does with the history: it must be the one that the saved position's
 * record seals, every document must be readable, and what lies at or before the position must give
 * tables. It asks no server, so names of tables are compared as they are written.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/app/commands.h"
#include "engine/app/settings.h"
#include "engine/app/start.h"
#include "engine/app/start_history.h"
#include "engine/json.h"
#include "engine/log.h"
#include "stages/ddl/recover.h"

#define FDS 64
#define TIMERS 16
#define DOCUMENT_BYTES_MAX (64u << 20)

struct session {
    const struct tr_command_call *call;
    const struct tr_config *config;
    struct tr_start start;
    struct tr_signals signals;
    struct tr_json_reader *reader; /* owns */
    uint64_t document_count;
    struct tr_saved_position until; /* owns its GTID set; NULL: nothing is saved */
    struct tr_ddl_model *model;     /* owns */
    struct tr_recover recover;
    bool is_recovering;       /* recover is open */
    struct tr_table **tables; /* owns; the shares are the model's */
    uint32_t table_count;
    uint32_t table_room;
    bool is_out_of_memory;
};

static bool is_named(struct tr_span name, const char *wanted)
{
    return tr_span_equals(name, tr_span_of_text(wanted));
}

/* --- show --- */

/* A text of many lines as one: blanks and control characters in a row become one blank. */
static void print_line(struct tr_span text)
{
    bool is_gap = false;
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] <= ' ' || text.data[i] == 0x7F) {
            is_gap = true;
            continue;
        }
        if (is_gap && i > 0) {
            (void)putchar(' ');
        }
        is_gap = false;
        (void)putchar(text.data[i]);
    }
}

/* What a line of `show` has of a document. */
struct shown {
    struct tr_span file;
    struct tr_span gtids;
    struct tr_span database;
    struct tr_span ddl;
    uint64_t pos;
    bool is_snapshot;
};

static void read_position(struct tr_json_reader *reader, struct shown *shown)
{
    struct tr_span name;

    if (!tr_json_enter_object(reader)) {
        return;
    }
    while (tr_json_next_member(reader, &name)) {
        if (is_named(name, "file")) {
            shown->file = tr_json_get_text(reader);
        } else if (is_named(name, "pos")) {
            shown->pos = tr_json_get_uint64(reader);
        } else if (is_named(name, "gtids")) {
            shown->gtids = tr_json_get_text_or_null(reader);
        } else if (is_named(name, "snapshot")) {
            shown->is_snapshot = true;
        }
    }
}

static enum tr_code show_document(void *self, struct tr_span document, struct tr_error *err)
{
    struct session *session = self;
    struct tr_json_reader *reader = session->reader;
    struct shown shown = {0};
    struct tr_span name;

    session->document_count++;
    if (tr_command_value(session->call, "--json") != NULL) {
        (void)fwrite(document.data, 1, document.bytes, stdout);
        (void)putchar('\n');
        return TR_OK;
    }
    tr_json_begin(reader, document);
    if (tr_json_enter_object(reader)) {
        while (tr_json_next_member(reader, &name)) {
            if (is_named(name, "position")) {
                read_position(reader, &shown);
            } else if (is_named(name, "databaseName")) {
                shown.database = tr_json_get_text_or_null(reader);
            } else if (is_named(name, "ddl")) {
                shown.ddl = tr_json_get_text_or_null(reader);
            }
        }
    }
    if (tr_json_finish(reader, err) != TR_OK) {
        char why[TR_ERROR_TEXT_BYTES / 4];
        (void)snprintf(why, sizeof(why), "%.200s", err->text);
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "schema history, document %" PRIu64 ": %s; restore the history from a "
                       "backup (`history show --json` prints the documents as they are)",
                       session->document_count, why);
    }
    printf("%.*s:%" PRIu64 "%s", (int)shown.file.bytes, (const char *)shown.file.data, shown.pos,
           shown.is_snapshot ? " (snapshot)" : "");
    if (shown.gtids.bytes > 0) {
        printf(" %.*s", (int)shown.gtids.bytes, (const char *)shown.gtids.data);
    }
    printf(" [%.*s] ", (int)shown.database.bytes, (const char *)shown.database.data);
    print_line(shown.ddl);
    (void)putchar('\n');
    return TR_OK;
}

static enum tr_code show(struct session *session, struct tr_error *err)
{
    uint64_t count;
    if (tr_json_open(&session->reader, DOCUMENT_BYTES_MAX, err) != TR_OK) {
        return err->code;
    }
    return tr_start_load_history(&session->start, show_document, session, &count, err);
}

/* --- verify --- */

/* Whose GTIDs they are, the text tells; without any, the connector. */
static enum tr_flavor flavor_of(const struct session *session, struct tr_span json)
{
    const uint8_t *at = json.bytes == 0 ? NULL : memmem(json.data, json.bytes, "\"gtids\":\"", 9);
    if (at == NULL) {
        return session->config->connector == TR_CONFIG_CONNECTOR_MARIADB ? TR_FLAVOR_MARIADB
                                                                         : TR_FLAVOR_MYSQL;
    }
    at += 9;
    const size_t left = (size_t)(json.data + json.bytes - at);
    const uint8_t *end = memchr(at, '"', left);
    return memchr(at, ':', end == NULL ? left : (size_t)(end - at)) != NULL ? TR_FLAVOR_MYSQL
                                                                            : TR_FLAVOR_MARIADB;
}

/* The saved position and the seal beside it; nothing where none is saved. */
static enum tr_code load_position(struct session *session, struct tr_error *err)
{
    struct tr_start *start = &session->start;
    struct tr_store_content content;
    struct tr_identity identity;

    if (session->config->offset_storage == TR_CONFIG_OFFSET_MEMORY) {
        return TR_OK;
    }
    if (tr_start_open_store(start, NULL, err) != TR_OK ||
        tr_start_load_store(start, &content, err) != TR_OK) {
        return err->code;
    }
    if (content.offset_value.bytes == 0) {
        return TR_OK;
    }
    if (tr_gtid_set_open(&session->until.gtids, flavor_of(session, content.offset_value), err) !=
            TR_OK ||
        tr_position_parse_json(&session->until, start->gtid_sources, content.offset_value, err) !=
            TR_OK) {
        return err->code;
    }
    if (content.identity.bytes == 0) {
        return TR_OK;
    }
    if (tr_identity_parse_json(&identity, content.identity, err) != TR_OK) {
        return err->code;
    }
    if (tr_identity_is_of(&identity,
                          &session->until.point)) { /* as a start: else it tells nothing */
        start->history_wanted = identity.history;
    }
    return TR_OK;
}

/* Opens what recovers, once the first document tells whose it is. */
static enum tr_code open_recover(struct session *session, struct tr_span document,
                                 struct tr_error *err)
{
    const struct tr_config *config = session->config;
    const enum tr_flavor flavor = session->until.gtids == NULL
                                      ? flavor_of(session, document)
                                      : tr_gtid_set_flavor(session->until.gtids);
    const struct tr_ddl_options model = {.flavor = flavor};
    const struct tr_filter_options filter = tr_settings_filter(config);
    if (tr_ddl_model_open(&session->model, &model, err) != TR_OK ||
        tr_filter_open(&session->start.filter, &filter, err) != TR_OK) {
        return err->code;
    }
    const struct tr_recover_options options = {
        .flavor = flavor,
        .topic_prefix = tr_span_of_text(config->topic_prefix),
        .sources = session->start.gtid_sources,
        .until = session->until.gtids == NULL ? NULL : &session->until,
        .skip_unparseable = config->ddl_on_error == TR_CONFIG_DDL_SKIP,
        .model = session->model,
        .filter = session->start.filter};
    session->is_recovering = true;
    return tr_recover_open(&session->recover, &options, err);
}

static enum tr_code verify_document(void *self, struct tr_span document, struct tr_error *err)
{
    struct session *session = self;
    if (!session->is_recovering && open_recover(session, document, err) != TR_OK) {
        return err->code;
    }
    return tr_recover_document(&session->recover, document, err);
}

static bool add_table(void *self, struct tr_table *table)
{
    struct session *session = self;
    if (session->table_count == session->table_room) {
        const uint32_t room = session->table_room == 0 ? 64 : 2 * session->table_room;
        struct tr_table **longer = realloc(session->tables, room * sizeof(struct tr_table *));
        if (longer == NULL) {
            session->is_out_of_memory = true;
            return false;
        }
        session->tables = longer;
        session->table_room = room;
    }
    session->tables[session->table_count++] = table;
    return true;
}

static int compare_spans(struct tr_span a, struct tr_span b)
{
    const size_t bytes = a.bytes < b.bytes ? a.bytes : b.bytes;
    const int order = bytes == 0 ? 0 : memcmp(a.data, b.data, bytes);
    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int compare_tables(const void *a, const void *b)
{
    const struct tr_table *const *first = a;
    const struct tr_table *const *second = b;
    const int order = compare_spans((*first)->database, (*second)->database);
    return order != 0 ? order : compare_spans((*first)->name, (*second)->name);
}

static void print_table(const struct tr_table *table)
{
    printf("table:     %.*s.%.*s %u columns, key (", (int)table->database.bytes,
           (const char *)table->database.data, (int)table->name.bytes,
           (const char *)table->name.data, table->column_count);
    for (uint32_t i = 0; i < table->key_count; i++) {
        const struct tr_span name = table->columns[table->key_columns[i]].name;
        printf("%s%.*s", i == 0 ? "" : ", ", (int)name.bytes, (const char *)name.data);
    }
    printf(")\n");
}

static enum tr_code print_result(struct session *session, struct tr_error *err)
{
    const struct tr_recover *recover = &session->recover;
    const uint64_t sealed = session->start.history_wanted.document_count;

    const uint64_t own_count = recover->document_count - recover->others_count;

    printf("documents: %" PRIu64 ", ", own_count);
    if (sealed > 0) {
        printf("the first %" PRIu64 " as sealed with the saved position\n", sealed);
    } else {
        printf("none sealed with a saved position\n");
    }
    if (recover->others_count > 0) {
        printf("passed:    %" PRIu64 " of engines with another topic.prefix\n",
               recover->others_count);
    }
    if (own_count == 0) {
        return TR_OK;
    }
    printf("newest:    %s:%" PRIu64 "\n", recover->newest.file, recover->newest.pos);
    if (session->until.gtids == NULL) {
        printf("applied:   all, since no position is saved\n");
    } else {
        printf("applied:   %" PRIu64 " up to the saved position %s:%" PRIu64 ", %" PRIu64
               " behind it\n",
               recover->applied_count, session->until.point.file, session->until.point.pos,
               recover->skipped_count);
    }
    if (recover->unknown_count > 0) {
        printf("skipped:   %" PRIu64 " statements that cannot be read\n", recover->unknown_count);
    }
    tr_ddl_each(session->model, add_table, session);
    if (session->is_out_of_memory) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "history verify: no memory: add memory");
    }
    printf("tables:    %u, built %" PRIu64 " times from tableChanges instead of the statement\n",
           session->table_count, recover->built_count);
    if (session->table_count > 0) {
        qsort(session->tables, session->table_count, sizeof(struct tr_table *), compare_tables);
    }
    for (uint32_t i = 0; i < session->table_count; i++) {
        print_table(session->tables[i]);
    }
    return TR_OK;
}

static enum tr_code verify(struct session *session, struct tr_error *err)
{
    uint64_t count;
    if (load_position(session, err) != TR_OK ||
        tr_start_load_history(&session->start, verify_document, session, &count, err) != TR_OK) {
        return err->code;
    }
    return print_result(session, err);
}

/* --- the command --- */

static enum tr_code run_verb(struct session *session, struct tr_error *err)
{
    struct tr_start *start = &session->start;
    const bool is_show = strcmp(session->call->words[0], "show") == 0;
    const enum tr_reactor_engine engine = (enum tr_reactor_engine)session->config->reactor;

    if (session->config->history_storage == TR_CONFIG_HISTORY_NONE ||
        session->config->history_storage == TR_CONFIG_HISTORY_MEMORY) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "history %s: no schema history is kept: set "
                       "debezium.source.schema.history.internal to the file or the Redis store",
                       session->call->words[0]);
    }
    if (tr_reactor_open(&start->reactor, engine, FDS, TIMERS, err) != TR_OK) {
        return err->code;
    }
    start->config = session->config;
    start->signals = &session->signals;
    start->service_reactor = start->reactor;
    start->read_only = true;
    start->is_command = true;
    if (tr_gtid_sources_open(&start->gtid_sources, err) != TR_OK ||
        tr_start_open_history(start, err) != TR_OK) {
        return err->code;
    }
    return is_show ? show(session, err) : verify(session, err);
}

static void close_session(struct session *session)
{
    if (session->is_recovering) {
        tr_recover_close(&session->recover);
    }
    free(session->tables);
    tr_ddl_model_close(session->model);
    tr_json_close(session->reader);
    tr_gtid_set_close(session->until.gtids);
    tr_start_close_history(&session->start);
    tr_start_deinit(&session->start);
    tr_reactor_close(session->start.reactor);
}

enum tr_code tr_command_history(struct tr_command_call *call, struct tr_error *err)
{
    struct session session = {.call = call};
    struct tr_config *config;
    const bool is_show = strcmp(call->words[0], "show") == 0;

    if (!is_show && strcmp(call->words[0], "verify") != 0) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                       "history %.100s: want `tailrace history show` or `verify`", call->words[0]);
    }
    if (!is_show && tr_command_value(call, "--json") != NULL) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                       "history verify: --json belongs to `history show`");
    }
    if (tr_command_load_config(call, TR_CONFIG_FOR_STATE, &config, err) != TR_OK) {
        return err->code;
    }
    tr_log_setup(TR_LOG_WARN, TR_LOG_TEXT, 2);
    session.config = config;
    const enum tr_code code = run_verb(&session, err);
    close_session(&session);
    tr_config_close(config);
    return code;
}
