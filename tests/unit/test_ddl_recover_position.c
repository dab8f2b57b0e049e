// SPDX-License-Identifier: Apache-2.0
/* Which documents of a history are applied at a position (recover.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/support/recover_rig.h"

#include <cmocka.h>

#define UUID "b40af3f7-e660-11f1-b1fc-02fc00000001"

static void parse_position(struct tr_saved_position *position, const char *json)
{
    struct tr_error err;
    position->gtids = NULL;
    assert_int_equal(tr_gtid_set_open(&position->gtids, TR_FLAVOR_MYSQL, &err), TR_OK);
    assert_int_equal(
        tr_position_parse_json(position, recover_rig_sources, tr_span_of_text(json), &err), TR_OK);
}

static void documents_at_or_before_the_position_are_applied(void **state)
{
    static const struct {
        const char *document;
        const char *until;
        bool is_applied;
    } cases[] = {
        /* both with GTIDs */
        {"\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\"",
         "\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\"", true},
        {"\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-4\"",
         "\"file\":\"b.000001\",\"pos\":5,\"gtids\":\"" UUID ":1-5\"", true},
        {"\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-6\"",
         "\"file\":\"b.000001\",\"pos\":50,\"gtids\":\"" UUID ":1-5\"", false},
        /* the statement comes again: equal sets, behind in the files */
        {"\"file\":\"b.000001\",\"pos\":20,\"gtids\":\"" UUID ":1-5\"",
         "\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\"", false},
        {"\"file\":\"b.000002\",\"pos\":4,\"gtids\":\"" UUID ":1-5\"",
         "\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\"", false},
        {"\"file\":\"b.000009\",\"pos\":4,\"gtids\":\"" UUID ":1-5\"",
         "\"file\":\"b.000010\",\"pos\":4,\"gtids\":\"" UUID ":1-5\"", true},
        {"\"file\":\"other.000009\",\"pos\":400,\"gtids\":\"" UUID ":1-5\"",
         "\"file\":\"b.000001\",\"pos\":4,\"gtids\":\"" UUID ":1-5\"", true},
        {"\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\",\"event\":2",
         "\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\",\"event\":1", false},
        /* inside a transaction the statement is the event behind those counted: not done yet */
        {"\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\",\"event\":1",
         "\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\",\"event\":1", false},
        {"\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\",\"event\":1",
         "\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\",\"event\":2", true},
        {"\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\",\"event\":1",
         "\"file\":\"b.000001\",\"pos\":90,\"gtids\":\"" UUID ":1-5\"", true},
        {"\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\"",
         "\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\",\"snapshot\":\"INITIAL\"",
         false},
        {"\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\",\"snapshot\":true",
         "\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\",\"snapshot\":\"INITIAL\"",
         true},
        {"\"file\":\"b.000001\",\"pos\":10,\"gtids\":\"" UUID ":1-5\",\"snapshot\":\"INITIAL\"",
         "\"file\":\"b.000001\",\"pos\":4,\"gtids\":\"" UUID ":1-5\"", true},
        /* one of them */
        {"\"file\":\"b.000009\",\"pos\":10",
         "\"file\":\"b.000001\",\"pos\":4,\"gtids\":\"" UUID ":1-5\"", true},
        {"\"file\":\"b.000001\",\"pos\":4,\"gtids\":\"" UUID ":1-5\"",
         "\"file\":\"b.000009\",\"pos\":10", true},
        {"\"file\":\"b.000001\",\"pos\":4,\"gtids\":\"" UUID ":1-5\"",
         "\"file\":\"b.000001\",\"pos\":3", false},
        /* none: files, positions, events, rows */
        {"\"file\":\"b.000001\",\"pos\":4", "\"file\":\"b.000001\",\"pos\":4", true},
        {"\"file\":\"b.000001\",\"pos\":5", "\"file\":\"b.000001\",\"pos\":4", false},
        {"\"file\":\"b.000010\",\"pos\":5", "\"file\":\"b.000009\",\"pos\":400", false},
        {"\"file\":\"b.999999\",\"pos\":5", "\"file\":\"b.1000000\",\"pos\":4", true},
        {"\"file\":\"b.000001\",\"pos\":4,\"event\":1", "\"file\":\"b.000001\",\"pos\":4", false},
        {"\"file\":\"b.000001\",\"pos\":4", "\"file\":\"b.000001\",\"pos\":4,\"event\":1", true},
        {"\"file\":\"b.000001\",\"pos\":4,\"event\":1",
         "\"file\":\"b.000001\",\"pos\":4,\"event\":1", false},
        {"\"file\":\"b.000001\",\"pos\":4,\"event\":1",
         "\"file\":\"b.000001\",\"pos\":4,\"event\":2", true},
        {"\"file\":\"b.000001\",\"pos\":4,\"row\":2", "\"file\":\"b.000001\",\"pos\":4,\"row\":1",
         false},
        /* another server: times; one that is not known is the same */
        {"\"file\":\"b.000009\",\"pos\":4,\"server_id\":1,\"ts_sec\":10",
         "\"file\":\"b.000001\",\"pos\":4,\"server_id\":2,\"ts_sec\":11", true},
        {"\"file\":\"b.000001\",\"pos\":4,\"server_id\":1,\"ts_sec\":12",
         "\"file\":\"b.000001\",\"pos\":4,\"server_id\":2,\"ts_sec\":11", false},
        {"\"file\":\"b.000001\",\"pos\":9,\"server_id\":1,\"ts_sec\":10",
         "\"file\":\"b.000001\",\"pos\":4,\"ts_sec\":10", false},
    };
    const struct tr_ddl_options mysql = {.flavor = TR_FLAVOR_MYSQL};
    struct tr_error err;
    char text[1024];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tr_saved_position until;
        struct tr_recover recover;
        struct tr_ddl_model *model;
        (void)snprintf(text, sizeof(text), "{%s}", cases[i].until);
        parse_position(&until, text);
        assert_int_equal(tr_ddl_model_open(&model, &mysql, &err), TR_OK);
        const struct tr_recover_options options = {.flavor = TR_FLAVOR_MYSQL,
                                                   .topic_prefix = tr_span_of_text("p"),
                                                   .sources = recover_rig_sources,
                                                   .until = &until,
                                                   .model = model};
        assert_int_equal(tr_recover_open(&recover, &options, &err), TR_OK);
        (void)snprintf(text, sizeof(text),
                       "{\"ddl\":\"CREATE TABLE s.t (id INT)\",\"position\":{%s},\"source\":{"
                       "\"server\":\"p\"}}",
                       cases[i].document);
        assert_int_equal(tr_recover_document(&recover, tr_span_of_text(text), &err), TR_OK);
        if ((tr_ddl_find(model, tr_span_of_text("s"), tr_span_of_text("t")) != NULL) !=
            cases[i].is_applied) {
            (void)fprintf(stderr, "%s at %s\n", cases[i].document, cases[i].until);
            fail();
        }
        assert_int_equal(recover.applied_count, cases[i].is_applied ? 1 : 0);
        assert_int_equal(recover.skipped_count, cases[i].is_applied ? 0 : 1);
        tr_recover_close(&recover);
        tr_ddl_model_close(model);
        tr_gtid_set_close(until.gtids);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_at_or_before_the_position_are_applied),
    };
    return cmocka_run_group_tests(tests, recover_rig_open_sources, recover_rig_close_sources);
}
