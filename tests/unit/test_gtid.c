// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "offsets/gtid.h"
#include "tests/check.h"

#define UUID_A "aea691b3-e646-11f1-8b4e-02fc00000001"
#define UUID_B "3e11fa47-71ca-11e1-9e33-c80aa9429562"

struct fixture {
    struct tr_gtid_sources *sources;
    struct tr_gtid_set *set;
    struct tr_error err;
};

static struct fixture open_fixture(enum tr_flavor flavor)
{
    struct fixture f = {0};

    assert_int_equal(tr_gtid_sources_open(&f.sources, &f.err), TR_OK);
    assert_int_equal(tr_gtid_set_open(&f.set, flavor, &f.err), TR_OK);
    return f;
}

static void close_fixture(struct fixture *f)
{
    tr_gtid_set_close(f->set);
    tr_gtid_sources_close(f->sources);
}

static void parse(struct fixture *f, const char *text)
{
    const enum tr_code code = tr_gtid_set_parse(f->set, f->sources, tr_span_of_text(text), &f->err);

    if (code != TR_OK) {
        fail_msg("%s", f->err.text);
    }
}

static void assert_text(const struct fixture *f, const char *wanted)
{
    const size_t bytes = tr_gtid_set_text_bytes(f->set);
    char *text = calloc(1, bytes + 1);

    assert_non_null(text);
    tr_gtid_set_write_text(f->set, text);
    assert_string_equal(text, wanted);
    assert_int_equal(strlen(text), bytes);
    free(text);
}

static void source_is_the_same_pointer_for_the_same_uuid_and_tag(void **state)
{
    (void)state;
    struct fixture f = open_fixture(TR_FLAVOR_MYSQL);
    const uint8_t uuid[16] = {1, 2, 3};
    const struct tr_gtid_source *plain =
        tr_gtid_source_mysql(f.sources, uuid, tr_span_of_text(""), &f.err);
    const struct tr_gtid_source *tagged =
        tr_gtid_source_mysql(f.sources, uuid, tr_span_of_text("tag"), &f.err);

    assert_ptr_not_equal(plain, tagged);
    assert_ptr_equal(plain, tr_gtid_source_mysql(f.sources, uuid, tr_span_of_text(""), &f.err));
    assert_ptr_equal(tagged, tr_gtid_source_mysql(f.sources, uuid, tr_span_of_text("tag"), &f.err));
    assert_ptr_equal(tr_gtid_source_mariadb(f.sources, 0, &f.err),
                     tr_gtid_source_mariadb(f.sources, 0, &f.err));
    assert_null(tr_gtid_source_mysql(f.sources, uuid, tr_span_of_text("1tag"), &f.err));
    assert_int_equal(f.err.code, TR_ERR_PROTOCOL);
    close_fixture(&f);
}

static void sources_refuse_the_one_over_the_limit_and_keep_the_others(void **state)
{
    (void)state;
    struct fixture f = open_fixture(TR_FLAVOR_MARIADB);

    for (uint32_t i = 0; i < TR_GTID_SOURCES_MAX; i++) {
        const struct tr_gtid_source *source = tr_gtid_source_mariadb(f.sources, i * 7919, &f.err);

        assert_non_null(source);
        assert_int_equal(source->index, i);
    }
    assert_null(tr_gtid_source_mariadb(f.sources, UINT32_MAX, &f.err));
    assert_int_equal(f.err.code, TR_ERR_MEMORY_LIMIT);
    assert_non_null(tr_gtid_source_mariadb(f.sources, 7919, &f.err));
    close_fixture(&f);
}

