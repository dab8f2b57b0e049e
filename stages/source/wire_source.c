// SPDX-License-Identifier: Apache-2.0
#include "stages/source/wire_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/log.h"

#define SERVER_TEXT_BYTES 64   /* a uuid, or a number */
#define COMMAND_DUMP 0x12      /* COM_BINLOG_DUMP: MySQL internals, "Replication Protocol" */
#define COMMAND_DUMP_GTID 0x1E /* COM_BINLOG_DUMP_GTID */
#define FLAG_HEARTBEAT_V2                                                                          \
    0x02 /* MySQL >= 8.0.26, ignored before; on MariaDB the same bit asks for ANNOTATE_ROWS */
#define POS_FIRST 4 /* of a file: after its magic */
#define PACKET_PAYLOAD_BYTES_MAX 0xFFFFFFu
#define NET_WRITE_TIMEOUT_S_DEFAULT 86400
#define SEND_TIMEOUT_MS 30000

static enum tr_code open_dump(void *self, const struct tr_resume *resume, struct tr_error *err);
static enum tr_code prepare_session(struct tr_wire_source *source, const struct tr_resume *resume,
                                    struct tr_error *err);
static enum tr_code check_server(struct tr_wire_source *source, enum tr_flavor flavor,
                                 struct tr_error *err);
static enum tr_code set_connect_state(struct tr_wire_source *source,
                                      const struct tr_gtid_set *gtids, struct tr_error *err);
static enum tr_code send_dump(struct tr_wire_source *source, const struct tr_resume *resume,
                              struct tr_error *err);
static enum tr_read read_bytes(void *self, void *out, size_t room_bytes, int64_t wait_ns,
                               size_t *bytes, struct tr_error *err);
static void close_dump(void *self);
static void wake(void *self);
static bool is_by_gtid(const struct tr_resume *resume);
static size_t put(uint8_t *out, size_t at, uint64_t value, size_t byte_count);

enum tr_code tr_wire_source_init(struct tr_wire_source *source,
                                 const struct tr_wire_options *options, struct tr_error *err)
{
    *source = (struct tr_wire_source){
        .port = {.self = source,
                 .framing = TR_FRAMING_PACKETS,
                 .open = open_dump,
                 .read = read_bytes,
                 .close = close_dump,
                 .wake = wake},
        .options = *options,
    };
    TR_ASSERT(options->server_id != 0);
    if (options->heartbeat_ns == 0) {
        source->options.heartbeat_ns = TR_HEARTBEAT_NS_DEFAULT;
    }
    if (options->net_write_timeout_s == 0) {
        source->options.net_write_timeout_s = NET_WRITE_TIMEOUT_S_DEFAULT;
    }
    source->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (source->wake_fd == -1) {
        *source = (struct tr_wire_source){0};
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "no descriptor for the source: raise the limit (ulimit -n)");
    }
    return TR_OK;
}

void tr_wire_source_deinit(struct tr_wire_source *source)
{
    if (source->port.self == NULL) {
        return;
    }
    close_dump(source);
    (void)close(source->wake_fd);
    *source = (struct tr_wire_source){0};
}

static enum tr_code open_dump(void *self, const struct tr_resume *resume, struct tr_error *err)
{
    struct tr_wire_source *source = self;

    TR_ASSERT(source->link == NULL);
    enum tr_code code = tr_mysql_link_open(&source->link, &source->options.mysql, err);
    if (code == TR_OK) {
        code = prepare_session(source, resume, err);
    }
    if (code == TR_OK) {
        code = send_dump(source, resume, err);
    }
    if (code != TR_OK) {
        close_dump(source);
    }
    return code;
}

static enum tr_code prepare_session(struct tr_wire_source *source, const struct tr_resume *resume,
                                    struct tr_error *err)
{
    const enum tr_flavor flavor = tr_mysql_link_flavor(source->link);
    char heartbeat[160];
    char write_timeout[80];

