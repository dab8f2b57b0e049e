// SPDX-License-Identifier: Apache-2.0
/* Debezium's list of statements that are none of a schema history's business (contract §9.3): matched
 * by their first words, blanks of any kind and number between them. */
#include <string.h>

#include "stages/ddl/publish.h"
#include "stages/ddl/sql_lexer.h"

#define WORD_BYTES_MAX 24

static bool is_blank(uint8_t c)
{
    return c <= ' ';
}

static bool is_name_byte(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
}

static void skip_blanks(struct tr_span *text)
{
    while (text->bytes > 0 && is_blank(text->data[0])) {
        text->data++;
        text->bytes--;
    }
}

static uint8_t upper(uint8_t c)
{
    return (uint8_t)(c >= 'a' && c <= 'z' ? c & 0xDF : c);
}

/* Whether `text` begins with `head` (upper case), without case. */
static bool begins(struct tr_span text, const char *head)
{
    const size_t bytes = strlen(head);
    if (text.bytes < bytes) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (upper(text.data[i]) != (uint8_t)head[i]) {
            return false;
        }
    }
    return true;
}

/* Takes words (upper case, a blank between); all or nothing. */
static bool take(struct tr_span *text, const char *words)
{
    struct tr_span at = *text;
    while (*words != '\0') {
        char word[WORD_BYTES_MAX];
        const size_t bytes = strcspn(words, " ");
        memcpy(word, words, bytes);
        word[bytes] = '\0';
        if (!begins(at, word) || (at.bytes > bytes && is_name_byte(at.data[bytes]))) {
            return false;
        }
        at.data += bytes;
        at.bytes -= bytes;
        skip_blanks(&at);
        words += bytes + (words[bytes] == ' ' ? 1 : 0);
    }
    *text = at;
    return true;
}

static bool is_in(struct tr_span text, const char *what)
{
    const size_t bytes = strlen(what);
    for (; text.bytes >= bytes; text.data++, text.bytes--) {
        if (begins(text, what)) {
            return true;
        }
    }
    return false;
}

/* The text behind SET STATEMENT … FOR (MariaDB): what is run. */
static struct tr_span behind_set_statement(struct tr_span text)
{
    if (!take(&text, "SET STATEMENT")) {
        return text;
    }
    for (; text.bytes > 0; text.data++, text.bytes--) {
        struct tr_span at = text;
        if (is_blank(at.data[0])) {
            skip_blanks(&at);
            if (take(&at, "FOR")) {
                return at;
            }
        }
    }
    return text;
}

/* What Amazon's RDS writes for itself: heartbeats, monitors. */
static bool is_of_rds(struct tr_span text)
{
    static const char *const tables[] = {"RDS_HEARTBEAT2", "RDS_SYSINFO", "RDS_MONITOR"};

    if (!take(&text, "INSERT INTO") && !take(&text, "DELETE FROM")) {
        return false;
    }
    if (begins(text, "MYSQL.")) {
        text.data += strlen("MYSQL.");
        text.bytes -= strlen("MYSQL.");
    }
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (begins(text, tables[i])) {
            return true;
        }
    }
    return false;
}

/* Goes behind `name = value`, where a value may be quoted: 'a'@`%`. */
static void take_option(struct tr_span *text)
{
    uint8_t quote = 0;

    while (text->bytes > 0 && text->data[0] != '=') {
        text->data++;
        text->bytes--;
    }
    if (text->bytes > 0) {
        text->data++;
        text->bytes--;
    }
    skip_blanks(text);
    while (text->bytes > 0 && (quote != 0 || !is_blank(text->data[0]))) {
        const uint8_t c = text->data[0];
        if (quote != 0) {
            quote = c == quote ? 0 : quote;
        } else if (c == '\'' || c == '"' || c == '`') {
            quote = c;
        }
        text->data++;
        text->bytes--;
    }
    skip_blanks(text);
}

