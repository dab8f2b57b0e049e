// SPDX-License-Identifier: Apache-2.0
#include "bench/kinesis/judge.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/assert.h"

#define KEY_SLOTS_FIRST (1u << 16)

struct tr_judge_key {
    uint64_t hash[2]; /* MD5 of stream and key; all zero = free */
    uint64_t highest; /* highest counter seen */
    uint64_t last;    /* counter of the last record, inside a replay lower than highest */
    uint64_t holes;   /* bit i: highest - 1 - i was skipped and has not come */
};

void tr_judge_deinit(struct tr_judge *judge)
{
    free(judge->keys);
    judge->keys = NULL;
    judge->slot_count = 0;
}

static struct tr_judge_key *find_slot(struct tr_judge_key *keys, uint64_t slot_count,
                                      const uint64_t hash[2])
{
    uint64_t slot = hash[0] & (slot_count - 1);
    while ((keys[slot].hash[0] | keys[slot].hash[1]) !=
               0 && /* bounded: the table is at most half full */
           (keys[slot].hash[0] != hash[0] || keys[slot].hash[1] != hash[1])) {
        slot = (slot + 1) & (slot_count - 1);
    }
    return &keys[slot];
}

static void grow(struct tr_judge *judge)
{
    const uint64_t slot_count = judge->slot_count == 0 ? KEY_SLOTS_FIRST : judge->slot_count * 2;
    struct tr_judge_key *keys = calloc(slot_count, sizeof(*keys));
    TR_ASSERT(keys != NULL);
    for (uint64_t i = 0; i < judge->slot_count; i++) {
        if ((judge->keys[i].hash[0] | judge->keys[i].hash[1]) != 0) {
            *find_slot(keys, slot_count, judge->keys[i].hash) = judge->keys[i];
        }
    }
    free(judge->keys);
    judge->keys = keys;
    judge->slot_count = slot_count;
}

/* The counter: the number behind "COLUMN": after `"after":{`, or after `"before":{` when there is
 * no after image. */
static bool find_counter(const struct tr_judge *judge, struct tr_span data, uint64_t *counter)
{
    char member[80];
    const int member_bytes = snprintf(member, sizeof(member), "\"%s\":", judge->counter_column);
    const uint8_t *image = memmem(data.data, data.bytes, "\"after\":{", 9);
    if (image == NULL) {
        image = memmem(data.data, data.bytes, "\"before\":{", 10);
    }
    if (image == NULL) {
        return false;
    }
    const uint8_t *end = data.data + data.bytes;
    const uint8_t *at = memmem(image, (size_t)(end - image), member, (size_t)member_bytes);
    if (at == NULL) {
        return false;
    }
    at += member_bytes;
    const uint8_t *first_digit = at;
    *counter = 0;
    while (at < end && *at >= '0' && *at <= '9') {
        *counter = *counter * 10 + (uint64_t)(*at++ - '0');
    }
    return at > first_digit;
}

static struct tr_judge_key *key_of(struct tr_judge *judge, struct tr_span stream,
                                   struct tr_span key)
{
    uint64_t hash[2];
    uint8_t digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    TR_ASSERT(context != NULL);
    const int digested =
        EVP_DigestInit_ex(context, EVP_md5(), NULL) &
        EVP_DigestUpdate(context, stream.data, stream.bytes) & EVP_DigestUpdate(context, "", 1) &
        EVP_DigestUpdate(context, key.data, key.bytes) & EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    TR_ASSERT(digested == 1);
    memcpy(hash, digest, sizeof(hash));
    if ((judge->key_count + 1) * 2 > judge->slot_count) {
        grow(judge);
    }
    struct tr_judge_key *entry = find_slot(judge->keys, judge->slot_count, hash);
    if ((entry->hash[0] | entry->hash[1]) == 0) {
        memcpy(entry->hash, hash, sizeof(hash));
        judge->key_count++;
    }
    return entry;
}

static void note_violation(struct tr_judge *judge, struct tr_span key,
                           const struct tr_judge_key *entry, uint64_t counter)
{
    judge->order_violation_count++;
    if (judge->first_violation[0] == '\0') {
        (void)snprintf(judge->first_violation, sizeof(judge->first_violation),
                       "key %.*s: %" PRIu64 " came after %" PRIu64,
                       (int)(key.bytes < 150 ? key.bytes : 150), (const char *)key.data, counter,
                       entry->highest);
    }
}

static void judge_seen_again(struct tr_judge *judge, struct tr_span key, struct tr_judge_key *entry,
                             uint64_t counter)
{
    const uint64_t distance = entry->highest - counter;
    if (distance >= 1 && distance <= 64 && (entry->holes >> (distance - 1) & 1) != 0) {
        entry->holes &= ~(UINT64_C(1) << (distance - 1));
        judge->skipped_count--;
        note_violation(judge, key, entry, counter);
        entry->last = entry->highest; /* late, not a replay */
    } else {
        judge->duplicate_count++;
        if (entry->last < entry->highest && counter > entry->last + 1) {
            judge->replay_jump_count++;
        }
        entry->last = counter;
    }
}

static void judge_new(struct tr_judge *judge, struct tr_judge_key *entry, uint64_t counter)
{
    const uint64_t expected = entry->highest != 0         ? entry->highest + 1
                              : judge->first_counter != 0 ? judge->first_counter
                                                          : counter;
    const uint64_t skipped = counter - (expected < counter ? expected : counter);
    const uint64_t step = counter - entry->highest;
    judge->skipped_count += skipped;
    entry->holes = step >= 64 ? 0 : entry->holes << step;
    for (uint64_t i = 0; i < skipped && i < 64; i++) {
        entry->holes |= UINT64_C(1) << i;
    }
    if (entry->last < entry->highest && entry->highest != 0) {
        judge->replay_jump_count++; /* left the replay before its end */
    }
    entry->highest = counter;
    entry->last = counter;
}

void tr_judge_record(struct tr_judge *judge, struct tr_span stream, struct tr_span key,
                     struct tr_span data)
{
    uint64_t counter;
    if (judge->counter_column[0] == '\0' || data.bytes == 0 ||
        !find_counter(judge, data, &counter) || counter == 0) {
        judge->uncounted_count++;
        return;
    }
    struct tr_judge_key *entry = key_of(judge, stream, key);
    judge->record_count++;
    if (counter <= entry->highest) {
        judge_seen_again(judge, key, entry, counter);
    } else {
        judge_new(judge, entry, counter);
    }
}
