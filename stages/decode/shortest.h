// SPDX-License-Identifier: Apache-2.0
/*
 * The C++ library's shortest decimal digits of a binary floating-point number, and the way back,
 * behind C functions.
 *
 * Why C++: libstdc++'s std::to_chars is Ryu (shortest digits that read back as the same number,
 * nearest among those; and exact digits on demand), tested for years; an own copy would be 600
 * lines and two tables for the same bytes. No exception, allocation or locale is involved. The only
 * C++ file of this folder.
 * @thread any: pure functions
 */
#ifndef TR_STAGES_DECODE_SHORTEST_H
#define TR_STAGES_DECODE_SHORTEST_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TR_SHORTEST_BYTES_MAX 32 /* "-1.7976931348623157e+308" and room */
#define TR_FIXED_BYTES_MAX 1100  /* 309 digits, or 1 + 1 + 1074 */

/* `d[.ddd]e±xx` of a finite number: the fewest digits that read back as the same double, or float.
 * Returns bytes. */
size_t tr_shortest_double(double value, char *out);
size_t tr_shortest_float(float value, char *out);
/* `d.de±xx`: the nearest number of two digits. */
size_t tr_two_digits_double(double value, char *out);
size_t tr_two_digits_float(float value, char *out);
/* Reads a decimal number of any form back, correctly rounded; false when the bytes are none, or one
 * that the type cannot hold. */
bool tr_read_double(const unsigned char *text, size_t bytes, double *value);
bool tr_read_float(const unsigned char *text, size_t bytes, float *value);
/* Plain notation with exactly `fraction_digits`, correctly rounded; with enough of them, the exact
 * value. */
size_t tr_fixed_double(double value, int fraction_digits, char *out);

#ifdef __cplusplus
}
#endif

#endif
