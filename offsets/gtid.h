// SPDX-License-Identifier: Apache-2.0
/*
 * GTIDs: interned sources, ranges, sets; MySQL (uuid[:tag]:n intervals) and MariaDB (domain-server-seq, one per domain).
 *
 * A source (a MySQL uuid + tag, or a MariaDB domain) is interned once and never freed, so a GTID on the data path is a
 * pointer and a number. New sources are interned by the sequencer only (before the threads start: by whoever loads the
 * position); readers get pointers through rings.
 *
 * A set keeps its sources in order of first appearance, each with sorted disjoint intervals; appending `last + 1` is O(1).
 * Text form (Debezium's, contract §4.3): `uuid:1-10:12-12,uuid2:5-5`, always start-end, lower case; MariaDB
 * `0-1-100,5-9-3`. The parser takes the servers' forms too (single numbers, blanks, newlines, tags).
 */
#ifndef TR_OFFSETS_GTID_H
#define TR_OFFSETS_GTID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

enum tr_flavor { TR_FLAVOR_MYSQL = 0, TR_FLAVOR_MARIADB };

#define TR_GTID_TAG_BYTES_MAX 32
#define TR_GTID_SOURCES_MAX 4096   /* uuids x tags, or domains, ever seen by one process */
#define TR_GTID_TEXT_BYTES_MAX 128 /* one GTID: 36 + 1 + 32 + 1 + 20, rounded up */

struct tr_gtid_source {
    enum tr_flavor flavor;
    uint32_t index;     /* dense, by order of interning */
    uint8_t uuid[16];   /* MySQL */
    uint32_t domain_id; /* MariaDB */
    char tag[TR_GTID_TAG_BYTES_MAX + 1];
    char prefix[80]; /* text before the number: "uuid:", "uuid:tag:", MariaDB "domain-" */
    uint32_t prefix_bytes;
};

struct tr_gtid_sources; /* the table of interned sources; opaque */

TR_NODISCARD enum tr_code tr_gtid_sources_open(struct tr_gtid_sources **sources,
                                               struct tr_error *err);
void tr_gtid_sources_close(struct tr_gtid_sources *sources);
/* The source of that uuid (16 bytes) and tag (lower case, may be empty). NULL with err: TR_ERR_MEMORY_LIMIT when
 * TR_GTID_SOURCES_MAX are out, TR_ERR_PROTOCOL for a tag that no server accepts. */
const struct tr_gtid_source *tr_gtid_source_mysql(struct tr_gtid_sources *sources,
                                                  const uint8_t *uuid, struct tr_span tag,
                                                  struct tr_error *err);
const struct tr_gtid_source *tr_gtid_source_mariadb(struct tr_gtid_sources *sources,
                                                    uint32_t domain_id, struct tr_error *err);

/* One transaction's id. source == NULL: anonymous (no GTID). */
struct tr_gtid {
    const struct tr_gtid_source *source;
    uint64_t number;    /* gno, or MariaDB's sequence number */
    uint32_t server_id; /* MariaDB only */
};

/* Writes `uuid[:tag]:n` or `domain-server-seq`, without NUL; room TR_GTID_TEXT_BYTES_MAX. Returns bytes. Hot path. */
size_t tr_gtid_write(char *out, const struct tr_gtid *gtid);

/* Transactions first..last (inclusive) of one source; MariaDB: only last and its server id count. */
struct tr_gtid_range {
    const struct tr_gtid_source *source;
    uint64_t first;
    uint64_t last;
    uint32_t server_id;
};

struct tr_gtid_set; /* opaque; growable up to 1,000,000 intervals */

TR_NODISCARD enum tr_code tr_gtid_set_open(struct tr_gtid_set **set, enum tr_flavor flavor,
                                           struct tr_error *err);
void tr_gtid_set_close(struct tr_gtid_set *set);
void tr_gtid_set_clear(struct tr_gtid_set *set);
bool tr_gtid_set_is_empty(const struct tr_gtid_set *set);
enum tr_flavor tr_gtid_set_flavor(const struct tr_gtid_set *set);
/* dst := src. */
TR_NODISCARD enum tr_code tr_gtid_set_copy(struct tr_gtid_set *dst, const struct tr_gtid_set *src,
                                           struct tr_error *err);
/* Errors: TR_ERR_STATE naming the bad part of the text; the parts before it are in the set. Adds to the set. */
TR_NODISCARD enum tr_code tr_gtid_set_parse(struct tr_gtid_set *set,
                                            struct tr_gtid_sources *sources, struct tr_span text,
                                            struct tr_error *err);
/* Adds a range (MariaDB: replaces the domain's entry). Errors: TR_ERR_MEMORY_LIMIT; TR_ERR_PROTOCOL for MySQL numbers outside
 * 1..2^63-2 or first > last; TR_ERR_SYSTEM when memory is refused. A failed call leaves the set as it was. */
TR_NODISCARD enum tr_code tr_gtid_set_add(struct tr_gtid_set *set,
                                          const struct tr_gtid_range *range, struct tr_error *err);
bool tr_gtid_set_contains(const struct tr_gtid_set *set, const struct tr_gtid *gtid);
/* Whether every transaction of `part` is in `whole` (MariaDB: domain by domain, by sequence number). */
bool tr_gtid_set_contains_set(const struct tr_gtid_set *whole, const struct tr_gtid_set *part);
/* Bytes of the text form, without NUL. */
size_t tr_gtid_set_text_bytes(const struct tr_gtid_set *set);
/* Writes the text form and a NUL; room must be text_bytes + 1. */
void tr_gtid_set_write_text(const struct tr_gtid_set *set, char *out);
/* The body of COM_BINLOG_DUMP_GTID (mysql-binlog.md §5.1: classic, or tagged iff a tag exists). NULL out: size only. */
size_t tr_gtid_set_write_binary(const struct tr_gtid_set *set, uint8_t *out);

/*
 * Appends `gtid` to an array of ranges, merging with the last entries from index `merge_from` on where contiguous
 * (MariaDB: replaces the domain's entry). Returns false when `ranges_max` are full: then nothing changed.
 * @thread the array's owner; no allocation
 */
bool tr_gtid_ranges_append(struct tr_gtid_range *ranges, uint32_t *range_count, uint32_t ranges_max,
                           uint32_t merge_from, const struct tr_gtid *gtid);

#endif
