// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "stages/source/column_text.h"
#include "stages/source/schema_query.h"
#include "stages/source/server_facts.h"
#include "tests/check.h"
#include "tests/support/answer_rows.h"

/* A server as a list of answers: the first whose `sql` begins the statement is given. */
struct answer {
    const char *sql;
    const char *rows;
    uint32_t error; /* != 0: refused with that number */
};

struct fake {
    struct tr_query_port port;
    const struct answer *answers;
    size_t answer_count;
    uint32_t last_error;
    struct answer_names names;
};

static enum tr_code fake_run(void *self, const char *sql, tr_query_on_row *on_row, void *row_self,
                             struct tr_error *err)
{
    struct fake *fake = self;

    fake->last_error = 0;
    for (size_t i = 0; i < fake->answer_count; i++) {
        const struct answer *answer = &fake->answers[i];
        if (strncmp(sql, answer->sql, strlen(answer->sql)) != 0) {
            continue;
        }
        if (answer->error != 0) {
            fake->last_error = answer->error;
            return TR_FAIL(err, answer->error == 1227 ? TR_ERR_SOURCE_AUTH : TR_ERR_SOURCE_SETUP,
                           TR_STOP, "refused");
        }
        answer_rows_give(answer->rows, &fake->names, on_row, row_self);
        return TR_OK;
    }
    fail_msg("no answer for: %s", sql);
    return TR_OK;
}

static const struct tr_span *fake_columns(void *self, uint32_t *count)
{
    struct fake *fake = self;

    *count = fake->names.count;
    return fake->names.names;
}

static uint32_t fake_last_error(void *self)
{
    return ((struct fake *)self)->last_error;
}

static void fake_close(void *self)
{
    (void)self;
}

static void fake_init(struct fake *fake, const struct answer *answers, size_t answer_count)
{
    *fake = (struct fake){.port = {.self = fake,
                                   .run = fake_run,
                                   .columns = fake_columns,
                                   .last_server_error = fake_last_error,
                                   .close = fake_close},
                          .answers = answers,
                          .answer_count = answer_count};
}

