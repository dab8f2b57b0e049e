// SPDX-License-Identifier: Apache-2.0
#include "offsets/gtid.h"

#include <stdlib.h>

#include "offsets/decimal.h"

#define SOURCE_SLOT_COUNT (2u * TR_GTID_SOURCES_MAX) /* power of two, at most half full */

struct tr_gtid_sources {
    uint32_t count;
    uint16_t slots[SOURCE_SLOT_COUNT]; /* index + 1 of an entry; 0 = free */
    struct tr_gtid_source entries[TR_GTID_SOURCES_MAX];
};

/* --- sources --- */

enum tr_code tr_gtid_sources_open(struct tr_gtid_sources **sources, struct tr_error *err)
{
    *sources = calloc(1, sizeof(**sources));
    if (*sources == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "memory for the table of GTID sources = %zu bytes: refused by the system",
                       sizeof(**sources));
    }
    return TR_OK;
}

void tr_gtid_sources_close(struct tr_gtid_sources *sources)
{
    free(sources);
}

static uint32_t hash_slot(uint64_t low, uint64_t high, struct tr_span tag)
{
    uint64_t hash = low * UINT64_C(0x9e3779b97f4a7c15) ^ high * UINT64_C(0xc2b2ae3d27d4eb4f);

    for (size_t i = 0; i < tag.bytes; i++) {
        hash = (hash ^ tag.data[i]) * UINT64_C(0x100000001b3);
    }
    hash ^= hash >> 32;
    return (uint32_t)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (SOURCE_SLOT_COUNT - 1);
}

/* A free entry, linked into `slot`; NULL with err when all are taken. */
static struct tr_gtid_source *source_make(struct tr_gtid_sources *sources, uint32_t slot,
                                          struct tr_error *err)
{
    if (sources->count == TR_GTID_SOURCES_MAX) {
        (void)TR_FAIL(err, TR_ERR_MEMORY_LIMIT, TR_STOP,
                      "GTID sources (uuid and tag, or domain) = %u: the most this version keeps; "
                      "restart it, and reduce the number of tags or domains in use",
                      TR_GTID_SOURCES_MAX);
        return NULL;
    }
    struct tr_gtid_source *source = &sources->entries[sources->count];

    source->index = sources->count;
    sources->count++;
    sources->slots[slot] = (uint16_t)sources->count;
    return source;
}

/* "aea691b3-e646-11f1-8b4e-02fc00000001:" and the tag with its colon. */
static void mysql_prefix_write(struct tr_gtid_source *source, struct tr_span tag)
{
    static const char hex[] = "0123456789abcdef";
    char *out = source->prefix;

    for (size_t i = 0; i < sizeof(source->uuid); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        *out++ = hex[source->uuid[i] >> 4];
        *out++ = hex[source->uuid[i] & 15];
    }
    *out++ = ':';
    if (tag.bytes != 0) {
        memcpy(out, tag.data, tag.bytes);
        out += tag.bytes;
        *out++ = ':';
    }
    source->prefix_bytes = (uint32_t)(out - source->prefix);
}

static bool tag_is_valid(struct tr_span tag)
{
    if (tag.bytes > TR_GTID_TAG_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < tag.bytes; i++) {
        const uint8_t c = tag.data[i];
        const bool is_letter = (c >= 'a' && c <= 'z') || c == '_';

        if (!is_letter && !(i > 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }
    return true;
}

const struct tr_gtid_source *tr_gtid_source_mysql(struct tr_gtid_sources *sources,
                                                  const uint8_t *uuid, struct tr_span tag,
                                                  struct tr_error *err)
{
    if (!tag_is_valid(tag)) {
        (void)TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                      "GTID tag of %zu bytes: wanted up to %d of a-z, 0-9 and _, not beginning "
                      "with a digit",
                      tag.bytes, TR_GTID_TAG_BYTES_MAX);
        return NULL;
    }
    uint32_t slot = hash_slot(tr_load_u64(uuid), tr_load_u64(uuid + 8), tag);

    while (sources->slots[slot] != 0) { /* ends: at most half of the slots are taken */
        const struct tr_gtid_source *seen = &sources->entries[sources->slots[slot] - 1];

        if (seen->flavor == TR_FLAVOR_MYSQL && memcmp(seen->uuid, uuid, sizeof(seen->uuid)) == 0 &&
            tr_span_equals(tr_span_of_text(seen->tag), tag)) {
            return seen;
        }
        slot = (slot + 1) & (SOURCE_SLOT_COUNT - 1);
    }
    struct tr_gtid_source *source = source_make(sources, slot, err);

    if (source != NULL) {
        source->flavor = TR_FLAVOR_MYSQL;
        memcpy(source->uuid, uuid, sizeof(source->uuid));
        if (tag.bytes != 0) {
            memcpy(source->tag, tag.data, tag.bytes);
        }
        mysql_prefix_write(source, tag);
    }
    return source;
}

const struct tr_gtid_source *tr_gtid_source_mariadb(struct tr_gtid_sources *sources,
                                                    uint32_t domain_id, struct tr_error *err)
{
    uint32_t slot = hash_slot(domain_id, 0, (struct tr_span){0});

    while (sources->slots[slot] != 0) { /* ends: at most half of the slots are taken */
        const struct tr_gtid_source *seen = &sources->entries[sources->slots[slot] - 1];

        if (seen->flavor == TR_FLAVOR_MARIADB && seen->domain_id == domain_id) {
            return seen;
        }
        slot = (slot + 1) & (SOURCE_SLOT_COUNT - 1);
    }
    struct tr_gtid_source *source = source_make(sources, slot, err);

    if (source != NULL) {
        source->flavor = TR_FLAVOR_MARIADB;
        source->domain_id = domain_id;
        source->prefix_bytes = (uint32_t)tr_decimal_write(source->prefix, domain_id);
        source->prefix[source->prefix_bytes++] = '-';
    }
    return source;
}

size_t tr_gtid_write(char *out, const struct tr_gtid *gtid)
{
    const struct tr_gtid_source *source = gtid->source;
    size_t bytes = source->prefix_bytes;

    memcpy(out, source->prefix, sizeof(source->prefix)); /* a fixed size: no call */
    if (source->flavor == TR_FLAVOR_MARIADB) {
        bytes += tr_decimal_write(out + bytes, gtid->server_id);
        out[bytes++] = '-';
    }
    return bytes + tr_decimal_write(out + bytes, gtid->number);
}

_Static_assert(sizeof(((struct tr_gtid_source *)0)->prefix) + 20 <= TR_GTID_TEXT_BYTES_MAX,
               "prefix and number fit the text of one GTID");

/* --- ranges --- */

bool tr_gtid_ranges_append(struct tr_gtid_range *ranges, uint32_t *range_count, uint32_t ranges_max,
                           uint32_t merge_from, const struct tr_gtid *gtid)
{
    for (uint32_t i = *range_count; i > merge_from; i--) {
        struct tr_gtid_range *range = &ranges[i - 1];

        if (range->source != gtid->source) {
            continue;
        }
        if (gtid->source->flavor == TR_FLAVOR_MARIADB) {
            range->first = gtid->number;
            range->last = gtid->number;
            range->server_id = gtid->server_id;
            return true;
        }
        if (range->last + 1 == gtid->number) {
            range->last = gtid->number;
            return true;
        }
    }
    if (*range_count == ranges_max) {
        return false;
    }
    ranges[*range_count] = (struct tr_gtid_range){.source = gtid->source,
                                                  .first = gtid->number,
                                                  .last = gtid->number,
                                                  .server_id = gtid->server_id};
    (*range_count)++;
    return true;
}
