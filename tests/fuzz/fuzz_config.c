// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/config.h"

#define VARIABLES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void ignore_line(void *self, const char *line)
{
    (void)self;
    TR_ASSERT(line != NULL);
}

/* Any environment, one variable per line, gives a configuration that can be shown, or problems with
 * text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *environment[VARIABLES_MAX + 1] = {NULL};
    char *text = malloc(bytes + 1);
    struct tr_config *config;
    struct tr_error err;
    uint32_t count = 0;

    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    for (char *at = text; at != NULL && count < VARIABLES_MAX;) {
        char *end = strchr(at, '\n');
        environment[count++] = at;
        if (end != NULL) {
            *end++ = '\0';
        }
        at = end;
    }
    const struct tr_config_request request = {
        .file_path = "/dev/null/none", .environment = environment, .purpose = TR_CONFIG_FOR_RUN};
    const enum tr_code code = tr_config_load(&config, &request, &err);
    TR_ASSERT(code == TR_ERR_CONFIG); /* there is no such file */
    TR_ASSERT(config->problems.count > 0);
    TR_ASSERT(config->problems.text[0] != '\0');
    tr_config_write_effective(config, ignore_line, NULL);
    tr_config_close(config);
    free(text);
    return 0;
}
