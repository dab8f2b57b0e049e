// SPDX-License-Identifier: Apache-2.0
#include "engine/roff.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The code point that begins at `text`, and how many bytes it has; a byte that begins none stands for itself. */
static uint32_t read_code_point(const unsigned char *text, size_t *bytes)
{
    const uint32_t first = text[0];
    const size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
    uint32_t value = more == 0 ? first : first & (0x3Fu >> more);

    for (size_t i = 1; i <= more; i++) {
        if ((text[i] & 0xC0) != 0x80) {
            *bytes = 1;
            return first;
        }
        value = value << 6 | (text[i] & 0x3F);
    }
    *bytes = more + 1;
    return value;
}

const char *tr_roff_escape(const char *text, char *out, size_t room_bytes)
{
    size_t used = 0;
    bool is_bold = false;

    out[0] = '\0';
    for (bool is_first = true; *text != '\0'; is_first = false) {
        char piece[24];
        size_t bytes;
        const uint32_t point = read_code_point((const unsigned char *)text, &bytes);
        if (point == '`') {
            is_bold = !is_bold;
            (void)snprintf(piece, sizeof(piece), "%s", is_bold ? "\\fB" : "\\fR");
        } else if (point == '\\') {
            (void)snprintf(piece, sizeof(piece), "\\e");
        } else if (point == '-') {
            (void)snprintf(piece, sizeof(piece), "\\-");
        } else if (point == '\'') {
            (void)snprintf(piece, sizeof(piece), "\\(aq");
        } else if (point == '"') {
            (void)snprintf(piece, sizeof(piece), "\\(dq");
        } else if (point >= 0x80) {
            (void)snprintf(piece, sizeof(piece), "\\[u%04X]", point);
        } else {
            /* A dot at the beginning would make the line a request. */
            (void)snprintf(piece, sizeof(piece), "%s%c", is_first && point == '.' ? "\\&" : "",
                           (char)point);
        }
        const size_t piece_bytes = strlen(piece);
        if (used + piece_bytes + sizeof("\\fR") > room_bytes) {
            break;
        }
        memcpy(out + used, piece, piece_bytes + 1);
        used += piece_bytes;
        text += bytes;
    }
    if (is_bold) {
        memcpy(out + used, "\\fR", sizeof("\\fR"));
    }
    return out;
}
