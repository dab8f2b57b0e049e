// SPDX-License-Identifier: Apache-2.0
/*
 * Words of an SQL text as the servers log it: comments skipped, executable comments read as code,
 * quoting by sql_mode.
 *
 * Total: any bytes give tokens and then TR_SQL_END; nothing is ever rejected. Rules: mysql-binlog
 * reference §8.2.
 */
#ifndef TR_STAGES_DDL_SQL_LEXER_H
#define TR_STAGES_DDL_SQL_LEXER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "offsets/gtid.h"

/* Bits of sql_mode that change how a text is cut (the same on both servers, ORACLE: MariaDB). */
#define TR_SQL_MODE_ANSI_QUOTES UINT64_C(0x4)
#define TR_SQL_MODE_NO_BACKSLASH_ESCAPES UINT64_C(0x100000)

enum tr_sql_kind {
    TR_SQL_END = 0,
    TR_SQL_WORD,   /* a keyword or an unquoted name */
    TR_SQL_NAME,   /* a quoted name: text is what stands between the quotes, still doubled */
    TR_SQL_STRING, /* a string literal: text between the quotes, still escaped */
    TR_SQL_NUMBER, /* begins with a digit and is not a name (names may, behind a dot) */
    TR_SQL_MARK,   /* one other character */
};

struct tr_sql_token {
    enum tr_sql_kind kind;
    struct tr_span text;   /* into the statement */
    struct tr_span source; /* the same with its quotes */
    uint8_t quote;         /* NAME, STRING: which quote */
};

struct tr_sql_lexer {
    struct tr_span sql; /* what is left */
    uint64_t sql_mode;
    enum tr_flavor flavor;
    bool in_live_comment; /* inside an executable comment: its end mark is skipped */
    bool after_dot;       /* the last token was a dot: digits begin a name */
};

/* Begins at the first byte of `sql`, which must outlive the lexer. */
void tr_sql_lexer_init(struct tr_sql_lexer *lexer, struct tr_span sql, uint64_t sql_mode,
                       enum tr_flavor flavor);

/* The next token; TR_SQL_END for ever after the last. */
struct tr_sql_token tr_sql_lexer_next(struct tr_sql_lexer *lexer);

/* Goes on at `at`, which lies in the statement, behind the token it was taken from. For what the
 * lexer cuts into several tokens: numbers with fraction and exponent. */
void tr_sql_lexer_seek(struct tr_sql_lexer *lexer, const uint8_t *at);

/* Whether a token is that keyword, in any case; quoted names never are. `word` in upper case. */
bool tr_sql_is_word(const struct tr_sql_token *token, const char *word);

/* Whether a token is that character. */
bool tr_sql_is_mark(const struct tr_sql_token *token, char mark);

/* Whether a token can name something. */
bool tr_sql_is_name(const struct tr_sql_token *token);

/* Writes a name without doubled quotes into `out` (room: token->text.bytes); returns bytes. */
size_t tr_sql_write_name(const struct tr_sql_token *token, uint8_t *out);

#endif