/* CREATE, ALTER, DROP of a view, a routine, a trigger, an account. */
static bool is_of_object(struct tr_span text)
{
    static const char *const objects[] = {"VIEW", "FUNCTION", "PROCEDURE", "TRIGGER"};

    if (!take(&text, "CREATE") && !take(&text, "ALTER") && !take(&text, "DROP")) {
        return false;
    }
    if (take(&text, "USER") || take(&text, "ROLE")) {
        return true;
    }
    (void)take(&text, "OR REPLACE");
    if (begins(text, "ALGORITHM")) {
        take_option(&text);
    }
    if (begins(text, "DEFINER")) {
        take_option(&text);
    }
    if (take(&text, "SQL SECURITY") && !take(&text, "DEFINER")) {
        (void)take(&text, "INVOKER");
    }
    (void)take(&text, "AGGREGATE");
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
        if (take(&text, objects[i])) {
            return true;
        }
    }
    return false;
}

static bool is_maintenance(struct tr_span text)
{
    if (!take(&text, "ANALYZE") && !take(&text, "OPTIMIZE") && !take(&text, "REPAIR")) {
        return false;
    }
    (void)(take(&text, "NO_WRITE_TO_BINLOG") || take(&text, "LOCAL"));
    return take(&text, "TABLE") || take(&text, "TABLES");
}

/* The next token is that word: taken. */
static bool take_word(struct tr_sql_lexer *lexer, const char *word)
{
    struct tr_sql_lexer ahead = *lexer;
    const struct tr_sql_token token = tr_sql_lexer_next(&ahead);

    if (!tr_sql_is_word(&token, word)) {
        return false;
    }
    *lexer = ahead;
    return true;
}

/*
 * What may carry a password: it goes into no store and no stream, whatever comments stand before and
 * inside it. Debezium's list has but the plain forms of CREATE USER and GRANT, and publishes MariaDB's
 * CREATE OR REPLACE USER with the password as it was typed.
 */
static bool is_of_account(struct tr_span text)
{
    struct tr_sql_lexer lexer;
    struct tr_sql_token token;

    tr_sql_lexer_init(&lexer, text, 0, TR_FLAVOR_MARIADB); /* which reads MySQL's comments, too */
    if (take_word(&lexer, "SET")) {
        if (take_word(&lexer, "PASSWORD")) {
            return true;
        }
        if (!take_word(&lexer, "STATEMENT")) {
            return false;
        }
        do {
            token = tr_sql_lexer_next(&lexer);
        } while (token.kind != TR_SQL_END && !tr_sql_is_word(&token, "FOR"));
        if (take_word(&lexer, "SET")) {
            return take_word(&lexer, "PASSWORD");
        }
    }
    if (take_word(&lexer, "GRANT")) {
        return true;
    }
    if (!take_word(&lexer, "CREATE") && !take_word(&lexer, "ALTER")) {
        return false;
    }
    if (take_word(&lexer, "OR")) {
        (void)take_word(&lexer, "REPLACE");
    }
    return take_word(&lexer, "USER") || take_word(&lexer, "SERVER");
}

static bool is_exactly(struct tr_span text, const char *what)
{
    return text.bytes == strlen(what) && memcmp(text.data, what, text.bytes) == 0;
}

bool tr_ddl_is_filtered(struct tr_span sql)
{
    struct tr_span text = sql;
    skip_blanks(&text);
    while (text.bytes > 0 && is_blank(text.data[text.bytes - 1])) {
        text.bytes--;
    }
    if (is_exactly(text, "BEGIN") || is_exactly(text, "END") ||
        is_exactly(text, "FLUSH PRIVILEGES")) {
        return true;
    }
    struct tr_span at = text;
    if (take(&at, "#") || begins(text, "#")) {
        at = tr_span_of(text.data + 1, text.bytes - 1);
        skip_blanks(&at);
        return begins(at, "DUMMY EVENT");
    }
    if (take(&at, "DROP TEMPORARY TABLE IF EXISTS")) {
        return is_in(at, "/* GENERATED BY SERVER */");
    }
    if (take(&at, "FLUSH RELAY LOGS") || take(&at, "SAVEPOINT")) {
        return true;
    }
    at = behind_set_statement(text);
    return take(&at, "REPLACE INTO") || take(&at, "GRANT") || take(&at, "REVOKE") ||
           is_of_rds(at) || is_of_object(at) || is_maintenance(at) || is_of_account(text);
}
