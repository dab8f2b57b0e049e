// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/support/tape.h"

/* Records as they came, one line each: STREAM|KEY|VALUE. */
struct collected {
    char text[1u << 20];
    size_t bytes;
    uint32_t count;
};

static struct collected collected;

static void collect(struct tr_tape *tape, const struct tr_stream *stream,
                    const struct tr_record *record)
{
    (void)tape;
    const int bytes = snprintf(
        collected.text + collected.bytes, sizeof(collected.text) - collected.bytes,
        "%s|%.*s|%.*s\n", stream->name, (int)record->key_bytes, (const char *)tr_record_key(record),
        (int)record->value_bytes, (const char *)tr_record_value(record));
    assert_true(bytes > 0 && (size_t)bytes < sizeof(collected.text) - collected.bytes);
    collected.bytes += (size_t)bytes;
    collected.count++;
}

static const struct tr_encode_options plain_options = {
    .flavor = TR_FLAVOR_MYSQL,
    .topic_prefix = {(const uint8_t *)"p", 1},
    .tombstones_on_delete = true,
    .enable_time_adjuster = true,
    .gtid_mode = true,
    .row_bytes_max = 1u << 20,
    .record_bytes_max = 1u << 20,
};

static size_t unhex(uint8_t *out, const char *hex)
{
    size_t bytes = 0;
    for (; hex[0] != '\0'; hex += 2) {
        const char pair[3] = {hex[0], hex[1], '\0'};
        out[bytes++] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return bytes;
}

static void open_tape(struct tr_tape *tape, const struct tr_encode_options *options)
{
    memset(tape, 0, sizeof(*tape));
    memset(&collected, 0, sizeof(collected));
    tape->on_record = collect;
    tape->build_from_maps = true;
    tr_tape_open(tape, options);
    tape->wall_unix_ns = INT64_C(1700000000123456789);
}

/* Source: mysql-binlog.md, appendix A: MySQL 9.7.4, table v.t with FULL metadata. */
static const char map_vt[] =
    "b0a9026b1301000000600000003c06000000003e010000000001000176000174000603f60ffe11f5080a025000f701"
    "03043e0101800203fcff00"
    "040e026964016e01730165027473016a0a03fcff00060502016101620801000c01fca73a49c7";
static const char write_vt[] = "b0a9026b1e01000000570000009306000000003e01000000001100020006ff00010"
                               "000007ffffff3dd02c3a90265937d251a7c1c000000000100"
                               "1b000b000100020c006103000f000501000401000c0d0001786738b0c1";
static const char update_vt[] = "b0a9026b1f0100000089000000f008000000003e01000000001100020006ffff00"
                                "010000007ffffff3dd02c3a90265937d251a7c1c0000000001"
                                "001b000b000100020c006103000f000501000401000c0d00017804010000007fff"
                                "fff3dd0165937d251a7c1c0000000001001b000b000100020c"
                                "006103000f000501000401000c0d0001787f686ee4";
static const char delete_vt[] = "b0a9026b200100000058000000860d000000003e01000000001100020006ff0401"
                                "0000007ffffff3dd0165937d251a7c200000000001001f000b"
                                "000100020c006103001300070d000401000c11007011010001789fa53cb4";

#define SOURCE_VT                                                                                  \
    "\"source\":{\"version\":\"3.6.0.Final\",\"connector\":\"mysql\",\"name\":\"p\",\"ts_ms\":"    \
    "1704164645678,"                                                                               \
    "\"snapshot\":\"false\",\"db\":\"v\",\"sequence\":null,\"ts_us\":1704164645678901,\"ts_ns\":"  \
    "1704164645678901000,"                                                                         \
    "\"table\":\"t\",\"server_id\":1,\"gtid\":null,\"file\":\"binlog.000001\",\"pos\":1683,"       \
    "\"row\":0,\"thread\":56,"                                                                     \
    "\"query\":null},\"transaction\":null,"
#define TIMES ",\"ts_ms\":1700000000123,\"ts_us\":1700000000123456,\"ts_ns\":1700000000123456789}"

static void play_vt(struct tr_tape *tape, const char *rows)
{
    struct tr_error err = {0};
    uint8_t event[512];

    tape->item.ts_us = INT64_C(1704164645678901);
    tape->item.pos = 1683;
    tape->item.thread_id = 56;
    size_t bytes = unhex(event, map_vt);
    assert_int_equal(tr_tape_map(tape, event + 19, bytes - 19 - 4, &err), TR_OK);
    bytes = unhex(event, rows);
    assert_int_equal(tr_tape_rows(tape, event, bytes - 4, &err), TR_OK);
}

static void decode_writes_a_create_record_with_its_members_in_debeziums_order(void **state)
{
    (void)state;
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    open_tape(tape, &plain_options);
    play_vt(tape, write_vt);
    assert_string_equal(
        collected.text,
        "p.v.t|{\"id\":1}|{\"before\":null,\"after\":{\"id\":1,\"n\":\"+y4=\",\"s\":\"é\",\"e\":"
        "\"b\","
        "\"ts\":\"2024-01-02T03:04:05.678Z\",\"j\":\"{\\\"a\\\":[1,true,\\\"x\\\"]}\"}," SOURCE_VT
        "\"op\":\"c\"" TIMES "\n");
    tr_tape_close(tape);
    free(tape);
}

static void decode_writes_both_images_of_an_update(void **state)
{
    (void)state;
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    open_tape(tape, &plain_options);
    play_vt(tape, update_vt);
    assert_int_equal(collected.count, 1);
    assert_non_null(
        strstr(collected.text,
               "p.v.t|{\"id\":1}|{\"before\":{\"id\":1,\"n\":\"+y4=\",\"s\":\"é\",\"e\":\"b\""));
    assert_non_null(
        strstr(collected.text, "},\"after\":{\"id\":1,\"n\":\"+y4=\",\"s\":null,\"e\":\"a\""));
    assert_non_null(strstr(collected.text, SOURCE_VT "\"op\":\"u\"" TIMES "\n"));
    tr_tape_close(tape);
    free(tape);
}

static void decode_writes_a_tombstone_behind_a_delete(void **state)
{
    (void)state;
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    open_tape(tape, &plain_options);
    play_vt(tape, delete_vt);
    assert_int_equal(collected.count, 2);
    assert_non_null(strstr(collected.text, "p.v.t|{\"id\":1}|{\"before\":{\"id\":1,"));
    assert_non_null(strstr(collected.text, "},\"after\":null," SOURCE_VT "\"op\":\"d\"" TIMES
                                           "\np.v.t|{\"id\":1}|\n"));
    tr_tape_close(tape);
    free(tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_writes_a_create_record_with_its_members_in_debeziums_order),
        cmocka_unit_test(decode_writes_both_images_of_an_update),
        cmocka_unit_test(decode_writes_a_tombstone_behind_a_delete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
