// SPDX-License-Identifier: Apache-2.0
/*
 * The configuration: Debezium Server's application.properties and environment, read through one table (config.def).
 *
 *   file (-c FILE, config/, conf/ or ./application.properties)  \
 *   environment (DEBEZIUM_SINK_TYPE for debezium.sink.type)      > expand ${...} -> parse, check ranges -> tr_config
 *   defaults (config.def)                                       /
 *
 * The environment outranks the file (MicroProfile Config); an empty value counts as absent. Everything that is wrong is
 * reported, one line each; nothing is silently ignored. Modules take option structs of their own: only engine/app reads
 * this one.
 *
 * @thread the main thread, at start.
 */
#ifndef TR_ENGINE_CONFIG_H
#define TR_ENGINE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/config_words.h"
#include "engine/error.h"

/* What a command needs; options without a default must be set only if it does. */
enum tr_config_purpose {
    TR_CONFIG_FOR_NOTHING = 0, /* decode: every option may be absent */
    TR_CONFIG_FOR_SINK,        /* tail: debezium.sink.* */
    TR_CONFIG_FOR_STATE,       /* offsets: topic.prefix, sink.type and a store */
    TR_CONFIG_FOR_RUN          /* everything */
};

struct tr_config_request {
    const char *file_path;    /* -c FILE; NULL: look in the usual places, none is fine */
    char *const *environment; /* NAME=value texts, ended by NULL; usually environ */
    enum tr_config_purpose purpose;
};

/* Lines of text, each ended by a newline; bounded, what does not fit is only counted. */
struct tr_config_lines {
    char *text; /* owns; always NUL-ended once opened */
    size_t bytes;
    uint32_t count;
};

/* skipped.operations as a set. */
#define TR_CONFIG_SKIP_CREATE 1u
#define TR_CONFIG_SKIP_UPDATE 2u
#define TR_CONFIG_SKIP_DELETE 4u
#define TR_CONFIG_SKIP_TRUNCATE 8u

/* The SELECT that reads a table in the snapshot. */
struct tr_config_override {
    const char *table; /* as in the list: db.table, each may be quoted */
    const char *key;   /* the property that holds the SELECT */
    const char *select;
};

struct tr_config_private;

#define TR_CONFIG_FIELD_BOOL bool
#define TR_CONFIG_FIELD_U64 uint64_t
#define TR_CONFIG_FIELD_TEXT const char * /* never NULL; borrows from the configuration */
#define TR_CONFIG_FIELD_SECRET const char *

struct tr_config {
#define TR_SECTION(title)
#define TR_OPTION(type, field, key, default_text, min, max, unit, help)                            \
    TR_CONFIG_FIELD_##type field;
#define TR_CHOICE(words, field, key, default_text, help)                                           \
    uint32_t field; /* a value of TR_WORDS_<words> */
#define TR_KNOWN(status, key, accepted, help)
#include "engine/config.def"
#undef TR_SECTION
#undef TR_OPTION
#undef TR_CHOICE
#undef TR_KNOWN
    uint32_t skipped_operations_set;             /* TR_CONFIG_SKIP_* out of skipped_operations */
    struct tr_config_override *select_overrides; /* owns; out of snapshot_select_tables */
    uint32_t select_override_count;
    const char *file_path;            /* the file that was read, "" if none */
    struct tr_config_lines problems;  /* one line per error, each with its remedy */
    struct tr_config_lines warnings;  /* one line per warning */
    struct tr_config_private *hidden; /* owns: texts and where each came from */
};

/*
 * Reads the configuration. `*config` is given back even with problems (for `tailrace config`), and is NULL only when
 * memory is refused. The caller owns it.
 * Errors: TR_ERR_CONFIG (stop; err holds the first problem and how many more there are), TR_ERR_SYSTEM.
 */
TR_NODISCARD enum tr_code tr_config_load(struct tr_config **config,
                                         const struct tr_config_request *request,
                                         struct tr_error *err);

/* Accepts NULL. */
void tr_config_close(struct tr_config *config);

/* Appended to by tr_config_write_*: write(2) semantics are the caller's business. */
typedef void tr_config_on_line(void *self, const char *line);

/* The effective configuration: `key=value  # where it came from`, secrets masked; one call per line, no newline. */
void tr_config_write_effective(const struct tr_config *config, tr_config_on_line *on_line,
                               void *self);

/* The option reference as Markdown, out of the table alone. */
void tr_config_write_reference(tr_config_on_line *on_line, void *self);

/* The same as a manual page, roff (man macros): tailrace.properties(5). */
void tr_config_write_manual(tr_config_on_line *on_line, void *self);

/* Logs what was set (secrets masked) and the warnings: events config.option and config.warning. */
void tr_config_log(const struct tr_config *config);

#endif
