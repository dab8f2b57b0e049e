// SPDX-License-Identifier: Apache-2.0
/* The same values as the server's text in a snapshot and as bytes in the log: wherever the contract
 * says that Debezium's bytes are equal, the two readers must print the same. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stages/ddl/model.h"
#include "stages/source/snapshot_event.h"
#include "tests/check.h"
#include "tests/property/seed.h"
#include "tests/support/random_decimal.h"
#include "tests/support/tape.h"

#define ROUNDS 3000
#define VALUE_BYTES_MAX 400
#define WRITE_ROWS_V1 23

static uint64_t seed;
static uint64_t state;
static struct tr_tape *tape;
static struct tr_ddl_model *model;
static char after[4096]; /* of the last record */

/* One value in its two forms. */
struct both {
    uint8_t log[VALUE_BYTES_MAX]; /* with its length in front, if it has one */
    size_t log_bytes;
    char text[VALUE_BYTES_MAX];
    size_t text_bytes;
};

static uint64_t next(void)
{
    return tr_seed_next(&state);
}

static void collect(struct tr_tape *from, const struct tr_stream *stream,
                    const struct tr_record *record)
{
    (void)from;
    (void)stream;
    const char *value = (const char *)tr_record_value(record);
    const char *end = memmem(value, record->value_bytes, ",\"source\":{", 11);
    assert_non_null(end);
    assert_true((size_t)(end - value) < sizeof(after));
    memcpy(after, value, (size_t)(end - value));
    after[end - value] = '\0';
}

static void open_rig(void)
{
    struct tr_error err;
    const struct tr_ddl_options ddl = {.flavor = TR_FLAVOR_MARIADB};
    const struct tr_encode_options options = {.flavor = TR_FLAVOR_MARIADB,
                                              .topic_prefix = tr_span_of_text("p"),
                                              .enable_time_adjuster = true,
                                              .row_bytes_max = 1u << 20};
    tape = calloc(1, sizeof(*tape));
    assert_non_null(tape);
    tape->on_record = collect;
    tr_tape_open(tape, &options);
    assert_int_equal(tr_ddl_model_open(&model, &ddl, &err), TR_OK);
}

static void close_rig(void)
{
    tr_tape_close(tape);
    free(tape);
    tr_ddl_model_close(model);
}

static struct tr_schema *schema_of(const char *type)
{
    char sql[256];
    struct tr_error err;
    struct tr_ddl_result result;

    (void)snprintf(sql, sizeof(sql), "CREATE OR REPLACE TABLE t (c %s) CHARSET=utf8mb4", type);
    const struct tr_ddl_event event = {.sql = tr_span_of_text(sql),
                                       .database = tr_span_of_text("d")};
    assert_int_equal(tr_ddl_apply(model, &event, &result, &err), TR_OK);
    assert_non_null(result.changes[0].table);
    struct tr_schema *schema = tr_tape_add_text(tape, tr_table_hold(result.changes[0].table), &err);
    assert_non_null(schema);
    return schema;
}

/* Plays the value in one form; `after` has what came out. */
static void play(const struct tr_schema *schema, const struct both *value, bool is_text)
{
    uint8_t event[1024] = {0};
    size_t at = 19;
    struct tr_error err;
    struct tr_unit_item item = {.schema = schema, .thread_id = -1};

    if (is_text) {
        item.event_type = TR_EVENT_SNAPSHOT_ROWS;
        item.op = TR_ROW_READ;
        memcpy(event + at, "\1\0d\1\0t\0\0\1\0\0\0", 12);
        at += 12;
        if (value->text_bytes < 0xFB) {
            event[at++] = (uint8_t)value->text_bytes;
        } else {
            event[at++] = 0xFC;
            event[at++] = (uint8_t)value->text_bytes;
            event[at++] = (uint8_t)(value->text_bytes >> 8);
        }
        memcpy(event + at, value->text, value->text_bytes);
        at += value->text_bytes;
    } else {
        item.event_type = WRITE_ROWS_V1;
        item.op = TR_ROW_INSERT;
        at += 8;
        event[at++] = 1;    /* one column */
        event[at++] = 0xFF; /* present */
        event[at++] = 0;    /* not null */
        memcpy(event + at, value->log, value->log_bytes);
        at += value->log_bytes;
    }
    if (tr_tape_item(tape, item, event, at, &err) != TR_OK) {
        fail_msg("seed %llu: %s: %.*s", (unsigned long long)seed, err.text, (int)value->text_bytes,
                 value->text);
    }
}

static void compare(const struct tr_schema *schema, const struct both *value)
{
    char from_log[sizeof(after)];

    play(schema, value, false);
    memcpy(from_log, after, sizeof(after));
    play(schema, value, true);
    if (strcmp(after, from_log) != 0) {
        fail_msg("seed %llu: %.*s: snapshot %s, log %s", (unsigned long long)seed,
                 (int)value->text_bytes, value->text, after, from_log);
    }
}

