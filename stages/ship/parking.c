// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/parking.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/pool.h"

#define PAGE_NONE UINT32_MAX
#define SLACK_BYTES 64 /* readers may look beyond the last byte */
#define HEAD_BYTES sizeof(struct tr_fragment)

enum tr_code tr_parking_open(struct tr_parking *parking, uint64_t bytes, struct tr_error *err)
{
    uint64_t pages = bytes / TR_PARKING_PAGE_BYTES;
    pages = pages < 1 ? 1 : pages;
    pages = pages > TR_PARKING_PAGES_MAX ? TR_PARKING_PAGES_MAX : pages;
    *parking = (struct tr_parking){.page_count = (uint32_t)pages, .open_page = PAGE_NONE};
    parking->memory = tr_memory_map(pages * TR_PARKING_PAGE_BYTES, err);
    parking->live = calloc(pages, sizeof(*parking->live));
    parking->run = calloc(pages, sizeof(*parking->run));
    if (parking->memory == NULL || parking->live == NULL || parking->run == NULL) {
        tr_parking_close(parking);
        return TR_FAIL(
            err, TR_ERR_SYSTEM, TR_STOP,
            "parking buffer of %llu bytes: the system refused the memory: lower it or add memory",
            (unsigned long long)bytes);
    }
    return TR_OK;
}

void tr_parking_close(struct tr_parking *parking)
{
    tr_memory_unmap(parking->memory, (size_t)parking->page_count * TR_PARKING_PAGE_BYTES);
    free(parking->live);
    free(parking->run);
    *parking = (struct tr_parking){0};
}

static struct tr_fragment *head_of(const struct tr_parking *parking, uint32_t page)
{
    return (struct tr_fragment *)(void *)(parking->memory + (size_t)page * TR_PARKING_PAGE_BYTES);
}

/* The first run of `count` free pages, taken; PAGE_NONE when there is none. */
static uint32_t take_run(struct tr_parking *parking, uint32_t count)
{
    uint32_t first = 0;

    while (first + count <= parking->page_count) {
        uint32_t free_count = 0;
        while (free_count < count && parking->run[first + free_count] == 0) {
            free_count++;
        }
        if (free_count == count) {
            struct tr_fragment *head = head_of(parking, first);
            head->magic = TR_FRAGMENT_MAGIC;
            head->low_bytes = 0;
            head->room_bytes = (uint32_t)(count * TR_PARKING_PAGE_BYTES - HEAD_BYTES - SLACK_BYTES);
            parking->run[first] = count;
            parking->live[first] = 0;
            parking->used_count += count;
            return first;
        }
        first += free_count + parking->run[first + free_count];
    }
    return PAGE_NONE;
}

static void free_run(struct tr_parking *parking, uint32_t page)
{
    const uint32_t count = parking->run[page];

    parking->run[page] = 0;
    parking->used_count -= count;
    tr_memory_discard(head_of(parking, page), (size_t)count * TR_PARKING_PAGE_BYTES);
}

static size_t need_bytes(const struct tr_record *record)
{
    const size_t bytes = sizeof(*record) + record->key_bytes + record->value_bytes;

    return (bytes + alignof(struct tr_record) - 1) / alignof(struct tr_record) *
           alignof(struct tr_record);
}

struct tr_record *tr_parking_copy(struct tr_parking *parking, const struct tr_record *record)
{
    const size_t bytes = need_bytes(record);
    uint32_t page = parking->open_page;

    if (page == PAGE_NONE ||
        head_of(parking, page)->room_bytes - head_of(parking, page)->low_bytes < bytes) {
        const size_t run_bytes = HEAD_BYTES + SLACK_BYTES + bytes;
        const size_t pages = (run_bytes + TR_PARKING_PAGE_BYTES - 1) / TR_PARKING_PAGE_BYTES;
        const uint32_t taken = take_run(parking, (uint32_t)pages);
        if (taken == PAGE_NONE) {
            return NULL;
        }
        if (pages == 1) { /* a larger run is full with its one record */
            parking->open_page = taken;
        }
        page = taken;
    }
    struct tr_fragment *head = head_of(parking, page);
    struct tr_record *copy = (struct tr_record *)(void *)(head->bytes + head->low_bytes);
    *copy = *record;
    copy->fragment = head;
    copy->key_at = head->low_bytes + (uint32_t)sizeof(*copy);
    copy->value_at = copy->key_at + record->key_bytes;
    if (record->key_bytes > 0) {
        memcpy(head->bytes + copy->key_at, tr_record_key(record), record->key_bytes);
    }
    if (record->value_bytes > 0) {
        memcpy(head->bytes + copy->value_at, tr_record_value(record), record->value_bytes);
    }
    head->low_bytes += (uint32_t)bytes;
    parking->live[page]++;
    return copy;
}

void tr_parking_release(struct tr_parking *parking, const struct tr_record *record)
{
    const size_t offset = (size_t)((const uint8_t *)record->fragment - parking->memory);
    const uint32_t page = (uint32_t)(offset / TR_PARKING_PAGE_BYTES);

    TR_ASSERT(page < parking->page_count);
    TR_ASSERT(parking->run[page] > 0);
    TR_ASSERT(parking->live[page] > 0);
    parking->live[page]--;
    if (parking->live[page] == 0) {
        if (page == parking->open_page) {
            parking->open_page = PAGE_NONE;
        }
        free_run(parking, page);
    }
}
