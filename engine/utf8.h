// SPDX-License-Identifier: Apache-2.0
/*
 * UTF-8, one character at a time, for text that goes to logs, JSON answers and configuration.
 *
 * Source: RFC 3629 section 4 (shortest form only, no surrogates, nothing above U+10FFFF).
 */
#ifndef TR_ENGINE_UTF8_H
#define TR_ENGINE_UTF8_H

#include <stddef.h>
#include <stdint.h>

static inline int tr_utf8_is_tail(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Bytes (1..4) of the character that starts `text`; 0 when it is not well-formed or cut off. */
static inline size_t tr_utf8_char_bytes(const uint8_t *text, size_t room_bytes)
{
    if (room_bytes == 0) {
        return 0;
    }
    const uint8_t lead = text[0];
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        return room_bytes >= 2 && tr_utf8_is_tail(text[1]) ? 2 : 0;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        const uint8_t low = lead == 0xe0 ? 0xa0 : 0x80;  /* no overlong form */
        const uint8_t high = lead == 0xed ? 0x9f : 0xbf; /* no surrogate */
        return room_bytes >= 3 && text[1] >= low && text[1] <= high && tr_utf8_is_tail(text[2]) ? 3
                                                                                                : 0;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        const uint8_t low = lead == 0xf0 ? 0x90 : 0x80;  /* no overlong form */
        const uint8_t high = lead == 0xf4 ? 0x8f : 0xbf; /* no more than U+10FFFF */
        return room_bytes >= 4 && text[1] >= low && text[1] <= high && tr_utf8_is_tail(text[2]) &&
                       tr_utf8_is_tail(text[3])
                   ? 4
                   : 0;
    }
    return 0;
}

#endif