/* As RDS for MySQL answers; where the logs' own setting says 30 days. */
static void rds_keeps_logs_by_a_setting_of_its_own(void **state)
{
    (void)state;
    static const char variables[] =
        "Variable_name|Value\nversion|8.0.40\nserver_id|7\n"
        "binlog_expire_logs_seconds|2592000\nbasedir|/rdsdbbin/mysql-8.0.40.R2/\n";
    static const struct {
        struct answer retention;
        uint64_t want_s;
    } cases[] = {
        {{.rows = "value\n72\n"}, 72 * 3600},
        {{.rows = "value\n\\N\n"}, TR_RETENTION_RDS_S_LEAST},
        {{.error = 1142}, 2592000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tr_server_facts facts;
        struct tr_error err;
        struct fake fake;
        struct answer answers[] = {
            {"SHOW GLOBAL VARIABLES", variables, 0},
            {"SELECT value FROM mysql.rds_configuration", cases[i].retention.rows,
             cases[i].retention.error},
            {"SELECT CURRENT_USER()", "u\ncdc@%\n", 0},
            {"SHOW GRANTS", "g\nGRANT REPLICATION SLAVE ON *.* TO `cdc`@`%`\n", 0}};
        fake_init(&fake, answers, sizeof(answers) / sizeof(answers[0]));
        assert_int_equal(tr_server_facts_read(&facts, &fake.port, &err), TR_OK);
        assert_true(facts.is_rds);
        assert_int_equal(facts.retention_s, cases[i].want_s);
    }
}

#define MYSQL_VARIABLES                                                                            \
    "Variable_name|Value\nversion|9.7.4-2\nversion_comment|Debian\nserver_uuid|897992b2-e674-"     \
    "11f1-8722-02fc00000001"                                                                       \
    "\nserver_id|7\nlog_bin|ON\nbinlog_format|ROW\nbinlog_row_image|FULL\nbinlog_row_metadata|"    \
    "MINIMAL"                                                                                      \
    "\nbinlog_row_value_options|\nbinlog_checksum|CRC32\ngtid_mode|ON\nlower_case_table_names|1"   \
    "\nbinlog_expire_logs_seconds|2592000\ntime_zone|SYSTEM\nsystem_time_zone|CET\n"

static void facts_are_read_by_name(void **state)
{
    (void)state;
    const struct answer answers[] = {
        {"SHOW GLOBAL VARIABLES", MYSQL_VARIABLES, 0},
        {"SELECT CURRENT_USER()", "CURRENT_USER()\ndebezium@%\n", 0},
        {"SHOW GRANTS",
         "Grants\nGRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `debezium`@`%`\n",
         0},
    };
    struct fake fake;
    struct tr_server_facts facts;
    struct tr_error err;

    fake_init(&fake, answers, 3);
    assert_int_equal(tr_server_facts_read(&facts, &fake.port, &err), TR_OK);
    assert_int_equal(facts.flavor, TR_FLAVOR_MYSQL);
    assert_int_equal(facts.version_number, 90704);
    assert_int_equal(facts.server_id, 7);
    assert_int_equal(facts.lower_case_table_names, 1);
    assert_int_equal(facts.retention_s, 2592000);
    assert_false(facts.is_rds);
    assert_true(facts.log_bin);
    assert_true(facts.can_replicate);
    assert_string_equal(facts.server_uuid, "897992b2-e674-11f1-8722-02fc00000001");
    assert_string_equal(facts.time_zone, "CET");
    assert_string_equal(facts.user, "'debezium'@'%'");
    assert_true(tr_server_facts_has_gtids(&facts));
    assert_true(tr_server_facts_is_known_version(&facts));
    assert_int_equal(tr_server_facts_check(&facts, 8, &err), TR_OK);
}

static void each_failed_check_names_what_mends_it(void **state)
{
    (void)state;
    const struct tr_server_facts good = {.server_id = 7,
                                         .log_bin = true,
                                         .can_replicate = true,
                                         .version_number = 90704,
                                         .binlog_format = "ROW",
                                         .binlog_row_image = "FULL",
                                         .user = "u@%"};
    struct tr_server_facts bad[6];
    for (size_t i = 0; i < 6; i++) {
        bad[i] = good;
    }
    bad[0].log_bin = false;
    memcpy(bad[1].binlog_format, "MIXED", 6);
    memcpy(bad[2].binlog_row_image, "MINIMAL", 8);
    memcpy(bad[3].binlog_row_value_options, "PARTIAL_JSON", 13);
    memcpy(bad[3].binlog_row_image, "NOBLOB", 7);
    bad[4].server_id = 8;
    bad[5].can_replicate = false;
    const struct {
        enum tr_code code;
        const char *remedy;
    } wanted[] = {
        {TR_ERR_SOURCE_SETUP, "--log-bin"},
        {TR_ERR_SOURCE_SETUP, "SET GLOBAL binlog_format = 'ROW'"},
        {TR_ERR_SOURCE_SETUP, "SET GLOBAL binlog_row_image = 'FULL'"},
        {TR_ERR_SOURCE_SETUP, "SET GLOBAL binlog_row_image = 'FULL', or set"},
        {TR_ERR_SOURCE_CLASH, "database.server.id = 8"},
        {TR_ERR_SOURCE_AUTH, "GRANT REPLICATION SLAVE ON *.* TO"},
    };
    struct tr_error err;

    assert_int_equal(tr_server_facts_check(&good, 8, &err), TR_OK);
    struct tr_server_facts also_good = good;
    memcpy(also_good.binlog_row_value_options, "PARTIAL_JSON", 13);
    assert_int_equal(tr_server_facts_check(&also_good, 8, &err), TR_OK);
    also_good = good;
    memcpy(also_good.binlog_row_image, "NOBLOB", 7);
    assert_int_equal(tr_server_facts_check(&also_good, 8, &err), TR_OK);
    memcpy(also_good.binlog_row_image, "FULL_NODUP", 11);
    assert_int_equal(tr_server_facts_check(&also_good, 8, &err), TR_OK);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(tr_server_facts_check(&bad[i], 8, &err), wanted[i].code);
        assert_int_equal(err.remedy, TR_STOP);
        assert_non_null(strstr(err.text, wanted[i].remedy));
        for (int need = 0; need < TR_NEED_COUNT; need++) { /* each need sees its own fault alone */
            assert_int_equal(
                tr_server_facts_check_need(&bad[i], (enum tr_server_need)need, 8, &err),
                need == (int)i ? wanted[i].code : TR_OK);
        }
    }
}

