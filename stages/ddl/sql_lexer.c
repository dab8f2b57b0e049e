// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/sql_lexer.h"

#include "engine/assert.h"

static struct tr_sql_token take_token(struct tr_sql_lexer *lexer);

void tr_sql_lexer_init(struct tr_sql_lexer *lexer, struct tr_span sql, uint64_t sql_mode,
                       enum tr_flavor flavor)
{
    *lexer = (struct tr_sql_lexer){.sql = sql, .sql_mode = sql_mode, .flavor = flavor};
}

static void skip(struct tr_sql_lexer *lexer, size_t bytes)
{
    lexer->sql = tr_span_of(lexer->sql.data + bytes, lexer->sql.bytes - bytes);
}

static bool starts_with(const struct tr_sql_lexer *lexer, const char *text)
{
    const size_t bytes = strlen(text);
    return lexer->sql.bytes >= bytes && memcmp(lexer->sql.data, text, bytes) == 0;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
           c == '$' || c >= 0x80;
}

static void skip_line(struct tr_sql_lexer *lexer)
{
    const uint8_t *end = memchr(lexer->sql.data, '\n', lexer->sql.bytes);
    skip(lexer, end == NULL ? lexer->sql.bytes : (size_t)(end - lexer->sql.data) + 1);
}

/* At a comment's opening: skips it, or only its opening when its contents are code. */
static void skip_block_comment(struct tr_sql_lexer *lexer)
{
    const bool live =
        starts_with(lexer, "/*!") || (lexer->flavor == TR_FLAVOR_MARIADB &&
                                      (starts_with(lexer, "/*M!") || starts_with(lexer, "/*m!")));
    if (!live) {
        const uint8_t *end = lexer->sql.bytes < 4
                                 ? NULL
                                 : memmem(lexer->sql.data + 2, lexer->sql.bytes - 2, "*/", 2);
        skip(lexer, end == NULL ? lexer->sql.bytes : (size_t)(end - lexer->sql.data) + 2);
        return;
    }
    skip(lexer, starts_with(lexer, "/*!") ? 3 : 4);
    while (lexer->sql.bytes > 0 && is_digit(lexer->sql.data[0])) {
        skip(lexer, 1);
    }
    lexer->in_live_comment = true;
}

static void skip_blanks(struct tr_sql_lexer *lexer)
{
    while (lexer->sql.bytes > 0) { /* ends: each turn takes at least a byte */
        const uint8_t c = lexer->sql.data[0];
        if (is_blank(c)) {
            skip(lexer, 1);
        } else if (c == '#') {
            skip_line(lexer);
        } else if (starts_with(lexer, "--") &&
                   (lexer->sql.bytes == 2 || lexer->sql.data[2] <= ' ')) {
            skip_line(lexer);
        } else if (starts_with(lexer, "/*")) {
            skip_block_comment(lexer);
        } else if (lexer->in_live_comment && starts_with(lexer, "*/")) {
            skip(lexer, 2);
            lexer->in_live_comment = false;
        } else {
            return;
        }
    }
}

/* At a quote: the text up to its end, which may be missing. */
static struct tr_span take_quoted(struct tr_sql_lexer *lexer, uint8_t quote, bool backslash_escapes)
{
    size_t at = 1;
    while (at < lexer->sql.bytes) {
        if (lexer->sql.data[at] == '\\' && backslash_escapes) {
            at += 2;
            continue;
        }
        if (lexer->sql.data[at] == quote) {
            if (at + 1 == lexer->sql.bytes || lexer->sql.data[at + 1] != quote) {
                const struct tr_span text = tr_span_of(lexer->sql.data + 1, at - 1);
                skip(lexer, at + 1);
                return text;
            }
            at++; /* doubled */
        }
        at++;
    }
    const struct tr_span text = tr_span_of(lexer->sql.data + 1, lexer->sql.bytes - 1);
    skip(lexer, lexer->sql.bytes);
    return text;
}