    if (flavor != resume->flavor) {
        return TR_FAIL(err, TR_ERR_SOURCE_GONE, TR_STOP,
                       "%s:%u is a %s server now (version %s): the saved position is of the other "
                       "kind; connect to the "
                       "right server, or delete the saved offset",
                       source->options.mysql.host, source->options.mysql.port,
                       flavor == TR_FLAVOR_MARIADB ? "MariaDB" : "MySQL",
                       tr_mysql_link_version(source->link));
    }
    if (check_server(source, flavor, err) != TR_OK) {
        return err->code;
    }
    (void)snprintf(heartbeat, sizeof(heartbeat),
                   "SET @master_heartbeat_period = %" PRId64
                   ", @source_heartbeat_period = %" PRId64,
                   source->options.heartbeat_ns, source->options.heartbeat_ns);
    (void)snprintf(write_timeout, sizeof(write_timeout), "SET SESSION net_write_timeout = %" PRIu32,
                   source->options.net_write_timeout_s);
    const char *const statements[] = {
        "SET NAMES utf8mb4",
        "SET @master_binlog_checksum = @@global.binlog_checksum, @source_binlog_checksum = "
        "@@global.binlog_checksum",
        heartbeat,
        write_timeout,
        flavor == TR_FLAVOR_MARIADB ? "SET @mariadb_slave_capability = 4" : NULL,
    };
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        if (statements[i] == NULL) {
            continue;
        }
        const enum tr_code code = tr_mysql_link_query(source->link, statements[i], NULL, NULL, err);
        if (code != TR_OK) {
            return code;
        }
    }
    if (flavor == TR_FLAVOR_MARIADB && is_by_gtid(resume)) {
        return set_connect_state(source, resume->gtids, err);
    }
    return TR_OK;
}

/* The first cell of the first row, as text. */
static int take_text(void *self, const struct tr_span *cells, uint32_t count)
{
    char *text = self;
    if (count > 0 && cells[0].bytes < SERVER_TEXT_BYTES) {
        memcpy(text, cells[0].data, cells[0].bytes);
        text[cells[0].bytes] = '\0';
    }
    return 0;
}

/*
 * Whether this is the server that the position was read from. File positions, and the counts of an
 * open transaction, mean nothing on another one; a new start decides by the GTIDs whether it can go
 * on.
 */
static enum tr_code check_server(struct tr_wire_source *source, enum tr_flavor flavor,
                                 struct tr_error *err)
{
    char found[SERVER_TEXT_BYTES] = {0};
    const char *expected = source->options.expected_server;

    if (expected == NULL || expected[0] == '\0') {
        return TR_OK;
    }
    const char *sql = flavor == TR_FLAVOR_MARIADB ? "SELECT @@server_id" : "SELECT @@server_uuid";
    if (tr_mysql_link_query(source->link, sql, take_text, found, err) != TR_OK) {
        return err->code;
    }
    if (strcasecmp(found, expected) == 0) {
        return TR_OK;
    }
    return TR_FAIL(err, TR_ERR_SOURCE_GONE, TR_STOP,
                   "%s:%u is another server now (%s, not %s): start again, and its GTIDs decide "
                   "whether it can go on from the "
                   "saved position",
                   source->options.mysql.host, source->options.mysql.port, found, expected);
}

/* MariaDB's start by GTID: the state, and no strictness that would refuse an out-of-order number in
 * the log. */
static enum tr_code set_connect_state(struct tr_wire_source *source,
                                      const struct tr_gtid_set *gtids, struct tr_error *err)
{
    static const char before[] =
        "SET @slave_gtid_strict_mode = 0, @slave_gtid_ignore_duplicates = 0, "
        "@slave_connect_state = '";
    const size_t text_bytes = tr_gtid_set_text_bytes(gtids);
    char *sql = calloc(1, sizeof(before) + text_bytes + 2);

    if (sql == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for the GTID set's text");
    }
    memcpy(sql, before, sizeof(before) - 1);
    tr_gtid_set_write_text(gtids, sql + sizeof(before) - 1);
    memcpy(sql + sizeof(before) - 1 + text_bytes, "'", 2);
    const enum tr_code code = tr_mysql_link_query(source->link, sql, NULL, NULL, err);
    free(sql);
    return code;
}

static enum tr_code send_dump(struct tr_wire_source *source, const struct tr_resume *resume,
                              struct tr_error *err)
{
    struct tr_mysql_raw raw;
    enum tr_code code = tr_mysql_link_take_raw(source->link, &raw, err);

    if (code != TR_OK) {
        return code;
    }
    source->raw = (struct tr_raw_link){.fd = raw.fd, .ssl = raw.ssl, .wake_fd = source->wake_fd};
    code = tr_raw_link_prepare(&source->raw, err);
    if (code != TR_OK) {
        return code;
    }
    const size_t byte_count = tr_wire_write_dump(NULL, resume, source->options.server_id, err);
    if (byte_count == 0) {
        return err->code;
    }
    uint8_t *command = calloc(1, byte_count);
    if (command == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for the dump command");
    }
    (void)tr_wire_write_dump(command, resume, source->options.server_id, err);
    code = tr_raw_link_send(&source->raw, command, byte_count, SEND_TIMEOUT_MS, err);
    free(command);
    if (code == TR_OK) {
        TR_LOG(TR_LOG_INFO, "source.dump", TR_TEXT("host", source->options.mysql.host),
               TR_UINT("port", source->options.mysql.port),
               TR_TEXT("version", tr_mysql_link_version(source->link)),
               TR_TEXT("tls", tr_mysql_link_tls(source->link)),
               TR_UINT("server_id", source->options.server_id));
    }
    return code;
}

