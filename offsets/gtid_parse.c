// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>

#include "offsets/gtid.h"

#define PART_BYTES_SHOWN 80

/* Where the parser stands, and the element (between two commas) it is in, for messages. */
struct set_parser {
    struct tr_gtid_set *set;
    struct tr_gtid_sources *sources;
    struct tr_error *err;
    const uint8_t *at;
    const uint8_t *end;
    struct tr_span element;
};

static enum tr_code fail(const struct set_parser *parser, const char *wanted);
static enum tr_code parse_mysql(struct set_parser *parser);
static enum tr_code parse_mysql_piece(struct set_parser *parser, const uint8_t *uuid,
                                      const struct tr_gtid_source **source);
static enum tr_code parse_mariadb(struct set_parser *parser);

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(struct set_parser *parser)
{
    while (parser->at < parser->end && is_blank(*parser->at)) {
        parser->at++;
    }
}

/* Takes `c` with blanks around it, if it is next. */
static bool take(struct set_parser *parser, uint8_t c)
{
    skip_blanks(parser);
    if (parser->at == parser->end || *parser->at != c) {
        return false;
    }
    parser->at++;
    skip_blanks(parser);
    return true;
}

/* A decimal number up to `max`. */
static bool take_number(struct set_parser *parser, uint64_t max, uint64_t *number)
{
    const uint8_t *const from = parser->at;

    *number = 0;
    while (parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9') {
        const uint64_t digit = (uint64_t)(*parser->at - '0');

        if (*number > (max - digit) / 10) {
            return false;
        }
        *number = *number * 10 + digit;
        parser->at++;
    }
    return parser->at > from;
}

enum tr_code tr_gtid_set_parse(struct tr_gtid_set *set, struct tr_gtid_sources *sources,
                               struct tr_span text, struct tr_error *err)
{
    const uint8_t *at = text.data;
    const uint8_t *const end = text.data + text.bytes;

    while (at < end) {
        const uint8_t *comma = memchr(at, ',', (size_t)(end - at));
        const uint8_t *const element_end = comma == NULL ? end : comma;
        struct set_parser parser = {.set = set,
                                    .sources = sources,
                                    .err = err,
                                    .at = at,
                                    .end = element_end,
                                    .element = tr_span_of(at, (size_t)(element_end - at))};

        skip_blanks(&parser);
        if (parser.at < parser.end) { /* the servers allow empty elements */
            const enum tr_code code = tr_gtid_set_flavor(set) == TR_FLAVOR_MYSQL
                                          ? parse_mysql(&parser)
                                          : parse_mariadb(&parser);

            if (code != TR_OK) {
                return code;
            }
        }
        at = comma == NULL ? end : comma + 1;
    }
    return TR_OK;
}

static enum tr_code fail(const struct set_parser *parser, const char *wanted)
{
    char shown[PART_BYTES_SHOWN + 1];
    size_t bytes = 0;

    for (size_t i = 0; i < parser->element.bytes && bytes < PART_BYTES_SHOWN; i++) {
        const uint8_t c = parser->element.data[i];

        shown[bytes++] = isprint(c) ? (char)c : '?';
    }
    shown[bytes] = '\0';
    return TR_FAIL(parser->err, TR_ERR_STATE, TR_STOP, "GTID set part \"%s\": wanted %s", shown,
                   wanted);
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 8-4-4-4-12 hexadecimal digits, either case. */
static bool take_uuid(struct set_parser *parser, uint8_t *uuid)
{
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            if (parser->at == parser->end || *parser->at != '-') {
                return false;
            }
            parser->at++;
        }
        if (parser->end - parser->at < 2) {
            return false;
        }
        const int high = hex_value(parser->at[0]);
        const int low = hex_value(parser->at[1]);

        if (high < 0 || low < 0) {
            return false;
        }
        uuid[i] = (uint8_t)(high << 4 | low);
        parser->at += 2;
    }
    return true;
}

