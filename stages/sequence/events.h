// SPDX-License-Identifier: Apache-2.0
/*
 * Binary log events: the header and the bodies that the sequencer reads (mysql-binlog.md §3).
 *
 * Every parser is total: any bytes give a value or TR_ERR_PROTOCOL. Spans are borrowed from the
 * event. `body` is the event behind its 19-byte header and without its checksum trailer. Row bodies
 * are not read here beyond their table id.
 */
#ifndef TR_STAGES_SEQUENCE_EVENTS_H
#define TR_STAGES_SEQUENCE_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "offsets/gtid.h"

#define TR_EVENT_HEADER_BYTES 19
#define TR_EVENT_TRAILER_BYTES 4
#define TR_EVENT_BYTES_MAX (UINT32_C(1) << 30) /* the servers send no longer packet */

/* Source: Log_event_type, MySQL 9.7 and MariaDB 12 (mysql-binlog.md §3.3). */
enum tr_event_type {
    TR_EVENT_START_V3 = 1,
    TR_EVENT_QUERY = 2,
    TR_EVENT_STOP = 3,
    TR_EVENT_ROTATE = 4,
    TR_EVENT_INTVAR = 5,
    TR_EVENT_APPEND_BLOCK = 9,
    TR_EVENT_DELETE_FILE = 11,
    TR_EVENT_RAND = 13,
    TR_EVENT_USER_VAR = 14,
    TR_EVENT_FORMAT_DESCRIPTION = 15,
    TR_EVENT_XID = 16,
    TR_EVENT_BEGIN_LOAD_QUERY = 17,
    TR_EVENT_EXECUTE_LOAD_QUERY = 18,
    TR_EVENT_TABLE_MAP = 19,
    TR_EVENT_WRITE_ROWS_V1 = 23,
    TR_EVENT_UPDATE_ROWS_V1 = 24,
    TR_EVENT_DELETE_ROWS_V1 = 25,
    TR_EVENT_INCIDENT = 26,
    TR_EVENT_HEARTBEAT = 27,
    TR_EVENT_IGNORABLE = 28,
    TR_EVENT_ROWS_QUERY = 29,
    TR_EVENT_WRITE_ROWS = 30,
    TR_EVENT_UPDATE_ROWS = 31,
    TR_EVENT_DELETE_ROWS = 32,
    TR_EVENT_GTID = 33,
    TR_EVENT_ANONYMOUS_GTID = 34,
    TR_EVENT_PREVIOUS_GTIDS = 35,
    TR_EVENT_TRANSACTION_CONTEXT = 36,
    TR_EVENT_VIEW_CHANGE = 37,
    TR_EVENT_XA_PREPARE = 38,
    TR_EVENT_PARTIAL_UPDATE_ROWS = 39,
    TR_EVENT_TRANSACTION_PAYLOAD = 40,
    TR_EVENT_HEARTBEAT_V2 = 41,
    TR_EVENT_GTID_TAGGED = 42,
    TR_EVENT_ANNOTATE_ROWS = 160,
    TR_EVENT_BINLOG_CHECKPOINT = 161,
    TR_EVENT_MARIADB_GTID = 162,
    TR_EVENT_GTID_LIST = 163,
    TR_EVENT_START_ENCRYPTION = 164,
    TR_EVENT_QUERY_COMPRESSED = 165,
    TR_EVENT_WRITE_ROWS_COMPRESSED_V1 = 166,
    TR_EVENT_UPDATE_ROWS_COMPRESSED_V1 = 167,
    TR_EVENT_DELETE_ROWS_COMPRESSED_V1 = 168,
    TR_EVENT_WRITE_ROWS_COMPRESSED = 169,
    TR_EVENT_UPDATE_ROWS_COMPRESSED = 170,
    TR_EVENT_DELETE_ROWS_COMPRESSED = 171
};

#define TR_EVENT_FLAG_IN_USE 0x0001u
#define TR_EVENT_FLAG_THREAD_SPECIFIC 0x0004u
#define TR_EVENT_FLAG_ARTIFICIAL 0x0020u
#define TR_EVENT_FLAG_IGNORABLE 0x0080u

