// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/collation.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NOPAD_FIRST 1024 /* MariaDB: the NOPAD variant of number - 1024 */
#define NOPAD_LAST 1279
#define UCA1400_FIRST 2048 /* MariaDB: blocks of 256, one per character set */
#define UCA1400_LAST 3327

static const struct {
    uint16_t number;
    const char *name;
} names[] = {
#define NAME(number, name) {number, name},
#define MARIADB(number, name)
#include "stages/ddl/collation_names.def"
#undef NAME
#undef MARIADB
};

static const struct {
    uint16_t number;
    const char *name;
} mariadb_names[] = {
#define NAME(number, name)
#define MARIADB(number, name) {number, name},
#include "stages/ddl/collation_names.def"
#undef NAME
#undef MARIADB
};

/* Source: is_default of information_schema.collations; utf8mb4 differs by server. */
static const char *const defaults[] = {
    "armscii8_general_ci", "ascii_general_ci",    "big5_chinese_ci",     "binary",
    "cp1250_general_ci",   "cp1251_general_ci",   "cp1256_general_ci",   "cp1257_general_ci",
    "cp850_general_ci",    "cp852_general_ci",    "cp866_general_ci",    "cp932_japanese_ci",
    "dec8_swedish_ci",     "eucjpms_japanese_ci", "euckr_korean_ci",     "gb18030_chinese_ci",
    "gb2312_chinese_ci",   "gbk_chinese_ci",      "geostd8_general_ci",  "greek_general_ci",
    "hebrew_general_ci",   "hp8_english_ci",      "keybcs2_general_ci",  "koi8r_general_ci",
    "koi8u_general_ci",    "latin1_swedish_ci",   "latin2_general_ci",   "latin5_turkish_ci",
    "latin7_general_ci",   "macce_general_ci",    "macroman_general_ci", "sjis_japanese_ci",
    "swe7_swedish_ci",     "tis620_thai_ci",      "ucs2_general_ci",     "ujis_japanese_ci",
    "utf16_general_ci",    "utf16le_general_ci",  "utf32_general_ci",    "utf8mb3_general_ci",
};

/* Source: MariaDB, information_schema.collation_character_set_applicability: bits 3..7 of a number
 * in a UCA-1400 block. NULL = not given out. */
static const char *const uca1400_languages[32] = {
    "",         "icelandic", "latvian",    "romanian",  "slovenian", "polish",     "estonian",
    "spanish",  "swedish",   "turkish",    "czech",     "danish",    "lithuanian", "slovak",
    "spanish2", "roman",     "persian",    "esperanto", "hungarian", "sinhala",    "german2",
    NULL,       NULL,        "vietnamese", "croatian",
};

static const char *plain_name(enum tr_flavor flavor, uint32_t number);
static struct tr_span write_uca1400(uint32_t number, char out[TR_COLLATION_BYTES_MAX]);

struct tr_span tr_collation_name(enum tr_flavor flavor, uint32_t number,
                                 char out[TR_COLLATION_BYTES_MAX])
{
    const bool is_mariadb = flavor == TR_FLAVOR_MARIADB;
    if (is_mariadb && number >= UCA1400_FIRST && number <= UCA1400_LAST) {
        return write_uca1400(number - UCA1400_FIRST, out);
    }
    const bool is_nopad = is_mariadb && number >= NOPAD_FIRST && number <= NOPAD_LAST;
    const char *name = plain_name(flavor, is_nopad ? number - NOPAD_FIRST : number);
    if (name == NULL) {
        return (struct tr_span){0};
    }
    const char *tail = strrchr(name, '_'); /* "latin1_swedish" "_ci" */
    if (is_nopad && tail != NULL) {
        (void)snprintf(out, TR_COLLATION_BYTES_MAX, "%.*s_nopad%s", (int)(tail - name), name, tail);
    } else {
        (void)snprintf(out, TR_COLLATION_BYTES_MAX, "%s", name);
    }
    return tr_span_of_text(out);
}

static const char *plain_name(enum tr_flavor flavor, uint32_t number)
{
    for (size_t i = 0;
         flavor == TR_FLAVOR_MARIADB && i < sizeof(mariadb_names) / sizeof(mariadb_names[0]); i++) {
        if (mariadb_names[i].number == number) {
            return mariadb_names[i].name;
        }
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    return NULL;
}

static struct tr_span write_uca1400(uint32_t number, char out[TR_COLLATION_BYTES_MAX])
{
    static const char *const charsets[] = {"utf8mb3", "utf8mb4", "ucs2", "utf16", "utf32"};
    static const char *const tails[] = {"ai_ci", "ai_cs", "as_ci", "as_cs"};
    const char *language = uca1400_languages[(number & 0xFF) >> 3];
    if (language == NULL) {
        return (struct tr_span){0};
    }
    (void)snprintf(out, TR_COLLATION_BYTES_MAX, "%s_uca1400_%s%s%s%s", charsets[number / 256],
                   language, language[0] == '\0' ? "" : "_", (number & 4) != 0 ? "nopad_" : "",
                   tails[number & 3]);
    return tr_span_of_text(out);
}

struct tr_span tr_collation_charset(struct tr_span collation)
{
    const uint8_t *end = collation.bytes == 0 ? NULL : memchr(collation.data, '_', collation.bytes);
    const struct tr_span charset =
        end == NULL ? collation : tr_span_of(collation.data, (size_t)(end - collation.data));
    return tr_collation_is(charset, "utf8") ? tr_span_of_text("utf8mb3") : charset;
}

struct tr_span tr_collation_default(enum tr_flavor flavor, struct tr_span charset)
{
    if (tr_collation_is(charset, "utf8mb4")) {
        return tr_span_of_text(flavor == TR_FLAVOR_MARIADB ? "utf8mb4_general_ci"
                                                           : "utf8mb4_0900_ai_ci");
    }
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        const struct tr_span own = tr_collation_charset(tr_span_of_text(defaults[i]));
        if (own.bytes == charset.bytes &&
            strncasecmp((const char *)own.data, (const char *)charset.data, own.bytes) == 0) {
            return tr_span_of_text(defaults[i]);
        }
    }
    return (struct tr_span){0};
}

bool tr_collation_is_contextual(struct tr_span name)
{
    static const char prefix[] = "uca1400_";
    return name.bytes > sizeof(prefix) && memcmp(name.data, prefix, sizeof(prefix) - 1) == 0;
}

bool tr_collation_is(struct tr_span a, const char *b)
{
    return a.bytes == strlen(b) &&
           (a.bytes == 0 || strncasecmp((const char *)a.data, b, a.bytes) == 0);
}
