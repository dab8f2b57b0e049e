// SPDX-License-Identifier: Apache-2.0
/*
 * The DDL parser's insides; private to stages/ddl.
 *
 * A statement is read token by token into a draft of the table; ddl_draft_finish resolves what is
 * known only at the end (the table's character set, places, names of keys) into a struct tr_table.
 * Nothing recurses: expressions are skipped by counting parentheses.
 */
#ifndef TR_STAGES_DDL_PARSE_H
#define TR_STAGES_DDL_PARSE_H

#include "stages/ddl/model.h"
#include "stages/ddl/sql_lexer.h"

#define DDL_INDEXES_MAX 1024 /* the servers allow 64 and 128 */

struct ddl_parser {
    struct tr_sql_lexer lexer;
    struct tr_sql_token token; /* the one being looked at */
    const uint8_t *taken_end;  /* behind the last token that was taken */
    const uint8_t *from;       /* where the statement begins, behind SET STATEMENT … FOR */
    struct tr_ddl_model *model;
    const struct tr_ddl_event *event;
    struct tr_table *scratch;  /* texts and arrays of this statement */
    const uint8_t *unknown_at; /* into the statement; NULL = all was understood */
    const char *unknown_what;
};

/* What one spelling of a type means. */
struct ddl_type_entry {
    const char *words; /* upper case, one blank between */
    const char *base;  /* the server's own word, as in information_schema's column_type */
    int16_t jdbc_type; /* java.sql.Types, as Debezium maps the spelling (contract §2.1) */
};

/* A type as declared. */
struct ddl_type {
    const struct ddl_type_entry *entry; /* NULL: a type nobody knows; `words` has it */
    struct tr_span words;
    struct tr_span charset; /* CHARACTER SET; empty = none */
    struct tr_span collation;
    uint32_t length;
    uint32_t scale;
    bool has_length;
    bool has_scale;
    bool is_unsigned;
    bool is_signed; /* the word was written */
    bool is_zerofill;
    bool is_binary; /* the attribute BINARY: the character set's _bin collation */
    bool is_byte;   /* CHAR BYTE */
    bool is_ascii;
    bool is_unicode;
    bool is_compressed; /* MariaDB */
};

struct ddl_column {
    struct tr_column column;
    struct tr_span old_name;        /* in the table before the statement; data NULL: added */
    struct ddl_type type;           /* is_new: what the statement says */
    const struct tr_column *before; /* as the table had it; NULL: added */
    bool is_new;                    /* defined by this statement: to be resolved */
    bool is_dropped;
    bool is_not_null;
    bool is_required; /* NOT NULL or PRIMARY KEY was written: what makes it so to Debezium */
    bool is_null;     /* NULL was written */
    struct tr_column set_default; /* has_set_default: its default alone counts */
    bool has_set_default;
    bool is_serial;
    bool is_row_time; /* GENERATED ALWAYS AS ROW START / END */
};

struct ddl_key_part {
    struct ddl_column *column; /* NULL: by name, or an expression */
    struct tr_span name;       /* empty: an expression */
};

struct ddl_index {
    struct tr_span old_name; /* before this statement renamed it; empty: not renamed */
    struct tr_span name;     /* empty: the server makes one */
    struct ddl_key_part *parts;
    uint32_t part_count;
    bool is_primary;
    bool is_unique;
    bool is_added;
    bool is_of_column; /* written as a column's attribute */
    bool is_foreign;   /* made for a foreign key */
    bool is_dropped;
    bool if_not_exists;
};

enum ddl_place { DDL_PLACE_LAST = 0, DDL_PLACE_FIRST, DDL_PLACE_AFTER };

struct ddl_placement {
    struct ddl_column *column;
    enum ddl_place place;
    struct tr_span after;
};

struct ddl_draft {
    struct tr_span database;
    struct tr_span name;
    struct tr_span charset; /* the table's default; empty until resolved */
    struct tr_span collation;
    struct tr_span comment;
    struct tr_span comment_text;
    struct ddl_column **columns; /* in their order, dropped ones included */
    uint32_t column_count;
    uint32_t column_room;
    struct ddl_index *indexes;
    uint32_t index_count;
    uint32_t index_room;
    struct ddl_placement *placements;
    uint32_t placement_count;
    uint32_t placement_room;
    struct ddl_column **key; /* Debezium's key: kept by rules of its own (contract §1.7) */
    uint32_t key_count;
    bool converts; /* CONVERT TO CHARACTER SET, to: */
    struct tr_span convert_charset;
    struct tr_span convert_collation;
    bool has_charset_option; /* written in this statement */
    bool has_collation_option;
    struct tr_span old_charset; /* of the table before an ALTER */
    bool is_alter;              /* what an ALTER does to all columns is due */
    bool keys_if_not_exists;    /* MariaDB: IF [NOT] EXISTS of a column holds for its keys, too */
    struct tr_span period[2];   /* MariaDB: columns of PERIOD FOR: NOT NULL */
    bool is_versioned;
    bool overflowed; /* more columns or indexes than a server allows, or memory refused */
};

