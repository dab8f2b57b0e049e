// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/recover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "stages/ddl/parse.h"
#include "stages/ddl/publish.h"
#include "stages/ddl/recover_table.h"

#define FIRST_DOCUMENT_BYTES (1u << 16)
#define DOCUMENT_BYTES_MAX (1u << 30) /* as long as a statement can be */

#define REMEDY                                                                                     \
    "restore the history from a backup, or delete it and the stored offset to begin anew with a "  \
    "snapshot"

struct recover_state {
    struct tr_json_reader *document_reader; /* owns */
    struct tr_json_reader *changes_reader;  /* owns */
    size_t room_bytes;                      /* of each */
    struct tr_saved_position position;      /* of the document; owns its gtids */
    struct tr_ddl_model *own_model;         /* owns; NULL: the options have one */
    struct tr_ddl_model *model;
};

static enum tr_code open_readers(struct recover_state *state, size_t bytes, struct tr_error *err);
static bool is_due(const struct tr_saved_position *recorded, const struct tr_saved_position *until);
static enum tr_code apply(struct tr_recover *recover, const struct recover_document *document,
                          struct tr_error *err);

enum tr_code tr_recover_open(struct tr_recover *recover, const struct tr_recover_options *options,
                             struct tr_error *err)
{
    const struct tr_ddl_options own = {.flavor = options->flavor};
    struct recover_state *state = calloc(1, sizeof(*state));

    *recover = (struct tr_recover){.options = *options, .state = state};
    if (state == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "no memory to read the schema history: add memory");
    }
    state->model = options->model;
    enum tr_code code = open_readers(state, FIRST_DOCUMENT_BYTES, err);
    if (code == TR_OK) {
        code = tr_gtid_set_open(&state->position.gtids, options->flavor, err);
    }
    if (code == TR_OK && options->model == NULL) {
        code = tr_ddl_model_open(&state->own_model, &own, err);
        state->model = state->own_model;
    }
    if (code != TR_OK) {
        tr_recover_close(recover);
    }
    return code;
}

void tr_recover_close(struct tr_recover *recover)
{
    struct recover_state *state = recover->state;
    if (state == NULL) {
        return;
    }
    tr_json_close(state->document_reader);
    tr_json_close(state->changes_reader);
    tr_gtid_set_close(state->position.gtids);
    tr_ddl_model_close(state->own_model);
    free(state);
    recover->state = NULL;
}

static enum tr_code open_readers(struct recover_state *state, size_t bytes, struct tr_error *err)
{
    tr_json_close(state->document_reader);
    tr_json_close(state->changes_reader);
    state->document_reader = NULL;
    state->changes_reader = NULL;
    state->room_bytes = bytes;
    const enum tr_code code = tr_json_open(&state->document_reader, bytes, err);
    return code != TR_OK ? code : tr_json_open(&state->changes_reader, bytes, err);
}

/* The error that the caller has, with the document's number before and the remedy behind it. */
static enum tr_code fail_document(const struct tr_recover *recover, enum tr_code code,
                                  struct tr_error *err)
{
    char what[TR_ERROR_TEXT_BYTES / 2];

    if (err->code == TR_ERR_SYSTEM || err->code == TR_ERR_MEMORY_LIMIT) {
        return err->code;
    }
    (void)snprintf(what, sizeof(what), "%.*s", (int)sizeof(what) - 1, err->text);
    return TR_FAIL(err, code, TR_STOP, "schema history, document %" PRIu64 ": %s; " REMEDY,
                   recover->document_count, what);
}

static enum tr_code read_document(struct tr_recover *recover, struct tr_span text,
                                  struct recover_document *document, bool *is_of_another,
                                  struct tr_error *err)
{
    struct recover_state *state = recover->state;

    *is_of_another = false;
    if (text.bytes > state->room_bytes) {
        if (text.bytes > DOCUMENT_BYTES_MAX) {
            (void)TR_FAIL(err, TR_ERR_STATE, TR_STOP, "it has %zu bytes: wanted at most %u",
                          text.bytes, DOCUMENT_BYTES_MAX);
            return fail_document(recover, TR_ERR_STATE, err);
        }
        const size_t room = 2 * text.bytes < DOCUMENT_BYTES_MAX ? 2 * text.bytes : text.bytes;
        if (open_readers(state, room, err) != TR_OK) {
            return err->code;
        }
    }
    if (recover_read_document(state->document_reader, text, document, err) != TR_OK) {
        return fail_document(recover, TR_ERR_STATE, err);
    }
    *is_of_another = document->server.bytes > 0 &&
                     !tr_span_equals(document->server, recover->options.topic_prefix);
    if (*is_of_another) {
        return TR_OK;
    }
    if (document->server.bytes == 0) {
        (void)TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                      "source.server is missing: wanted debezium.source.topic.prefix, \"%.*s\"",
                      (int)recover->options.topic_prefix.bytes,
                      (const char *)recover->options.topic_prefix.data);
        return fail_document(recover, TR_ERR_STATE, err);
    }
    if (document->position.bytes == 0) {
        (void)TR_FAIL(err, TR_ERR_STATE, TR_STOP, "it has no position");
        return fail_document(recover, TR_ERR_STATE, err);
    }
    if (tr_position_parse_json(&state->position, recover->options.sources, document->position,
                               err) != TR_OK) {
        return fail_document(recover, TR_ERR_STATE, err);
    }
    return TR_OK;
}

