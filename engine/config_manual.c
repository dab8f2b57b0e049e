// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/config_table.h"
#include "engine/roff.h"

#define LINE_BYTES 4096

/* Where a page is written to, line by line. */
struct page {
    tr_config_on_line *on_line;
    void *self;
    char line[LINE_BYTES];
    char text[LINE_BYTES];
    char more[LINE_BYTES];
};

static void put(struct page *page, const char *line)
{
    page->on_line(page->self, line);
}

/* One paragraph of `text` with `before` in front, which is roff already. */
static void put_text(struct page *page, const char *before, const char *text)
{
    (void)snprintf(page->line, sizeof(page->line), "%s%s", before,
                   tr_roff_escape(text, page->text, sizeof(page->text) / 2));
    put(page, page->line);
}

static void put_words(struct page *page, const struct tr_config_entry *entry)
{
    char list[LINE_BYTES / 2];
    size_t used = 0;

    list[0] = '\0';
    for (const struct tr_config_word *word = entry->words; word->word != NULL; word++) {
        const size_t room = sizeof(list) - used;
        if (word->value != TR_CONFIG_NOT_YET && room > strlen(word->word) + 8) {
            used +=
                (size_t)snprintf(list + used, room, "%s`%s`", used == 0 ? "" : ", ", word->word);
        }
    }
    (void)snprintf(list + used, sizeof(list) - used, ".");
    put_text(page, "One of ", list);
}

static void put_values(struct page *page, const struct tr_config_entry *entry)
{
    char text[128];

    switch (entry->kind) {
    case TR_CONFIG_BOOL:
        put_text(page, "", "`true` or `false`.");
        break;
    case TR_CONFIG_U64:
        (void)snprintf(text, sizeof(text), "%" PRIu64 " to %" PRIu64 "%s%s.", entry->min,
                       entry->max, entry->unit[0] == '\0' ? "" : " ", entry->unit);
        put_text(page, "", text);
        break;
    case TR_CONFIG_CHOICE:
        put_words(page, entry);
        break;
    case TR_CONFIG_SECRET:
        put_text(page, "", "A secret.");
        break;
    case TR_CONFIG_TEXT:
        (void)snprintf(text, sizeof(text), "A text%s%s.", entry->unit[0] == '\0' ? "" : ": ",
                       entry->unit);
        put_text(page, "", text);
        break;
    case TR_CONFIG_SECTION:
    case TR_CONFIG_KNOWN:
        break;
    }
    if (entry->default_text == NULL) {
        put(page, "Required.");
    } else if (entry->default_text[0] == '\0') {
        put(page, "Not set by default.");
    } else {
        (void)snprintf(page->line, sizeof(page->line), "Default: \\fB%s\\fR.",
                       tr_roff_escape(entry->default_text, page->more, sizeof(page->more) / 2));
        put(page, page->line);
    }
    put(page, ".br");
}

static void put_option(struct page *page, const struct tr_config_entry *entry)
{
    put(page, ".TP");
    put_text(page, ".B ", entry->key);
    put_values(page, entry);
    put_text(page, "", entry->help);
}

static void put_known(struct page *page, enum tr_config_status status, const char *title,
                      const char *meaning)
{
    (void)snprintf(page->line, sizeof(page->line), ".SS %s", title);
    put(page, page->line);
    put(page, meaning);
    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        const struct tr_config_entry *entry = &tr_config_table[i];
        if (entry->kind != TR_CONFIG_KNOWN || entry->status != status) {
            continue;
        }
        put(page, ".TP");
        put_text(page, ".B ", entry->key);
        if (entry->default_text[0] != '\0') {
            put_text(page, status == TR_CONFIG_RENAMED_STATUS ? "Today: " : "Accepted: ",
                     entry->default_text);
            put(page, ".br");
        }
        if (entry->help[0] != '\0') {
            put_text(page, "", entry->help);
        }
    }
}

void tr_config_write_manual(tr_config_on_line *on_line, void *self)
{
    struct page page = {.on_line = on_line, .self = self};

    put(&page, ".SH NAME");
    put(&page, "tailrace.properties \\- configuration of tailrace(1)");
    put(&page, ".SH DESCRIPTION");
    put(&page, "The file is Debezium Server's: \\fIapplication.properties\\fR, lines of");
    put(&page, ".IR key = value ,");
    put(&page, "with \\fB#\\fR before comments and \\fB${NAME}\\fR or \\fB${NAME:default}\\fR for");
    put(&page, "what the environment or another property says. Without \\fB\\-c\\fR it is looked "
               "for in");
    put(&page, "\\fIconfig/\\fR, \\fIconf/\\fR and the working directory. Every key may be a "
               "variable too: upper case,");
    put(&page, "everything but letters and digits becomes \\fB_\\fR (\\fBDEBEZIUM_SINK_TYPE\\fR); "
               "a variable outranks the file.");
    put(&page, "An unknown key is an error that names the nearest known one.");
    put(&page, ".SH OPTIONS");
    for (uint32_t i = 0; i < tr_config_table_count; i++) {
        const struct tr_config_entry *entry = &tr_config_table[i];
        if (entry->kind == TR_CONFIG_SECTION && entry[1].kind != TR_CONFIG_KNOWN) {
            put_text(&page, ".SS ", entry->key);
        } else if (entry->kind != TR_CONFIG_SECTION && entry->kind != TR_CONFIG_KNOWN) {
            put_option(&page, entry);
        }
    }
    put(&page, ".SH KEYS OF DEBEZIUM SERVER THAT ARE NO OPTIONS HERE");
    put_known(&page, TR_CONFIG_NOT_YET_STATUS, "Only the default",
              "Another value is an error that says so.");
    put_known(&page, TR_CONFIG_SHARED_STATUS, "Defaults of other options", "Read as such.");
    put_known(&page, TR_CONFIG_RENAMED_STATUS, "Older names", "Read as today's key.");
    put_known(&page, TR_CONFIG_IGNORED_STATUS, "Without meaning",
              "Accepted, and listed in one warning.");
    put(&page, ".SH SEE ALSO");
    put(&page, ".BR tailrace (1)");
}
