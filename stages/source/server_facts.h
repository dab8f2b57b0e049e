// SPDX-License-Identifier: Apache-2.0
/*
 * What kind of server the source is, whether it is set up for capture, and where its log stands.
 *
 * Works on the query port alone, so that a simulated server can answer. Errors name the setting,
 * the value found, the value wanted and the statement that mends it. Source: mysql-binlog.md §1.7,
 * §7.3, §7.4; debezium-contract.md §3.2, §3.3.
 */
#ifndef TR_STAGES_SOURCE_SERVER_FACTS_H
#define TR_STAGES_SOURCE_SERVER_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"
#include "offsets/gtid.h"
#include "offsets/position.h"
#include "stages/source/query.h"

#define TR_FACT_TEXT_BYTES 64

/* Values of settings as the server prints them; empty: this server has no such setting. */
#define TR_RETENTION_RDS_S_LEAST 300 /* "as soon as possible": its backups run every five minutes */

struct tr_server_facts {
    enum tr_flavor flavor;
    uint32_t version_number; /* major * 10000 + minor * 100 + patch */
    uint32_t server_id;
    uint32_t lower_case_table_names;
    uint64_t
        retention_s; /* how long logs are kept; 0 = until purged by hand; TR_RETENTION_RDS_S_LEAST
                             where Amazon's setting is not set */
    bool is_rds;     /* Amazon's: it purges logs by a setting of its own */
    bool log_bin;
    bool can_replicate; /* the user has REPLICATION SLAVE, or grants cannot tell (roles) */
    char version[128];
    char version_comment[128];
    char server_uuid[TR_FACT_TEXT_BYTES]; /* MariaDB: server_uid where it has one */
    char user[1024]; /* CURRENT_USER() as a statement names it: 'cdc'@'%'; for remedies */
    char binlog_format[TR_FACT_TEXT_BYTES];
    char binlog_row_image[TR_FACT_TEXT_BYTES];
    char binlog_row_metadata[TR_FACT_TEXT_BYTES];
    char binlog_row_value_options[TR_FACT_TEXT_BYTES];
    char binlog_checksum[TR_FACT_TEXT_BYTES];
    char gtid_mode[TR_FACT_TEXT_BYTES]; /* MySQL */
    char time_zone[TR_FACT_TEXT_BYTES]; /* system_time_zone where time_zone is SYSTEM */
};

/* Reads everything above. Errors: the port's. */
TR_NODISCARD enum tr_code tr_server_facts_read(struct tr_server_facts *facts,
                                               const struct tr_query_port *port,
                                               struct tr_error *err);

/* What capture needs of the server, in the order in which a start looks at it. */
enum tr_server_need {
    TR_NEED_LOG = 0,
    TR_NEED_LOG_FORMAT,
    TR_NEED_ROW_IMAGE,
    TR_NEED_WHOLE_JSON,
    TR_NEED_OWN_SERVER_ID,
    TR_NEED_REPLICATION_GRANT,
    TR_NEED_COUNT
};

/*
 * Whether a replica with id `server_id` has that of this server. Errors: TR_ERR_SOURCE_SETUP
 * (binary log, format, row image, partial JSON), TR_ERR_SOURCE_AUTH (grant), TR_ERR_SOURCE_CLASH
 * (our id is the server's own); all TR_STOP with the statement that mends it.
 */
TR_NODISCARD enum tr_code tr_server_facts_check_need(const struct tr_server_facts *facts,
                                                     enum tr_server_need need, uint32_t server_id,
                                                     struct tr_error *err);

/* The first of all needs that is not met. Errors: as above. */
TR_NODISCARD enum tr_code tr_server_facts_check(const struct tr_server_facts *facts,
                                                uint32_t server_id, struct tr_error *err);

/* Whether this version is one we know (MySQL 5.6 - 9.7, MariaDB 10.5 - 11.8); otherwise the caller
 * warns at start. */
bool tr_server_facts_is_known_version(const struct tr_server_facts *facts);

/* Whether the position should be the GTID set: MySQL with gtid_mode = ON, MariaDB always. */
bool tr_server_facts_has_gtids(const struct tr_server_facts *facts);

/*
 * The end of the server's log now: file, pos, and the GTIDs executed up to it (`position->gtids`
 * must be open; emptied first; left empty without GTIDs). MariaDB: the GTIDs are those of just that
 * file and pos. Errors: the port's; TR_ERR_SOURCE_AUTH naming the grant; TR_ERR_SOURCE_SETUP when
 * there is no log.
 */
TR_NODISCARD enum tr_code tr_server_position_read(struct tr_saved_position *position,
                                                  const struct tr_server_facts *facts,
                                                  const struct tr_query_port *port,
                                                  struct tr_gtid_sources *sources,
                                                  struct tr_error *err);

/* MariaDB: the GTIDs of `position->point`, of just that file and pos (contract §3.5; no privilege
 * is needed). The set must be open and empty. Errors: the port's. */
TR_NODISCARD enum tr_code tr_server_position_read_gtids(struct tr_saved_position *position,
                                                        const struct tr_query_port *port,
                                                        struct tr_gtid_sources *sources,
                                                        struct tr_error *err);

/* The server's log files, and where a point lies in them. */
struct tr_server_log {
    uint32_t file_count;
    uint64_t bytes;       /* of all files */
    bool has_file;        /* the point's file is one of them */
    uint64_t file_bytes;  /* of that file */
    uint64_t after_bytes; /* of log behind the point, to the end of the last file */
};

/* Reads it by SHOW BINARY LOGS. Errors: the port's; TR_ERR_SOURCE_AUTH naming the grant. */
TR_NODISCARD enum tr_code tr_server_log_read(struct tr_server_log *log,
                                             const struct tr_log_point *point,
                                             const struct tr_server_facts *facts,
                                             const struct tr_query_port *port,
                                             struct tr_error *err);

/*
 * Whether the server still has everything after `saved` (contract §3.3). By GTIDs when saved has
 * some, else by file. Errors: TR_ERR_SOURCE_GONE with the remedy; the port's.
 */
TR_NODISCARD enum tr_code tr_server_position_check(const struct tr_saved_position *saved,
                                                   const struct tr_server_facts *facts,
                                                   const struct tr_query_port *port,
                                                   struct tr_gtid_sources *sources,
                                                   struct tr_error *err);

#endif