static bool is_blank(struct tr_span text)
{
    while (text.bytes > 0 && text.data[text.bytes - 1] <= ' ') {
        text.bytes--;
    }
    return text.bytes == 0;
}

enum tr_code tr_recover_document(void *self, struct tr_span text, struct tr_error *err)
{
    struct tr_recover *recover = self;
    struct recover_state *state = recover->state;
    struct recover_document document;
    bool is_of_another;

    if (is_blank(text)) { /* Debezium's object stores begin with an empty line */
        return TR_OK;
    }
    recover->document_count++;
    if (read_document(recover, text, &document, &is_of_another, err) != TR_OK) {
        return err->code;
    }
    if (is_of_another) { /* several engines with one history, as Debezium allows */
        recover->others_count++;
        return TR_OK;
    }
    memcpy(recover->newest.file, state->position.point.file, sizeof(recover->newest.file));
    recover->newest.pos = state->position.point.pos;
    if (recover->options.until != NULL && !is_due(&state->position, recover->options.until)) {
        recover->skipped_count++;
        return TR_OK;
    }
    recover->applied_count++;
    return apply(recover, &document, err);
}

/* --- positions: contract §5.3 --- */

static bool has_gtids(const struct tr_saved_position *position)
{
    return position->gtids != NULL && !tr_gtid_set_is_empty(position->gtids);
}

/* Below, at or above 0 as `a` lies before, at or behind `b` in the log; files of different series,
 * which tell nothing, count as before. */
static int compare_files(const struct tr_log_point *a, const struct tr_log_point *b)
{
    const char *a_dot = strrchr(a->file, '.');
    const char *b_dot = strrchr(b->file, '.');
    const size_t a_bytes = a_dot == NULL ? strlen(a->file) : (size_t)(a_dot - a->file);
    const size_t b_bytes = b_dot == NULL ? strlen(b->file) : (size_t)(b_dot - b->file);

    if (a_bytes != b_bytes || memcmp(a->file, b->file, a_bytes) != 0) {
        return -1;
    }
    const uint64_t a_number = a_dot == NULL ? 0 : strtoull(a_dot + 1, NULL, 10);
    const uint64_t b_number = b_dot == NULL ? 0 : strtoull(b_dot + 1, NULL, 10);
    if (a_number != b_number) {
        return a_number < b_number ? -1 : 1;
    }
    return a->pos == b->pos ? 0 : a->pos < b->pos ? -1 : 1;
}

/* Of two places with the same GTIDs, or none. Inside a transaction a document counts the events
 * before its statement: where a position counts as many, the statement has yet to come (MariaDB: the
 * GTID event is delivered, its ALTER is not; Debezium's offset behind such a statement, too). */
static bool is_before(const struct tr_log_point *a, const struct tr_log_point *b)
{
    const int order = compare_files(a, b);

    if (order != 0 || a->snapshot) {
        return order <= 0;
    }
    return a->event_count != 0 ? a->event_count < b->event_count
                               : b->event_count != 0 || a->row_count <= b->row_count;
}

/* Whether the statement of a document of the first position is done at the second. */
static bool is_due(const struct tr_saved_position *recorded, const struct tr_saved_position *until)
{
    const struct tr_log_point *a = &recorded->point;
    const struct tr_log_point *b = &until->point;

    if (has_gtids(until) && !has_gtids(recorded)) {
        return true; /* GTIDs are turned on, not off */
    }
    if (has_gtids(until)) {
        if (!tr_gtid_set_contains_set(until->gtids, recorded->gtids)) {
            return false;
        }
        if (!tr_gtid_set_contains_set(recorded->gtids, until->gtids)) {
            return true;
        }
        /* A snapshot's GTIDs are its cut: no file position of the same set lies before it, though the
         * number may (a dump by GTIDs begins at the head of the file). */
        return a->snapshot || (!b->snapshot && is_before(a, b));
    }
    if (a->server_id != b->server_id && a->server_id != 0 && b->server_id != 0) {
        return a->ts_sec <= b->ts_sec;
    }
    return is_before(a, b);
}

/* --- applying --- */

