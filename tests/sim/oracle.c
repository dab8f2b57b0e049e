// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/assert.h"

void tr_oracle_init(struct tr_oracle *oracle, const struct tr_model_source *source)
{
    *oracle = (struct tr_oracle){.source = source};
    for (uint32_t t = 0; t < TR_MODEL_TABLES_MAX; t++) {
        for (uint32_t k = 0; k < TR_MODEL_KEYS_MAX; k++) {
            oracle->keys[t][k].last = -1;
        }
    }
}

void tr_oracle_deinit(struct tr_oracle *oracle)
{
    for (uint32_t t = 0; t < TR_MODEL_TABLES_MAX; t++) {
        for (uint32_t k = 0; k < TR_MODEL_KEYS_MAX; k++) {
            free(oracle->keys[t][k].items);
        }
    }
}

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

static void add_item(struct tr_oracle_key *key, int op, uint32_t n)
{
    if (key->item_count == key->items_room) {
        key->items_room = key->items_room * 2 + 16;
        key->items = realloc(key->items, key->items_room * sizeof(*key->items));
        TR_ASSERT(key->items != NULL);
    }
    key->items[key->item_count++] = (struct tr_oracle_item){.op = (uint8_t)op, .n = n};
}

/* Takes over what the source has committed since. */
static void catch_up(struct tr_oracle *oracle)
{
    for (; oracle->change_count < oracle->source->change_count; oracle->change_count++) {
        const struct tr_model_change *change = &oracle->source->changes[oracle->change_count];
        struct tr_oracle_key *key = &oracle->keys[change->table][change->key];
        add_item(key, change->op, change->n);
        if (change->op == TR_ORACLE_DELETE) {
            add_item(key, TR_ORACLE_TOMBSTONE, change->n);
        }
    }
}

/* The number behind `name` from `at` on. */
static bool find_number(struct tr_span text, const char *name, uint32_t *number)
{
    const uint8_t *at = memmem(text.data, text.bytes, name, strlen(name));
    if (at == NULL) {
        return false;
    }
    char digits[12] = {0};
    at += strlen(name);
    const size_t left = (size_t)(text.data + text.bytes - at);
    memcpy(digits, at, left < sizeof(digits) - 1 ? left : sizeof(digits) - 1);
    *number = (uint32_t)strtoul(digits, NULL, 10);
    return true;
}

static struct tr_oracle_key *find_key(struct tr_oracle *oracle, struct tr_span stream,
                                      struct tr_span key)
{
    uint32_t id;
    const uint32_t table =
        stream.bytes == 0 ? UINT32_MAX : (uint32_t)(stream.data[stream.bytes - 1] - '0');
    if (table >= TR_MODEL_TABLES_MAX || !find_number(key, "\"id\":", &id) ||
        id >= TR_MODEL_KEYS_MAX) {
        fail(oracle, "a record of stream %.*s with key %.*s: not one of the model's",
             (int)stream.bytes, (const char *)stream.data, (int)key.bytes, (const char *)key.data);
        return NULL;
    }
    return &oracle->keys[table][id];
}

void tr_oracle_note_hot(struct tr_oracle *oracle, struct tr_span stream, struct tr_span key)
{
    struct tr_oracle_key *entry = find_key(oracle, stream, key);
    if (entry != NULL) {
        entry->is_hot = true;
    }
}

