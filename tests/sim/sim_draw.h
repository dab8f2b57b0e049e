// SPDX-License-Identifier: Apache-2.0
/* What a seed decides about a log. */
#ifndef TR_TESTS_SIM_SIM_DRAW_H
#define TR_TESTS_SIM_SIM_DRAW_H

#include "tests/sim/model_log.h"

/* Each feature is off in many runs, so that the others are seen without it. */
static inline uint32_t tr_sim_maybe(struct tr_random *random, uint32_t permille, uint32_t most)
{
    return tr_random_chance(random, permille) ? tr_random_below(random, most) : 0;
}

static inline void tr_sim_draw_model(struct tr_random *random, uint64_t seed,
                                     struct tr_model_options *model)
{
    const bool is_mariadb = tr_random_chance(random, 500);
    *model = (struct tr_model_options){
        .seed = seed,
        .flavor = is_mariadb ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL,
        .by_file = tr_random_chance(random, 200),
        .starts_empty = tr_random_chance(random, 250),
        .has_zero_positions = is_mariadb && tr_random_chance(random, 400),
        .has_annotations = tr_random_chance(random, 300),
        .source_count = tr_random_chance(random, 300) ? 2 : 1,
        .table_count = 1 + tr_random_below(random, TR_MODEL_TABLES_MAX),
        .keyless_tables =
            tr_random_chance(random, 250) ? 1u << tr_random_below(random, TR_MODEL_TABLES_MAX) : 0,
        .long_key_tables =
            tr_random_chance(random, 150) ? 1u << tr_random_below(random, TR_MODEL_TABLES_MAX) : 0,
        .key_count =
            1 + tr_random_below(random, tr_random_chance(random, 300) ? 4 : TR_MODEL_KEYS_MAX),
        .rows_max = 1 + tr_random_below(random, 20),
        .statements_max = 1 + tr_random_below(random, 6),
        .big_transaction_permille = tr_random_below(random, 20),
        .big_row_permille = tr_sim_maybe(random, 200, 5),
        .rotate_permille = tr_random_below(random, 50),
        .crash_permille = tr_sim_maybe(random, 300, 50),
        .delete_permille = tr_random_below(random, 300),
        .key_change_permille = tr_sim_maybe(random, 400, 200),
        .ddl_permille = tr_sim_maybe(random, 400, 100),
        .empty_permille = tr_sim_maybe(random, 400, 300),
        .xa_permille = tr_sim_maybe(random, 300, 150),
        .compress_permille = tr_sim_maybe(random, 400, 700),
        .uncaptured_permille = tr_sim_maybe(random, 400, 300),
        .multi_table_permille = tr_sim_maybe(random, 400, 500),
        .gtid_jump_permille = tr_sim_maybe(random, 300, 300),
        .cut_permille = tr_sim_maybe(random, 500, 30),
        .refuse_permille = tr_random_below(random, 500),
        .heartbeat_permille = tr_sim_maybe(random, 500, 300)};
    if (tr_random_chance(random, 30)) { /* hardly anything but large rows */
        model->big_row_permille = 200 + tr_random_below(random, 400);
        model->rows_max = 1 + tr_random_below(random, 3);
        model->big_transaction_permille = 0;
        model->compress_permille = tr_sim_maybe(random, 500, 1000);
        model->cut_permille = 30;
    }
}

static inline void tr_sim_draw_history(struct tr_random *random, struct tr_model_options *model)
{
    model->has_history = tr_random_chance(random, 400);
    if (model->has_history) {
        model->has_minimal_metadata = tr_random_chance(random, 700);
        model->ddl_permille = 20 + tr_random_below(random, 150);
        model->publishes = tr_random_chance(random, 600);
        model->sends_truncates = tr_random_chance(random, 500);
        model->has_unknown = tr_random_chance(random, 300);
    }
}

#endif
