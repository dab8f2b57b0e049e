// SPDX-License-Identifier: Apache-2.0
#include "stages/schema/topic.h"

struct name {
    char *out;
    size_t bytes;
};

static void add_character(struct name *name, char c)
{
    if (name->bytes < TR_STREAM_NAME_BYTES_MAX) {
        name->out[name->bytes++] = c;
    }
}

static void add_part(struct name *name, struct tr_span part)
{
    for (size_t i = 0; i < part.bytes; i++) {
        const uint8_t c = part.data[i];
        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
            c == '.' || c == '_' || c == '-') {
            add_character(name, (char)c);
        } else if ((c & 0xC0) !=
                   0x80) { /* the lead byte stands for the character, continuations are dropped */
            add_character(name, '_');
            if (c >= 0xF0) {
                add_character(name, '_'); /* a surrogate pair in Java */
            }
        }
    }
}

static bool is_blank(struct tr_span part)
{
    for (size_t i = 0; i < part.bytes; i++) {
        if (part.data[i] > ' ') {
            return false;
        }
    }
    return true;
}

size_t tr_topic_write_name(const struct tr_topic_options *options, struct tr_span database,
                           struct tr_span table, char out[TR_STREAM_NAME_BYTES_MAX + 1])
{
    const struct tr_span delimiter =
        options->delimiter.bytes > 0 ? options->delimiter : tr_span_of_text(".");
    const struct tr_span parts[] = {options->prefix, database, table};
    struct name name = {.out = out, .bytes = 0};
    bool is_first = true;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (is_blank(parts[i])) {
            continue;
        }
        if (!is_first) {
            add_part(&name, delimiter);
        }
        add_part(&name, parts[i]);
        is_first = false;
    }
    if (name.bytes <= 2 && name.bytes > 0 && out[0] == '.' && out[name.bytes - 1] == '.') {
        memset(out, '_', name.bytes); /* "." and ".." */
    }
    out[name.bytes] = '\0';
    return name.bytes;
}