static void put_le(struct both *value, uint64_t number, size_t bytes)
{
    memcpy(value->log, &number, bytes);
    value->log_bytes = bytes;
}

static void put_be(uint8_t *out, uint64_t number, size_t bytes)
{
    for (size_t i = bytes; i > 0; i--) {
        *out++ = (uint8_t)(number >> (8 * (i - 1)));
    }
}

__attribute__((format(printf, 2, 3))) static void print(struct both *value, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int bytes = vsnprintf(value->text, sizeof(value->text), format, arguments);
    va_end(arguments);
    assert_in_range(bytes, 0, sizeof(value->text) - 1);
    value->text_bytes = (size_t)bytes;
}

static void integers_of_both_forms_are_equal(void **unused)
{
    static const struct {
        const char *type;
        size_t bytes;
        bool is_unsigned;
    } types[] = {
        {"TINYINT", 1, false},   {"TINYINT UNSIGNED", 1, true},
        {"SMALLINT", 2, false},  {"SMALLINT UNSIGNED", 2, true},
        {"MEDIUMINT", 3, false}, {"MEDIUMINT UNSIGNED", 3, true},
        {"INT", 4, false},       {"INT UNSIGNED", 4, true},
        {"BIGINT", 8, false},    {"BIGINT UNSIGNED", 8, true},
    };
    (void)unused;
    open_rig();
    for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
        const struct tr_schema *schema = schema_of(types[t].type);
        for (uint32_t i = 0; i < ROUNDS; i++) {
            struct both value;
            const uint32_t shift = (uint32_t)(64 - 8 * types[t].bytes);
            const uint64_t drawn = next() >> next() % 64;
            const uint64_t number = next() % 2 == 0 ? drawn : ~drawn;
            put_le(&value, number, types[t].bytes);
            if (types[t].is_unsigned) {
                print(&value, "%llu", (unsigned long long)(number << shift >> shift));
            } else {
                print(&value, "%lld", (long long)((int64_t)(number << shift) >> shift));
            }
            compare(schema, &value);
        }
    }
    close_rig();
}

static void doubles_of_both_forms_are_equal(void **unused)
{
    (void)unused;
    open_rig();
    const struct tr_schema *wide = schema_of("DOUBLE");
    const struct tr_schema *narrow = schema_of("FLOAT");
    const struct tr_schema *widened = schema_of("FLOAT(12,4)");
    for (uint32_t i = 0; i < 10 * ROUNDS; i++) {
        struct both value;
        uint64_t bits = next();
        double number;
        memcpy(&number, &bits, sizeof(number));
        if (number - number != 0) {
            continue; /* infinite, or none: no server stores them */
        }
        put_le(&value, bits, 8);
        print(&value, "%.17g", number);
        compare(wide, &value);
        float real;
        memcpy(&real, &bits, sizeof(real));
        if (real - real == 0) {
            /* All digits: the servers send six, which is why their FLOATs differ (contract §2.2). */
            put_le(&value, bits, 4);
            print(&value, "%.9g", (double)real);
            compare(narrow, &value);
            compare(widened, &value);
        }
    }
    close_rig();
}

static void decimals_of_both_forms_are_equal(void **unused)
{
    (void)unused;
    for (uint32_t t = 0; t < 60; t++) { /* a tape takes 64 schemas */
        struct tr_random_decimal decimal = {0};
        char type[32];
        open_rig();
        decimal.precision = 1 + (uint32_t)(next() % 65);
        decimal.scale = (uint32_t)(next() % (decimal.precision < 38 ? decimal.precision + 1 : 39));
        (void)snprintf(type, sizeof(type), "DECIMAL(%u,%u)", decimal.precision, decimal.scale);
        const struct tr_schema *schema = schema_of(type);
        struct tr_packed_decimal layout;
        assert_true(tr_packed_decimal_init(&layout, decimal.precision, decimal.scale));
        for (uint32_t i = 0; i < ROUNDS / 10; i++) {
            struct both value = {.log_bytes = layout.bytes};
            const uint32_t zeros = (uint32_t)(next() % (decimal.precision + 1));
            decimal.negative = false;
            for (uint32_t d = 0; d < decimal.precision; d++) {
                decimal.digits[d] = d < zeros ? 0 : (uint8_t)(next() % 10);
                decimal.negative = decimal.negative || decimal.digits[d] != 0;
            }
            decimal.negative = decimal.negative && next() % 2 == 0;
            tr_random_decimal_pack(&decimal, value.log);
            const uint8_t *end =
                tr_packed_decimal_put_text((uint8_t *)value.text, &layout, value.log);
            assert_non_null(end);
            value.text_bytes = (size_t)(end - (uint8_t *)value.text);
            compare(schema, &value);
        }
        close_rig();
    }
}

