// SPDX-License-Identifier: Apache-2.0
/*
 * The table model: what Debezium knows of a table, in the source's own terms.
 *
 * Built from information_schema before streaming, from a TABLE_MAP with FULL metadata, or by the DDL parser (stages/ddl).
 * A model is mutable while being built and immutable inside a schema version (schema.h) or the DDL model.
 */
#ifndef TR_STAGES_SCHEMA_TABLE_H
#define TR_STAGES_SCHEMA_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

#define TR_COLUMNS_MAX 4096   /* the servers' own limit */
#define TR_NAME_BYTES_MAX 256 /* 64 characters of utf8mb4 */
/* row_start and row_end of a MariaDB table WITH SYSTEM VERSIONING that declares no period: behind
 * the other columns in the log, and nowhere else. */
#define TR_PERIOD_COLUMNS 2

/* What a column is, in the servers' vocabulary; the wire type follows from it and is checked against each TABLE_MAP. */
enum tr_column_type {
    TR_COLUMN_UNKNOWN = 0, /* named in the error when its table is captured */
    TR_COLUMN_TINYINT,
    TR_COLUMN_SMALLINT,
    TR_COLUMN_MEDIUMINT,
    TR_COLUMN_INT,
    TR_COLUMN_BIGINT,
    TR_COLUMN_FLOAT,
    TR_COLUMN_DOUBLE,
    TR_COLUMN_DECIMAL,
    TR_COLUMN_BIT,
    TR_COLUMN_YEAR,
    TR_COLUMN_DATE,
    TR_COLUMN_TIME,
    TR_COLUMN_DATETIME,
    TR_COLUMN_TIMESTAMP,
    TR_COLUMN_CHAR,
    TR_COLUMN_VARCHAR,
    TR_COLUMN_TEXT, /* TINYTEXT .. LONGTEXT */
    TR_COLUMN_BINARY,
    TR_COLUMN_VARBINARY,
    TR_COLUMN_BLOB, /* TINYBLOB .. LONGBLOB */
    TR_COLUMN_ENUM,
    TR_COLUMN_SET,
    TR_COLUMN_JSON,
    TR_COLUMN_GEOMETRY,
    TR_COLUMN_VECTOR,
    TR_COLUMN_UUID,
    TR_COLUMN_INET4,
    TR_COLUMN_INET6,
    TR_COLUMN_TYPE_COUNT
};

enum tr_charset {
    TR_CHARSET_NONE = 0, /* not a text column, or binary */
    TR_CHARSET_UTF8,     /* utf8mb3, utf8mb4 */
    TR_CHARSET_LATIN1,   /* decoded as windows-1252, holes become U+FFFD (contract §2.4) */
    TR_CHARSET_ASCII,
    TR_CHARSET_BINARY,
    TR_CHARSET_OTHER, /* not known: stops by name */
    /* Read character by character: charset_text.h. */
    TR_CHARSET_ARMSCII8,
    TR_CHARSET_BIG5,
    TR_CHARSET_CP1250,
    TR_CHARSET_CP1251,
    TR_CHARSET_CP1256,
    TR_CHARSET_CP1257,
    TR_CHARSET_CP850,
    TR_CHARSET_CP852,
    TR_CHARSET_CP866,
    TR_CHARSET_CP932,
    TR_CHARSET_DEC8,
    TR_CHARSET_EUCJPMS,
    TR_CHARSET_EUCKR,
    TR_CHARSET_GB18030,
    TR_CHARSET_GB2312,
    TR_CHARSET_GBK,
    TR_CHARSET_GEOSTD8,
    TR_CHARSET_GREEK,
    TR_CHARSET_HEBREW,
    TR_CHARSET_HP8,
    TR_CHARSET_KEYBCS2,
    TR_CHARSET_KOI8R,
    TR_CHARSET_KOI8U,
    TR_CHARSET_LATIN2,
    TR_CHARSET_LATIN5,
    TR_CHARSET_LATIN7,
    TR_CHARSET_MACCE,
    TR_CHARSET_MACROMAN,
    TR_CHARSET_SJIS,
    TR_CHARSET_SWE7,
    TR_CHARSET_TIS620,
    TR_CHARSET_UCS2,
    TR_CHARSET_UJIS,
    TR_CHARSET_UTF16,
    TR_CHARSET_UTF16LE,
    TR_CHARSET_UTF32,
    TR_CHARSET_COUNT
};

/* How a default was written, where it matters beyond its text. */
enum tr_literal {
    TR_LITERAL_TEXT = 0, /* '…', or not known */
    TR_LITERAL_NUMBER,
    TR_LITERAL_BITS,    /* b'101', 0b101: default_text has it as written */
    TR_LITERAL_HEX,     /* x'61', 0x61: likewise */
    TR_LITERAL_BOOLEAN, /* TRUE, FALSE: default_text is 1 or 0 */
    TR_LITERAL_CLOCK,   /* CURRENT_TIMESTAMP and its synonyms: an expression */
};

