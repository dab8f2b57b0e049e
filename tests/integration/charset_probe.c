// SPDX-License-Identifier: Apache-2.0
/*
 * What the tables of character sets say, for test_charsets.py:
 *   charset_probe codes NAME                    every sequence that the server reads as one
 *                                               character: its bytes and its code, in hex
 *   charset_probe collation mysql|mariadb ID    the character set of a collation, and its name
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/ddl/collation.h"
#include "stages/schema/charset.h"
#include "stages/schema/charset_text.h"

static void print_code(enum tr_charset charset, const uint8_t *bytes, size_t count)
{
    struct tr_charset_cursor cursor;

    tr_charset_open(&cursor, charset, true, tr_span_of(bytes, count));
    const uint32_t code = tr_charset_next(&cursor);
    if (code == TR_CHARSET_BAD || cursor.at != cursor.end) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        (void)printf("%02x", bytes[i]);
    }
    (void)printf(" %" PRIx32 "\n", code);
}

static int print_codes(const char *name)
{
    const struct tr_charset_entry *entry = tr_charset_of_name(tr_span_of_text(name));
    uint8_t bytes[4];

    if (!tr_charset_is_readable(entry->charset)) {
        (void)fprintf(stderr, "%s: not a character set with tables\n", name);
        return 1;
    }
    for (uint32_t i = 0; i < 256 + 65536 + 65536; i++) {
        const uint32_t count = i < 256 ? 1 : i < 256 + 65536 ? 2 : 3;
        const uint32_t pair = count == 2 ? i - 256 : i - 256 - 65536;
        bytes[0] = (uint8_t)(count == 1 ? i : count == 2 ? pair >> 8 : 0x8F);
        bytes[1] = (uint8_t)(count == 2 ? pair : pair >> 8);
        bytes[2] = (uint8_t)pair;
        print_code(entry->charset, bytes, count);
    }
    for (uint32_t i = 0; i < 4 * 12600; i++) { /* gb18030's codes of the BMP */
        bytes[0] = (uint8_t)(0x81 + i / 12600);
        bytes[1] = (uint8_t)('0' + i / 1260 % 10);
        bytes[2] = (uint8_t)(0x81 + i / 10 % 126);
        bytes[3] = (uint8_t)('0' + i % 10);
        print_code(entry->charset, bytes, sizeof(bytes));
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "codes") == 0) {
        return print_codes(argv[2]);
    }
    if (argc >= 4 && strcmp(argv[1], "collation") == 0) {
        const enum tr_flavor flavor =
            strcmp(argv[2], "mariadb") == 0 ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL;
        for (int i = 3; i < argc; i++) {
            const uint32_t id = (uint32_t)strtoul(argv[i], NULL, 10);
            char text[TR_COLLATION_BYTES_MAX];
            const struct tr_span name = tr_collation_name(flavor, id, text);
            (void)printf("%s %.*s\n", tr_charset_of_collation(flavor, id)->name, (int)name.bytes,
                         (const char *)name.data);
        }
        return 0;
    }
    (void)fprintf(stderr, "charset_probe codes NAME | collation mysql|mariadb ID...\n");
    return 2;
}