static const uint32_t fraction_units[] = {1000000, 10000, 100, 1}; /* µs, by bytes */

/* ".123", or nothing. */
static void print_fraction(char tail[12], uint32_t digits, uint32_t fraction)
{
    tail[0] = '\0';
    if (digits != 0) {
        (void)snprintf(tail, 12, ".%0*u", (int)digits, fraction);
    }
}

static void dates_and_times_of_both_forms_are_equal(void **unused)
{
    (void)unused;
    open_rig();
    const struct tr_schema *date = schema_of("DATE");
    const struct tr_schema *year = schema_of("YEAR");
    for (uint32_t fsp = 0; fsp <= 6; fsp += 2) {
        const uint32_t bytes = fsp / 2;
        const uint32_t unit = fraction_units[bytes];
        char type[24];
        char tail[12];
        (void)snprintf(type, sizeof(type), "DATETIME(%u)", fsp);
        const struct tr_schema *datetime = schema_of(type);
        (void)snprintf(type, sizeof(type), "TIME(%u)", fsp);
        const struct tr_schema *time = schema_of(type);
        for (uint32_t i = 0; i < ROUNDS; i++) {
            struct both value = {0};
            /* The year 0 is where the two differ. */
            const uint32_t y = 1 + (uint32_t)(next() % 9999);
            const uint32_t mo = (uint32_t)(next() % 13);
            const uint32_t d = (uint32_t)(next() % 29);
            const uint32_t h = (uint32_t)(next() % 24);
            const uint32_t mi = (uint32_t)(next() % 60);
            const uint32_t s = (uint32_t)(next() % 60);
            const uint32_t fraction = fsp == 0 ? 0 : (uint32_t)(next() % (1000000 / unit));

            put_le(&value, y << 9 | mo << 5 | d, 3);
            print(&value, "%04u-%02u-%02u", y, mo, d);
            compare(date, &value);

            const uint64_t ymd = ((uint64_t)y * 13 + mo) << 5 | d;
            put_be(value.log, UINT64_C(0x8000000000) + (ymd << 17 | h << 12 | mi << 6 | s), 5);
            put_be(value.log + 5, fraction, bytes);
            value.log_bytes = 5 + bytes;
            print_fraction(tail, fsp, fraction);
            print(&value, "%04u-%02u-%02u %02u:%02u:%02u%s", y, mo, d, h, mi, s, tail);
            compare(datetime, &value);

            const uint32_t hours = (uint32_t)(next() % 839);
            const bool negative = next() % 2 == 0;
            const int64_t packed = (int64_t)(hours << 12 | mi << 6 | s) << (8 * bytes) | fraction;
            put_be(value.log,
                   (uint64_t)((INT64_C(0x800000) << (8 * bytes)) + (negative ? -packed : packed)),
                   3 + bytes);
            value.log_bytes = 3 + bytes;
            print(&value, "%s%02u:%02u:%02u%s", negative ? "-" : "", hours, mi, s, tail);
            compare(time, &value);

            const uint32_t short_year = 1 + (uint32_t)(next() % 255);
            put_le(&value, short_year, 1);
            print(&value, "%u", 1900 + short_year);
            compare(year, &value);
        }
    }
    close_rig();
}

/* TIMESTAMP: the log's has all declared digits, the snapshot's none that is not needed. */
static void timestamps_without_zeros_at_the_end_are_equal(void **unused)
{
    (void)unused;
    open_rig();
    const struct tr_schema *whole = schema_of("TIMESTAMP NULL");
    const struct tr_schema *fine = schema_of("TIMESTAMP(6) NULL");
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct both value = {0};
        struct tm tm;
        const time_t seconds = 1 + (time_t)(next() % UINT32_MAX);
        const uint32_t micros = (uint32_t)(next() % 100000) * 10 + 1 + (uint32_t)(next() % 9);
        (void)gmtime_r(&seconds, &tm);
        put_be(value.log, (uint64_t)seconds, 4);
        put_be(value.log + 4, micros, 3);
        value.log_bytes = 4;
        value.text_bytes = strftime(value.text, sizeof(value.text), "%Y-%m-%d %H:%M:%S", &tm);
        compare(whole, &value);
        (void)snprintf(value.text + value.text_bytes, 8, ".%06u", micros);
        value.text_bytes += 7;
        value.log_bytes = 7;
        compare(fine, &value);
    }
    close_rig();
}

/* Bytes of any kind behind a length of `length_bytes`. */
static void draw_bytes(struct both *value, size_t bytes, size_t length_bytes)
{
    memcpy(value->log, &bytes, length_bytes);
    for (size_t i = 0; i < bytes; i++) {
        const uint8_t byte = (uint8_t)(next() % 4 == 0 ? next() : 0x20 + next() % 0x60);
        value->log[length_bytes + i] = byte;
        value->text[i] = (char)byte;
    }
    value->log_bytes = length_bytes + bytes;
    value->text_bytes = bytes;
}