struct tr_column {
    struct tr_span name; /* all spans: owned by the table's arena */
    struct tr_span
        type_text; /* information_schema's column_type, e.g. "int(10) unsigned"; empty when unknown */
    struct tr_span charset_name; /* for messages; empty = none */
    struct tr_span
        default_text; /* the default as SQL literal text without quotes; see has_default */
    struct tr_span read_default; /* see has_read_default; data NULL: none */
    struct tr_span comment;
    struct tr_span
        comment_text; /* as the statement writes it, without its quotes; data NULL: none */
    struct tr_span collation_name; /* empty = none, or not known */
    struct tr_span
        declared_type; /* the statement's type words in upper case with UNSIGNED and ZEROFILL, e.g.
                                       "CHARACTER VARYING"; empty: not from a statement */
    struct tr_span *options; /* ENUM, SET members, in UTF-8 */
    struct tr_span
        *option_texts; /* the same as SQL literals, quotes included; NULL: not from a statement */
    uint32_t option_count;
    struct tr_span
        *left_options; /* as option_texts, of the ENUM or SET that it was: a CHANGE leaves
                                     them to Debezium */
    uint32_t left_option_count;
    enum tr_column_type type;
    enum tr_charset charset;
    enum tr_literal default_form;
    uint32_t length; /* characters or bytes as declared; BIT: bits; 0 = none */
    uint32_t
        declared_length; /* the first number behind the type in the statement; see declares_length */
    uint32_t declared_scale; /* the second one */
    uint8_t precision;       /* DECIMAL */
    uint8_t scale;           /* DECIMAL; TIME, DATETIME, TIMESTAMP: fraction digits */
    uint8_t geometry;        /* optional-metadata geometry type number; 1 = POINT */
    bool is_unsigned;
    bool is_nullable;
    bool lacks_not_null; /* NOT NULL by a rule of the server alone, which Debezium does not know: a
                            primary key's column redefined, AUTO_INCREMENT without a primary key */
    bool is_generated;
    bool is_stored; /* generated: STORED, PERSISTENT */
    bool is_auto_increment;
    bool was_auto_increment; /* before a CHANGE: Debezium says so from then on */
    bool is_invisible;
    bool is_zerofill;
    bool updates_now; /* ON UPDATE CURRENT_TIMESTAMP */
    bool declares_length;
    bool declares_scale;
    bool is_binary_text;   /* BINARY, VARBINARY, BLOB: declared as a text of CHARACTER SET binary */
    bool has_read_default; /* Debezium reads the default otherwise than default_text says */
    bool has_default;      /* false: no DEFAULT, or not known */
    bool
        default_is_expression; /* CURRENT_TIMESTAMP and other functions: default_text holds the expression */
    uint16_t key_ordinal; /* 1-based place in the key; 0 = not a part */
};

#define TR_INDEX_EXPRESSION UINT16_MAX

/* An index as statements name it. */
struct tr_index {
    struct tr_span name; /* "PRIMARY" for the primary key */
    uint16_t *columns;   /* column indexes in order; TR_INDEX_EXPRESSION: a functional part */
    uint32_t column_count;
    bool is_primary;
    bool is_unique;
    bool is_foreign; /* made by the server for a foreign key; goes when another index serves */
};

struct tr_table {
    struct tr_span database;
    struct tr_span name;
    struct tr_span charset_name;   /* table default */
    struct tr_span collation_name; /* table default; empty = not known */
    struct tr_span comment;
    struct tr_span comment_text; /* as a column's */
    struct tr_column *columns;
    struct tr_index
        *indexes; /* all of them, the primary key included; empty: not from a statement */
    uint32_t index_count;
    uint32_t holders; /* see tr_table_hold */
    uint32_t column_count;
    uint32_t key_count;
    uint16_t *
        key_columns; /* column indexes in key order (contract §1.7: PRIMARY, else first UNIQUE NOT NULL) */
    bool has_names; /* false: column names are invented (@1, @2…): decode without metadata only */
    bool is_versioned; /* MariaDB: WITH SYSTEM VERSIONING */
    bool from_log;     /* built from a TABLE_MAP alone: defaults and declared extras are unknown */
    void *arena;       /* owns everything above */
};

/* Whether Debezium takes the column for one that allows NULL. */
static inline bool tr_column_is_optional(const struct tr_column *column)
{
    return column->is_nullable || column->lacks_not_null;
}

/* An empty model with room for `column_count` columns (zeroed). NULL with err when memory is refused or the count is over
 * TR_COLUMNS_MAX. Texts are copied into the model by tr_table_text. */
struct tr_table *tr_table_open(struct tr_span database, struct tr_span name, uint32_t column_count,
                               struct tr_error *err);
/* Gives one holder's share back; the last one frees the model. Accepts NULL. */
void tr_table_close(struct tr_table *table);
/* Takes a share: one more tr_table_close is due. The count is plain: all holders live on one thread. */
struct tr_table *tr_table_hold(struct tr_table *table);
/* Copies bytes into the model's arena; empty span on memory refusal (sticky: tr_table_is_whole tells). */
struct tr_span tr_table_text(struct tr_table *table, struct tr_span text);
/* The same for a text that may be there and empty: data is NULL only where it is in `text`, and on refusal. */
struct tr_span tr_table_text_or_none(struct tr_table *table, struct tr_span text);
/* Memory in the arena for arrays (options, key_columns); NULL on refusal, sticky as above. */
void *tr_table_array(struct tr_table *table, size_t bytes);
bool tr_table_is_whole(const struct tr_table *table);
/* Bytes it takes: its share of tailrace.catalog.max.bytes. */
size_t tr_table_memory_bytes(const struct tr_table *table);
/* The text that Debezium takes for a column's default (contract §2.9); false: it takes none. Of a clock and
 * of an expression, too: see default_is_expression. */
bool tr_column_read_default(const struct tr_column *column, struct tr_span *text);
/* A digest of everything that decides how rows are read: names, types, lengths, signs, charsets, options, key. */
uint64_t tr_table_fingerprint(const struct tr_table *table);
/* "INT UNSIGNED" style name of a type for messages. */
const char *tr_column_type_name(enum tr_column_type type);

#endif
