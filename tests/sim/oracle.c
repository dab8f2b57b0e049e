// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/assert.h"
#include "stages/ship/shipper.h"
#include "tests/sim/oracle_keys.h"
#include "tests/sim/oracle_parts.h"

#define KEY_BYTES_MAX 1024 /* 256 characters */

static void fail(struct tr_oracle *oracle, const char *format, ...) TR_PRINTF(2, 3);

static void fail(struct tr_oracle *oracle, const char *format, ...)
{
    if (oracle->failure[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(oracle->failure, sizeof(oracle->failure), format, args);
    va_end(args);
}

/* --- keys ---------------------------------------------------------------------------------------
 */

void tr_oracle_init(struct tr_oracle *oracle, const struct tr_model_log *log)
{
    memset(oracle, 0, sizeof(*oracle));
    oracle->log = log;
    oracle->tables = UINT32_MAX;
}

void tr_oracle_deinit(struct tr_oracle *oracle)
{
    oracle_keys_free(oracle);
    free(oracle->change_keys);
    tr_buffer_free(&oracle->text);
}

void oracle_add_item(struct tr_oracle_key *key, struct tr_oracle_item item)
{
    if (key->item_count == key->items_room) {
        key->items_room = key->items_room * 2 + 16;
        key->items = realloc(key->items, key->items_room * sizeof(*key->items));
        TR_ASSERT(key->items != NULL);
    }
    key->items[key->item_count++] = item;
}

/* Takes over what the source has committed since. */
static void catch_up(struct tr_oracle *oracle)
{
    const struct tr_model_log *log = oracle->log;
    if (oracle->change_keys_room < log->change_count) {
        oracle->change_keys_room = 2 * log->change_count + 1024;
        oracle->change_keys =
            realloc(oracle->change_keys, oracle->change_keys_room * sizeof(*oracle->change_keys));
        TR_ASSERT(oracle->change_keys != NULL);
    }
    for (; oracle->change_count < log->change_count; oracle->change_count++) {
        const struct tr_model_change *change = &log->changes[oracle->change_count];
        struct tr_oracle_key *key = oracle_keys_of_change(oracle, change);
        oracle->change_keys[oracle->change_count] = key;
        oracle_add_item(key, (struct tr_oracle_item){.change = oracle->change_count});
        if (change->op ==
            TR_MODEL_DELETE) { /* keyless ones, too: Debezium sends it with a null key */
            oracle_add_item(
                key, (struct tr_oracle_item){.change = oracle->change_count, .is_tombstone = true});
        }
    }
}

struct tr_oracle_key *tr_oracle_find(struct tr_oracle *oracle, struct tr_span stream,
                                     struct tr_span key_text)
{
    catch_up(oracle);
    struct tr_oracle_key *key = oracle_keys_find(oracle, tr_model_stream_of(stream), key_text);
    if (key == NULL) {
        fail(oracle, "a record of stream %.*s with key %.*s: not one of the model's",
             (int)stream.bytes, (const char *)stream.data, (int)key_text.bytes,
             (const char *)key_text.data);
    }
    return key;
}

/* --- records ------------------------------------------------------------------------------------
 */

static void append_text(struct tr_buffer *out, const char *text)
{
    tr_buffer_append(out, text, strlen(text));
}

static bool begins_with(struct tr_span data, const struct tr_buffer *text)
{
    return data.bytes >= text->used && memcmp(data.data, text->bytes, text->used) == 0;
}

static bool ends_with(struct tr_span data, const struct tr_buffer *text)
{
    return data.bytes >= text->used &&
           memcmp(data.data + data.bytes - text->used, text->bytes, text->used) == 0;
}

static bool has(struct tr_span data, const char *text)
{
    return memmem(data.data, data.bytes, text, strlen(text)) != NULL;
}

/* Whether a source block has the GTID and the file of the change. */
static bool is_source_of(struct tr_oracle *oracle, const struct tr_model_change *change,
                         struct tr_span data)
{
    char place[100];
    struct tr_buffer *text = &oracle->text;
    const struct tr_model_log *log = oracle->log;

    text->used = 0;
    append_text(text, "\"gtid\":\"");
    tr_model_write_gtid(log, change->transaction, text);
    append_text(text, "\"");
    if (!log->options.by_file && memmem(data.data, data.bytes, text->bytes, text->used) == NULL) {
        return false;
    }
    (void)snprintf(place, sizeof(place), "\"file\":\"%s\"",
                   log->file_names[log->transactions[change->transaction].file]);
    return has(data, place);
}

static void write_images(struct tr_oracle *oracle, const struct tr_model_change *change)
{
    struct tr_buffer *text = &oracle->text;
    const bool has_before = change->op == TR_MODEL_UPDATE || change->op == TR_MODEL_DELETE;
    const bool has_after = change->op == TR_MODEL_UPDATE || change->op == TR_MODEL_INSERT;

    text->used = 0;
    append_text(text, "{\"before\":");
    if (has_before) {
        tr_model_write_image(oracle->log, change->table, change->before, text);
    } else {
        append_text(text, "null");
    }
    append_text(text, ",\"after\":");
    if (has_after) {
        tr_model_write_image(oracle->log, change->table, change->after, text);
    } else {
        append_text(text, "null");
    }
    append_text(text, ",\"source\":{");
}

/* Whether `data` is the item's record: its images and its operation byte for byte, its GTID and
 * file; of a schema change all behind the source block. */
bool tr_oracle_is_record(struct tr_oracle *oracle, const struct tr_oracle_item *item,
                         struct tr_span data)
{
    static const char letters[] = "cudt";
    char op[20];
    if (item->is_read) {
        return oracle_is_read_record(oracle, item, data);
    }
    const struct tr_model_change *change = &oracle->log->changes[item->change];
    if (item->is_tombstone || data.bytes == 0) {
        return item->is_tombstone && data.bytes == 0;
    }
    if (change->op == TR_MODEL_STATEMENT) {
        oracle->text.used = 0;
        tr_model_write_effect(&oracle->log->effects[change->effect], &oracle->text);
        return ends_with(data, &oracle->text) && is_source_of(oracle, change, data);
    }
    write_images(oracle, change);
    if (!begins_with(data, &oracle->text)) {
        return false;
    }
    const struct tr_span rest =
        tr_span_of(data.data + oracle->text.used, data.bytes - oracle->text.used);
    (void)snprintf(op, sizeof(op), "\"op\":\"%c\"", letters[change->op]);
    return has(rest, op) && is_source_of(oracle, change, rest);
}

static void fail_record(struct tr_oracle *oracle, struct tr_span stream, struct tr_span key,
                        struct tr_span data, const char *what)
{
    const size_t head_bytes = data.bytes < 150 ? data.bytes : 150;
    const size_t tail_bytes = data.bytes - head_bytes < 250 ? data.bytes - head_bytes : 250;
    fail(oracle, "stream %.*s key %.*s: %s (%zu bytes): %.*s … %.*s", (int)stream.bytes,
         (const char *)stream.data, key.bytes < 80 ? (int)key.bytes : 80, (const char *)key.data,
         what, data.bytes, (int)head_bytes, (const char *)data.data, (int)tail_bytes,
         (const char *)data.data + data.bytes - tail_bytes);
}

/* --- lives and positions ------------------------------------------------------------------------
 */

static uint32_t changes_before(const struct tr_oracle *oracle, int64_t row)
{
    uint32_t low = 0;
    uint32_t high = oracle->log->change_count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (oracle->log->changes[middle].row < row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void tr_oracle_begin_life(struct tr_oracle *oracle, const struct tr_saved_position *position)
{
    char why[TR_MODEL_WHY_BYTES];
    catch_up(oracle);
    oracle->saved_row = position == NULL ? 0 : tr_model_log_rows_before(oracle->log, position, why);
    if (oracle->saved_row < 0) {
        fail(oracle, "the engine starts at a position where reading cannot begin: %s", why);
        return;
    }
    oracle->saved_change = changes_before(oracle, oracle->saved_row);
    for (struct tr_oracle_key *key = oracle->newest; key != NULL; key = key->older) {
        key->head = 0;
        while (key->head < key->item_count &&
               (key->items[key->head].is_read ||
                key->items[key->head].change < oracle->saved_change)) {
            key->head++;
        }
        key->flight = 0;
        key->late_count = 0;
    }
}

void tr_oracle_saved(struct tr_oracle *oracle, const struct tr_saved_position *position)
{
    char why[TR_MODEL_WHY_BYTES];
    catch_up(oracle);
    const int64_t row = tr_model_log_rows_before(oracle->log, position, why);
    if (row < 0) {
        fail(oracle, "a position was saved where reading cannot begin: %s", why);
        return;
    }
    if (row < oracle->saved_row) {
        fail(oracle, "the saved position moved back from row %lld to row %lld",
             (long long)oracle->saved_row, (long long)row);
        return;
    }
    oracle->saved_row = row;
    if (!oracle_may_save(oracle, position)) {
        return;
    }
    const uint32_t end = changes_before(oracle, row);
    for (; oracle->saved_change < end; oracle->saved_change++) {
        const struct tr_model_change *change = &oracle->log->changes[oracle->saved_change];
        if ((oracle->tables >> change->table & 1) == 0) {
            continue;
        }
        const struct tr_oracle_key *key = oracle->change_keys[oracle->saved_change];
        if (key->head < key->item_count && key->items[key->head].change <= oracle->saved_change) {
            fail(oracle,
                 "a position behind row %u was saved (%s:%llu, %llu events, %llu rows), but change "
                 "%u of t%u key %.*s is not acknowledged",
                 change->row, position->point.file, (unsigned long long)position->point.pos,
                 (unsigned long long)position->point.event_count,
                 (unsigned long long)position->point.row_count, oracle->saved_change, change->table,
                 (int)key->text_bytes, key->text);
            return;
        }
    }
}

/* --- requests -----------------------------------------------------------------------------------
 */

uint32_t tr_oracle_sent(struct tr_oracle *oracle, struct tr_oracle_key *key, struct tr_span stream,
                        struct tr_span key_text, struct tr_span data)
{
    if (key_text.bytes > KEY_BYTES_MAX) {
        fail_record(oracle, stream, key_text, data, "a partition key of more than 256 characters");
    }
    const uint32_t index = key->head + key->flight;
    if (index >= key->item_count || !tr_oracle_is_record(oracle, &key->items[index], data)) {
        char what[120];
        (void)snprintf(what, sizeof(what),
                       "not the record that is next (item %u of %u, head %u) is sent", index,
                       key->item_count, key->head);
        fail_record(oracle, stream, key_text, data, what);
        return TR_ORACLE_NO_ITEM;
    }
    key->flight++;
    if (key->flight > 1 && !key->is_hot && key->item_count - key->head <= TR_SHIPPER_HOT_RECORDS) {
        fail_record(oracle, stream, key_text, data, "several records of a key that is not hot");
    }
    key->is_hot = key->is_hot || key->flight > 1;
    return index;
}

void tr_oracle_settled(struct tr_oracle *oracle, struct tr_oracle_key *key, uint32_t good_count)
{
    const uint32_t sent_count = key->flight;
    key->flight = 0;
    key->head += good_count;
    if (good_count > 0 && good_count == sent_count && key->late_count == 0 &&
        key->last <
            (int64_t)key->head - 1) { /* a later one: given up, and still to be sent again */
        fail(oracle,
             "stream %u key %.*s: all up to item %u is acknowledged, but item %lld is the last one "
             "visible",
             key->stream, (int)key->text_bytes, key->text, key->head - 1, (long long)key->last);
    }
}

/* --- visible records ----------------------------------------------------------------------------
 */

void tr_oracle_see(struct tr_oracle *oracle, struct tr_oracle_key *key, uint32_t item,
                   struct tr_span stream, struct tr_span key_text)
{
    oracle->record_count++;
    oracle->duplicate_count += key->items[item].seen;
    key->items[item].seen = true;
    if (!key->is_hot) {
        if (item > key->seen_count) {
            fail(oracle,
                 "stream %.*s key %.*s: item %u became visible, but %u of what is before it",
                 (int)stream.bytes, (const char *)stream.data, (int)key_text.bytes,
                 (const char *)key_text.data, item, key->seen_count);
        } else if ((int64_t)item > key->last + 1) {
            fail(oracle, "stream %.*s key %.*s: a replay left out items %lld..%u",
                 (int)stream.bytes, (const char *)stream.data, (int)key_text.bytes,
                 (const char *)key_text.data, (long long)key->last + 1, item - 1);
        }
    }
    while (key->seen_count < key->item_count && key->items[key->seen_count].seen) {
        key->seen_count++;
    }
    key->last = item;
}

bool tr_oracle_is_complete(struct tr_oracle *oracle, uint32_t tables, bool say)
{
    catch_up(oracle);
    for (const struct tr_oracle_key *key = oracle->newest; key != NULL; key = key->older) {
        if ((tables & oracle->tables & 1u << key->stream) == 0 ||
            (key->seen_count == key->item_count && key->head == key->item_count &&
             key->last == (int64_t)key->item_count - 1)) {
            continue;
        }
        if (say) {
            fail(oracle,
                 "stream %u key %.*s: of %u items %u were seen, %u acknowledged, item %lld is the "
                 "last one visible",
                 key->stream, (int)key->text_bytes, key->text, key->item_count, key->seen_count,
                 key->head, (long long)key->last);
        }
        return false;
    }
    return true;
}
