// SPDX-License-Identifier: Apache-2.0
/*
 * Floating-point numbers as Java prints them (JDK 19 and newer; contract §0.1, §2.6).
 *
 * Plain between 1e-3 (inclusive) and 1e7 (exclusive), else d.dddE±n without '+'; at least one
 * fraction digit. Digits are the fewest that read back as the same number, the nearest to it among
 * those; where one digit would do, the nearest of two digits (4.9E-324, not 5.0E-324). Infinities
 * and NaN, which the servers do not store, become JSON strings. Every put function returns the byte
 * after the last one.
 * @thread any: pure functions
 */
#ifndef TR_STAGES_DECODE_REAL_H
#define TR_STAGES_DECODE_REAL_H

#include <stdint.h>

#include "stages/decode/shortest.h"

#define TR_REAL_BYTES_MAX 32
#define TR_REAL_PLAIN_BYTES_MAX TR_FIXED_BYTES_MAX

uint8_t *tr_real_put_double(uint8_t *out, double value);
uint8_t *tr_real_put_float(uint8_t *out, float value);

/*
 * The variant inside JSON documents: as tr_real_put_double, but what would have an exponent is the
 * exact binary value in plain notation (contract §2.6). Finite numbers only. At most
 * TR_REAL_PLAIN_BYTES_MAX bytes.
 */
uint8_t *tr_real_put_json(uint8_t *out, double value);

#endif
