// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "engine/app/commands.h"
#include "engine/log.h"

int main(int argc, char **argv)
{
    struct tr_command_call call;
    struct tr_error err = {0};

    enum tr_code code = tr_command_parse(&call, argc, argv, &err);
    if (code == TR_OK && call.command != NULL) {
        code = call.command->run(&call, &err);
    }
    if (code == TR_OK && fflush(stdout) != 0) {
        code = TR_FAIL(&err, TR_ERR_SYSTEM, TR_STOP,
                       "standard output cannot be written: check the disk or the reader");
    }
    if (code != TR_OK && err.text[0] != '\0') {
        if (call.is_error_logged) {
            tr_log_error(TR_LOG_ERROR, "engine.failed", &err);
        } else {
            (void)fprintf(stderr, "tailrace: %s\n", err.text);
        }
    }
    return tr_error_exit_code(code);
}
