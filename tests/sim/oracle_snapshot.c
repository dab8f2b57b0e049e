// SPDX-License-Identifier: Apache-2.0
/* The oracle's part for snapshots. */
#include <inttypes.h>
#include <stdio.h>

#include "tests/sim/model_log_parts.h"
#include "tests/sim/model_snapshot.h"
#include "tests/sim/oracle_keys.h"
#include "tests/sim/oracle_parts.h"

void tr_oracle_begin_snapshot(struct tr_oracle *oracle, const struct tr_model_cut *cut)
{
    for (struct tr_oracle_key *key = oracle->newest; key != NULL; key = key->older) {
        key->item_count = 0;
        key->seen_count = 0;
        key->last = -1;
        key->head = 0;
        key->flight = 0;
        key->late_count = 0;
    }
    oracle->cut = cut;
    oracle->in_snapshot = true;
    oracle->change_count = cut->change_count; /* those behind it follow */
    oracle->saved_change = cut->change_count;
    oracle->saved_row = cut->log_row_count;
    for (uint32_t i = 0; i < cut->shown_count; i++) {
        oracle_add_item(oracle_keys_of_change(oracle, &cut->shown[i].change),
                        (struct tr_oracle_item){.change = i, .is_read = true});
    }
}

/* --- records ------------------------------------------------------------------------------------
 */

static void append_text(struct tr_buffer *out, const char *text)
{
    tr_buffer_append(out, text, strlen(text));
}

static bool has_text(struct tr_span data, const char *text)
{
    return memmem(data.data, data.bytes, text, strlen(text)) != NULL;
}

/* Its image byte for byte, or all behind the source block; the marks of a snapshot, the cut's place. */
bool oracle_is_read_record(struct tr_oracle *oracle, const struct tr_oracle_item *item,
                           struct tr_span data)
{
    static const char *const marks[] = {"true", "first_in_data_collection",
                                        "last_in_data_collection", "first", "last"};
    const struct tr_model_cut *cut = oracle->cut;
    const struct tr_model_shown *shown = &cut->shown[item->change];
    const bool is_row = shown->change.op == TR_MODEL_READ;
    struct tr_buffer *text = &oracle->text;
    char place[100];

    text->used = 0;
    if (is_row) {
        append_text(text, "{\"before\":null,\"after\":");
        tr_model_write_image(oracle->log, shown->change.table, shown->change.after, text);
        append_text(text, ",\"source\":{");
    } else {
        tr_model_write_effect(&cut->effects[shown->change.effect], text);
    }
    if (data.bytes < text->used) {
        return false;
    }
    const size_t rest_bytes = data.bytes - text->used;
    const struct tr_span rest = tr_span_of(data.data + (is_row ? text->used : 0), rest_bytes);
    if (memcmp(data.data + (is_row ? 0 : rest_bytes), text->bytes, text->used) != 0) {
        return false;
    }
    (void)snprintf(place, sizeof(place), "\"snapshot\":\"%s\"", marks[shown->mark]);
    if (!has_text(rest, place)) {
        return false;
    }
    (void)snprintf(place, sizeof(place), "\"gtid\":null,\"file\":\"%s\",\"pos\":%" PRIu64 ",",
                   oracle->log->file_names[cut->file], cut->pos);
    return has_text(rest, place) && (!is_row || has_text(rest, "\"op\":\"r\""));
}

/* --- positions ----------------------------------------------------------------------------------
 */

static void fail(struct tr_oracle *oracle, const char *what, const char *which)
{
    if (oracle->failure[0] == '\0') {
        (void)snprintf(oracle->failure, sizeof(oracle->failure), "%s (cut %s:%" PRIu64 "): %.200s",
                       what, oracle->log->file_names[oracle->cut->file], oracle->cut->pos, which);
    }
}

static bool is_snapshot_acknowledged(struct tr_oracle *oracle)
{
    for (const struct tr_oracle_key *key = oracle->newest; key != NULL; key = key->older) {
        if (key->head < key->item_count && key->items[key->head].is_read) {
            fail(oracle, "the snapshot was saved as finished, but not all is acknowledged",
                 key->text);
            return false;
        }
    }
    return true;
}

bool oracle_may_save(struct tr_oracle *oracle, const struct tr_saved_position *position)
{
    const struct tr_log_point *point = &position->point;

    if (!point->snapshot) {
        const bool may = !oracle->in_snapshot || is_snapshot_acknowledged(oracle);
        oracle->in_snapshot = false;
        return may;
    }
    if (oracle->cut == NULL || !oracle->in_snapshot) {
        (void)snprintf(oracle->failure, sizeof(oracle->failure),
                       "an unfinished snapshot was saved, but none is under way");
        return false;
    }
    if (strcmp(point->file, oracle->log->file_names[oracle->cut->file]) != 0 ||
        point->pos != oracle->cut->pos || point->event_count != 0 || point->row_count != 0) {
        fail(oracle, "an unfinished snapshot was saved with another place than its cut",
             point->file);
        return false;
    }
    return true;
}

/* --- the end ------------------------------------------------------------------------------------
 */

static uint32_t rebuilt[TR_MODEL_TABLES_MAX][TR_MODEL_KEYS_MAX]; /* n of a row; 0 = none */

static void apply(const struct tr_model_change *change)
{
    if (change->op == TR_MODEL_UPDATE || change->op == TR_MODEL_DELETE) {
        rebuilt[change->table][change->before.id] = 0;
    }
    if (change->op == TR_MODEL_UPDATE || change->op == TR_MODEL_INSERT ||
        change->op == TR_MODEL_READ) {
        rebuilt[change->table][change->after.id] = change->after.n;
    }
}

bool tr_oracle_is_rebuilt(struct tr_oracle *oracle)
{
    const struct tr_model_cut *cut = oracle->cut;
    const struct tr_model_log *log = oracle->log;
    const bool loses_rows = log->options.has_history; /* by statements that have no records */

    if (cut == NULL) {
        return true;
    }
    memset(rebuilt, 0, sizeof(rebuilt));
    for (uint32_t i = 0; i < cut->shown_count; i++) {
        apply(&cut->shown[i].change);
    }
    for (uint32_t i = cut->change_count; i < log->change_count; i++) {
        apply(&log->changes[i]);
    }
    for (uint32_t t = 0; t < log->options.table_count; t++) {
        for (uint32_t id = 0; id < log->options.key_count; id++) {
            const uint32_t n = log->exists[t][id] ? log->n[t][id] : 0;
            if (rebuilt[t][id] != n && (n > 0 || !loses_rows)) {
                fail(oracle, "what was delivered does not rebuild a table",
                     model_log_table_names[t]);
                return false;
            }
        }
    }
    return true;
}
