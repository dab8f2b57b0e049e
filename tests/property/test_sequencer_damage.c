// SPDX-License-Identifier: Apache-2.0
/*
 * Logs with valid checksums and wrong contents: whatever stands in the events, the sequencer and
 * inflate end with units in order and every chunk home, or with a fault that is the log's, never
 * ours.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/crc32.h"
#include "tests/check.h"
#include "tests/property/seed.h"
#include "tests/support/random.h"
#include "tests/support/sequencer_rig.h"

#define MAGIC_BYTES 4
#define ROUNDS 600

static const struct {
    const char *name;
    enum tr_flavor flavor;
} samples[] = {
    {"mysql97-compressed.000001", TR_FLAVOR_MYSQL},
    {"mysql97-ddl.000001", TR_FLAVOR_MYSQL},
    {"mysql97-gtid-tagged.000001", TR_FLAVOR_MYSQL},
    {"mysql97-rows-query-multi.000001", TR_FLAVOR_MYSQL},
    {"mysql97-charsets.000001", TR_FLAVOR_MYSQL},
    {"mysql97-types-minimal-nocrc.000001", TR_FLAVOR_MYSQL},
    {"mysql97-xa.000001", TR_FLAVOR_MYSQL},
    {"mysql56-types-v1-nocrc.000001", TR_FLAVOR_MYSQL},
    {"mariadb1011-compressed.000001", TR_FLAVOR_MARIADB},
    {"mariadb1011-ddl.000001", TR_FLAVOR_MARIADB},
    {"mariadb118-gtid-xa.000001", TR_FLAVOR_MARIADB},
    {"mariadb118-two-phase-alter.000001", TR_FLAVOR_MARIADB},
    {"mariadb118-types-minimal-nocrc.000001", TR_FLAVOR_MARIADB},
};

#define SAMPLE_COUNT (sizeof(samples) / sizeof(samples[0]))

static struct rig rig;
static uint64_t seed;

/* Sums every event up again. The first one, FORMAT_DESCRIPTION, says whether there are sums. */
static void seal(uint8_t *log, size_t log_bytes)
{
    const uint32_t format_bytes = tr_load_u32(log + 9);
    const bool has_crc = log[format_bytes - 5] == 1;

    for (size_t at = 0; at + TR_EVENT_HEADER_BYTES <= log_bytes;) {
        const uint32_t bytes = tr_load_u32(log + at + 9);
        if (bytes < TR_EVENT_HEADER_BYTES + TR_EVENT_TRAILER_BYTES || bytes > log_bytes - at) {
            return;
        }
        if (has_crc) {
            const uint32_t crc = tr_crc32(0, tr_span_of(log + at, bytes - TR_EVENT_TRAILER_BYTES));
            memcpy(log + at + bytes - TR_EVENT_TRAILER_BYTES, &crc, sizeof(crc));
        }
        at += bytes;
    }
}

/* Changes some bytes, mostly behind the headers, so that framing survives and parsing begins. */
static void damage(struct tr_random *random, uint8_t *log, size_t log_bytes)
{
    const uint32_t count = 1 + tr_random_below(random, 4);

    for (uint32_t i = 0; i < count; i++) {
        size_t at = 0;
        const uint32_t target = tr_random_below(random, (uint32_t)log_bytes);
        while (at + tr_load_u32(log + at + 9) <= target && tr_load_u32(log + at + 9) > 0) {
            at += tr_load_u32(log + at + 9);
        }
        const uint32_t bytes = tr_load_u32(log + at + 9);
        if (bytes <= TR_EVENT_HEADER_BYTES || bytes > log_bytes - at || (at == 0 && i > 0)) {
            continue;
        }
        if (tr_random_chance(random, 150)) {
            log[at + 4] = (uint8_t)tr_random_next(random); /* another type */
        } else {
            log[at + TR_EVENT_HEADER_BYTES +
                tr_random_below(random, bytes - TR_EVENT_HEADER_BYTES)] =
                (uint8_t)tr_random_next(random);
        }
    }
}

static void sequencer_survives_logs_with_wrong_contents(void **state)
{
    (void)state;
    uint32_t sound = 0;
    uint32_t faults = 0;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint64_t seed_state = seed + round;
        struct tr_random random = {.state = tr_seed_next(&seed_state)};
        const uint32_t s = tr_random_below(&random, SAMPLE_COUNT);
        size_t bytes;
        uint8_t *log = rig_read_file(samples[s].name, &bytes);
        damage(&random, log + MAGIC_BYTES, bytes - MAGIC_BYTES);
        seal(log + MAGIC_BYTES, bytes - MAGIC_BYTES);
        rig_open(&rig, &(struct rig_options){.flavor = samples[s].flavor,
                                             .decoder_count = 1 + tr_random_below(&random, 3),
                                             .file = samples[s].name,
                                             .gtids = "",
                                             .strict = tr_random_chance(&random, 300),
                                             .gtid_mode = true});
        const size_t chunk_sizes[] = {1, 700, TR_CHUNK_BYTES};
        rig_feed(&rig, tr_span_of(log + MAGIC_BYTES, bytes - MAGIC_BYTES),
                 chunk_sizes[tr_random_below(&random, 3)]);
        const struct tr_error *fault = tr_fault_seen(&rig.fault);
        if (fault == NULL) {
            rig_send_empty(&rig, TR_CHUNK_END);
            assert_int_equal(rig.free_count, RIG_CHUNKS);
            assert_int_equal(rig.inflate.pool.free_count, rig.inflate.options.chunk_count);
            sound++;
        } else if (fault->code != TR_ERR_PROTOCOL && fault->code != TR_ERR_UNSUPPORTED &&
                   fault->code != TR_ERR_SCHEMA && fault->code != TR_ERR_SOURCE_GONE) {
            fail_msg("seed %llu: %s", (unsigned long long)(seed + round), fault->text);
        } else {
            faults++;
        }
        rig_close(&rig);
        free(log);
    }
    assert_true(sound > 20); /* else the test tests nothing */
    assert_true(faults > 20);
}

int main(int argc, char **argv)
{
    seed = tr_seed_from(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequencer_survives_logs_with_wrong_contents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