/* Which of the key's items a record is; -1 = none of them. */
static int64_t identify(const struct tr_oracle_key *key, struct tr_span data)
{
    uint32_t n;
    if (data.bytes == 0) { /* a tombstone: the one behind the last record, or that one again */
        for (int64_t i = key->last + 1; i >= 0 && i >= key->last; i--) {
            if (i < key->item_count && key->items[i].op == TR_ORACLE_TOMBSTONE) {
                return i;
            }
        }
        /* Of a hot key, entries of one request may show without those before them: an unseen one first, else any. */
        int64_t seen = -1;
        for (int64_t i = 0; key->is_hot && i < key->item_count; i++) {
            if (key->items[i].op == TR_ORACLE_TOMBSTONE && !key->items[i].seen) {
                return i;
            }
            seen = key->items[i].op == TR_ORACLE_TOMBSTONE && i <= key->last ? i : seen;
        }
        if (seen >= 0) {
            return seen;
        }
        return -1;
    }
    const uint8_t *op_text = memmem(data.data, data.bytes, "\"op\":\"", 6);
    if (op_text == NULL) {
        return -1;
    }
    const uint8_t letter = op_text[6];
    const int op = letter == 'c'   ? TR_ORACLE_INSERT
                   : letter == 'u' ? TR_ORACLE_UPDATE
                                   : TR_ORACLE_DELETE;
    const char *image = op == TR_ORACLE_DELETE ? "\"before\":{" : "\"after\":{";
    const uint8_t *at = memmem(data.data, data.bytes, image, strlen(image));
    if (at == NULL ||
        !find_number(tr_span_of(at, (size_t)(data.data + data.bytes - at)), "\"n\":", &n)) {
        return -1;
    }
    for (int64_t i = 0; i < key->item_count; i++) {
        if (key->items[i].op == op && key->items[i].n == n) {
            return i;
        }
    }
    return -1;
}

void tr_oracle_see(struct tr_oracle *oracle, struct tr_span stream, struct tr_span key_text,
                   struct tr_span data)
{
    catch_up(oracle);
    struct tr_oracle_key *key = find_key(oracle, stream, key_text);
    if (key == NULL) {
        return;
    }
    oracle->record_count++;
    const int64_t index = identify(key, data);
    if (index < 0) {
        fail(oracle,
             "stream %.*s key %.*s: a record that was never committed (%zu bytes, after item %lld "
             "of %u): %.*s",
             (int)stream.bytes, (const char *)stream.data, (int)key_text.bytes,
             (const char *)key_text.data, data.bytes, (long long)key->last, key->item_count,
             data.bytes < 200 ? (int)data.bytes : 200, (const char *)data.data);
        return;
    }
    oracle->duplicate_count += key->items[index].seen;
    key->items[index].seen = true;
    if (!key->is_hot) {
        if (index > key->seen_count) {
            fail(oracle,
                 "stream %.*s key %.*s: item %lld became visible, but %u of what is before it",
                 (int)stream.bytes, (const char *)stream.data, (int)key_text.bytes,
                 (const char *)key_text.data, (long long)index, key->seen_count);
        } else if (index > key->last + 1) {
            fail(oracle, "stream %.*s key %.*s: a replay left out items %lld..%lld",
                 (int)stream.bytes, (const char *)stream.data, (int)key_text.bytes,
                 (const char *)key_text.data, (long long)key->last + 1, (long long)index - 1);
        }
    }
    if (index == key->seen_count) {
        key->seen_count++;
    }
    key->last = index;
}

bool tr_oracle_is_complete(struct tr_oracle *oracle, bool say)
{
    catch_up(oracle);
    for (uint32_t t = 0; t < TR_MODEL_TABLES_MAX; t++) {
        for (uint32_t k = 0; k < TR_MODEL_KEYS_MAX; k++) {
            const struct tr_oracle_key *key = &oracle->keys[t][k];
            for (uint32_t i = 0; i < key->item_count; i++) {
                if (!key->items[i].seen) {
                    if (say) {
                        fail(oracle, "table t%u key %u: item %u of %u never arrived", t, k, i,
                             key->item_count);
                    }
                    return false;
                }
            }
            if (key->item_count > 0 && key->last != (int64_t)key->item_count - 1) {
                if (say) {
                    fail(oracle,
                         "table t%u key %u: ends with item %lld, not with the last one (%u)", t, k,
                         (long long)key->last, key->item_count - 1);
                }
                return false;
            }
        }
    }
    return true;
}
