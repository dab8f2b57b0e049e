// SPDX-License-Identifier: Apache-2.0
/* Random ranges into a set and into an array of flags per number: both must agree, in every form.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "offsets/gtid.h"
#include "tests/property/seed.h"

#define SOURCE_COUNT 3
#define NUMBER_COUNT 120 /* 1..119 are used */
#define ROUND_COUNT 400
#define STEP_COUNT 60

struct model {
    bool has[SOURCE_COUNT][NUMBER_COUNT];
};

static const struct tr_gtid_source *sources_used[SOURCE_COUNT];

static void check(bool holds, uint64_t seed, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "gtid property: %s does not hold, seed %" PRIu64 "\n", what, seed);
        abort();
    }
}

static void check_contains(const struct tr_gtid_set *set, const struct model *model, uint64_t seed)
{
    for (size_t s = 0; s < SOURCE_COUNT; s++) {
        for (uint64_t n = 1; n < NUMBER_COUNT; n++) {
            const struct tr_gtid gtid = {.source = sources_used[s], .number = n};

            check(tr_gtid_set_contains(set, &gtid) == model->has[s][n], seed, "contains");
        }
    }
}

/* How many intervals the model has: the text must not have more. */
static size_t model_runs(const struct model *model)
{
    size_t runs = 0;

    for (size_t s = 0; s < SOURCE_COUNT; s++) {
        for (size_t n = 1; n < NUMBER_COUNT; n++) {
            runs += model->has[s][n] && !model->has[s][n - 1];
        }
    }
    return runs;
}

static void check_text(const struct tr_gtid_set *set, struct tr_gtid_sources *sources,
                       const struct model *model, uint64_t seed)
{
    struct tr_error err;
    struct tr_gtid_set *back;
    const size_t bytes = tr_gtid_set_text_bytes(set);
    char *text = calloc(1, bytes + 1);
    char *again = calloc(1, bytes + 1);
    size_t runs = 0;

    check(text != NULL && again != NULL, seed, "memory");
    tr_gtid_set_write_text(set, text);
    check(strlen(text) == bytes, seed, "text_bytes");
    for (const char *at = text; *at != '\0'; at++) {
        runs += *at == '-';
    }
    size_t uuids = 0;
    for (size_t s = 0; s < SOURCE_COUNT; s++) {
        for (size_t n = 1; n < NUMBER_COUNT; n++) {
            if (model->has[s][n]) {
                uuids++;
                break;
            }
        }
    }
    check(runs - 4 * uuids == model_runs(model), seed, "as few intervals as possible");
    check(tr_gtid_set_open(&back, TR_FLAVOR_MYSQL, &err) == TR_OK, seed, "open");
    check(tr_gtid_set_parse(back, sources, tr_span_of_text(text), &err) == TR_OK, seed, "parse");
    tr_gtid_set_write_text(back, again);
    check(strcmp(text, again) == 0, seed, "write(parse(write(x))) == write(x)");
    check_contains(back, model, seed);
    check(tr_gtid_set_contains_set(set, back) && tr_gtid_set_contains_set(back, set), seed,
          "contains_set both ways");
    tr_gtid_set_close(back);
    free(text);
    free(again);
}

static bool model_contains(const struct model *whole, const struct model *part)
{
    for (size_t s = 0; s < SOURCE_COUNT; s++) {
        for (size_t n = 1; n < NUMBER_COUNT; n++) {
            if (part->has[s][n] && !whole->has[s][n]) {
                return false;
            }
        }
    }
    return true;
}

static void run_round(uint64_t seed, struct tr_gtid_sources *sources)
{
    uint64_t random = seed;
    struct tr_error err;
    struct tr_gtid_set *sets[2];
    struct model models[2] = {0};

    for (size_t i = 0; i < 2; i++) {
        check(tr_gtid_set_open(&sets[i], TR_FLAVOR_MYSQL, &err) == TR_OK, seed, "open");
    }
    const uint64_t length_max = 1 + tr_seed_next(&random) % 20;
    for (size_t step = 0; step < STEP_COUNT; step++) {
        const size_t which = tr_seed_next(&random) % 2;
        const size_t s = tr_seed_next(&random) % SOURCE_COUNT;
        const uint64_t first = 1 + tr_seed_next(&random) % (NUMBER_COUNT - 1);
        uint64_t last = first + tr_seed_next(&random) % length_max;

        last = last < NUMBER_COUNT ? last : NUMBER_COUNT - 1;
        const struct tr_gtid_range range = {
            .source = sources_used[s], .first = first, .last = last};
        check(tr_gtid_set_add(sets[which], &range, &err) == TR_OK, seed, "add");
        for (uint64_t n = first; n <= last; n++) {
            models[which].has[s][n] = true;
        }
        check(tr_gtid_set_contains_set(sets[0], sets[1]) == model_contains(&models[0], &models[1]),
              seed, "contains_set");
    }
    for (size_t i = 0; i < 2; i++) {
        check_contains(sets[i], &models[i], seed);
        check_text(sets[i], sources, &models[i], seed);
    }
    check(tr_gtid_set_copy(sets[0], sets[1], &err) == TR_OK, seed, "copy");
    check_contains(sets[0], &models[1], seed);
    tr_gtid_set_close(sets[0]);
    tr_gtid_set_close(sets[1]);
}

int main(int argc, char **argv)
{
    struct tr_gtid_sources *sources;
    struct tr_error err;
    uint64_t seed = tr_seed_from(argc, argv);

    if (tr_gtid_sources_open(&sources, &err) != TR_OK) {
        return 1;
    }
    for (size_t s = 0; s < SOURCE_COUNT; s++) {
        const uint8_t uuid[16] = {(uint8_t)(s / 2)};

        sources_used[s] =
            tr_gtid_source_mysql(sources, uuid, tr_span_of_text(s % 2 == 0 ? "" : "tag"), &err);
    }
    for (size_t round = 0; round < ROUND_COUNT; round++) {
        run_round(seed++, sources);
    }
    tr_gtid_sources_close(sources);
    return 0;
}
