// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "engine/app/commands.h"
#include "engine/app/completion.h"

static const char *const first_words[] = {"help", "--help", "--version"};

static bool is_of(const struct tr_command_option *option, const struct tr_command *command)
{
    return strcmp(option->command, command->name) == 0;
}

/* The literal words of a place, blanks between. */
static void print_words(const struct tr_completion_place *place)
{
    for (size_t i = 0; i < place->word_count; i++) {
        (void)printf("%s%s", i == 0 ? "" : " ", place->words[i]);
    }
}

/* --- bash --------------------------------------------------------------------------------------- */

/* What stands behind `before`, in a command, as a line of a case. */
static void print_bash_behind(const char *command, const char *before,
                              const struct tr_completion_place *place)
{
    (void)printf("    '%s %s') ", command, before);
    if (place->word_count > 0) {
        (void)printf("words='");
        print_words(place);
        (void)printf("' ");
    }
    (void)printf("%s;;\n", place->is_file ? "files=1 " : "");
}

static void print_bash_command(const struct tr_command *command)
{
    struct tr_completion_place place;

    (void)printf("        %s) options='", command->name);
    for (uint32_t i = 0; i < tr_command_options_count; i++) {
        if (is_of(&tr_command_options[i], command)) {
            (void)printf("%s ", tr_command_options[i].name);
        }
    }
    (void)printf("--help' words='");
    tr_completion_read(&place, command->words);
    print_words(&place);
    (void)printf("'%s ;;\n", place.is_file ? " files=1" : "");
}

void tr_completion_print_bash(void)
{
    struct tr_completion_place place;

    (void)puts("# bash completion for tailrace, written by `tailrace completion bash`\n"
               "_tailrace()\n"
               "{\n"
               "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
               "    local words= options= files=\n"
               "    COMPREPLY=()\n"
               "    if [ \"$COMP_CWORD\" -eq 1 ]; then");
    (void)printf("        mapfile -t COMPREPLY < <(compgen -W '");
    for (uint32_t i = 0; i < tr_commands_count; i++) {
        (void)printf("%s ", tr_commands[i].name);
    }
    (void)puts("help --help --version' -- \"$current\")\n"
               "        return\n"
               "    fi\n"
               "    case \"${COMP_WORDS[1]} $before\" in");
    for (uint32_t i = 0; i < tr_command_options_count; i++) {
        const struct tr_command_option *option = &tr_command_options[i];
        if (option->value != NULL) {
            tr_completion_read(&place, option->value);
            print_bash_behind(option->command, option->name, &place);
        }
    }
    for (uint32_t i = 0; i < tr_commands_count; i++) {
        const struct tr_completion_place file = {.is_file = true};
        tr_completion_read(&place, tr_commands[i].words);
        for (size_t j = 0; j < place.word_count; j++) {
            if (place.takes_file[j]) {
                print_bash_behind(tr_commands[i].name, place.words[j], &file);
            }
        }
    }
    (void)puts("    *)\n"
               "        case \"${COMP_WORDS[1]}\" in");
    for (uint32_t i = 0; i < tr_commands_count; i++) {
        print_bash_command(&tr_commands[i]);
    }
    (void)puts(
        "        esac\n"
        "        [[ $current == -* ]] && words=$options files=\n"
        "        ;;\n"
        "    esac\n"
        "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
        "    if [ -n \"$files\" ]; then\n"
        "        compopt -o filenames 2>/dev/null\n"
        "        mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- \"$current\")\n"
        "    fi\n"
        "}\n"
        "complete -F _tailrace tailrace");
}

/* --- zsh ---------------------------------------------------------------------------------------- */

/* A help text inside '...' of zsh or fish; `specials` get a backslash (zsh's own syntax). */
static void print_quoted(const char *text, const char *specials)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            (void)printf("'\\''");
        } else {
            (void)printf("%s%c", strchr(specials, *text) != NULL ? "\\" : "", *text);
        }
    }
}

/* ":what:action" of _arguments for a place. */
static void print_zsh_place(const char *usage)
{
    struct tr_completion_place place;

    tr_completion_read(&place, usage);
    (void)printf(":");
    print_quoted(usage, ":\\");
    (void)printf(":");
    if (place.word_count > 0) {
        (void)printf("(");
        print_words(&place);
        (void)printf(")");
    } else if (place.is_file) {
        (void)printf("_files");
    }
}

