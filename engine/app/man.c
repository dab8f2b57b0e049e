// SPDX-License-Identifier: Apache-2.0
/* `tailrace man 1|5`: the manual pages as roff (man macros), out of the same tables as --help. */
#include <stdio.h>
#include <string.h>

#include "engine/app/commands.h"
#include "engine/roff.h"

#define TEXT_BYTES 2048

static void print_line(void *self, const char *line)
{
    (void)self;
    (void)puts(line);
}

/* `text` as running text, after `before`, which is roff already. */
static void print_text(const char *before, const char *text)
{
    char escaped[TEXT_BYTES];

    (void)printf("%s%s\n", before, tr_roff_escape(text, escaped, sizeof(escaped)));
}

static void print_command(const struct tr_command *command)
{
    char usage[256];

    (void)snprintf(usage, sizeof(usage), "%s [option...]%s%s", command->name,
                   command->words[0] == '\0' ? "" : " ", command->words);
    print_text(".SS tailrace ", usage);
    print_text("", command->help);
    for (uint32_t i = 0; i < tr_command_options_count; i++) {
        const struct tr_command_option *option = &tr_command_options[i];
        if (strcmp(option->command, command->name) != 0) {
            continue;
        }
        (void)puts(".TP");
        (void)snprintf(usage, sizeof(usage), "`%s`%s%s", option->name,
                       option->value == NULL ? "" : " ",
                       option->value == NULL ? "" : option->value);
        print_text("", usage);
        print_text("", option->help);
    }
}

static void print_exit_codes(void)
{
    (void)puts(".SH EXIT STATUS\nEvery failure prints one line that names the thing, the value and "
               "the remedy.");
    for (int code = 0; code < TR_CODE_COUNT; code++) {
        (void)printf(".TP\n.B %d\n", tr_error_exit_code((enum tr_code)code));
        print_text("", tr_code_help((enum tr_code)code));
    }
}

static void print_program(void)
{
    (void)puts(".SH NAME\n"
               "tailrace \\- changes of a MySQL or MariaDB server to AWS Kinesis, as Debezium's "
               "events\n"
               ".SH SYNOPSIS\n"
               ".B tailrace\n"
               ".I command\n"
               "[\\fIoption\\fR...] [\\fIword\\fR...]\n"
               ".SH DESCRIPTION\n"
               "Tailrace reads every committed change of a MySQL or MariaDB server from its binary "
               "log and delivers it,\n"
               "in Debezium's event format, to AWS Kinesis streams. It takes the place of Debezium "
               "Server: the same\n"
               "configuration, the same records, the same saved state.\n"
               ".SH COMMANDS");
    for (uint32_t i = 0; i < tr_commands_count; i++) {
        print_command(&tr_commands[i]);
    }
    (void)puts(".SS tailrace \\-\\-version\nShow the version.\n"
               ".SS tailrace \\-\\-help\nShow the commands; after a command, its options.\n"
               ".SH SIGNALS\n"
               ".TP\n.BR SIGTERM \", \" SIGINT \", \" SIGHUP\n"
               "Stop: no more is read, what was read is delivered and saved. A second SIGTERM or "
               "SIGINT ends "
               "it at once.\n"
               ".SH FILES\n"
               ".TP\n.I application.properties\nSee\n.BR tailrace.properties (5).\n"
               ".SH ENVIRONMENT\n"
               "Every option may be a variable; see\n.BR tailrace.properties (5).\n"
               "\\fBAWS_ACCESS_KEY_ID\\fR, \\fBAWS_SECRET_ACCESS_KEY\\fR, "
               "\\fBAWS_SESSION_TOKEN\\fR, \\fBAWS_REGION\\fR,\n"
               "\\fBAWS_PROFILE\\fR and the shared AWS files are read as by other AWS programs.");
    print_exit_codes();
    (void)puts(".SH SEE ALSO\n.BR tailrace.properties (5)");
}

enum tr_code tr_command_man(struct tr_command_call *call, struct tr_error *err)
{
    const bool is_program = strcmp(call->words[0], "1") == 0;

    if (!is_program && strcmp(call->words[0], "5") != 0) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                       "man: section \"%.100s\": want 1 (the program) or 5 (its options)",
                       call->words[0]);
    }
    (void)printf(".\\\" Written by `tailrace man %s`.\n"
                 ".TH %s %s \"\" \"Tailrace %s\" \"%s\"\n.ad l\n.nh\n",
                 call->words[0], is_program ? "TAILRACE" : "TAILRACE.PROPERTIES", call->words[0],
                 TAILRACE_VERSION, is_program ? "User Commands" : "File Formats");
    if (is_program) {
        print_program();
    } else {
        tr_config_write_manual(print_line, NULL);
    }
    return TR_OK;
}