/* --- tokens (parse.c) --- */

void ddl_step(struct ddl_parser *parser);
bool ddl_at_word(const struct ddl_parser *parser, const char *word);
bool ddl_at_mark(const struct ddl_parser *parser, char mark);
bool ddl_at_end(const struct ddl_parser *parser);
bool ddl_take_word(struct ddl_parser *parser, const char *word);
bool ddl_take_mark(struct ddl_parser *parser, char mark);
/* The token behind the current one. */
struct tr_sql_token ddl_peek(const struct ddl_parser *parser);
/* Takes two words, both or none. */
bool ddl_take_words(struct ddl_parser *parser, const char *first, const char *second);
/* IF EXISTS, IF NOT EXISTS. */
bool ddl_take_if_exists(struct ddl_parser *parser);
/* MariaDB's PERIOD [IF [NOT] EXISTS] FOR; a column may be called period. */
bool ddl_take_period(struct ddl_parser *parser);
/* At an opening parenthesis: goes behind its closing one. */
void ddl_skip_parentheses(struct ddl_parser *parser);
/* Goes to the next comma or closing parenthesis outside of any, or to the end. */
void ddl_skip_clause(struct ddl_parser *parser);
/* A name without quotes, in scratch. False when none stands here. */
bool ddl_take_name(struct ddl_parser *parser, struct tr_span *name);
/* [database.]name, folded as the server stores it. */
bool ddl_take_table(struct ddl_parser *parser, struct tr_span *database, struct tr_span *name);
/* A database's name, folded as the server stores it. */
bool ddl_take_database(struct ddl_parser *parser, struct tr_span *name);
/* A name, or the last part of a qualified one. */
bool ddl_take_column_name(struct ddl_parser *parser, struct tr_span *name);
/* A string literal with introducers, N'…', adjacent parts, x'…': `raw` is what stands between the
 * quotes with its escapes, `text` without. Either may be NULL. False when none stands here. */
bool ddl_take_string(struct ddl_parser *parser, struct tr_span *raw, struct tr_span *text);
/* A character set's or collation's name, quoted or not, in lower case. */
bool ddl_take_charset_name(struct ddl_parser *parser, struct tr_span *name);
/* The first place that was not understood stays. */
void ddl_unknown(struct ddl_parser *parser, const char *what);
/* Equal as names of columns and keys are compared: without case. */
bool ddl_same_name(struct tr_span a, struct tr_span b);
/* A copy in lower or upper case (ASCII). */
struct tr_span ddl_lower(struct tr_table *arena, struct tr_span text);
struct tr_span ddl_upper(struct tr_table *arena, struct tr_span text);

/* --- literals (literal.c) --- */

/* A default behind DEFAULT or SET DEFAULT. */
void ddl_parse_default(struct ddl_parser *parser, struct tr_column *column);
/* CURRENT_TIMESTAMP and its synonyms with their precision. */
bool ddl_take_clock(struct ddl_parser *parser, struct tr_span *text);

/* --- columns (parse_type.c, parse_column.c) --- */

void ddl_parse_type(struct ddl_parser *parser, struct ddl_column *column);
/* One attribute of a type; false when none stands here. */
bool ddl_parse_type_attribute(struct ddl_parser *parser, struct ddl_type *type);
/* Type and attributes; keys among them are added to the draft. Ends at a comma, a closing
 * parenthesis, FIRST or AFTER, or the end. */
void ddl_parse_column(struct ddl_parser *parser, struct ddl_draft *draft,
                      struct ddl_column *column);
const struct ddl_type_entry *ddl_type_find(struct tr_span words);

/* --- drafts (draft.c, draft_finish.c, resolve.c) --- */

struct ddl_column *ddl_draft_column(struct ddl_parser *parser, struct tr_span name);
/* Adds a column to the end of the order. */
void ddl_draft_append(struct ddl_parser *parser, struct ddl_draft *draft,
                      struct ddl_column *column);
void ddl_draft_place(struct ddl_parser *parser, struct ddl_draft *draft,
                     struct ddl_placement placement);