static void print_zsh_command(const struct tr_command *command)
{
    struct tr_completion_place place;

    (void)printf("    %s)\n        _arguments", command->name);
    for (uint32_t i = 0; i < tr_command_options_count; i++) {
        const struct tr_command_option *option = &tr_command_options[i];
        if (is_of(option, command)) {
            (void)printf(" \\\n            '%s[", option->name);
            print_quoted(option->help, "[]:\\");
            (void)printf("]");
            if (option->value != NULL) {
                print_zsh_place(option->value);
            }
            (void)printf("'");
        }
    }
    (void)printf(" \\\n            '--help[Show this.]'");
    if (command->words[0] != '\0') {
        tr_completion_read(&place, command->words);
        (void)printf(" \\\n            '%s", place.is_file ? "*" : "1");
        print_zsh_place(command->words);
        (void)printf("'");
        for (size_t i = 0; i < place.word_count; i++) {
            if (place.takes_file[i]) {
                (void)printf(" \\\n            '2:FILE:_files'");
                break;
            }
        }
    }
    (void)printf("\n        ;;\n");
}

void tr_completion_print_zsh(void)
{
    (void)puts("#compdef tailrace\n"
               "# zsh completion for tailrace, written by `tailrace completion zsh`\n"
               "_tailrace() {\n"
               "    local -a commands\n"
               "    commands=(");
    for (uint32_t i = 0; i < tr_commands_count; i++) {
        (void)printf("        '%s:", tr_commands[i].name);
        print_quoted(tr_commands[i].help, ":\\");
        (void)printf("'\n");
    }
    for (size_t i = 0; i < sizeof(first_words) / sizeof(first_words[0]); i++) {
        (void)printf("        '%s'\n", first_words[i]);
    }
    (void)puts("    )\n"
               "    if (( CURRENT == 2 )); then\n"
               "        _describe -t commands command commands\n"
               "        return\n"
               "    fi\n"
               "    local command=${words[2]}\n"
               "    shift words\n"
               "    (( CURRENT-- ))\n"
               "    case $command in");
    for (uint32_t i = 0; i < tr_commands_count; i++) {
        print_zsh_command(&tr_commands[i]);
    }
    (void)puts("    esac\n"
               "}\n"
               "if [[ $funcstack[1] == _tailrace ]]; then\n"
               "    _tailrace \"$@\"\n"
               "else\n"
               "    compdef _tailrace tailrace\n"
               "fi");
}

/* --- fish --------------------------------------------------------------------------------------- */

static void print_fish_place(const struct tr_completion_place *place)
{
    if (place->is_file) {
        (void)printf(" -r -F");
    } else {
        (void)printf(" -x");
    }
    if (place->word_count > 0) {
        (void)printf(" -a '");
        print_words(place);
        (void)printf("'");
    }
}

static void print_fish_option(const struct tr_command_option *option)
{
    struct tr_completion_place place;
    const bool is_long = option->name[1] == '-';

    (void)printf("complete -c tailrace -n '__fish_seen_subcommand_from %s' %s %s", option->command,
                 is_long ? "-l" : "-s", option->name + (is_long ? 2 : 1));
    if (option->value != NULL) {
        tr_completion_read(&place, option->value);
        print_fish_place(&place);
    }
    (void)printf(" -d '");
    print_quoted(option->help, "\\");
    (void)printf("'\n");
}

static void print_fish_command(const struct tr_command *command)
{
    struct tr_completion_place place;

    (void)printf("complete -c tailrace -n __fish_use_subcommand -a %s -d '", command->name);
    print_quoted(command->help, "\\");
    (void)printf("'\n");
    tr_completion_read(&place, command->words);
    if (place.word_count > 0) {
        (void)printf("complete -c tailrace -n '__fish_seen_subcommand_from %s; and not "
                     "__fish_seen_subcommand_from ",
                     command->name);
        print_words(&place);
        (void)printf("' -a '");
        print_words(&place);
        (void)printf("'\n");
    }
    if (place.is_file) {
        (void)printf("complete -c tailrace -n '__fish_seen_subcommand_from %s' -F\n",
                     command->name);
    }
    for (size_t i = 0; i < place.word_count; i++) {
        if (place.takes_file[i]) {
            (void)printf("complete -c tailrace -n '__fish_seen_subcommand_from %s; and "
                         "__fish_seen_subcommand_from %s' -F\n",
                         command->name, place.words[i]);
        }
    }
}

void tr_completion_print_fish(void)
{
    (void)puts("# fish completion for tailrace, written by `tailrace completion fish`\n"
               "complete -c tailrace -f");
    for (size_t i = 0; i < sizeof(first_words) / sizeof(first_words[0]); i++) {
        (void)printf("complete -c tailrace -n __fish_use_subcommand -a '%s'\n", first_words[i]);
    }
    for (uint32_t i = 0; i < tr_commands_count; i++) {
        print_fish_command(&tr_commands[i]);
    }
    for (uint32_t i = 0; i < tr_command_options_count; i++) {
        print_fish_option(&tr_command_options[i]);
    }
    (void)puts("complete -c tailrace -n 'not __fish_use_subcommand' -l help -d 'Show this.'");
}
