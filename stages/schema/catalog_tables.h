// SPDX-License-Identifier: Apache-2.0
/* The catalog's insides; private to stages/schema/catalog*.c. */
#ifndef TR_STAGES_SCHEMA_CATALOG_TABLES_H
#define TR_STAGES_SCHEMA_CATALOG_TABLES_H

#include "stages/schema/catalog.h"
#include "stages/schema/table_map.h"

#define CATALOG_BUCKETS 16384 /* power of two */
#define CATALOG_ID_SLOTS (2 * TR_CATALOG_IDS_MAX)
#define CATALOG_IDS_KEPT 4096 /* across transactions */
/* Tables that are not captured take this share of the bound: then they are forgotten. */
#define CATALOG_IGNORED_SHARE 16
#define CATALOG_MAP_SKIP_BYTES 8 /* table id and flags: not a part of what a table is */

/* A length-encoded integer of one byte in a map; the servers allow 64 characters of 3 bytes. */
#define TR_CATALOG_NAME_BYTES_MAX 250

/* One version of a table's schema. */
struct catalog_version {
    struct tr_schema schema;      /* first: what others point to */
    struct catalog_version *next; /* in the list of replaced ones */
    uint8_t *map_bytes;           /* owns; the map behind id and flags */
    size_t map_bytes_count;
    uint64_t bytes;               /* its share of the bound */
    struct tr_table *owned_table; /* a share of schema.table */
};

struct catalog_table {
    struct catalog_table *next; /* in its bucket */
    struct tr_span database;    /* into `names` */
    struct tr_span name;
    struct tr_table *model;          /* a share; NULL = none is known */
    struct catalog_version *current; /* owns; NULL = none yet, or dropped by DDL */
    struct catalog_version *text;    /* owns; how rows of the snapshot are read; NULL = none */
    uint64_t hash;
    bool is_captured;
    bool model_is_void; /* the table was dropped: the model is of the past */
    bool seen_map;
    bool seen_full;  /* its last map had FULL metadata */
    uint8_t names[]; /* as a map writes them: length, database, 0, length, table, 0 */
};

struct catalog_id {
    uint64_t table_id;
    uint64_t epoch;              /* bound in that epoch */
    struct catalog_table *table; /* NULL = free slot */
    bool is_sequence;            /* its rows are no table's */
};

struct tr_catalog {
    struct tr_catalog_options options;
    struct catalog_table *buckets[CATALOG_BUCKETS];
    struct catalog_id *ids; /* owns; CATALOG_ID_SLOTS, open addressing */
    uint32_t id_count;
    uint32_t table_count;
    uint64_t epoch;
    uint64_t bytes;
    uint64_t ignored_bytes; /* of these, tables that are not captured */
    uint64_t next_version;
    struct catalog_version *replaced; /* owns; newest first */
    struct catalog_table *text_table; /* the one that has a `text`; NULL = none */
};

/* Whether two names are equal; `fold`: ASCII letters in any case. */
bool catalog_is_same_name(struct tr_span a, struct tr_span b, bool fold);
/* The table of that name, made if new. NULL with err. */
struct catalog_table *catalog_table_intern(struct tr_catalog *catalog, struct tr_span database,
                                           struct tr_span name, struct tr_error *err);
/* The same without making one; NULL = not known. */
struct catalog_table *catalog_table_find(const struct tr_catalog *catalog, struct tr_span database,
                                         struct tr_span name);
/* Takes `bytes` of the bound. */
TR_NODISCARD enum tr_code catalog_take(struct tr_catalog *catalog, uint64_t bytes,
                                       struct tr_error *err);
/* Whether the map is that of a MariaDB sequence: its rows are the sequence's state, in a shape of its own. A table of
 * which a model is known is none. Errors: as tr_table_map_parse. */
TR_NODISCARD enum tr_code catalog_is_sequence(const struct tr_catalog *catalog,
                                              const struct catalog_table *table,
                                              struct tr_span map_body, bool *is_sequence,
                                              struct tr_error *err);
/* Makes the table's version for this map, replacing the current one. */
TR_NODISCARD enum tr_code catalog_version_resolve(struct tr_catalog *catalog,
                                                  struct catalog_table *table,
                                                  struct tr_span map_body, struct tr_error *err);
/* Gives the version, whose table and wire are set, its stream, plan and share of the bound. */
TR_NODISCARD enum tr_code catalog_version_finish(struct tr_catalog *catalog,
                                                 struct catalog_table *table,
                                                 struct catalog_version *version,
                                                 struct tr_error *err);
/* The table has no current version any more; units may still hold it. */
void catalog_version_retire(struct tr_catalog *catalog, struct catalog_table *table);
void catalog_version_free(struct tr_catalog *catalog, struct catalog_version *version);

#endif
