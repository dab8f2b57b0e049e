// SPDX-License-Identifier: Apache-2.0
#include "stages/schema/charset.h"

#include <string.h>

#include "stages/schema/charset_text.h"

/* By name; the first entry is what is not known. */
static const struct tr_charset_entry charsets[] = {
    {TR_CHARSET_OTHER, "unknown", 4},     {TR_CHARSET_UTF8, "utf8mb4", 4},
    {TR_CHARSET_UTF8, "utf8mb3", 3},      {TR_CHARSET_LATIN1, "latin1", 1},
    {TR_CHARSET_ASCII, "ascii", 1},       {TR_CHARSET_BINARY, "binary", 1},
    {TR_CHARSET_ARMSCII8, "armscii8", 1}, {TR_CHARSET_BIG5, "big5", 2},
    {TR_CHARSET_CP1250, "cp1250", 1},     {TR_CHARSET_CP1251, "cp1251", 1},
    {TR_CHARSET_CP1256, "cp1256", 1},     {TR_CHARSET_CP1257, "cp1257", 1},
    {TR_CHARSET_CP850, "cp850", 1},       {TR_CHARSET_CP852, "cp852", 1},
    {TR_CHARSET_CP866, "cp866", 1},       {TR_CHARSET_CP932, "cp932", 2},
    {TR_CHARSET_DEC8, "dec8", 1},         {TR_CHARSET_EUCJPMS, "eucjpms", 3},
    {TR_CHARSET_EUCKR, "euckr", 2},       {TR_CHARSET_GB18030, "gb18030", 4},
    {TR_CHARSET_GB2312, "gb2312", 2},     {TR_CHARSET_GBK, "gbk", 2},
    {TR_CHARSET_GEOSTD8, "geostd8", 1},   {TR_CHARSET_GREEK, "greek", 1},
    {TR_CHARSET_HEBREW, "hebrew", 1},     {TR_CHARSET_HP8, "hp8", 1},
    {TR_CHARSET_KEYBCS2, "keybcs2", 1},   {TR_CHARSET_KOI8R, "koi8r", 1},
    {TR_CHARSET_KOI8U, "koi8u", 1},       {TR_CHARSET_LATIN2, "latin2", 1},
    {TR_CHARSET_LATIN5, "latin5", 1},     {TR_CHARSET_LATIN7, "latin7", 1},
    {TR_CHARSET_MACCE, "macce", 1},       {TR_CHARSET_MACROMAN, "macroman", 1},
    {TR_CHARSET_SJIS, "sjis", 2},         {TR_CHARSET_SWE7, "swe7", 1},
    {TR_CHARSET_TIS620, "tis620", 1},     {TR_CHARSET_UCS2, "ucs2", 2},
    {TR_CHARSET_UJIS, "ujis", 3},         {TR_CHARSET_UTF16, "utf16", 4},
    {TR_CHARSET_UTF16LE, "utf16le", 4},   {TR_CHARSET_UTF32, "utf32", 4},
    {TR_CHARSET_UTF8, "utf8", 3},
};

/* Collation numbers first..last; source: both servers' information_schema.collations
 * (mysql-binlog.md §6.1). */
