// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/parse.h"

bool ddl_skip_partition_clause(struct ddl_parser *parser, bool *moves_rows)
{
    static const char *const plain[] = {"REORGANIZE", "COALESCE", "ANALYZE", "CHECK",    "OPTIMIZE",
                                        "REBUILD",    "REPAIR",   "REMOVE",  "PARTITION"};
    bool is_partition = false;

    if (ddl_at_word(parser, "EXCHANGE") || ddl_at_word(parser, "TRUNCATE") ||
        ddl_at_word(parser, "DISCARD") || ddl_at_word(parser, "IMPORT")) {
        *moves_rows = true;
        is_partition = true;
    }
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        is_partition = is_partition || ddl_at_word(parser, plain[i]);
    }
    while (is_partition && !ddl_at_end(parser)) {
        ddl_step(parser);
    }
    return is_partition;
}

bool ddl_skip_alter_option(struct ddl_parser *parser)
{
    static const char *const alone[] = {
        "FORCE",   "ENABLE",         "DISABLE",          "WITH", "WITHOUT", "VALIDATION", "KEYS",
        "DEFAULT", "SECONDARY_LOAD", "SECONDARY_UNLOAD", "DATA", "INDEX",   "NOT"};
    static const char *const valued[] = {"ALGORITHM",
                                         "LOCK",
                                         "ENGINE",
                                         "TYPE",
                                         "AUTO_INCREMENT",
                                         "AVG_ROW_LENGTH",
                                         "CHECKSUM",
                                         "COMPRESSION",
                                         "CONNECTION",
                                         "DELAY_KEY_WRITE",
                                         "DIRECTORY",
                                         "ENCRYPTION",
                                         "INSERT_METHOD",
                                         "KEY_BLOCK_SIZE",
                                         "MAX_ROWS",
                                         "MIN_ROWS",
                                         "PACK_KEYS",
                                         "PASSWORD",
                                         "ROW_FORMAT",
                                         "STORAGE",
                                         "TABLESPACE",
                                         "STATS_AUTO_RECALC",
                                         "STATS_PERSISTENT",
                                         "STATS_SAMPLE_PAGES",
                                         "UNION",
                                         "TRANSACTIONAL",
                                         "TABLE_CHECKSUM",
                                         "PAGE_CHECKSUM",
                                         "ENCRYPTED",
                                         "ENCRYPTION_KEY_ID",
                                         "IETF_QUOTES",
                                         "SEQUENCE",
                                         "SECONDARY_ENGINE",
                                         "ENGINE_ATTRIBUTE",
                                         "SECONDARY_ENGINE_ATTRIBUTE",
                                         "AUTOEXTEND_SIZE",
                                         "PAGE_COMPRESSED",
                                         "PAGE_COMPRESSION_LEVEL"};
    struct tr_sql_token next = ddl_peek(parser);

    if (ddl_take_words(parser, "ORDER", "BY")) {
        while (!ddl_at_end(parser)) {
            ddl_step(parser);
        }
        return true;
    }
    bool has_value = tr_sql_is_mark(&next, '=') && tr_sql_is_name(&parser->token);
    for (size_t i = 0; !has_value && i < sizeof(valued) / sizeof(valued[0]); i++) {
        has_value = ddl_at_word(parser, valued[i]);
    }
    if (has_value) {
        ddl_step(parser);
        (void)ddl_take_mark(parser, '=');
        if (ddl_at_mark(parser, '(')) {
            ddl_skip_parentheses(parser);
        } else if (!ddl_at_end(parser) && !ddl_at_mark(parser, ',')) {
            ddl_step(parser);
        }
        return true;
    }
    for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++) {
        if (ddl_take_word(parser, alone[i])) {
            return true;
        }
    }
    return false;
}
