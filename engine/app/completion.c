// SPDX-License-Identifier: Apache-2.0
/* `tailrace completion bash|zsh|fish`. */
#include "engine/app/completion.h"

#include <ctype.h>
#include <string.h>

#include "engine/app/commands.h"

/* One alternative, up to the bar: WORD, or FILE, or "word FILE". */
static void read_alternative(struct tr_completion_place *place, const char *text, size_t bytes)
{
    const char *blank = memchr(text, ' ', bytes);
    const size_t word_bytes = blank == NULL ? bytes : (size_t)(blank - text);
    const bool is_file = word_bytes >= 4 && memcmp(text, "FILE", 4) == 0;

    if (is_file) {
        place->is_file = true;
    } else if (word_bytes > 0 && word_bytes < sizeof(place->words[0]) &&
               !isupper((unsigned char)text[0]) && place->word_count < TR_COMPLETION_WORDS_MAX) {
        memcpy(place->words[place->word_count], text, word_bytes);
        place->words[place->word_count][word_bytes] = '\0';
        place->takes_file[place->word_count] =
            blank != NULL && bytes - word_bytes >= 5 && memcmp(blank + 1, "FILE", 4) == 0;
        place->word_count++;
    }
}

void tr_completion_read(struct tr_completion_place *place, const char *usage)
{
    *place = (struct tr_completion_place){0};
    for (;;) { /* ends with the text */
        const size_t bytes = strcspn(usage, "|");
        read_alternative(place, usage, bytes);
        if (usage[bytes] == '\0') {
            return;
        }
        usage += bytes + 1;
    }
}

enum tr_code tr_command_completion(struct tr_command_call *call, struct tr_error *err)
{
    const char *shell = call->words[0];

    if (strcmp(shell, "bash") == 0) {
        tr_completion_print_bash();
    } else if (strcmp(shell, "zsh") == 0) {
        tr_completion_print_zsh();
    } else if (strcmp(shell, "fish") == 0) {
        tr_completion_print_fish();
    } else {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                       "completion: shell \"%.100s\": want bash, zsh or fish", shell);
    }
    return TR_OK;
}
