// SPDX-License-Identifier: Apache-2.0
#include "engine/config.h"

#include <stdio.h>
#include <unistd.h>

#include "engine/app/commands.h"

static void print_line(void *self, const char *line)
{
    (void)self;
    (void)puts(line);
}

enum tr_code tr_command_config(struct tr_command_call *call, struct tr_error *err)
{
    const struct tr_config_request request = {.file_path = tr_command_value(call, "-c"),
                                              .environment = environ,
                                              .purpose = TR_CONFIG_FOR_RUN};
    struct tr_config *config;

    if (tr_command_value(call, "--defaults") != NULL) {
        tr_config_write_reference(print_line, NULL);
        return TR_OK;
    }
    const enum tr_code code = tr_config_load(&config, &request, err);
    if (config == NULL) {
        return code;
    }
    tr_config_write_effective(config, print_line,
                              NULL); /* with problems too: they are often seen there */
    (void)fflush(stdout);
    tr_command_print_warnings(config);
    tr_command_print_problems(config);
    tr_config_close(config);
    if (code != TR_OK) {
        err->text[0] = '\0'; /* all is said */
    }
    return code;
}