static void log_behind_a_point_is_measured_over_the_files(void **state)
{
    (void)state;
    const struct answer answers[] = {
        {"SHOW BINARY LOGS", "Log_name|File_size|Encrypted\nb.1|500|No\nb.2|120|No\nb.3|30|No\n",
         0},
    };
    const struct tr_server_facts facts = {0};
    const struct {
        struct tr_log_point point;
        bool has_file;
        uint64_t after_bytes;
    } wanted[] = {{{.file = "b.1", .pos = 4}, true, 646},
                  {{.file = "b.2", .pos = 120}, true, 30},
                  {{.file = "b.3", .pos = 31}, true, 0},
                  {{.file = "b.0", .pos = 4}, false, 0}};
    struct fake fake;
    struct tr_error err;

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        struct tr_server_log log;
        fake_init(&fake, answers, 1);
        assert_int_equal(tr_server_log_read(&log, &wanted[i].point, &facts, &fake.port, &err),
                         TR_OK);
        assert_int_equal(log.file_count, 3);
        assert_int_equal(log.bytes, 650);
        assert_int_equal(log.has_file, wanted[i].has_file);
        assert_int_equal(log.after_bytes, wanted[i].after_bytes);
    }
}

static void grants_are_read_as_whole_words(void **state)
{
    (void)state;
    const struct {
        const char *rows;
        bool can_replicate;
    } cases[] = {
        {"Grants\nGRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION\n", true},
        {"Grants\nGRANT REPLICATION SLAVE ON *.* TO `a`@`%`\n", true},
        {"Grants\nGRANT REPLICATION SLAVE ADMIN, SELECT ON *.* TO `a`@`%`\n", false},
        {"Grants\nGRANT USAGE ON *.* TO `a`@`%`\nGRANT ALL PRIVILEGES ON `d`.* TO `a`@`%`\n",
         false},
        {"Grants\nGRANT USAGE ON *.* TO `a`@`%`\nGRANT `replicator`@`%` TO `a`@`%`\n", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct answer answers[] = {{"SHOW GLOBAL VARIABLES", MYSQL_VARIABLES, 0},
                                         {"SELECT CURRENT_USER()", "u\na@%\n", 0},
                                         {"SHOW GRANTS", cases[i].rows, 0}};
        struct fake fake;
        struct tr_server_facts facts;
        struct tr_error err;
        fake_init(&fake, answers, 3);
        assert_int_equal(tr_server_facts_read(&facts, &fake.port, &err), TR_OK);
        assert_int_equal(facts.can_replicate, cases[i].can_replicate);
    }
}

struct positions {
    struct tr_gtid_sources *sources;
    struct tr_saved_position position;
};

static void positions_open(struct positions *p, enum tr_flavor flavor)
{
    struct tr_error err;

    *p = (struct positions){0};
    assert_int_equal(tr_gtid_sources_open(&p->sources, &err), TR_OK);
    assert_int_equal(tr_gtid_set_open(&p->position.gtids, flavor, &err), TR_OK);
}

static void positions_close(struct positions *p)
{
    tr_gtid_set_close(p->position.gtids);
    tr_gtid_sources_close(p->sources);
}

static void the_current_position_is_read_by_column_name(void **state)
{
    (void)state;
    const struct answer mysql[] = {
        {"SHOW BINARY LOG STATUS",
         "Added_Later|File|Position|Binlog_Do_DB|Executed_Gtid_Set\nx|b.000002|4711||"
         "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-9\n",
         0}};
    struct answer mariadb[] = {{"SHOW MASTER STATUS", "File|Position\nm.000001|900\n", 0},
                               {"SELECT BINLOG_GTID_POS('m.000001', 900)", "g\n0-7-12\n", 0}};
    struct tr_server_facts facts = {
        .flavor = TR_FLAVOR_MYSQL, .version_number = 90704, .gtid_mode = "ON"};
    struct positions p;
    struct fake fake;
    struct tr_error err;
    char text[100];

    positions_open(&p, TR_FLAVOR_MYSQL);
    fake_init(&fake, mysql, 1);
    assert_int_equal(tr_server_position_read(&p.position, &facts, &fake.port, p.sources, &err),
                     TR_OK);
    assert_string_equal(p.position.point.file, "b.000002");
    assert_int_equal(p.position.point.pos, 4711);
    tr_gtid_set_write_text(p.position.gtids, text);
    assert_string_equal(text, "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-9");
    positions_close(&p);

    positions_open(&p, TR_FLAVOR_MARIADB);
    facts = (struct tr_server_facts){.flavor = TR_FLAVOR_MARIADB, .version_number = 101119};
    fake_init(&fake, mariadb, 2);
    assert_int_equal(tr_server_position_read(&p.position, &facts, &fake.port, p.sources, &err),
                     TR_OK);
    tr_gtid_set_write_text(p.position.gtids, text);
    assert_string_equal(text, "0-7-12");
    mariadb[1].rows = "g\n\n"; /* nothing was written to the log yet */
    assert_int_equal(tr_server_position_read(&p.position, &facts, &fake.port, p.sources, &err),
                     TR_OK);
    assert_true(tr_gtid_set_is_empty(p.position.gtids));
    mariadb[1].rows = "g\n\\N\n"; /* the file is gone: not the same */
    assert_int_equal(tr_server_position_read(&p.position, &facts, &fake.port, p.sources, &err),
                     TR_ERR_STATE);
    assert_int_equal(err.remedy, TR_RETRY);
    assert_non_null(strstr(err.text, "m.000001:900"));
    positions_close(&p);

    const struct answer refused[] = {{"SHOW MASTER STATUS", NULL, 1227}};
    positions_open(&p, TR_FLAVOR_MARIADB);
    fake_init(&fake, refused, 1);
    assert_int_equal(tr_server_position_read(&p.position, &facts, &fake.port, p.sources, &err),
                     TR_ERR_SOURCE_AUTH);
    assert_non_null(strstr(err.text, "GRANT BINLOG MONITOR ON *.*"));
    positions_close(&p);
}

static void a_position_that_is_gone_is_noticed(void **state)
{
    (void)state;
    const struct {
        const char *saved_gtids;
        const char *file;
        uint64_t pos;
        const char *gtid_mode;
        const char *server_sets; /* executed|purged */
        enum tr_code code;
    } cases[] = {
        {"", "", 0, "ON", "", TR_OK},
        {"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-5", "", 0, "ON",
         "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-9|", TR_OK},
        {"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-5", "", 0, "ON",
         "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-9|aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-5",
         TR_OK},
        {"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-5", "", 0, "ON",
         "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-9|aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-6",
         TR_ERR_SOURCE_GONE},
        {"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-12", "", 0, "ON",
         "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-9|", TR_ERR_SOURCE_GONE},
        {"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-5", "", 0, "OFF", "", TR_ERR_SOURCE_GONE},
        {"", "b.000002", 100, "ON", "", TR_OK},
        {"", "b.000002", 501, "ON", "", TR_ERR_SOURCE_GONE},
        {"", "b.000001", 100, "ON", "", TR_ERR_SOURCE_GONE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char sets[200] = "e|p\n";
        strncat(sets, cases[i].server_sets, sizeof(sets) - 10);
        strncat(sets, "\n", 2);
        const struct answer answers[] = {
            {"SELECT @@global.gtid_executed", sets, 0},
            {"SHOW BINARY LOGS", "Log_name|File_size|Encrypted\nb.000002|500|No\nb.000003|120|No\n",
             0}};
        struct tr_server_facts facts = {.flavor = TR_FLAVOR_MYSQL, .version_number = 90704};
        memcpy(facts.gtid_mode, cases[i].gtid_mode, strlen(cases[i].gtid_mode) + 1);
        struct positions p;
        struct fake fake;
        struct tr_error err;
        positions_open(&p, TR_FLAVOR_MYSQL);
        fake_init(&fake, answers, 2);
        if (cases[i].saved_gtids[0] != '\0') {
            assert_int_equal(tr_gtid_set_parse(p.position.gtids, p.sources,
                                               tr_span_of_text(cases[i].saved_gtids), &err),
                             TR_OK);
        }
        memcpy(p.position.point.file, cases[i].file, strlen(cases[i].file) + 1);
        p.position.point.pos = cases[i].pos;
        assert_int_equal(tr_server_position_check(&p.position, &facts, &fake.port, p.sources, &err),
                         cases[i].code);
        positions_close(&p);
    }
}

static void a_position_that_mariadb_purged_is_noticed(void **state)
{
    static const struct {
        const char *saved_gtids;
        const char *first_set; /* of the first log */
        uint32_t logs_error;
        enum tr_code code;
    } cases[] = {
        {"0-7-12", "g\n0-7-12\n", 0, TR_OK},
        {"0-7-12,5-1-1", "g\n0-7-3\n", 0, TR_OK},
        {"0-7-12", "g\n\n", 0, TR_OK},
        {"0-7-12", "g\n\\N\n", 0, TR_OK},
        {"0-7-12", "g\n0-7-13\n", 0, TR_ERR_SOURCE_GONE},
        {"0-7-12", "g\n0-7-3,5-1-1\n", 0, TR_ERR_SOURCE_GONE},
        {"0-7-12", "g\n0-7-13\n", 1227, TR_OK}, /* the dump will tell */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct answer answers[] = {
            {"SELECT @@global.gtid_binlog_pos", "g\n0-7-20,5-1-1\n", 0},
            {"SHOW BINARY LOGS", "Log_name|File_size\nm.000002|500\nm.000003|120\n",
             cases[i].logs_error},
            {"SELECT BINLOG_GTID_POS('m.000002', 4)", cases[i].first_set, 0}};
        const struct tr_server_facts facts = {.flavor = TR_FLAVOR_MARIADB,
                                              .version_number = 101119};
        struct positions p;
        struct fake fake;
        struct tr_error err;
        positions_open(&p, TR_FLAVOR_MARIADB);
        fake_init(&fake, answers, 3);
        assert_int_equal(tr_gtid_set_parse(p.position.gtids, p.sources,
                                           tr_span_of_text(cases[i].saved_gtids), &err),
                         TR_OK);
        assert_int_equal(tr_server_position_check(&p.position, &facts, &fake.port, p.sources, &err),
                         cases[i].code);
        positions_close(&p);
    }
}

static struct tr_column parse_type(struct tr_table *table, const char *text)
{
    struct tr_column column = {0};
    struct tr_error err;

    assert_int_equal(tr_column_text_parse_type(table, &column, tr_span_of_text(text), &err), TR_OK);
    return column;
}

static void column_types_are_parsed_as_both_servers_print_them(void **state)
{
    (void)state;
    const struct {
        const char *text;
        enum tr_column_type type;
        uint32_t length;
        uint8_t precision;
        uint8_t scale;
        uint8_t geometry;
        bool is_unsigned;
    } cases[] = {
        {"int(10) unsigned", TR_COLUMN_INT, 10, 0, 0, 0, true},
        {"int unsigned", TR_COLUMN_INT, 0, 0, 0, 0, true},
        {"tinyint(1)", TR_COLUMN_TINYINT, 1, 0, 0, 0, false},
        {"tinyint(3) unsigned zerofill", TR_COLUMN_TINYINT, 3, 0, 0, 0, true},
        {"decimal(10,2)", TR_COLUMN_DECIMAL, 0, 10, 2, 0, false},
        {"decimal(65,30) unsigned", TR_COLUMN_DECIMAL, 0, 65, 30, 0, true},
        {"float(7,3)", TR_COLUMN_FLOAT, 7, 0, 3, 0, false},
        {"double", TR_COLUMN_DOUBLE, 0, 0, 0, 0, false},
        {"bit(8)", TR_COLUMN_BIT, 8, 0, 0, 0, false},
        {"datetime(6)", TR_COLUMN_DATETIME, 0, 0, 6, 0, false},
        {"timestamp", TR_COLUMN_TIMESTAMP, 0, 0, 0, 0, false},
        {"year(4)", TR_COLUMN_YEAR, 4, 0, 0, 0, false},
        {"varchar(255)", TR_COLUMN_VARCHAR, 255, 0, 0, 0, false},
        {"varchar(100) /*M!100301 COMPRESSED*/", TR_COLUMN_VARCHAR, 100, 0, 0, 0, false},
        {"mediumtext", TR_COLUMN_TEXT, 16777215, 0, 0, 0, false},
        {"longblob", TR_COLUMN_BLOB, UINT32_MAX, 0, 0, 0, false},
        {"binary(16)", TR_COLUMN_BINARY, 16, 0, 0, 0, false},
        {"json", TR_COLUMN_JSON, 0, 0, 0, 0, false},
        {"point", TR_COLUMN_GEOMETRY, 0, 0, 0, 1, false},
        {"vector(3)", TR_COLUMN_VECTOR, 3, 0, 0, 0, false},
        {"uuid", TR_COLUMN_UUID, 0, 0, 0, 0, false},
        {"inet6", TR_COLUMN_INET6, 0, 0, 0, 0, false},
        {"xmltype", TR_COLUMN_UNKNOWN, 0, 0, 0, 0, false},
        {"", TR_COLUMN_UNKNOWN, 0, 0, 0, 0, false},
        {"int(", TR_COLUMN_INT, 0, 0, 0, 0, false},
    };
    struct tr_error err;
    struct tr_table *table = tr_table_open(tr_span_of_text("d"), tr_span_of_text("t"), 1, &err);

    assert_non_null(table);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tr_column column = parse_type(table, cases[i].text);
        assert_int_equal(column.type, cases[i].type);
        assert_int_equal(column.length, cases[i].length);
        assert_int_equal(column.precision, cases[i].precision);
        assert_int_equal(column.scale, cases[i].scale);
        assert_int_equal(column.geometry, cases[i].geometry);
        assert_int_equal(column.is_unsigned, cases[i].is_unsigned);
        assert_true(tr_span_equals(column.type_text, tr_span_of_text(cases[i].text)));
    }
    tr_table_close(table);
}

static void enum_members_are_unquoted_and_unescaped(void **state)
{
    (void)state;
    const char *const members[] = {"a", "b'c", "d\\e", "f,g", "h\ni", "\xc3\xb8", ""};
    struct tr_error err;
    struct tr_table *table = tr_table_open(tr_span_of_text("d"), tr_span_of_text("t"), 1, &err);
    const struct tr_column column =
        parse_type(table, "enum('a','b''c','d\\\\e','f,g','h\\ni','\xc3\xb8','')");

    assert_int_equal(column.type, TR_COLUMN_ENUM);
    assert_int_equal(column.option_count, 7);
    for (uint32_t i = 0; i < 7; i++) {
        assert_true(tr_span_equals(column.options[i], tr_span_of_text(members[i])));
    }
    const char *const broken[] = {"enum",      "enum(",     "set('a'", "set('a",
                                  "enum('a',", "enum('a'x", "enum()"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct tr_column bad = {0};
        assert_int_equal(tr_column_text_parse_type(table, &bad, tr_span_of_text(broken[i]), &err),
                         TR_ERR_SCHEMA);
    }
    tr_table_close(table);
}

static void defaults_are_kept_as_the_text_between_quotes(void **state)
{
    (void)state;
    const struct {
        enum tr_flavor flavor;
        const char *type;
        const char *text; /* NULL = SQL NULL */
        const char *extra;
        const char *kept; /* NULL = no default */
        bool is_expression;
    } cases[] = {
        {TR_FLAVOR_MYSQL, "varchar(30)", "it's a\\b", "", "it''s a\\\\b", false},
        {TR_FLAVOR_MARIADB, "varchar(30)", "'it''s a\\\\b'", "", "it''s a\\\\b", false},
        {TR_FLAVOR_MYSQL, "varchar(30)", NULL, "", NULL, false},
        {TR_FLAVOR_MARIADB, "varchar(30)", NULL, "", NULL, false},
        {TR_FLAVOR_MARIADB, "varchar(30)", "NULL", "", NULL, false},
        {TR_FLAVOR_MARIADB, "varchar(30)", "'NULL'", "", "NULL", false},
        {TR_FLAVOR_MYSQL, "varchar(30)", "NULL", "", "NULL", false},
        {TR_FLAVOR_MYSQL, "char(5)", "", "", "", false},
        {TR_FLAVOR_MARIADB, "char(5)", "''", "", "", false},
        {TR_FLAVOR_MYSQL, "binary(4)", "0x6162", "", "ab\\0\\0", false},
        {TR_FLAVOR_MARIADB, "binary(4)", "'ab\\0\\0'", "", "ab\\0\\0", false},
        {TR_FLAVOR_MYSQL, "varbinary(8)", "0x6162", "", "ab", false},
        {TR_FLAVOR_MYSQL, "varchar(8)", "0x6162", "", "0x6162", false},
        {TR_FLAVOR_MYSQL, "bit(8)", "b'101'", "", "b'101'", false},
        {TR_FLAVOR_MARIADB, "bit(8)", "b'101'", "", "b'101'", false},
        {TR_FLAVOR_MYSQL, "bigint", "-5", "", "-5", false},
        {TR_FLAVOR_MARIADB, "bigint(20)", "-5", "", "-5", false},
        {TR_FLAVOR_MARIADB, "decimal(10,2)", "1.50", "", "1.50", false},
        {TR_FLAVOR_MYSQL, "varchar(36)", "uuid()", "DEFAULT_GENERATED", "uuid()", true},
        {TR_FLAVOR_MARIADB, "varchar(36)", "uuid()", "", "uuid()", true},
        {TR_FLAVOR_MYSQL, "datetime(6)", "CURRENT_TIMESTAMP(6)",
         "DEFAULT_GENERATED on update CURRENT_TIMESTAMP(6)", "CURRENT_TIMESTAMP(6)", true},
        {TR_FLAVOR_MYSQL, "timestamp", "CURRENT_TIMESTAMP", "", "CURRENT_TIMESTAMP",
         true}, /* 5.7 */
        {TR_FLAVOR_MARIADB, "datetime(6)", "current_timestamp(6)", "", "current_timestamp(6)",
         true},
    };
    struct tr_error err;
    struct tr_table *table = tr_table_open(tr_span_of_text("d"), tr_span_of_text("t"), 1, &err);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tr_column column = parse_type(table, cases[i].type);
        const struct tr_span text =
            cases[i].text == NULL ? (struct tr_span){0} : tr_span_of_text(cases[i].text);
        assert_int_equal(tr_column_text_parse_default(table, &column, cases[i].flavor, text,
                                                      tr_span_of_text(cases[i].extra), &err),
                         TR_OK);
        assert_int_equal(column.has_default, cases[i].kept != NULL);
        assert_int_equal(column.default_is_expression, cases[i].is_expression);
        if (cases[i].kept != NULL) {
            assert_true(tr_span_equals(column.default_text, tr_span_of_text(cases[i].kept)));
        }
    }
    tr_table_close(table);
}