struct tr_event_header {
    uint32_t timestamp_sec; /* unix time; 0 = none (artificial events, heartbeats) */
    uint32_t server_id;
    uint32_t event_bytes; /* header and trailer included */
    uint32_t end_pos;     /* modulo 2^32; 0 = not told */
    uint16_t flags;
    uint8_t type; /* enum tr_event_type, or any other number */
};

/* Reads 19 bytes. */
static inline struct tr_event_header tr_event_header_read(const uint8_t *at)
{
    return (struct tr_event_header){
        .timestamp_sec = tr_load_u32(at),
        .type = at[4],
        .server_id = tr_load_u32(at + 5),
        .event_bytes = tr_load_u32(at + 9),
        .end_pos = tr_load_u32(at + 13),
        .flags = tr_load_u16(at + 17),
    };
}

enum tr_checksum { TR_CHECKSUM_NONE = 0, TR_CHECKSUM_CRC32 };

#define TR_SERVER_VERSION_BYTES 50

/* FORMAT_DESCRIPTION: begins each file and each connection; decides the checksum of what follows.
 */
struct tr_event_format {
    char server_version[TR_SERVER_VERSION_BYTES + 1];
    uint32_t version_number; /* major * 10000 + minor * 100 + patch */
    enum tr_checksum checksum;
    bool has_checksum_field;  /* false: a server before MySQL 5.6.1, which has no trailers at all */
    bool has_short_table_ids; /* 4 bytes: before MySQL 5.1.4 */
    enum tr_flavor flavor;
};

/* `event`: the whole event with its trailer. Errors: TR_ERR_PROTOCOL; TR_ERR_UNSUPPORTED naming
 * version or algorithm. */
TR_NODISCARD enum tr_code tr_event_format_parse(struct tr_event_format *format,
                                                struct tr_span event, struct tr_error *err);

struct tr_event_rotate {
    uint64_t pos;
    struct tr_span file;
};

/* Errors: TR_ERR_PROTOCOL when the name is empty, too long, or holds control characters. */
TR_NODISCARD enum tr_code tr_event_rotate_parse(struct tr_event_rotate *rotate, struct tr_span body,
                                                struct tr_error *err);

/* Source: mysql-binlog.md §3.6. */
struct tr_event_query {
    int64_t thread_id;
    uint16_t error_code;
    struct tr_span database; /* the session's default database */
    struct tr_span sql;
    uint64_t sql_mode;
    uint16_t client_collation;         /* of `sql`; 0 = not told */
    uint16_t server_collation;         /* of new databases that name none; 0 = not told, as below */
    uint16_t database_collation;       /* of the default database, where the session overrides it */
    uint16_t utf8mb4_collation;        /* MySQL: default collation of utf8mb4 */
    struct tr_span charset_collations; /* MariaDB: pairs of 2-byte numbers: a character set's first
                                          collation, the one it defaults to */
    uint32_t flags2;                   /* status variable 0; 0 = not told */
    bool tells_timestamps;             /* MySQL: is explicit_defaults_for_timestamp told */
    bool timestamps_are_explicit;      /* its value */
    uint8_t mariadb_gtid_flags;        /* status variable 130: two-phase ALTER */
};

/* Bit of flags2: explicit_defaults_for_timestamp is on (MariaDB 10.10 and later). */
#define TR_QUERY_FLAG2_EXPLICIT_TIMESTAMPS UINT32_C(0x1000000)

/* `is_load`: the event is EXECUTE_LOAD_QUERY, whose post-header is 13 bytes longer. Unknown status
 * variables end the reading of status variables, not of the event. */
TR_NODISCARD enum tr_code tr_event_query_parse(struct tr_event_query *query, struct tr_span body,
                                               bool is_load, struct tr_error *err);

/* MySQL's GTID, ANONYMOUS_GTID, GTID_TAGGED. */
struct tr_event_gtid {
    uint8_t uuid[16];
    uint64_t number;
    struct tr_span tag; /* empty = none; the tagged form's bytes lie in `tag_bytes` */
    char tag_bytes[TR_GTID_TAG_BYTES_MAX];
    int64_t original_commit_us;  /* 0 = not told (before 8.0.1) */
    int64_t immediate_commit_us; /* 0 = not told */
    uint64_t transaction_bytes;  /* 0 = not told */
};

/* `tag` points into *gtid: copy the struct with care. */
TR_NODISCARD enum tr_code tr_event_gtid_parse(struct tr_event_gtid *gtid, struct tr_span body,
                                              struct tr_error *err);