static enum tr_code apply_change(struct tr_recover *recover, const struct recover_change *change,
                                 struct tr_error *err)
{
    struct recover_state *state = recover->state;
    const struct tr_ddl_options *options = ddl_model_options(state->model);

    if (change->previous_name.bytes > 0 &&
        !(tr_span_equals(change->previous_name, change->name) &&
          tr_span_equals(change->previous_database, change->database))) {
        tr_ddl_remove(state->model, change->previous_database, change->previous_name);
    }
    if (change->type == RECOVER_DROP) {
        tr_ddl_remove(state->model, change->database, change->name);
        return TR_OK;
    }
    const struct tr_table *known = tr_ddl_find(state->model, change->database, change->name);
    if (known != NULL && recover_agrees(known, change, options->flavor)) {
        return TR_OK;
    }
    struct tr_table *built = recover_build_table(change, options, err);
    if (built == NULL) {
        return fail_document(recover, TR_ERR_STATE, err);
    }
    recover->built_count++;
    return tr_ddl_put(state->model, built, err);
}

static enum tr_code apply_changes(struct tr_recover *recover, struct tr_span text, uint32_t *count,
                                  struct tr_error *err)
{
    struct recover_state *state = recover->state;
    struct recover_change *changes;
    struct tr_table *arena = tr_table_open((struct tr_span){0}, (struct tr_span){0}, 0, err);

    if (arena == NULL) {
        return err->code;
    }
    enum tr_code code =
        recover_read_changes(state->changes_reader, text, arena, &changes, count, err);
    if (!tr_table_is_whole(arena)) {
        code = TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "no memory to read the schema history: add memory");
    } else if (code != TR_OK) {
        code = fail_document(recover, TR_ERR_STATE, err);
    }
    for (uint32_t i = 0; i < *count && code == TR_OK; i++) {
        code = apply_change(recover, &changes[i], err);
    }
    tr_table_close(arena);
    return code;
}

/* Whether a statement that cannot be told changes a table whose rows we read by what we know: the
 * sequencer decided the same when it met it. */
static enum tr_code does_matter(const struct tr_recover *recover,
                                const struct tr_ddl_result *result, bool *matters,
                                struct tr_error *err)
{
    enum tr_code code = TR_OK;

    *matters = false;
    for (uint32_t i = 0; i < result->change_count && code == TR_OK && !*matters; i++) {
        const struct tr_ddl_change *change = &result->changes[i];
        if (!change->is_unknown || change->is_temporary || recover->options.log_describes) {
            continue;
        }
        *matters = true;
        if (recover->options.filter != NULL) {
            code = tr_filter_match(recover->options.filter, change->database, change->name, matters,
                                   err);
        }
    }
    return code;
}

/* The statement first: what follows from it for other tables (a rename's old name) and for databases
 * is not in tableChanges. */
static enum tr_code apply(struct tr_recover *recover, const struct recover_document *document,
                          struct tr_error *err)
{
    struct recover_state *state = recover->state;
    const struct tr_ddl_event event = {.sql = document->ddl, .database = document->database};
    struct tr_ddl_result result = {0};
    uint32_t change_count = 0;

    if (document->ddl.bytes > 0 && !tr_ddl_is_filtered(document->ddl) &&
        tr_ddl_apply(state->model, &event, &result, err) != TR_OK) {
        return err->code;
    }
    const bool is_unknown = result.effect == TR_DDL_UNKNOWN_EFFECT;
    if (document->table_changes.bytes > 0) {
        const enum tr_code code =
            apply_changes(recover, document->table_changes, &change_count, err);
        if (code != TR_OK) {
            return code;
        }
    }
    if (!is_unknown || change_count > 0) {
        return TR_OK;
    }
    /* A document has no sql_mode: CREATE TABLE IF NOT EXISTS "t", CREATE INDEX … ON "t". */
    const struct tr_ddl_event ansi = {
        .sql = document->ddl, .database = document->database, .sql_mode = TR_SQL_MODE_ANSI_QUOTES};
    if (tr_ddl_apply(state->model, &ansi, &result, err) != TR_OK) {
        return err->code;
    }
    if (result.effect != TR_DDL_UNKNOWN_EFFECT) {
        return TR_OK;
    }
    recover->unknown_count++;
    if (recover->options.skip_unparseable) {
        return TR_OK;
    }
    bool matters;
    if (does_matter(recover, &result, &matters, err) != TR_OK) {
        return err->code;
    }
    if (!matters) {
        return TR_OK;
    }
    return TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP,
                   "schema history, document %" PRIu64
                   ": its statement cannot be read at byte %" PRIu64
                   " (%s) and it has no tableChanges: " REMEDY
                   ", or set debezium.source.schema.history.internal.skip.unparseable.ddl=true",
                   recover->document_count, result.unknown_offset, result.unknown_what);
}
