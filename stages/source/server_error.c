// SPDX-License-Identifier: Apache-2.0
#include "stages/source/server_error.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* Server error numbers: MySQL 8.4 and MariaDB 11 `mysqld_error.h`. */
enum {
    ER_CON_COUNT = 1040,
    ER_DBACCESS_DENIED = 1044,
    ER_SHUTDOWN = 1053,
    ER_HOST_BLOCKED = 1129,
    ER_HOST_REFUSED = 1130,
    ER_TABLE_ACCESS = 1142,
    ER_COLUMN_ACCESS = 1143,
    ER_ABORTING = 1152,
    ER_NET_READ = 1158,
    ER_NET_READ_TIMEOUT = 1159,
    ER_NET_WRITE = 1160,
    ER_NET_WRITE_TIMEOUT = 1161,
    ER_USER_CONNECTIONS = 1203,
    ER_USER_LIMIT = 1226,
    ER_DUMP_FATAL = 1236,
    ER_INTERRUPTED = 1317,
    ER_ACCESS_DENIED_NO_PASSWORD = 1698,
    ER_MALFORMED_GTID_SET = 1773,
    ER_KILLED = 1927,
    ER_GTID_LIST = 1941,
    ER_ACCOUNT_LOCKED = 3118,
    ER_SAME_ID = 4052,
    CR_LIBRARY_FIRST = 2000, /* client library: connect, lost link, timeouts */
    CR_LIBRARY_LAST = 2999,
};

#define GONE_REMEDY                                                                                \
    "events between the saved position and the server's log are lost to us: restore the log "      \
    "files, or delete the saved "                                                                  \
    "offset to begin at the present"

/* Families of error 1236 by a part of their text, lower case; the first match wins. */
static const struct family {
    const char *part;
    enum tr_code code;
    const char *remedy;
} families[] = {
    {"same server_uuid/server_id", TR_ERR_SOURCE_CLASH,
     "give each replica its own debezium.source.database.server.id"},
    {"same server_id", TR_ERR_SOURCE_CLASH,
     "give each replica its own debezium.source.database.server.id"},
    {"same server id", TR_ERR_SOURCE_CLASH,
     "give each replica its own debezium.source.database.server.id"},
    {"could not find first log file", TR_ERR_SOURCE_GONE, GONE_REMEDY},
    {"purged required binary logs", TR_ERR_SOURCE_GONE, GONE_REMEDY},
    {"has purged", TR_ERR_SOURCE_GONE, GONE_REMEDY},
    {"could not find gtid state requested", TR_ERR_SOURCE_GONE, GONE_REMEDY},
    {"more gtids than", TR_ERR_SOURCE_GONE,
     "the server was restored to an earlier state or is another one: connect to the right server, "
     "or delete the saved "
     "offset to begin at the present"},
    {"which is not in the", TR_ERR_SOURCE_GONE,
     "this server never had that transaction: connect to the right server, or delete the saved "
     "offset"},
    {"diverged", TR_ERR_SOURCE_GONE,
     "this server's history differs: connect to the right server, or delete the saved offset"},
    {"> file size", TR_ERR_SOURCE_GONE, GONE_REMEDY},
    {"impossible position", TR_ERR_SOURCE_GONE, GONE_REMEDY},
    {"auto_position", TR_ERR_SOURCE_SETUP,
     "set gtid_mode = ON on the server, or delete the saved offset's GTIDs"},
    {"gtid_mode", TR_ERR_SOURCE_SETUP,
     "set gtid_mode = ON on the server, or delete the saved offset's GTIDs"},
    {"not open", TR_ERR_SOURCE_SETUP, "start the server with --log-bin"},
    {"misconfigured", TR_ERR_SOURCE_SETUP, "start the server with --log-bin and a server id"},
    {"checksum", TR_ERR_PROTOCOL,
     "the log file is damaged, or the server wants checksums that were not asked for"},
    {"max_allowed_packet", TR_ERR_PROTOCOL,
     "the position is not the start of an event, or the log file is damaged"},
    {"bogus data", TR_ERR_PROTOCOL,
     "the position is not the start of an event, or the log file is damaged"},
    {"truncated in the middle", TR_ERR_PROTOCOL, "the log file is damaged"},
};

static const struct family *family_of(struct tr_span text);
static void print_text(struct tr_span text, char *out, size_t room_bytes);

enum tr_code tr_server_error_of_dump(uint32_t number, struct tr_span text, struct tr_error *err)
{
    char said[512];
    print_text(text, said, sizeof(said));

