// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "offsets/position.h"
#include "tests/check.h"
#include "tests/property/seed.h"

#define UUID "2667d7c1-e666-11f1-abea-02fc00000001"

struct fixture {
    struct tr_gtid_sources *sources;
    struct tr_saved_position position;
    struct tr_error err;
    char text[4096];
};

static struct fixture open_fixture(enum tr_flavor flavor)
{
    struct fixture f = {0};

    assert_int_equal(tr_gtid_sources_open(&f.sources, &f.err), TR_OK);
    assert_int_equal(tr_gtid_set_open(&f.position.gtids, flavor, &f.err), TR_OK);
    return f;
}

static void close_fixture(struct fixture *f)
{
    tr_gtid_set_close(f->position.gtids);
    tr_gtid_sources_close(f->sources);
}

static enum tr_code parse(struct fixture *f, const char *json)
{
    return tr_position_parse_json(&f->position, f->sources, tr_span_of_text(json), &f->err);
}

static const char *write_json(struct fixture *f)
{
    const size_t bytes = tr_position_write_json(&f->position, f->text, sizeof(f->text));

    assert_int_equal(bytes, strlen(f->text));
    return f->text;
}

/* What Debezium 2.3, 3.0 and 3.6 left behind; ours leaves out the null that 2.3 writes. */
static void offsets_of_debezium_are_read_and_written_back(void **state)
{
    (void)state;
    static const struct {
        enum tr_flavor flavor;
        const char *given;
        const char *wanted; /* NULL: as given */
    } cases[] = {
        {TR_FLAVOR_MYSQL,
         "{\"transaction_id\":null,\"ts_sec\":1795345528,\"file\":\"binlog.000001\",\"pos\":6540,"
         "\"row\":1,\"server_id\":56,\"event\":2}",
         "{\"ts_sec\":1795345528,\"file\":\"binlog.000001\",\"pos\":6540,\"row\":1,"
         "\"server_id\":56,\"event\":2}"},
        {TR_FLAVOR_MYSQL,
         "{\"ts_sec\":1795346510,\"file\":\"binlog.000001\",\"pos\":4573,\"gtids\":\"" UUID
         ":1-17\",\"row\":1,\"server_id\":57,\"event\":2}",
         NULL},
        {TR_FLAVOR_MYSQL,
         "{\"ts_sec\":1795346340,\"file\":\"binlog.000001\",\"pos\":2539,\"gtids\":\"" UUID
         ":1-10\",\"server_id\":6}",
         NULL},
        {TR_FLAVOR_MARIADB,
         "{\"transaction_id\":\"0-1011-12\",\"ts_sec\":1795346489,\"file\":\"binlog.000001\","
         "\"pos\":3561,\"gtids\":\"0-1011-11,5-99-1000\",\"server_id\":1011,\"event\":3,"
         "\"transaction_data_collection_order_shop.nokey\":1}",
         "{\"ts_sec\":1795346489,\"file\":\"binlog.000001\",\"pos\":3561,"
         "\"gtids\":\"0-1011-11,5-99-1000\",\"server_id\":1011,\"event\":3}"},
        {TR_FLAVOR_MYSQL, "{\"file\":\"binlog.000003\",\"pos\":157}", NULL},
        {TR_FLAVOR_MYSQL,
         " { \"pos\" : 4 , \"event\" : 0, \"other\": {\"a\":[1,\"]}\"]}, \"gtids\" : \"\","
         " \"file\" : \"b\\u0069n\\/1\\\"\" } ",
         "{\"file\":\"bin/1\\\"\",\"pos\":4}"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f = open_fixture(cases[i].flavor);

        if (parse(&f, cases[i].given) != TR_OK) {
            fail_msg("%s: %s", cases[i].given, f.err.text);
        }
        assert_string_equal(write_json(&f),
                            cases[i].wanted == NULL ? cases[i].given : cases[i].wanted);
        close_fixture(&f);
    }
}

static void unfinished_snapshots_are_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        bool snapshot;
        bool incremental;
    } cases[] = {
        {"\"snapshot\":true", true, false},
        {"\"snapshot\":\"INITIAL\"", true, false},
        {"\"snapshot\":\"BLOCKING\"", true, false},
        {"\"snapshot\":\"INCREMENTAL\"", false, true},
        {"\"snapshot\":false", false, false},
        {"\"snapshot\":null", false, false},
        {"\"snapshot_completed\":true,\"snapshot\":true", false, false},
        {"\"incremental_snapshot_collections\":\"[]\"", false, true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f = open_fixture(TR_FLAVOR_MYSQL);
        char json[256];

        (void)snprintf(json, sizeof(json), "{\"file\":\"b\",\"pos\":4,%s}", cases[i].members);
        assert_int_equal(parse(&f, json), TR_OK);
        assert_int_equal(f.position.point.snapshot, cases[i].snapshot);
        assert_int_equal(f.position.incremental_snapshot, cases[i].incremental);
        close_fixture(&f);
    }
}

