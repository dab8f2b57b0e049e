// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>

#include "stages/ship/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct tr_profile profile = {0};
    tr_profile_parse(tr_span_of(data, bytes), TR_PROFILE_CREDENTIALS, "default", &profile);
    tr_profile_parse(tr_span_of(data, bytes), TR_PROFILE_CONFIG, "p", &profile);
    return 0;
}