size_t tr_wire_write_dump(uint8_t *out, const struct tr_resume *resume, uint32_t server_id,
                          struct tr_error *err)
{
    const bool is_mariadb = resume->flavor == TR_FLAVOR_MARIADB;
    const bool by_gtid = is_by_gtid(resume);
    const size_t name_bytes = by_gtid ? 0 : strnlen(resume->point.file, TR_BINLOG_NAME_BYTES_MAX);
    const uint64_t pos = by_gtid || resume->point.pos < POS_FIRST ? POS_FIRST : resume->point.pos;
    const uint16_t flags = is_mariadb ? 0 : FLAG_HEARTBEAT_V2;
    size_t at = 4;

    if (pos > UINT32_MAX && is_mariadb) {
        (void)TR_FAIL(err, TR_ERR_UNSUPPORTED, TR_STOP,
                      "position %s:%" PRIu64
                      ": MariaDB's dump command ends at 4294967295; continue by GTID (a saved "
                      "offset with gtids), or delete the saved offset",
                      resume->point.file, pos);
        return 0;
    }
    if ((by_gtid && !is_mariadb) || pos > UINT32_MAX) {
        static const uint8_t empty_set[8] = {0};
        const size_t set_bytes =
            by_gtid ? tr_gtid_set_write_binary(resume->gtids, NULL) : sizeof(empty_set);
        if (set_bytes >
            PACKET_PAYLOAD_BYTES_MAX - TR_DUMP_COMMAND_FIXED_BYTES - TR_BINLOG_NAME_BYTES_MAX) {
            (void)TR_FAIL(err, TR_ERR_UNSUPPORTED, TR_STOP,
                          "a GTID set of %zu bytes: more than a packet holds", set_bytes);
            return 0;
        }
        at = put(out, at, COMMAND_DUMP_GTID, 1);
        at = put(out, at, flags, 2);
        at = put(out, at, server_id, 4);
        at = put(out, at, name_bytes, 4);
        if (out != NULL) {
            memcpy(out + at, resume->point.file, name_bytes);
        }
        at = put(out, at + name_bytes, pos, 8);
        at = put(out, at, set_bytes, 4);
        if (out != NULL && by_gtid) {
            (void)tr_gtid_set_write_binary(resume->gtids, out + at);
        } else if (out != NULL) {
            memcpy(out + at, empty_set, sizeof(empty_set));
        }
        at += set_bytes;
    } else {
        at = put(out, at, COMMAND_DUMP, 1);
        at = put(out, at, pos, 4);
        at = put(out, at, flags, 2);
        at = put(out, at, server_id, 4);
        if (out != NULL) {
            memcpy(out + at, resume->point.file, name_bytes);
        }
        at += name_bytes;
    }
    (void)put(out, 0, at - 4, 3); /* length; a command's sequence number is 0 */
    (void)put(out, 3, 0, 1);
    return at;
}

static enum tr_read read_bytes(void *self, void *out, size_t room_bytes, int64_t wait_ns,
                               size_t *bytes, struct tr_error *err)
{
    struct tr_wire_source *source = self;

    return tr_raw_link_read(&source->raw, out, room_bytes, wait_ns, bytes, err);
}

static void close_dump(void *self)
{
    struct tr_wire_source *source = self;

    tr_mysql_link_close(source->link);
    source->link = NULL;
}

static void wake(void *self)
{
    const struct tr_wire_source *source = self;

    (void)eventfd_write(source->wake_fd, 1);
}

static bool is_by_gtid(const struct tr_resume *resume)
{
    return resume->gtids != NULL && !tr_gtid_set_is_empty(resume->gtids);
}

/* Writes the low bytes of `value`, least significant first, unless only the size is asked for.
 * Returns the next place. */
static size_t put(uint8_t *out, size_t at, uint64_t value, size_t byte_count)
{
    if (out != NULL) {
        memcpy(out + at, &value, byte_count);
    }
    return at + byte_count;
}