    switch (number) {
    case ER_DUMP_FATAL: {
        const struct family *family = family_of(text);
        if (family == NULL) {
            return TR_FAIL(
                err, TR_ERR_SOURCE_GONE, TR_STOP,
                "the server ended the dump with error 1236 (%s): check the saved position", said);
        }
        return TR_FAIL(err, family->code, TR_STOP,
                       "the server ended the dump with error 1236 (%s): %s", said, family->remedy);
    }
    case ER_SAME_ID:
        return TR_FAIL(err, TR_ERR_SOURCE_CLASH, TR_STOP,
                       "the server ended the dump with error %u (%s): give each replica its own "
                       "debezium.source.database.server.id",
                       number, said);
    case TR_SERVER_ERROR_PRIVILEGE:
    case TR_SERVER_ERROR_ACCESS_DENIED:
    case ER_DBACCESS_DENIED:
    case ER_TABLE_ACCESS:
    case ER_ACCESS_DENIED_NO_PASSWORD:
        return TR_FAIL(err, TR_ERR_SOURCE_AUTH, TR_STOP,
                       "the server refused the dump with error %u (%s): GRANT REPLICATION SLAVE ON "
                       "*.* TO the user of "
                       "debezium.source.database.user",
                       number, said);
    case ER_MALFORMED_GTID_SET:
    case ER_GTID_LIST:
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       "the server does not understand our GTID set, error %u (%s): check the "
                       "saved offset's gtids",
                       number, said);
    default:
        return TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RECONNECT,
                       "the server ended the dump with error %u (%s)", number, said);
    }
}

enum tr_code tr_server_error_of_query(uint32_t number, const char *text, const char *what,
                                      struct tr_error *err)
{
    char said[512];
    print_text(tr_span_of_text(text), said, sizeof(said));

    switch (number) {
    case TR_SERVER_ERROR_ACCESS_DENIED:
    case ER_ACCESS_DENIED_NO_PASSWORD:
        return TR_FAIL(err, TR_ERR_SOURCE_AUTH, TR_STOP,
                       "%s: error %u (%s): check debezium.source.database.user and "
                       "debezium.source.database.password, and the "
                       "user's host part",
                       what, number, said);
    case ER_HOST_REFUSED:
    case ER_ACCOUNT_LOCKED:
        return TR_FAIL(err, TR_ERR_SOURCE_AUTH, TR_STOP,
                       "%s: error %u (%s): create or unlock the user for this client's host", what,
                       number, said);
    case TR_SERVER_ERROR_PRIVILEGE:
    case ER_DBACCESS_DENIED:
    case ER_TABLE_ACCESS:
    case ER_COLUMN_ACCESS:
        return TR_FAIL(err, TR_ERR_SOURCE_AUTH, TR_STOP,
                       "%s: error %u (%s): grant it to the user of debezium.source.database.user",
                       what, number, said);
    case ER_CON_COUNT:
    case ER_SHUTDOWN:
    case ER_HOST_BLOCKED:
    case ER_ABORTING:
    case ER_NET_READ:
    case ER_NET_READ_TIMEOUT:
    case ER_NET_WRITE:
    case ER_NET_WRITE_TIMEOUT:
    case ER_USER_CONNECTIONS:
    case ER_USER_LIMIT:
    case ER_INTERRUPTED:
    case ER_KILLED:
        return TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RETRY, "%s: error %u (%s)", what, number, said);
    default:
        if (number >= CR_LIBRARY_FIRST && number <= CR_LIBRARY_LAST) {
            return TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RETRY, "%s: %s (client error %u)", what,
                           said, number);
        }
        return TR_FAIL(err, TR_ERR_SOURCE_SETUP, TR_STOP, "%s: error %u (%s)", what, number, said);
    }
}

static const struct family *family_of(struct tr_span text)
{
    char lower[512];
    print_text(text, lower, sizeof(lower));
    for (char *p = lower; *p != '\0'; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (strstr(lower, families[i].part) != NULL) {
            return &families[i];
        }
    }
    return NULL;
}

/* One line of printable text: bytes from the wire go into logs. */
static void print_text(struct tr_span text, char *out, size_t room_bytes)
{
    const size_t bytes = text.bytes < room_bytes - 1 ? text.bytes : room_bytes - 1;

    for (size_t i = 0; i < bytes; i++) {
        const uint8_t c = text.data[i];
        out[i] = c < 0x20 || c == 0x7F ? ' ' : (char)c;
    }
    out[bytes] = '\0';
}
