// SPDX-License-Identifier: Apache-2.0
/* Any text gives a set or an error; a set that came out is written and read back to the same text.
 */
#include <stdlib.h>
#include <string.h>

#include "offsets/gtid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void round_trip(const struct tr_gtid_set *set, struct tr_gtid_sources *sources)
{
    struct tr_error err;
    struct tr_gtid_set *back;
    const size_t bytes = tr_gtid_set_text_bytes(set);
    char *text = calloc(2, bytes + 1);

    if (text == NULL || tr_gtid_set_open(&back, tr_gtid_set_flavor(set), &err) != TR_OK) {
        abort();
    }
    tr_gtid_set_write_text(set, text);
    if (strlen(text) != bytes ||
        tr_gtid_set_parse(back, sources, tr_span_of(text, bytes), &err) != TR_OK ||
        !tr_gtid_set_contains_set(set, back) || !tr_gtid_set_contains_set(back, set)) {
        abort();
    }
    tr_gtid_set_write_text(back, text + bytes + 1);
    if (strcmp(text, text + bytes + 1) != 0) {
        abort();
    }
    free(text);
    if (tr_gtid_set_flavor(set) == TR_FLAVOR_MYSQL) {
        const size_t binary_bytes = tr_gtid_set_write_binary(set, NULL);
        uint8_t *binary = calloc(1, binary_bytes);

        if (binary == NULL || tr_gtid_set_write_binary(set, binary) != binary_bytes) {
            abort();
        }
        free(binary);
    }
    tr_gtid_set_close(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct tr_error err;

    for (int flavor = TR_FLAVOR_MYSQL; flavor <= TR_FLAVOR_MARIADB; flavor++) {
        struct tr_gtid_sources *sources;
        struct tr_gtid_set *set;

        if (tr_gtid_sources_open(&sources, &err) != TR_OK ||
            tr_gtid_set_open(&set, (enum tr_flavor)flavor, &err) != TR_OK) {
            abort();
        }
        if (tr_gtid_set_parse(set, sources, tr_span_of(data, bytes), &err) == TR_OK) {
            round_trip(set, sources);
        }
        tr_gtid_set_close(set);
        tr_gtid_sources_close(sources);
    }
    return 0;
}