static void gtid_is_written_as_the_servers_write_it(void **state)
{
    (void)state;
    struct fixture f = open_fixture(TR_FLAVOR_MYSQL);
    const uint8_t uuid[16] = {0xae, 0xa6, 0x91, 0xb3, 0xe6, 0x46, 0x11, 0xf1,
                              0x8b, 0x4e, 0x02, 0xfc, 0,    0,    0,    1};
    char text[TR_GTID_TEXT_BYTES_MAX + 1];
    struct tr_gtid gtid = {
        .source = tr_gtid_source_mysql(f.sources, uuid, tr_span_of_text(""), &f.err),
        .number = 261075,
    };

    text[tr_gtid_write(text, &gtid)] = '\0';
    assert_string_equal(text, UUID_A ":261075");
    gtid.source = tr_gtid_source_mysql(f.sources, uuid, tr_span_of_text("tagx"), &f.err);
    gtid.number = 9;
    text[tr_gtid_write(text, &gtid)] = '\0';
    assert_string_equal(text, UUID_A ":tagx:9");
    gtid.source = tr_gtid_source_mysql(f.sources, uuid,
                                       tr_span_of_text("abcdefghijklmnopqrstuvwxyz_01234"), &f.err);
    gtid.number = UINT64_MAX;
    text[tr_gtid_write(text, &gtid)] = '\0';
    assert_string_equal(text, UUID_A ":abcdefghijklmnopqrstuvwxyz_01234:18446744073709551615");
    gtid.source = tr_gtid_source_mariadb(f.sources, UINT32_MAX, &f.err);
    gtid.server_id = 10;
    gtid.number = 100;
    text[tr_gtid_write(text, &gtid)] = '\0';
    assert_string_equal(text, "4294967295-10-100");
    close_fixture(&f);
}