static void corrupt_offsets_are_refused_by_member(void **state)
{
    (void)state;
    static const struct {
        const char *given;
        const char *named;
    } cases[] = {
        {"", "JSON object"},
        {"[]", "JSON object"},
        {"{", "JSON object"},
        {"{}", "\"file\""},
        {"{\"file\":\"b\"}", "\"pos\""},
        {"{\"pos\":4}", "\"file\""},
        {"{\"file\":\"\",\"pos\":4}", "\"file\""},
        {"{\"file\":7,\"pos\":4}", "\"file\""},
        {"{\"file\":\"a\\u0000b\",\"pos\":4}", "\"file\""},
        {"{\"file\":\"b\",\"pos\":-4}", "\"pos\""},
        {"{\"file\":\"b\",\"pos\":4.5}", "\"pos\""},
        {"{\"file\":\"b\",\"pos\":\"4\"}", "\"pos\""},
        {"{\"file\":\"b\",\"pos\":9223372036854775808}", "\"pos\""},
        {"{\"file\":\"b\",\"pos\":4,\"event\":\"x\"}", "\"event\""},
        {"{\"file\":\"b\",\"pos\":4,\"row\":1e3}", "\"row\""},
        {"{\"file\":\"b\",\"pos\":4,\"server_id\":4294967296}", "\"server_id\""},
        {"{\"file\":\"b\",\"pos\":4,\"ts_sec\":true}", "\"ts_sec\""},
        {"{\"file\":\"b\",\"pos\":4,\"gtids\":17}", "\"gtids\""},
        {"{\"file\":\"b\",\"pos\":4,\"gtids\":\"nonsense\"}", "nonsense"},
        {"{\"file\":\"b\",\"pos\":4,\"gtids\":\"\\ud800\"}", "\"gtids\""},
        {"{\"file\":\"b\",\"pos\":4,}", "JSON object"},
        {"{\"file\":\"b\",\"pos\":4}}", "JSON object"},
        {"{\"file\":\"b\",\"pos\":4,\"x\":[}]}", "JSON object"},
        {"{\"file\":\"b\" \"pos\":4}", "JSON object"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f = open_fixture(TR_FLAVOR_MYSQL);

        if (parse(&f, cases[i].given) != TR_ERR_STATE) {
            fail_msg("%s was taken", cases[i].given);
        }
        if (strstr(f.err.text, cases[i].named) == NULL) {
            fail_msg("%s: %s does not name %s", cases[i].given, f.err.text, cases[i].named);
        }
        assert_int_equal(f.err.remedy, TR_STOP);
        close_fixture(&f);
    }
}

static void file_name_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct fixture f = open_fixture(TR_FLAVOR_MYSQL);
    char json[600];

    (void)snprintf(json, sizeof(json), "{\"file\":\"%0*d\",\"pos\":4}", 255, 1);
    assert_int_equal(parse(&f, json), TR_OK);
    (void)snprintf(json, sizeof(json), "{\"file\":\"%0*d\",\"pos\":4}", 256, 1);
    assert_int_equal(parse(&f, json), TR_ERR_STATE);
    close_fixture(&f);
}

static void write_refuses_a_room_one_byte_short(void **state)
{
    (void)state;
    struct fixture f = open_fixture(TR_FLAVOR_MYSQL);
    char text[256];

    assert_int_equal(parse(&f, "{\"ts_sec\":1,\"file\":\"b\",\"pos\":4,\"gtids\":\"" UUID
                               ":1-10\",\"row\":1,\"server_id\":6,\"event\":2}"),
                     TR_OK);
    const size_t bytes = strlen(write_json(&f));
    for (size_t room = 0; room <= bytes; room++) {
        assert_int_equal(tr_position_write_json(&f.position, text, room), 0);
    }
    assert_int_equal(tr_position_write_json(&f.position, text, bytes + 1), bytes);
    close_fixture(&f);
}

static void write_then_parse_gives_the_same_position(void **state)
{
    (void)state;
    uint64_t random = 7;

    for (int round = 0; round < 500; round++) {
        struct fixture f = open_fixture(TR_FLAVOR_MARIADB);
        struct fixture back = open_fixture(TR_FLAVOR_MARIADB);
        struct tr_log_point *point = &f.position.point;

        (void)snprintf(point->file, sizeof(point->file), "mbin.%06" PRIu64,
                       tr_seed_next(&random) >> (tr_seed_next(&random) % 64));
        point->pos = tr_seed_next(&random) >> (1 + tr_seed_next(&random) % 62);
        point->event_count = tr_seed_next(&random) % 3;
        point->row_count = tr_seed_next(&random) % 3;
        point->ts_sec = (int64_t)(tr_seed_next(&random) % 9) - 4;
        point->server_id = (uint32_t)tr_seed_next(&random) >> (tr_seed_next(&random) % 32);
        assert_int_equal(parse(&back, write_json(&f)), TR_OK);
        assert_string_equal(back.position.point.file, point->file);
        assert_true(back.position.point.pos == point->pos);
        assert_true(back.position.point.event_count == point->event_count);
        assert_true(back.position.point.row_count == point->row_count);
        assert_true(back.position.point.ts_sec == point->ts_sec);
        assert_true(back.position.point.server_id == point->server_id);
        close_fixture(&f);
        close_fixture(&back);
    }
}

static void key_is_that_of_debezium_server(void **state)
{
    (void)state;
    char key[64];

    assert_int_equal(tr_position_write_key(tr_span_of_text("p"), key, sizeof(key)), 26);
    assert_string_equal(key, "[\"kinesis\",{\"server\":\"p\"}]");
    assert_int_equal(tr_position_write_key(tr_span_of_text("p"), key, 26), 0);
    (void)tr_position_write_key(tr_span_of_text("a\"\\b"), key, sizeof(key));
    assert_string_equal(key, "[\"kinesis\",{\"server\":\"a\\\"\\\\b\"}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_of_debezium_are_read_and_written_back),
        cmocka_unit_test(unfinished_snapshots_are_recognised),
        cmocka_unit_test(corrupt_offsets_are_refused_by_member),
        cmocka_unit_test(file_name_over_the_limit_is_refused),
        cmocka_unit_test(write_refuses_a_room_one_byte_short),
        cmocka_unit_test(write_then_parse_gives_the_same_position),
        cmocka_unit_test(key_is_that_of_debezium_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