static struct tr_sql_token take_word(struct tr_sql_lexer *lexer, bool may_be_number)
{
    size_t bytes = 0;
    bool all_digits = true;
    while (bytes < lexer->sql.bytes && is_name_byte(lexer->sql.data[bytes])) {
        all_digits = all_digits && is_digit(lexer->sql.data[bytes]);
        bytes++;
    }
    const struct tr_span text = tr_span_of(lexer->sql.data, bytes);
    skip(lexer, bytes);
    return (struct tr_sql_token){.kind = all_digits && may_be_number ? TR_SQL_NUMBER : TR_SQL_WORD,
                                 .text = text};
}

struct tr_sql_token tr_sql_lexer_next(struct tr_sql_lexer *lexer)
{
    skip_blanks(lexer);
    const uint8_t *from = lexer->sql.data;
    struct tr_sql_token token = take_token(lexer);
    token.source =
        tr_span_of(from, token.kind == TR_SQL_END ? 0 : (size_t)(lexer->sql.data - from));
    return token;
}

void tr_sql_lexer_seek(struct tr_sql_lexer *lexer, const uint8_t *at)
{
    const uint8_t *end = lexer->sql.data + lexer->sql.bytes;
    TR_ASSERT(at <= end);
    lexer->sql = tr_span_of(at, (size_t)(end - at));
    lexer->after_dot = false;
}

/* What begins behind the blanks. */
static struct tr_sql_token take_token(struct tr_sql_lexer *lexer)
{
    if (lexer->sql.bytes == 0) {
        return (struct tr_sql_token){.kind = TR_SQL_END};
    }
    const bool after_dot = lexer->after_dot;
    const uint8_t c = lexer->sql.data[0];
    lexer->after_dot = c == '.';
    if (c == '`' || (c == '"' && (lexer->sql_mode & TR_SQL_MODE_ANSI_QUOTES) != 0)) {
        return (struct tr_sql_token){
            .kind = TR_SQL_NAME, .quote = c, .text = take_quoted(lexer, c, false)};
    }
    if (c == '\'' || c == '"') {
        const bool escapes = (lexer->sql_mode & TR_SQL_MODE_NO_BACKSLASH_ESCAPES) == 0;
        return (struct tr_sql_token){
            .kind = TR_SQL_STRING, .quote = c, .text = take_quoted(lexer, c, escapes)};
    }
    if (is_name_byte(c)) {
        return take_word(lexer, !after_dot);
    }
    const struct tr_span text = tr_span_of(lexer->sql.data, 1);
    skip(lexer, 1);
    return (struct tr_sql_token){.kind = TR_SQL_MARK, .text = text};
}

bool tr_sql_is_word(const struct tr_sql_token *token, const char *word)
{
    if (token->kind != TR_SQL_WORD) {
        return false;
    }
    for (size_t i = 0; i < token->text.bytes; i++) { /* most words differ in their first letter */
        const uint8_t c = token->text.data[i];
        const uint8_t upper = (uint8_t)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
        if (word[i] == '\0' || upper != (uint8_t)word[i]) {
            return false;
        }
    }
    return word[token->text.bytes] == '\0';
}

bool tr_sql_is_mark(const struct tr_sql_token *token, char mark)
{
    return token->kind == TR_SQL_MARK && token->text.data[0] == (uint8_t)mark;
}

bool tr_sql_is_name(const struct tr_sql_token *token)
{
    return token->kind == TR_SQL_WORD || token->kind == TR_SQL_NAME;
}

size_t tr_sql_write_name(const struct tr_sql_token *token, uint8_t *out)
{
    size_t bytes = 0;
    for (size_t i = 0; i < token->text.bytes; i++) {
        out[bytes++] = token->text.data[i];
        if (token->kind == TR_SQL_NAME && token->text.data[i] == token->quote) {
            i++; /* its double */
        }
    }
    return bytes;
}