static void set_text_is_normalised_to_first_last(void **state)
{
    (void)state;
    static const struct {
        const char *given;
        const char *wanted;
    } cases[] = {
        {"", ""},
        {" \n,, ", ""},
        {UUID_A ":1", UUID_A ":1-1"},
        {UUID_A ":1-10:12", UUID_A ":1-10:12-12"},
        {UUID_A ":12:1-10", UUID_A ":1-10:12-12"},
        {UUID_A ":1-10:11", UUID_A ":1-11"},
        {UUID_A ":5-9:1-10:3", UUID_A ":1-10"},
        {" " UUID_A " : 1 - 3 : 7 ,\n" UUID_B ":5\n", UUID_A ":1-3:7-7," UUID_B ":5-5"},
        {"AEA691B3-E646-11F1-8B4E-02FC00000001:9", UUID_A ":9-9"},
        {UUID_A ":1-5:Tag_1:1-3:9", UUID_A ":1-5," UUID_A ":tag_1:1-3:9-9"},
        {UUID_A ":1," UUID_B ":1," UUID_A ":2", UUID_A ":1-2," UUID_B ":1-1"},
        {UUID_A ":9223372036854775806", UUID_A ":9223372036854775806-9223372036854775806"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f = open_fixture(TR_FLAVOR_MYSQL);

        parse(&f, cases[i].given);
        assert_text(&f, cases[i].wanted);
        close_fixture(&f);
    }
}

static void set_text_of_mariadb_keeps_one_entry_per_domain(void **state)
{
    (void)state;
    struct fixture f = open_fixture(TR_FLAVOR_MARIADB);

    parse(&f, "0-1-100, 5-9-3,\n0-2-99");
    assert_text(&f, "0-2-99,5-9-3");
    close_fixture(&f);
}

static void set_parse_names_the_bad_part(void **state)
{
    (void)state;
    static const char *const mysql_cases[] = {
        "x",
        UUID_A,
        UUID_A ":",
        UUID_A ":0",
        UUID_A ":3-2",
        UUID_A ":1-",
        UUID_A ":9223372036854775807",
        UUID_A ":99999999999999999999999999",
        UUID_A ":1x",
        UUID_A ":tag",
        UUID_A ":1:tag",
        UUID_A ":tag:tag:1",
        UUID_A ":1 2",
        "aea691b3e64611f18b4e02fc00000001:1",
        UUID_A ":abcdefghijklmnopqrstuvwxyz_0123456:1",
        UUID_A ":t\xe9:1",
    };
    static const char *const mariadb_cases[] = {
        "0",
        "0-1",
        "0-1-",
        "0-1-2-3",
        "4294967296-1-1",
        "0-4294967296-1",
        "a-1-1",
        "0-1-18446744073709551616",
    };

    for (size_t i = 0; i < sizeof(mysql_cases) / sizeof(mysql_cases[0]); i++) {
        struct fixture f = open_fixture(TR_FLAVOR_MYSQL);

        assert_int_equal(
            tr_gtid_set_parse(f.set, f.sources, tr_span_of_text(mysql_cases[i]), &f.err),
            TR_ERR_STATE);
        assert_non_null(strstr(f.err.text, "wanted"));
        close_fixture(&f);
    }
    for (size_t i = 0; i < sizeof(mariadb_cases) / sizeof(mariadb_cases[0]); i++) {
        struct fixture f = open_fixture(TR_FLAVOR_MARIADB);

        assert_int_equal(
            tr_gtid_set_parse(f.set, f.sources, tr_span_of_text(mariadb_cases[i]), &f.err),
            TR_ERR_STATE);
        assert_non_null(strstr(f.err.text, mariadb_cases[i]));
        close_fixture(&f);
    }
}

static void set_contains_what_was_added_and_nothing_else(void **state)
{
    (void)state;
    struct fixture f = open_fixture(TR_FLAVOR_MYSQL);
    struct tr_gtid_set *part;
    const uint8_t uuid[16] = {0xae, 0xa6, 0x91, 0xb3, 0xe6, 0x46, 0x11, 0xf1,
                              0x8b, 0x4e, 0x02, 0xfc, 0,    0,    0,    1};

    parse(&f, UUID_A ":2-5:9");
    struct tr_gtid gtid = {.source =
                               tr_gtid_source_mysql(f.sources, uuid, tr_span_of_text(""), &f.err)};
    for (gtid.number = 1; gtid.number <= 11; gtid.number++) {
        const bool wanted = (gtid.number >= 2 && gtid.number <= 5) || gtid.number == 9;

        assert_int_equal(tr_gtid_set_contains(f.set, &gtid), wanted);
    }
    assert_false(tr_gtid_set_contains(f.set, &(struct tr_gtid){0}));
    assert_int_equal(tr_gtid_set_open(&part, TR_FLAVOR_MYSQL, &f.err), TR_OK);
    assert_true(tr_gtid_set_contains_set(f.set, part));
    assert_int_equal(tr_gtid_set_parse(part, f.sources, tr_span_of_text(UUID_A ":3-4:9"), &f.err),
                     TR_OK);
    assert_true(tr_gtid_set_contains_set(f.set, part));
    assert_false(tr_gtid_set_contains_set(part, f.set));
    assert_int_equal(tr_gtid_set_parse(part, f.sources, tr_span_of_text(UUID_A ":5-6"), &f.err),
                     TR_OK);
    assert_false(tr_gtid_set_contains_set(f.set, part));
    tr_gtid_set_close(part);
    close_fixture(&f);
}

static void set_of_mariadb_contains_by_sequence_number(void **state)
{
    (void)state;
    struct fixture f = open_fixture(TR_FLAVOR_MARIADB);
    struct tr_gtid_set *part;

    parse(&f, "0-1-100,5-9-3");
    struct tr_gtid gtid = {.source = tr_gtid_source_mariadb(f.sources, 0, &f.err), .number = 100};
    assert_true(tr_gtid_set_contains(f.set, &gtid));
    gtid.number = 101;
    assert_false(tr_gtid_set_contains(f.set, &gtid));
    assert_int_equal(tr_gtid_set_open(&part, TR_FLAVOR_MARIADB, &f.err), TR_OK);
    assert_int_equal(tr_gtid_set_parse(part, f.sources, tr_span_of_text("0-2-99"), &f.err), TR_OK);
    assert_true(tr_gtid_set_contains_set(f.set, part));
    assert_int_equal(tr_gtid_set_parse(part, f.sources, tr_span_of_text("7-2-1"), &f.err), TR_OK);
    assert_false(tr_gtid_set_contains_set(f.set, part));
    tr_gtid_set_close(part);
    close_fixture(&f);
}

static void set_copy_is_equal_and_independent(void **state)
{
    (void)state;
    struct fixture f = open_fixture(TR_FLAVOR_MYSQL);
    struct fixture copy = {.sources = f.sources};

    assert_int_equal(tr_gtid_set_open(&copy.set, TR_FLAVOR_MYSQL, &f.err), TR_OK);
    parse(&f, UUID_A ":1-3:7," UUID_B ":5");
    assert_int_equal(tr_gtid_set_copy(copy.set, f.set, &f.err), TR_OK);
    parse(&f, UUID_A ":4");
    assert_text(&copy, UUID_A ":1-3:7-7," UUID_B ":5-5");
    tr_gtid_set_clear(f.set);
    assert_true(tr_gtid_set_is_empty(f.set));
    parse(&f, UUID_B ":1");
    assert_text(&f, UUID_B ":1-1");
    tr_gtid_set_close(copy.set);
    close_fixture(&f);
}

static void set_refuses_numbers_that_no_server_gives(void **state)
{
    (void)state;
    struct fixture f = open_fixture(TR_FLAVOR_MYSQL);
    const uint8_t uuid[16] = {0};
    struct tr_gtid_range range = {
        .source = tr_gtid_source_mysql(f.sources, uuid, tr_span_of_text(""), &f.err)};

    assert_int_equal(tr_gtid_set_add(f.set, &range, &f.err), TR_ERR_PROTOCOL);
    range.first = 1;
    range.last = UINT64_MAX;
    assert_int_equal(tr_gtid_set_add(f.set, &range, &f.err), TR_ERR_PROTOCOL);
    assert_true(tr_gtid_set_is_empty(f.set));
    close_fixture(&f);
}

static size_t from_hex(const char *hex, uint8_t *out)
{
    const size_t bytes = strlen(hex) / 2;

    for (size_t i = 0; i < bytes; i++) {
        const char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return bytes;
}

static void assert_binary(const struct fixture *f, const char *hex)
{
    uint8_t wanted[512];
    uint8_t got[512];
    const size_t bytes = from_hex(hex, wanted);

    assert_int_equal(tr_gtid_set_write_binary(f->set, NULL), bytes);
    assert_int_equal(tr_gtid_set_write_binary(f->set, got), bytes);
    assert_int_equal(memcmp(got, wanted, bytes), 0);
}

/* The body of a PREVIOUS_GTIDS event of MySQL 9.7.4. */
static void set_binary_with_tags_is_what_the_server_writes(void **state)
{
    (void)state;
    struct fixture f = open_fixture(TR_FLAVOR_MYSQL);

    parse(&f, UUID_A ":1-261089:tag1:1:tagx:1-2:zz_2:1");
    assert_binary(&f, "0104000000000001aea691b3e64611f18b4e02fc000000010001000000000000000100000000"
                      "000000e2fb030000000000aea691b3e64611f18b4e02fc000000010874616731010000000000"
                      "000001000000000000000200000000000000aea691b3e64611f18b4e02fc0000000108746167"
                      "78010000000000000001000000000000000300000000000000aea691b3e64611f18b4e02fc00"
                      "000001087a7a5f32010000000000000001000000000000000200000000000000");
    close_fixture(&f);
}

static void set_binary_without_tags_is_classic(void **state)
{
    (void)state;
    struct fixture f = open_fixture(TR_FLAVOR_MYSQL);

    assert_binary(&f, "0000000000000000");
    parse(&f, UUID_A ":1-5:7");
    assert_binary(&f, "0100000000000000aea691b3e64611f18b4e02fc00000001"
                      "020000000000000001000000000000000600000000000000"
                      "07000000000000000800000000000000");
    close_fixture(&f);
}

static void ranges_merge_neighbours_from_the_given_index_only(void **state)
{
    (void)state;
    struct fixture f = open_fixture(TR_FLAVOR_MYSQL);
    const uint8_t uuid_a[16] = {1};
    const uint8_t uuid_b[16] = {2};
    struct tr_gtid a = {.source =
                            tr_gtid_source_mysql(f.sources, uuid_a, tr_span_of_text(""), &f.err),
                        .number = 5};
    struct tr_gtid b = {.source =
                            tr_gtid_source_mysql(f.sources, uuid_b, tr_span_of_text(""), &f.err),
                        .number = 1};
    struct tr_gtid_range ranges[3];
    uint32_t count = 0;

    assert_true(tr_gtid_ranges_append(ranges, &count, 3, 0, &a));
    a.number++;
    assert_true(tr_gtid_ranges_append(ranges, &count, 3, 0, &a));
    assert_true(tr_gtid_ranges_append(ranges, &count, 3, 0, &b));
    a.number++;
    assert_true(tr_gtid_ranges_append(ranges, &count, 3, 0, &a));
    assert_int_equal(count, 2);
    assert_int_equal(ranges[0].first, 5);
    assert_int_equal(ranges[0].last, 7);
    a.number++;
    assert_true(tr_gtid_ranges_append(ranges, &count, 3, 2, &a)); /* not into 0..1 */
    assert_int_equal(count, 3);
    a.number += 2;
    assert_false(tr_gtid_ranges_append(ranges, &count, 3, 2, &a)); /* full */
    assert_int_equal(count, 3);
    assert_int_equal(ranges[2].last, 8);
    close_fixture(&f);
}

static void ranges_of_mariadb_keep_the_newest_of_a_domain(void **state)
{
    (void)state;
    struct fixture f = open_fixture(TR_FLAVOR_MARIADB);
    struct tr_gtid gtid = {
        .source = tr_gtid_source_mariadb(f.sources, 0, &f.err), .number = 10, .server_id = 1};
    struct tr_gtid_range ranges[2];
    uint32_t count = 0;

    assert_true(tr_gtid_ranges_append(ranges, &count, 2, 0, &gtid));
    gtid.number = 17;
    gtid.server_id = 2;
    assert_true(tr_gtid_ranges_append(ranges, &count, 2, 0, &gtid));
    assert_int_equal(count, 1);
    assert_int_equal(ranges[0].last, 17);
    assert_int_equal(ranges[0].server_id, 2);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(source_is_the_same_pointer_for_the_same_uuid_and_tag),
        cmocka_unit_test(sources_refuse_the_one_over_the_limit_and_keep_the_others),
        cmocka_unit_test(gtid_is_written_as_the_servers_write_it),
        cmocka_unit_test(set_text_is_normalised_to_first_last),
        cmocka_unit_test(set_text_of_mariadb_keeps_one_entry_per_domain),
        cmocka_unit_test(set_parse_names_the_bad_part),
        cmocka_unit_test(set_contains_what_was_added_and_nothing_else),
        cmocka_unit_test(set_of_mariadb_contains_by_sequence_number),
        cmocka_unit_test(set_copy_is_equal_and_independent),
        cmocka_unit_test(set_refuses_numbers_that_no_server_gives),
        cmocka_unit_test(set_binary_with_tags_is_what_the_server_writes),
        cmocka_unit_test(set_binary_without_tags_is_classic),
        cmocka_unit_test(ranges_merge_neighbours_from_the_given_index_only),
        cmocka_unit_test(ranges_of_mariadb_keep_the_newest_of_a_domain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
