// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/history_check.h"

#include <stdio.h>
#include <string.h>

#include "engine/assert.h"

bool tr_history_check_covers(struct tr_history_check *check,
                             const struct tr_saved_position *position,
                             const struct tr_model_effect **missed)
{
    const struct tr_model_log *log = check->log;
    const struct tr_buffer *text = &check->history->text;
    const uint32_t groups = tr_model_log_groups_before(log, position);
    char wanted[TR_MODEL_STATEMENT_BYTES + 40];

    for (; check->safe_effects < log->effect_count &&
           log->effects[check->safe_effects].transaction < groups;
         check->safe_effects++) {
        *missed = &log->effects[check->safe_effects];
        const int bytes =
            snprintf(wanted, sizeof(wanted), "\"ddl\":\"%s\",\"tableChanges\":", (*missed)->ddl);
        TR_ASSERT(check->safe_bytes <= text->used);
        const size_t left_bytes = text->used - check->safe_bytes;
        const uint8_t *from = text->bytes + check->safe_bytes;
        const uint8_t *at =
            left_bytes == 0 ? NULL : memmem(from, left_bytes, wanted, (size_t)bytes);
        if (at == NULL) {
            return false;
        }
        check->safe_bytes += (size_t)(at - from) + (size_t)bytes;
    }
    return true;
}

/* --- damage -------------------------------------------------------------------------------------
 */

/* Bytes of the first `count` documents; of all, when there are fewer. */
static size_t bytes_of(const struct tr_buffer *text, uint64_t count)
{
    size_t at = 0;
    while (count > 0 && at < text->used) {
        const uint8_t *end = memchr(text->bytes + at, '\n', text->used - at);
        TR_ASSERT(end != NULL);
        at = (size_t)(end - text->bytes) + 1;
        count--;
    }
    return at;
}

static uint64_t count_of(const struct tr_buffer *text)
{
    uint64_t count = 0;
    for (size_t i = 0; i < text->used; i++) {
        count += text->bytes[i] == '\n';
    }
    return count;
}

static void remove_bytes(struct tr_buffer *text, size_t from, size_t to)
{
    memmove(text->bytes + from, text->bytes + to, text->used - to);
    text->used -= to - from;
}

/* Another column, type or table: a letter of the document, which may also break its JSON. */
static void edit(struct tr_buffer *text, struct tr_random *random, size_t from, size_t to)
{
    static const char *const words[] = {"\"name\":\"", "\"position\":", "ADD COLUMN ",
                                        "typeName\":\""};
    const char *word = words[tr_random_below(random, 4)];
    const uint8_t *found = memmem(text->bytes + from, to - from, word, strlen(word));
    const size_t at = found == NULL ? from + tr_random_below(random, (uint32_t)(to - from - 1))
                                    : (size_t)(found - text->bytes) + strlen(word);
    text->bytes[at] = text->bytes[at] == 'x' ? 'y' : 'x';
}

bool tr_history_check_damage(struct tr_history_check *check, struct tr_random *random,
                             const struct tr_history_seal *seal, bool *is_sealed)
{
    struct tr_buffer *text = &check->history->text;
    const uint64_t count = count_of(text);

    if (count == 0) {
        return false;
    }
    check->backup.used = 0;
    tr_buffer_append(&check->backup, text->bytes, text->used);
    check->backup_count = check->history->document_count;
    const uint64_t first = tr_random_below(random, (uint32_t)count);
    const size_t from = bytes_of(text, first);
    const size_t to = bytes_of(text, first + 1);
    /* Behind the seal an edited text is anybody's: only what is lost there comes again. */
    switch (tr_random_below(random, first < seal->document_count ? 4 : 2)) {
    case 0: /* cut off its end */
        text->used = from;
        break;
    case 1: /* one is gone */
        remove_bytes(text, from, to);
        break;
    case 2:
        edit(text, random, from, to);
        break;
    default: /* the end of a line is gone: two run together, or one is not whole */
        remove_bytes(text, from + 1 + tr_random_below(random, (uint32_t)(to - from - 1)), to - 1);
        break;
    }
    check->history->document_count = count_of(text);
    const size_t sealed_bytes = bytes_of(&check->backup, seal->document_count);
    *is_sealed =
        text->used < sealed_bytes || memcmp(text->bytes, check->backup.bytes, sealed_bytes) != 0;
    return true;
}

void tr_history_check_restore(struct tr_history_check *check)
{
    struct tr_model_history *history = check->history;
    history->text.used = 0;
    tr_buffer_append(&history->text, check->backup.bytes, check->backup.used);
    history->document_count = check->backup_count;
    history->command = TR_MODEL_HISTORY_IDLE;
    history->given_bytes = 0;
    history->is_loaded = false;
}

void tr_history_check_deinit(struct tr_history_check *check)
{
    tr_buffer_free(&check->backup);
}