TR_NODISCARD enum tr_code tr_event_gtid_tagged_parse(struct tr_event_gtid *gtid,
                                                     struct tr_span body, struct tr_error *err);

/* MariaDB's GTID; source: mysql-binlog.md §3.17. */
#define TR_MARIADB_GTID_STANDALONE 0x01u
#define TR_MARIADB_GTID_GROUP_COMMIT 0x02u
#define TR_MARIADB_GTID_DDL 0x20u
#define TR_MARIADB_GTID_PREPARED_XA 0x40u
#define TR_MARIADB_GTID_COMPLETED_XA 0x80u
#define TR_MARIADB_GTID_EXTRA_START_ALTER 0x02u
#define TR_MARIADB_GTID_EXTRA_COMMIT_ALTER 0x04u
#define TR_MARIADB_GTID_EXTRA_ROLLBACK_ALTER 0x08u

struct tr_event_mariadb_gtid {
    uint64_t number;
    uint32_t domain_id;
    uint8_t flags;
    uint8_t flags_extra;
};

TR_NODISCARD enum tr_code tr_event_mariadb_gtid_parse(struct tr_event_mariadb_gtid *gtid,
                                                      struct tr_span body, struct tr_error *err);

/* MariaDB's GTID_LIST: `on_entry` for each, in order. */
struct tr_event_gtid_list_entry {
    uint32_t domain_id;
    uint32_t server_id;
    uint64_t number;
};

struct tr_event_gtid_list {
    uint32_t count;
    uint8_t flags;
    struct tr_span entries; /* 16 bytes each */
};

TR_NODISCARD enum tr_code tr_event_gtid_list_parse(struct tr_event_gtid_list *list,
                                                   struct tr_span body, struct tr_error *err);
/* Entry `index`, below list->count. */
struct tr_event_gtid_list_entry tr_event_gtid_list_entry(const struct tr_event_gtid_list *list,
                                                         uint32_t index);

struct tr_event_heartbeat {
    struct tr_span file;
    uint64_t pos; /* 64 bit in version 2; else the header's 32 bits */
};

TR_NODISCARD enum tr_code tr_event_heartbeat_parse(struct tr_event_heartbeat *heartbeat,
                                                   const struct tr_event_header *header,
                                                   struct tr_span body, struct tr_error *err);

struct tr_event_xa_prepare {
    bool one_phase;
    uint32_t format_id;
    struct tr_span gtrid;
    struct tr_span bqual;
};

TR_NODISCARD enum tr_code tr_event_xa_prepare_parse(struct tr_event_xa_prepare *prepare,
                                                    struct tr_span body, struct tr_error *err);

enum tr_payload_compression { TR_PAYLOAD_ZSTD = 0, TR_PAYLOAD_NONE = 255 };

/* The head of TRANSACTION_PAYLOAD; source: mysql-binlog.md §3.14. */
struct tr_event_payload {
    uint64_t payload_bytes;
    uint64_t inflated_bytes; /* as declared: a hint, never trusted */
    uint64_t compression;    /* enum tr_payload_compression, or a number that is not known */
    uint32_t head_bytes;     /* of the body before the payload */
};

/* `body` may be the first part of the event only: it must hold the head. */
TR_NODISCARD enum tr_code tr_event_payload_parse(struct tr_event_payload *payload,
                                                 struct tr_span body, struct tr_error *err);

/* The head that all rows events share. */
struct tr_event_rows {
    uint64_t table_id;
    uint16_t flags;
};

#define TR_ROWS_FLAG_STMT_END 0x0001u
#define TR_ROWS_DUMMY_TABLE_ID UINT64_C(0x00FFFFFF) /* ends a statement group in old relay logs */

TR_NODISCARD enum tr_code tr_event_rows_parse(struct tr_event_rows *rows, struct tr_span body,
                                              struct tr_error *err);

struct tr_event_incident {
    uint16_t number;
    struct tr_span message;
};

TR_NODISCARD enum tr_code tr_event_incident_parse(struct tr_event_incident *incident,
                                                  struct tr_span body, struct tr_error *err);

/* The type's name in upper case, "unknown" for numbers without one. For messages. */
const char *tr_event_type_name(uint8_t type);

#endif
