// SPDX-License-Identifier: Apache-2.0
/*
 * Inside of the configuration: the table as data, and what its parts share. Included by config_*.c only.
 */
#ifndef TR_ENGINE_CONFIG_TABLE_H
#define TR_ENGINE_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/config.h"
#include "engine/properties.h"

enum tr_config_kind {
    TR_CONFIG_SECTION = 0,
    TR_CONFIG_BOOL,
    TR_CONFIG_U64,
    TR_CONFIG_TEXT,
    TR_CONFIG_SECRET,
    TR_CONFIG_CHOICE,
    TR_CONFIG_KNOWN
};

enum tr_config_status {
    TR_CONFIG_SUPPORTED = 0,
    TR_CONFIG_NOT_YET_STATUS,
    TR_CONFIG_IGNORED_STATUS,
    TR_CONFIG_SHARED_STATUS,
    TR_CONFIG_RENAMED_STATUS
};

struct tr_config_word {
    const char *word; /* NULL ends a list */
    uint32_t value;
};

struct tr_config_entry {
    enum tr_config_kind kind;
    enum tr_config_status status;
    const char *key;          /* SECTION: its title; a family has a * */
    const char *default_text; /* NULL: required; KNOWN: what is accepted, or today's key */
    uint64_t min;
    uint64_t max;
    const char *unit;
    const struct tr_config_word *words; /* CHOICE */
    size_t offset;                      /* of the field in struct tr_config; 0 for KNOWN */
    const char *help;
};

extern const struct tr_config_entry tr_config_table[];
extern const uint32_t tr_config_table_count;

/* Where a value came from. */
struct tr_config_origin {
    enum {
        TR_CONFIG_FROM_DEFAULT = 0,
        TR_CONFIG_FROM_FILE,
        TR_CONFIG_FROM_ENVIRONMENT,
        TR_CONFIG_FROM_OPTION
    } from;
    uint32_t line; /* FILE */
    const char *
        name; /* ENVIRONMENT: the variable; FILE and OPTION: the key, where it is another one; else NULL */
};

/* Names for one warning: "a, b, c", bounded. */
struct tr_config_list {
    char text[1792];
    size_t bytes;
};

#define TR_CONFIG_TABLE_ROOM 512 /* rows the table may grow to, asserted at load */

struct tr_config_private {
    struct tr_properties file;
    bool *is_used; /* owns; per property of the file: read by an option or an expression */
    char *const *environment; /* borrows for the load only */
    char *arena;              /* owns: expanded texts */
    size_t arena_bytes;
    struct tr_config_list ignored;           /* keys that are set and have no meaning here */
    const char *texts[TR_CONFIG_TABLE_ROOM]; /* effective text per row with a field; NULL: absent */
    struct tr_config_origin origins[TR_CONFIG_TABLE_ROOM];
};

#define TR_CONFIG_ARENA_BYTES (1024 * 1024)
#define TR_CONFIG_LINES_BYTES (128 * 1024)
#define TR_CONFIG_VALUE_BYTES (64 * 1024) /* longest value after expansion */

/* config_find.c: keys. */

/* The row of exactly that key, or NULL. */
const struct tr_config_entry *tr_config_find(const char *key);
/* The family with the longest fixed beginning that holds `key`, or NULL. */
const struct tr_config_entry *tr_config_find_family(const char *key);
/* The known key nearest to `key` and its edit distance; NULL when none is near. */
const char *tr_config_nearest(const char *key, uint32_t *distance);
/* How well variable `name` (`name_bytes` long) fits `key` by the rules of MicroProfile Config; 0 = not at all. */
uint32_t tr_config_environment_rank(const char *name, size_t name_bytes, const char *key);
/* Whether a value under `key` must not be shown. */
bool tr_config_is_secret(const struct tr_config_entry *entry, const char *key);
/* Compare without case; ASCII. */
bool tr_config_same_word(const char *a, const char *b);

/* config_source.c: raw values. */

struct tr_config_raw {
    const char *value; /* NULL: nowhere set, or set to nothing */
    struct tr_config_origin origin;
};

/* What the environment, else the file says about `key`; unexpanded. */
struct tr_config_raw tr_config_lookup(struct tr_config *config, const char *key);
/* Expands ${...} in `text`; NULL with a problem added when that fails. `key` is named in problems. */
const char *tr_config_expand(struct tr_config *config, const char *key,
                             const struct tr_config_raw *raw);
/* Reads the file of the request, or the first of the usual ones. */
void tr_config_read_file(struct tr_config *config, const struct tr_config_request *request);
/* A copy in the configuration's arena; NULL with a problem added when it is full. */
const char *tr_config_keep(struct tr_config *config, const char *text, size_t bytes);

/* config_read.c: rows. */

/* Reads every row of the table: fields are set, known keys checked, defaults taken. */
void tr_config_read_options(struct tr_config *config, enum tr_config_purpose purpose);
/* Judges the value of a known key; `key` is the row's own, or a member of its family. */
void tr_config_check_known(struct tr_config *config, const struct tr_config_entry *entry,
                           const char *key, const struct tr_config_raw *raw);

/* config_overrides.c: SELECTs of the snapshot. */

/* Reads the property of each table in snapshot.select.statement.overrides. */
void tr_config_read_overrides(struct tr_config *config);
/* Whether `key` is such a property, in any case. */
bool tr_config_is_override(const struct tr_config *config, const char *key);

/* config_rest.c: what no row has read: members of families, unknown keys and variables; the warnings. */

void tr_config_check_rest(struct tr_config *config);

/* config_check.c: what no single option can tell. */

void tr_config_check(struct tr_config *config, enum tr_config_purpose purpose);

/* config.c: lines. */

/* Adds "file:12: key: message" (or the environment's variable, or the key alone) to the problems. */
void tr_config_problem(struct tr_config *config, const struct tr_config_origin *origin,
                       const char *key, const char *format, ...) TR_PRINTF(4, 5);
void tr_config_warn(struct tr_config *config, const char *format, ...) TR_PRINTF(2, 3);
void tr_config_list_add(struct tr_config_list *list, const char *name);
/* Index of a row in the table. */
uint32_t tr_config_index(const struct tr_config_entry *entry);
/* The origin of a field: tr_config_origin_of(config, offsetof(struct tr_config, offset_file)). */
const struct tr_config_origin *tr_config_origin_of(const struct tr_config *config, size_t offset);
/* The key of a field. */
const char *tr_config_key_of(size_t offset);
/* "application.properties:3", "environment NAME", "default": into `out`. */
void tr_config_origin_text(const struct tr_config *config, const struct tr_config_origin *origin,
                           char *out, size_t room_bytes);

#endif
