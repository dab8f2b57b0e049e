// SPDX-License-Identifier: Apache-2.0
#include "tests/check.h"

#include "stages/schema/table.h"

static struct tr_table *two_columns(void)
{
    struct tr_error err;
    struct tr_table *table =
        tr_table_open(tr_span_of_text("shop"), tr_span_of_text("orders"), 2, &err);
    assert_non_null(table);
    table->columns[0].name = tr_table_text(table, tr_span_of_text("id"));
    table->columns[0].type = TR_COLUMN_INT;
    table->columns[0].key_ordinal = 1;
    table->columns[1].name = tr_table_text(table, tr_span_of_text("state"));
    table->columns[1].type = TR_COLUMN_ENUM;
    table->columns[1].options = tr_table_array(table, 2 * sizeof(struct tr_span));
    table->columns[1].option_count = 2;
    table->columns[1].options[0] = tr_table_text(table, tr_span_of_text("new"));
    table->columns[1].options[1] = tr_table_text(table, tr_span_of_text("paid"));
    return table;
}

static void table_keeps_its_own_copies_of_texts(void **state)
{
    (void)state;
    char name[] = "orders";
    struct tr_error err;
    struct tr_table *table = tr_table_open(tr_span_of_text("shop"), tr_span_of_text(name), 1, &err);
    assert_non_null(table);
    name[0] = 'X';
    assert_true(tr_span_equals(table->name, tr_span_of_text("orders")));
    assert_true(tr_table_is_whole(table));
    tr_table_close(table);
}

static void table_columns_begin_zeroed_and_arrays_are_aligned(void **state)
{
    (void)state;
    struct tr_error err;
    struct tr_table *table =
        tr_table_open(tr_span_of_text("d"), tr_span_of_text("t"), TR_COLUMNS_MAX, &err);
    assert_non_null(table);
    for (uint32_t i = 0; i < table->column_count; i++) {
        assert_int_equal(table->columns[i].type, TR_COLUMN_UNKNOWN);
        assert_int_equal(table->columns[i].name.bytes, 0);
    }
    for (size_t bytes = 1; bytes < 5000; bytes += 7) {
        const uint8_t *array = tr_table_array(table, bytes);
        assert_int_equal((uintptr_t)array % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < bytes; i++) {
            assert_int_equal(array[i], 0);
        }
    }
    assert_true(tr_table_memory_bytes(table) > TR_COLUMNS_MAX * sizeof(struct tr_column));
    tr_table_close(table);
}

static void table_with_too_many_columns_is_refused_by_name(void **state)
{
    (void)state;
    struct tr_error err;
    assert_null(
        tr_table_open(tr_span_of_text("d"), tr_span_of_text("wide"), TR_COLUMNS_MAX + 1, &err));
    assert_int_equal(err.code, TR_ERR_SCHEMA);
    assert_non_null(strstr(err.text, "d.wide"));
}

static void table_refusal_of_memory_is_sticky(void **state)
{
    (void)state;
    struct tr_table *table = two_columns();
    assert_null(tr_table_array(table, SIZE_MAX / 2));
    assert_false(tr_table_is_whole(table));
    assert_non_null(tr_table_array(table, 8));
    assert_false(tr_table_is_whole(table));
    tr_table_close(table);
}

static void table_fingerprint_changes_with_everything_that_decides_how_rows_are_read(void **state)
{
    (void)state;
    struct tr_table *one = two_columns();
    struct tr_table *two = two_columns();
    const uint64_t before = tr_table_fingerprint(one);
    assert_int_equal(before, tr_table_fingerprint(two));
    two->columns[0].is_unsigned = true;
    assert_int_not_equal(before, tr_table_fingerprint(two));
    two->columns[0].is_unsigned = false;
    two->columns[1].options[1] = tr_table_text(two, tr_span_of_text("void"));
    assert_int_not_equal(before, tr_table_fingerprint(two));
    two->columns[1].options[1] = one->columns[1].options[1];
    two->columns[0].key_ordinal = 0;
    assert_int_not_equal(before, tr_table_fingerprint(two));
    two->columns[0].key_ordinal = 1;
    two->columns[0].comment = tr_table_text(two, tr_span_of_text("changes no byte of a row"));
    assert_int_equal(before, tr_table_fingerprint(two));
    tr_table_close(one);
    tr_table_close(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_keeps_its_own_copies_of_texts),
        cmocka_unit_test(table_columns_begin_zeroed_and_arrays_are_aligned),
        cmocka_unit_test(table_with_too_many_columns_is_refused_by_name),
        cmocka_unit_test(table_refusal_of_memory_is_sticky),
        cmocka_unit_test(table_fingerprint_changes_with_everything_that_decides_how_rows_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
