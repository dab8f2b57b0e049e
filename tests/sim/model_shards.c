// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/model_shards.h"

#include <stdio.h>

#include "engine/assert.h"
#include "engine/clock.h"

#define KEY_DIGITS_MAX 40

void tr_model_shards_init(struct tr_model_shards *shards, uint32_t count, uint32_t rate)
{
    *shards = (struct tr_model_shards){.count = count, .rate = rate};
    const tr_hash_key step = TR_HASH_KEY_MAX / count + 1;
    for (uint32_t i = 0; i < count; i++) {
        shards->shards[i].first_key = count == 1 ? 0 : step * i;
        shards->shards[i].last_key = i + 1 == count ? TR_HASH_KEY_MAX : step * (i + 1) - 1;
        shards->shards[i].tokens = rate;
    }
}

static struct tr_model_shard *add(struct tr_model_shards *shards, tr_hash_key first_key,
                                  tr_hash_key last_key)
{
    struct tr_model_shard *shard = &shards->shards[shards->count++];
    *shard = (struct tr_model_shard){
        .first_key = first_key, .last_key = last_key, .tokens = shards->rate};
    return shard;
}

static uint32_t find(const struct tr_model_shards *shards, tr_hash_key key)
{
    uint32_t i = 0;
    while (shards->shards[i].is_closed || key < shards->shards[i].first_key ||
           key > shards->shards[i].last_key) {
        i++;
        TR_ASSERT(i < shards->count);
    }
    return i;
}

void tr_model_shards_change(struct tr_model_shards *shards, struct tr_random *random)
{
    if (shards->count + 2 > TR_MODEL_SHARDS_MAX) {
        return;
    }
    uint32_t index = tr_random_below(random, shards->count);
    while (shards->shards[index].is_closed) {
        index = (index + 1) % shards->count;
    }
    struct tr_model_shard *shard = &shards->shards[index];
    const bool merges = tr_random_chance(random, 400) && shard->last_key != TR_HASH_KEY_MAX;
    shard->is_closed = true;
    if (merges) {
        struct tr_model_shard *next = &shards->shards[find(shards, shard->last_key + 1)];
        next->is_closed = true;
        (void)add(shards, shard->first_key, next->last_key);
    } else {
        const tr_hash_key middle = shard->first_key + (shard->last_key - shard->first_key) / 2;
        (void)add(shards, shard->first_key, middle);
        (void)add(shards, middle + 1, shard->last_key);
    }
}

bool tr_model_shards_take(struct tr_model_shards *shards, tr_hash_key key, int64_t now_ns,
                          uint32_t *shard)
{
    *shard = find(shards, key);
    struct tr_model_shard *entry = &shards->shards[*shard];
    if (shards->rate == 0) {
        return true;
    }
    const double passed_s = (double)(now_ns - entry->filled_ns) / (double)TR_NS_PER_S;
    entry->filled_ns = now_ns;
    entry->tokens += passed_s * shards->rate;
    entry->tokens = entry->tokens < shards->rate ? entry->tokens : shards->rate;
    if (entry->tokens < 1) {
        return false;
    }
    entry->tokens -= 1;
    return true;
}

static void print_key(tr_hash_key key, char *out)
{
    char digits[KEY_DIGITS_MAX];
    uint32_t count = 0;
    do {
        digits[count++] = (char)('0' + (int)(key % 10));
        key /= 10;
    } while (key > 0);
    for (uint32_t i = 0; i < count; i++) {
        out[i] = digits[count - 1 - i];
    }
    out[count] = '\0';
}

void tr_model_shards_list(const struct tr_model_shards *shards, uint32_t from, uint32_t count_max,
                          uint32_t table, struct tr_buffer *out)
{
    char text[400];
    char first[KEY_DIGITS_MAX];
    char last[KEY_DIGITS_MAX];
    const uint32_t end = shards->count - from < count_max ? shards->count : from + count_max;
    tr_buffer_append(out, "{\"Shards\":[", 11);
    for (uint32_t i = from; i < end; i++) {
        print_key(shards->shards[i].first_key, first);
        print_key(shards->shards[i].last_key, last);
        const int bytes =
            snprintf(text, sizeof(text),
                     "%s{\"ShardId\":\"shardId-%012u\",\"HashKeyRange\":{\"StartingHashKey\":\"%"
                     "s\",\"EndingHashKey\":"
                     "\"%s\"},\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"1\"%s}}",
                     i == from ? "" : ",", i, first, last,
                     shards->shards[i].is_closed ? ",\"EndingSequenceNumber\":\"2\"" : "");
        tr_buffer_append(out, text, (size_t)bytes);
    }
    (void)snprintf(text, sizeof(text), "],\"NextToken\":\"%u-%u\"}", end, table);
    const char *tail = end < shards->count ? text : "]}";
    tr_buffer_append(out, tail, strlen(tail));
}

uint32_t tr_model_shards_open_count(const struct tr_model_shards *shards)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < shards->count; i++) {
        count += !shards->shards[i].is_closed;
    }
    return count;
}