static const struct {
    uint16_t first;
    uint16_t last;
    const char *name;
} collations[] = {
    {1, 1, "big5"},        {2, 2, "latin2"},      {3, 3, "dec8"},        {4, 4, "cp850"},
    {5, 5, "latin1"},      {6, 6, "hp8"},         {7, 7, "koi8r"},       {8, 8, "latin1"},
    {9, 9, "latin2"},      {10, 10, "swe7"},      {11, 11, "ascii"},     {12, 12, "ujis"},
    {13, 13, "sjis"},      {14, 14, "cp1251"},    {15, 15, "latin1"},    {16, 16, "hebrew"},
    {18, 18, "tis620"},    {19, 19, "euckr"},     {20, 20, "latin7"},    {21, 21, "latin2"},
    {22, 22, "koi8u"},     {23, 23, "cp1251"},    {24, 24, "gb2312"},    {25, 25, "greek"},
    {26, 26, "cp1250"},    {27, 27, "latin2"},    {28, 28, "gbk"},       {29, 29, "cp1257"},
    {30, 30, "latin5"},    {31, 31, "latin1"},    {32, 32, "armscii8"},  {33, 33, "utf8mb3"},
    {34, 34, "cp1250"},    {35, 35, "ucs2"},      {36, 36, "cp866"},     {37, 37, "keybcs2"},
    {38, 38, "macce"},     {39, 39, "macroman"},  {40, 40, "cp852"},     {41, 42, "latin7"},
    {43, 43, "macce"},     {44, 44, "cp1250"},    {45, 46, "utf8mb4"},   {47, 49, "latin1"},
    {50, 52, "cp1251"},    {53, 53, "macroman"},  {54, 55, "utf16"},     {56, 56, "utf16le"},
    {57, 57, "cp1256"},    {58, 59, "cp1257"},    {60, 61, "utf32"},     {62, 62, "utf16le"},
    {63, 63, "binary"},    {64, 64, "armscii8"},  {65, 65, "ascii"},     {66, 66, "cp1250"},
    {67, 67, "cp1256"},    {68, 68, "cp866"},     {69, 69, "dec8"},      {70, 70, "greek"},
    {71, 71, "hebrew"},    {72, 72, "hp8"},       {73, 73, "keybcs2"},   {74, 74, "koi8r"},
    {75, 75, "koi8u"},     {76, 76, "utf8mb3"},   {77, 77, "latin2"},    {78, 78, "latin5"},
    {79, 79, "latin7"},    {80, 80, "cp850"},     {81, 81, "cp852"},     {82, 82, "swe7"},
    {83, 83, "utf8mb3"},   {84, 84, "big5"},      {85, 85, "euckr"},     {86, 86, "gb2312"},
    {87, 87, "gbk"},       {88, 88, "sjis"},      {89, 89, "tis620"},    {90, 90, "ucs2"},
    {91, 91, "ujis"},      {92, 93, "geostd8"},   {94, 94, "latin1"},    {95, 96, "cp932"},
    {97, 98, "eucjpms"},   {99, 99, "cp1250"},    {101, 124, "utf16"},   {128, 151, "ucs2"},
    {159, 159, "ucs2"},    {160, 183, "utf32"},   {192, 215, "utf8mb3"}, {223, 223, "utf8mb3"},
    {224, 247, "utf8mb4"}, {248, 250, "gb18030"}, {255, 323, "utf8mb4"}, {576, 579, "utf8mb3"},
    {608, 611, "utf8mb4"}, {640, 642, "ucs2"},    {672, 674, "utf16"},   {736, 738, "utf32"},
};

static const struct tr_charset_entry *entry_of(const char *name)
{
    return tr_charset_of_name(tr_span_of_text(name));
}

const struct tr_charset_entry *tr_charset_of_collation(enum tr_flavor flavor, uint64_t collation)
{
    if (flavor == TR_FLAVOR_MARIADB && collation >= 2048 && collation < 3328) {
        static const char *const blocks[] = {"utf8mb3", "utf8mb4", "ucs2", "utf16", "utf32"};
        return entry_of(blocks[(collation - 2048) / 256]);
    }
    if (flavor == TR_FLAVOR_MARIADB && collation >= 1024 && collation < 1280) {
        collation -= 1024; /* the NOPAD variant of that collation */
    }
    for (size_t i = 0; i < sizeof(collations) / sizeof(collations[0]); i++) {
        if (collation >= collations[i].first && collation <= collations[i].last) {
            return entry_of(collations[i].name);
        }
    }
    /* New collations of MySQL are all utf8mb4's. */
    return flavor == TR_FLAVOR_MYSQL && collation >= 255 ? entry_of("utf8mb4") : &charsets[0];
}

const struct tr_charset_entry *tr_charset_of_name(struct tr_span name)
{
    for (size_t i = 1; i < sizeof(charsets) / sizeof(charsets[0]); i++) {
        size_t same = 0;
        while (same < name.bytes && charsets[i].name[same] != '\0' &&
               (name.data[same] | 0x20) == (uint8_t)(charsets[i].name[same] | 0x20)) {
            same++;
        }
        if (same == name.bytes && charsets[i].name[same] == '\0') {
            return &charsets[i];
        }
    }
    return &charsets[0];
}

size_t tr_charset_write_utf8(enum tr_charset charset, struct tr_span text, uint8_t *out)
{
    struct tr_charset_cursor cursor;
    uint8_t *at = out;

    if (!tr_charset_is_readable(charset)) {
        if (text.bytes > 0) {
            memcpy(out, text.data, text.bytes);
        }
        return text.bytes;
    }
    tr_charset_open(&cursor, charset, true, text);
    while (cursor.at < cursor.end) {
        at = tr_charset_put_code(at, tr_charset_next(&cursor));
    }
    return (size_t)(at - out);
}