static void the_key_is_primary_or_the_first_unique_of_not_null_columns(void **state)
{
    (void)state;
    const struct {
        const char *index_rows;
        uint32_t key_count;
        uint16_t first;
        uint16_t second;
    } cases[] = {
        {"Key_name|Non_unique|Column_name\nPRIMARY|0|b\nPRIMARY|0|a\n", 2, 1, 0},
        {"Key_name|Non_unique|Column_name\nu|0|a\nPRIMARY|0|c\n", 1, 2, 0},
        {"Key_name|Non_unique|Column_name\nun|0|d\nplain|1|a\nuc|0|c\nuc|0|a\nua|0|a\n", 2, 2, 0},
        {"Key_name|Non_unique|Column_name\nfunctional|0|\\N\nua|0|A\n", 1, 0, 0},
        {"Key_name|Non_unique|Column_name\nplain|1|a\n", 0, 0, 0},
        {"Key_name|Non_unique|Column_name\n", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct answer answers[] = {
            {"SELECT c.column_name",
             "n|t|d|e|u|s|m|l|k\n"
             "a|int|\\N||NO|\\N||utf8mb4_0900_ai_ci|BASE TABLE\n"
             "b|int|\\N||NO|\\N||utf8mb4_0900_ai_ci|BASE TABLE\n"
             "c|varchar(9)|\\N||NO|latin1||utf8mb4_0900_ai_ci|BASE TABLE\n"
             "d|int|\\N||YES|\\N||utf8mb4_0900_ai_ci|BASE TABLE\n",
             0},
            {"SHOW INDEX FROM `t``x` FROM `d`", cases[i].index_rows, 0}};
        struct fake fake;
        struct tr_error err;
        struct tr_table *table;
        fake_init(&fake, answers, 2);
        assert_int_equal(tr_schema_query_table(&fake.port, TR_FLAVOR_MYSQL, tr_span_of_text("d"),
                                               tr_span_of_text("t`x"), &table, &err),
                         TR_OK);
        assert_non_null(table);
        assert_int_equal(table->column_count, 4);
        assert_true(tr_span_equals(table->charset_name, tr_span_of_text("utf8mb4")));
        assert_int_equal(table->columns[2].charset, TR_CHARSET_LATIN1);
        assert_int_equal(table->key_count, cases[i].key_count);
        if (cases[i].key_count > 0) {
            assert_int_equal(table->key_columns[0], cases[i].first);
            assert_int_equal(table->columns[cases[i].first].key_ordinal, 1);
        }
        if (cases[i].key_count > 1) {
            assert_int_equal(table->key_columns[1], cases[i].second);
        }
        tr_table_close(table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rds_keeps_logs_by_a_setting_of_its_own),
        cmocka_unit_test(facts_are_read_by_name),
        cmocka_unit_test(each_failed_check_names_what_mends_it),
        cmocka_unit_test(log_behind_a_point_is_measured_over_the_files),
        cmocka_unit_test(grants_are_read_as_whole_words),
        cmocka_unit_test(the_current_position_is_read_by_column_name),
        cmocka_unit_test(a_position_that_is_gone_is_noticed),
        cmocka_unit_test(a_position_that_mariadb_purged_is_noticed),
        cmocka_unit_test(column_types_are_parsed_as_both_servers_print_them),
        cmocka_unit_test(enum_members_are_unquoted_and_unescaped),
        cmocka_unit_test(defaults_are_kept_as_the_text_between_quotes),
        cmocka_unit_test(the_key_is_primary_or_the_first_unique_of_not_null_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
