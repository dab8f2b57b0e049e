// SPDX-License-Identifier: Apache-2.0
/* From the configuration to the modules' options. */
#include "engine/app/settings.h"
#include "engine/clock.h"
#include "tests/check.h"

static void a_source_may_be_silent_for_the_keep_alive_interval_or_three_heartbeats(void **state)
{
    static const struct {
        uint64_t keep_alive_ms;
        uint64_t heartbeat_ms;
        int64_t silence_ms;
    } cases[] = {
        {60000, 1000, 60000}, {2000, 1000, 3000}, {1000, 100, 1000}, {1000, 60000, 180000}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tr_pipeline_options options = {0};
        const struct tr_config config = {.connect_keep_alive_interval_ms = cases[i].keep_alive_ms,
                                         .source_heartbeat_ms = cases[i].heartbeat_ms};
        tr_settings_pipeline(&options, &config);
        assert_int_equal(options.ingest.silence_ns, cases[i].silence_ms * TR_NS_PER_MS);
    }
}

static void every_number_of_threads_that_can_be_configured_is_taken(void **state)
{
    struct tr_pipeline_options options = {0};
    const struct tr_config config = {.decoders = TR_DECODERS_MAX, .shippers = TR_SHIPPERS_MAX};
    (void)state;
    tr_settings_pipeline(&options, &config);
    assert_int_equal(options.decoder_count, TR_DECODERS_MAX);
    assert_int_equal(options.shipper_count, TR_SHIPPERS_MAX);
}

static void an_override_is_found_by_the_exact_name_quoted_or_not(void **state)
{
    static const struct {
        const char *listed;
        const char *database;
        const char *table;
        bool is_it;
    } cases[] = {{"shop.a", "shop", "a", true},       {"shop.a", "shop", "A", false},
                 {"shop.a", "shop", "ab", false},     {"shop.ab", "shop", "a", false},
                 {"shop.`t.1`", "shop", "t.1", true}, {"\"sh op\".'t''1'", "sh op", "t'1", true},
                 {"`a``b`.c d", "a`b", "c d", true},  {"`shop.a", "shop", "a", false}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tr_config_override override = {.table = cases[i].listed, .select = "SELECT 1"};
        const struct tr_config config = {.select_overrides = &override,
                                         .select_override_count = 1,
                                         .table_include_list = "",
                                         .snapshot_include_list = ""};
        const struct tr_server_facts facts = {0};
        const struct tr_snapshot_options options =
            tr_settings_snapshot(&config, &facts, NULL, true);
        const struct tr_span found = options.select_override(options.select_override_self,
                                                             tr_span_of_text(cases[i].database),
                                                             tr_span_of_text(cases[i].table));
        if ((found.bytes > 0) != cases[i].is_it) {
            fail_msg("%s for %s.%s", cases[i].listed, cases[i].database, cases[i].table);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_may_be_silent_for_the_keep_alive_interval_or_three_heartbeats),
        cmocka_unit_test(every_number_of_threads_that_can_be_configured_is_taken),
        cmocka_unit_test(an_override_is_found_by_the_exact_name_quoted_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
