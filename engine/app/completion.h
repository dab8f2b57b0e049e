// SPDX-License-Identifier: Apache-2.0
/*
 * Shell completions out of commands.def. What may stand at a place is told by the same text that --help shows: the
 * alternatives of "set|export FILE|TIME" are the word `set`, the word `export` with a file behind it, and
 * something that no shell can know.
 * @thread main
 */
#ifndef TR_ENGINE_APP_COMPLETION_H
#define TR_ENGINE_APP_COMPLETION_H

#include <stdbool.h>
#include <stddef.h>

#define TR_COMPLETION_WORDS_MAX 16

/* What the shell may offer at one place. */
struct tr_completion_place {
    char words[TR_COMPLETION_WORDS_MAX][32];  /* literal ones */
    bool takes_file[TR_COMPLETION_WORDS_MAX]; /* a file comes behind that word */
    size_t word_count;
    bool is_file; /* a file may stand here */
};

/* Reads a usage text such as "FILE...", "bash|zsh|fish", "show|import FILE", "trim-horizon|latest|TIME". */
void tr_completion_read(struct tr_completion_place *place, const char *usage);

/* Each prints a script that its shell can read. */
void tr_completion_print_bash(void);
void tr_completion_print_zsh(void);
void tr_completion_print_fish(void);

#endif