/* uuid(:first[-last] | :tag)+, where a tag holds for the intervals after it. */
static enum tr_code parse_mysql(struct set_parser *parser)
{
    uint8_t uuid[16];
    const struct tr_gtid_source *source;
    bool has_interval = false;

    if (!take_uuid(parser, uuid)) {
        return fail(parser, "uuid:first-last, with a uuid of 8-4-4-4-12 hexadecimal digits");
    }
    source = tr_gtid_source_mysql(parser->sources, uuid, (struct tr_span){0}, parser->err);
    if (source == NULL) {
        return TR_ERR_MEMORY_LIMIT;
    }
    while (take(parser, ':')) {
        const struct tr_gtid_source *const before = source;
        const enum tr_code code = parse_mysql_piece(parser, uuid, &source);

        if (code != TR_OK) {
            return code;
        }
        has_interval = source == before;
    }
    if (!has_interval || parser->at != parser->end) {
        return fail(parser, "uuid:first-last:first-last...");
    }
    return TR_OK;
}

/* One piece after a colon: an interval of *source is added, a tag changes *source. */
static enum tr_code parse_mysql_piece(struct set_parser *parser, const uint8_t *uuid,
                                      const struct tr_gtid_source **source)
{
    struct tr_gtid_range range = {.source = *source};

    if (take_number(parser, INT64_MAX - 1, &range.first)) {
        range.last = range.first;
        if (take(parser, '-') && !take_number(parser, INT64_MAX - 1, &range.last)) {
            return fail(parser, "a number up to 2^63-2 after the dash");
        }
        if (range.first == 0 || range.last < range.first) {
            return fail(parser, "intervals first-last with 1 <= first <= last");
        }
        return tr_gtid_set_add(parser->set, &range, parser->err);
    }
    char tag[TR_GTID_TAG_BYTES_MAX];
    size_t tag_bytes = 0;

    while (parser->at < parser->end && (isalnum(*parser->at) || *parser->at == '_')) {
        if (tag_bytes == sizeof(tag)) {
            return fail(parser, "a tag of at most 32 characters");
        }
        tag[tag_bytes++] = (char)tolower(*parser->at);
        parser->at++;
    }
    if (tag_bytes == 0 || (tag[0] >= '0' && tag[0] <= '9')) {
        return fail(parser, "numbers 1..2^63-2, or a tag of a-z, 0-9 and _, after each colon");
    }
    const struct tr_gtid_source *const tagged =
        tr_gtid_source_mysql(parser->sources, uuid, tr_span_of(tag, tag_bytes), parser->err);

    if (tagged == NULL) {
        return TR_ERR_MEMORY_LIMIT;
    }
    if (tagged == *source) {
        return fail(parser, "a tag once, followed by its intervals");
    }
    *source = tagged;
    return TR_OK;
}

/* domain-server-sequence. */
static enum tr_code parse_mariadb(struct set_parser *parser)
{
    static const char wanted[] = "domain-server-sequence, as in 0-1-100";
    uint64_t domain_id;
    uint64_t server_id;
    uint64_t number;

    if (!take_number(parser, UINT32_MAX, &domain_id) || !take(parser, '-') ||
        !take_number(parser, UINT32_MAX, &server_id) || !take(parser, '-') ||
        !take_number(parser, UINT64_MAX, &number)) {
        return fail(parser, wanted);
    }
    skip_blanks(parser);
    if (parser->at != parser->end) {
        return fail(parser, wanted);
    }
    const struct tr_gtid_range range = {
        .source = tr_gtid_source_mariadb(parser->sources, (uint32_t)domain_id, parser->err),
        .first = number,
        .last = number,
        .server_id = (uint32_t)server_id,
    };

    return range.source == NULL ? TR_ERR_MEMORY_LIMIT
                                : tr_gtid_set_add(parser->set, &range, parser->err);
}