/* Makes a column that the statement added the last one again, as if added now. */
void ddl_draft_add_again(struct ddl_draft *draft, struct ddl_column *column);
/* Keys over a column that is not added after all are over the one of its name. */
void ddl_draft_unbind(struct ddl_draft *draft, const struct ddl_column *column);
/* A zeroed index at the end; NULL when there is no room. */
struct ddl_index *ddl_draft_index(struct ddl_parser *parser, struct ddl_draft *draft);
/* By the name before the statement (`old`), or the one now. NULL = none, or it was dropped. */
struct ddl_column *ddl_draft_find(const struct ddl_draft *draft, struct tr_span name, bool old);
struct ddl_index *ddl_draft_find_index(const struct ddl_draft *draft, struct tr_span name);
void ddl_draft_drop_column(struct ddl_draft *draft, struct ddl_column *column);
void ddl_draft_drop_index(struct ddl_draft *draft, struct ddl_index *index);
/* The draft of a table as it is. */
void ddl_draft_of(struct ddl_parser *parser, struct ddl_draft *draft, const struct tr_table *table);
/* Resolves everything. NULL with the parser's `unknown` set, or when memory is refused. */
struct tr_table *ddl_draft_finish(struct ddl_parser *parser, struct ddl_draft *draft,
                                  struct tr_error *err);
/* Finds the columns of the keys that were there before; behind the columns' places. */
void ddl_draft_bind_old_keys(struct ddl_draft *draft);
/* Places, names and members of keys, and Debezium's key. */
void ddl_draft_resolve_keys(struct ddl_parser *parser, struct ddl_draft *draft);
/* Character set, type text and what follows from it, of a new column. */
void ddl_resolve_column(struct ddl_parser *parser, const struct ddl_draft *draft,
                        struct ddl_column *column);
/* CONVERT TO CHARACTER SET for a column that was there before. */
void ddl_convert_column(struct ddl_parser *parser, const struct ddl_draft *draft,
                        struct ddl_column *column);
/* The collation of a character set where none was written. */
struct tr_span ddl_default_collation(const struct ddl_parser *parser, struct tr_span charset);
/* `charset` and `collation` as written (either may be empty) into both as the server keeps them. */
void ddl_resolve_charset(const struct ddl_parser *parser, struct tr_span *charset,
                         struct tr_span *collation, struct tr_span context_charset);
/* Whether an AUTO_INCREMENT column keeps its default; true of others. */
bool ddl_default_is_kept(const struct ddl_parser *parser, const struct tr_column *column);
/* information_schema's column_type. */
void ddl_write_type_text(struct ddl_parser *parser, struct ddl_column *column, const char *base);

/* --- clauses (parse_create.c, parse_alter.c) --- */

/* A key or constraint among the definitions; false when a column stands here. */
bool ddl_parse_key(struct ddl_parser *parser, struct ddl_draft *draft);
/* (a, b(10), (expression) DESC): the members of a key. */
void ddl_parse_key_parts(struct ddl_parser *parser, struct ddl_index *index);
/* CHARACTER SET, COLLATE, COMMENT; false when another option, or none, stands here. */
bool ddl_parse_table_option(struct ddl_parser *parser, struct ddl_draft *draft);
/* [DEFAULT] CHARACTER SET | CHARSET | CHAR SET [=] name, [DEFAULT] COLLATE [=] name. */
bool ddl_parse_charset_option(struct ddl_parser *parser, struct tr_span *charset,
                              struct tr_span *collation);
TR_NODISCARD enum tr_code ddl_parse_create_table(struct ddl_parser *parser, bool is_replacing,
                                                 struct tr_error *err);
TR_NODISCARD enum tr_code ddl_parse_alter_table(struct ddl_parser *parser, struct tr_error *err);
/* Takes a clause about partitions: they move rows without row events, or nothing. */
bool ddl_skip_partition_clause(struct ddl_parser *parser, bool *moves_rows);
/* Takes an option of the table or of the statement: a word, or a word and a value. */
bool ddl_skip_alter_option(struct ddl_parser *parser);
/* Every statement; behind its first token. */
TR_NODISCARD enum tr_code ddl_parse_statement(struct ddl_parser *parser, struct tr_error *err);

/* --- the model's side (model.c) --- */

struct ddl_database {
    struct ddl_database *next;
    struct tr_span name;
    struct tr_span collation;
    uint8_t bytes[];
};

/* A change at the end of the result's list; never NULL (the last one is used again when memory is
 * refused: the statement fails then). */
struct tr_ddl_change *ddl_model_change(struct ddl_parser *parser, enum tr_ddl_change_type type);
const struct tr_ddl_options *ddl_model_options(const struct tr_ddl_model *model);
/* The collation that a new table in that database has where it says nothing. */
struct tr_span ddl_model_database_collation(const struct ddl_parser *parser,
                                            struct tr_span database);
TR_NODISCARD enum tr_code ddl_model_set_database(struct tr_ddl_model *model,
                                                 struct tr_span database, struct tr_span collation,
                                                 struct tr_error *err);
void ddl_model_drop_database(struct tr_ddl_model *model, struct tr_span database);
/* The server's collation: of new databases that say nothing. */
void ddl_model_set_server_collation(struct tr_ddl_model *model, struct tr_span collation);
struct tr_span ddl_model_server_collation(const struct ddl_parser *parser);

#endif
