// SPDX-License-Identifier: Apache-2.0
/*
 * Writes binary logs for the simulation and the benchmarks: events as a MySQL 9 or a MariaDB 10.11
 * server writes them, with FULL row metadata and CRC-32 trailers. Layouts: mysql-binlog reference
 * §3; checked against real files by the parsers' own tests, which this writer's output must satisfy
 * too.
 *
 * Memory grows as needed and is owned by the writer. @thread one
 */
#ifndef TR_TESTS_SUPPORT_BINLOG_WRITER_H
#define TR_TESTS_SUPPORT_BINLOG_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "offsets/gtid.h"

/* A growable byte buffer; failure to grow ends the program (tests only). */
struct tr_buffer {
    uint8_t *bytes; /* owns */
    size_t used;
    size_t room;
};

void tr_buffer_append(struct tr_buffer *buffer, const void *bytes, size_t count);
void tr_buffer_append_uint(struct tr_buffer *buffer, uint64_t value, size_t count);
void tr_buffer_append_lenenc(struct tr_buffer *buffer, uint64_t value);
void tr_buffer_free(struct tr_buffer *buffer);

enum tr_writer_type {
    TR_WRITER_INT,
    TR_WRITER_BIGINT,
    TR_WRITER_VARCHAR,
    TR_WRITER_TEXT,
    TR_WRITER_DOUBLE,
    TR_WRITER_DECIMAL,  /* DECIMAL(18,2); the number is in hundredths, below 10^18 */
    TR_WRITER_DATETIME, /* without fraction; the number is in seconds since 1970 */
};

struct tr_writer_column {
    const char *name;
    enum tr_writer_type type;
    uint32_t bytes_max; /* VARCHAR */
    bool nullable;
    bool is_unsigned;
};

struct tr_writer_table {
    uint64_t table_id;
    const char *database;
    const char *name;
    uint32_t column_count;
    const struct tr_writer_column *columns;
    uint32_t key_column; /* the primary key: one column; TR_WRITER_NO_KEY */
};

#define TR_WRITER_NO_KEY UINT32_MAX

/* One column's value in a row image. */
struct tr_writer_value {
    bool is_null;
    int64_t number; /* see enum tr_writer_type; DOUBLE: a whole number */
    struct tr_span text;
};

struct tr_binlog_writer {
    struct tr_buffer out; /* the file so far, from its magic on */
    enum tr_flavor flavor;
    bool checksums;
    bool full_metadata;
    uint32_t server_id;
    uint32_t timestamp_s; /* of the next events */
    uint8_t uuid[16];     /* MySQL */
    uint32_t domain_id;   /* MariaDB */
    bool zero_positions; /* MariaDB 11.4 inside a transaction, MySQL inside a payload: end_log_pos 0
                          */
    bool compresses_rows; /* MariaDB: log_bin_compress */
    bool is_continued;    /* the next rows event is not the last one of its statement */
    size_t event_at;      /* of the event being written */
    size_t rows_at;       /* where the images of the rows event being written begin */
};

/* An event of any type: begin, append its body to `out`, end. */
void tr_binlog_writer_event_begin(struct tr_binlog_writer *writer, uint8_t type, uint16_t flags);
void tr_binlog_writer_event_end(struct tr_binlog_writer *writer);

/* The file's magic, FORMAT_DESCRIPTION, and an empty PREVIOUS_GTIDS or GTID_LIST. */
void tr_binlog_writer_start(struct tr_binlog_writer *writer);
void tr_binlog_writer_gtid(struct tr_binlog_writer *writer, uint64_t number, bool standalone,
                           int64_t commit_us);
/* QUERY; `sql` = "BEGIN" on MySQL, a DDL, anything. */
void tr_binlog_writer_query(struct tr_binlog_writer *writer, const char *database, const char *sql);
void tr_binlog_writer_table_map(struct tr_binlog_writer *writer,
                                const struct tr_writer_table *table);
/*
 * A rows event: begin, then add images (UPDATE: before, after, before, …), then end. `op`: 0
 * insert, 1 update, 2 delete.
 */
void tr_binlog_writer_rows_begin(struct tr_binlog_writer *writer,
                                 const struct tr_writer_table *table, int op);
void tr_binlog_writer_image(struct tr_binlog_writer *writer, const struct tr_writer_table *table,
                            const struct tr_writer_value *values);
void tr_binlog_writer_rows_end(struct tr_binlog_writer *writer);
void tr_binlog_writer_xid(struct tr_binlog_writer *writer, uint64_t xid);
void tr_binlog_writer_rotate(struct tr_binlog_writer *writer, const char *next_file);
/* Writes an artificial ROTATE (timestamp 0, end_log_pos 0) into `out`: what a dump begins with. */
void tr_binlog_write_artificial_rotate(struct tr_buffer *out, uint32_t server_id, const char *file,
                                       uint64_t pos, bool checksums);

#endif
