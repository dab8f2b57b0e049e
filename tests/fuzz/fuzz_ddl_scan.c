// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>

#include "stages/sequence/ddl_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tr_ddl_scan scan;
    if (size < 1) {
        return 0;
    }
    const enum tr_flavor flavor = (data[0] & 1) != 0 ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL;
    const uint64_t sql_mode = (data[0] & 2 ? UINT64_C(0x4) : 0) | (data[0] & 4 ? UINT64_C(0x100000) : 0);
    tr_ddl_scan(&scan, tr_span_of(data + 1, size - 1), sql_mode, tr_span_of_text("d"), flavor);
    return 0;
}
