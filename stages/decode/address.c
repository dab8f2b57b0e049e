// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/address.h"

#include <stdbool.h>
#include <string.h>

#include "stages/decode/digits.h"

#define INET6_GROUPS 8

static const char hex[] = "0123456789abcdef";

/* The value with its zeros; false when it is longer than that. */
static bool fill(uint8_t *full, size_t full_bytes, struct tr_span raw)
{
    if (raw.bytes > full_bytes) {
        return false;
    }
    memset(full, 0, full_bytes);
    if (raw.bytes != 0) {
        memcpy(full, raw.data, raw.bytes);
    }
    return true;
}

uint8_t *tr_address_put_uuid(uint8_t *out, struct tr_span raw)
{
    uint8_t uuid[16];

    if (!fill(uuid, sizeof(uuid), raw)) {
        return NULL;
    }
    for (uint32_t i = 0; i < sizeof(uuid); i++) {
        *out = '-';
        out += i == 4 || i == 6 || i == 8 || i == 10;
        *out++ = (uint8_t)hex[uuid[i] >> 4];
        *out++ = (uint8_t)hex[uuid[i] & 15];
    }
    return out;
}

static uint8_t *put_dotted(uint8_t *out, const uint8_t *bytes)
{
    for (uint32_t i = 0; i < 4; i++) {
        *out = '.';
        out = tr_digits_put_u32(out + (i != 0), bytes[i]);
    }
    return out;
}

uint8_t *tr_address_put_inet4(uint8_t *out, struct tr_span raw)
{
    uint8_t bytes[4];

    return fill(bytes, sizeof(bytes), raw) ? put_dotted(out, bytes) : NULL;
}

static uint8_t *put_group(uint8_t *out, uint32_t group)
{
    bool has_begun = false;

    for (uint32_t shift = 16; shift > 0;) {
        shift -= 4;
        const uint32_t digit = group >> shift & 15;
        has_begun = has_begun || digit != 0 || shift == 0;
        *out = (uint8_t)hex[digit];
        out += has_begun;
    }
    return out;
}

/* The first of the longest runs of zero groups, also one of a single group. */
static uint32_t find_gap(const uint32_t groups[INET6_GROUPS], uint32_t *gap_groups)
{
    uint32_t gap = INET6_GROUPS;

    *gap_groups = 0;
    for (uint32_t from = 0; from < INET6_GROUPS; from++) {
        uint32_t count = 0;
        while (from + count < INET6_GROUPS && groups[from + count] == 0) {
            count++;
        }
        if (count > *gap_groups) {
            gap = from;
            *gap_groups = count;
        }
    }
    return gap;
}

uint8_t *tr_address_put_inet6(uint8_t *out, struct tr_span raw)
{
    uint8_t bytes[2 * INET6_GROUPS];
    uint32_t groups[INET6_GROUPS];
    uint32_t gap_groups;

    if (!fill(bytes, sizeof(bytes), raw)) {
        return NULL;
    }
    for (uint32_t i = 0; i < INET6_GROUPS; i++) {
        groups[i] = (uint32_t)tr_load_uint_be(bytes + i * 2, 2);
    }
    const uint32_t gap = find_gap(groups, &gap_groups);
    /* An IPv4 address inside: ::a.b.c.d and ::ffff:a.b.c.d. */
    const bool is_dotted =
        gap == 0 && (gap_groups == 6 || (gap_groups == 5 && groups[5] == 0xFFFF));
    for (uint32_t i = 0; i < INET6_GROUPS;) {
        if (i == gap) {
            *out++ = ':';
            i += gap_groups;
            if (i == INET6_GROUPS) {
                *out++ = ':';
            }
            continue;
        }
        *out = ':';
        out += i != 0;
        if (is_dotted && i == 6) {
            return put_dotted(out, bytes + 12);
        }
        out = put_group(out, groups[i++]);
    }
    return out;
}