static void bytes_of_both_forms_are_equal(void **unused)
{
    static const struct {
        const char *type;
        size_t length_bytes;
    } types[] = {
        {"VARCHAR(50)", 1},    {"VARCHAR(300)", 2}, {"CHAR(40)", 1},
        {"TEXT", 2},           {"LONGTEXT", 4},     {"VARBINARY(200)", 1},
        {"VARBINARY(300)", 2}, {"BLOB", 2},         {"MEDIUMBLOB", 3},
    };
    (void)unused;
    open_rig();
    for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
        const struct tr_schema *schema = schema_of(types[t].type);
        for (uint32_t i = 0; i < ROUNDS; i++) {
            struct both value;
            draw_bytes(&value, next() % 4 == 0 ? next() % 199 : next() % 40, types[t].length_bytes);
            compare(schema, &value);
        }
    }
    close_rig();
}

static void padded_and_packed_bytes_of_both_forms_are_equal(void **unused)
{
    (void)unused;
    open_rig();
    const struct tr_schema *binary = schema_of("BINARY(16)");
    const struct tr_schema *bit = schema_of("BIT(37)");
    const struct tr_schema *boolean = schema_of("BIT(1)");
    const struct tr_schema *point = schema_of("POINT");
    const struct tr_schema *geometry = schema_of("GEOMETRY");
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct both value;
        draw_bytes(&value, next() % 17, 1); /* the log leaves zeros at the end out */
        memset(value.text + value.text_bytes, 0, 16 - value.text_bytes);
        value.text_bytes = 16;
        compare(binary, &value);
        const uint64_t bits = next() >> (64 - 37);
        put_be(value.log, bits, 5);
        memcpy(value.text, value.log, 5);
        value.log_bytes = value.text_bytes = 5;
        compare(bit, &value);
        value.log[0] = (uint8_t)(bits & 1);
        value.text[0] = (char)value.log[0];
        value.log_bytes = value.text_bytes = 1;
        compare(boolean, &value);
        draw_bytes(&value, 25, 4);
        memset(value.log + 4 + 9, 0x3F, 16); /* coordinates that are numbers */
        memset(value.text + 9, 0x3F, 16);
        compare(point, &value);
        draw_bytes(&value, 5 + next() % 100, 4);
        compare(geometry, &value);
    }
    close_rig();
}

static void members_and_identifiers_of_both_forms_are_equal(void **unused)
{
    static const char *const members[] = {"one", "it's", "\xC3\xA9\"", "four", "five"};
    (void)unused;
    open_rig();
    const struct tr_schema *one = schema_of("ENUM('one','it''s','\xC3\xA9\"','four','five')");
    const struct tr_schema *some = schema_of("SET('one','it''s','\xC3\xA9\"','four','five')");
    const struct tr_schema *uuid = schema_of("UUID");
    const struct tr_schema *inet4 = schema_of("INET4");
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct both value;
        const uint32_t member = (uint32_t)(next() % 6); /* 0: what is no member */
        put_le(&value, member, 1);
        print(&value, "%s", member == 0 ? "" : members[member - 1]);
        compare(one, &value);
        const uint32_t set = (uint32_t)(next() % 32);
        put_le(&value, set, 1);
        print(&value, "%s", "");
        for (uint32_t m = 0; m < 5; m++) {
            if ((set >> m & 1) != 0) {
                value.text_bytes += (size_t)snprintf(value.text + value.text_bytes,
                                                     sizeof(value.text) - value.text_bytes, "%s%s",
                                                     value.text_bytes == 0 ? "" : ",", members[m]);
            }
        }
        compare(some, &value);
        draw_bytes(&value, 16, 1);
        const uint8_t *b = value.log + 1;
        print(&value, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
              b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
              b[14], b[15]);
        compare(uuid, &value);
        draw_bytes(&value, 4, 1);
        print(&value, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
        compare(inet4, &value);
    }
    close_rig();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_of_both_forms_are_equal),
        cmocka_unit_test(doubles_of_both_forms_are_equal),
        cmocka_unit_test(decimals_of_both_forms_are_equal),
        cmocka_unit_test(dates_and_times_of_both_forms_are_equal),
        cmocka_unit_test(timestamps_without_zeros_at_the_end_are_equal),
        cmocka_unit_test(bytes_of_both_forms_are_equal),
        cmocka_unit_test(padded_and_packed_bytes_of_both_forms_are_equal),
        cmocka_unit_test(members_and_identifiers_of_both_forms_are_equal),
    };
    seed = tr_seed_from(argc, argv);
    state = seed;
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
