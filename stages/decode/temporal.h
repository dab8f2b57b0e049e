// SPDX-License-Identifier: Apache-2.0
/*
 * Dates and times: the log's packed forms and Debezium's numbers and texts (mysql-binlog.md §4.3;
 * contract §2.2, §2.8).
 *
 * All dates are proleptic Gregorian, as Java's LocalDate. DATETIME has no zone and is taken as UTC;
 * TIMESTAMP is UTC.
 * @thread any: pure functions
 */
#ifndef TR_STAGES_DECODE_TEMPORAL_H
#define TR_STAGES_DECODE_TEMPORAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"

#define TR_TEMPORAL_BYTES_MAX 32 /* "2024-02-29T12:34:56.123456Z", quoted */

/* What a column's bytes turned out to be. */
enum tr_temporal_kind {
    TR_TEMPORAL_VALUE = 0,
    TR_TEMPORAL_ZERO,    /* year, month or day is 0: null, or what stands for it */
    TR_TEMPORAL_INVALID, /* no such date or time */
};

struct tr_civil {
    int32_t year;
    uint32_t month; /* 1..12 */
    uint32_t day;   /* 1..31 */
    uint32_t hour;
    uint32_t minute;
    uint32_t second;
    uint32_t micros;
};

/* Days since 1970-01-01. */
int64_t tr_temporal_days(int32_t year, uint32_t month, uint32_t day);

/* Checks a date and time of day; with `adjust` years 0..69 and 70..99 are taken as 2000..2069 and
 * 1970..1999. */
enum tr_temporal_kind tr_temporal_check(struct tr_civil *civil, bool adjust);

/* The same for what the server printed: year 0 is a year (contract §2.8). */
enum tr_temporal_kind tr_temporal_check_printed(struct tr_civil *civil, bool adjust);

/* Microseconds since the epoch of a checked date and time. */
int64_t tr_temporal_micros(const struct tr_civil *civil);

/* `fraction` of 10^-(2 × bytes) seconds, bytes 0..3, in µs. */
static inline uint32_t tr_temporal_fraction_micros(uint32_t fraction, uint32_t bytes)
{
    static const uint32_t factors[4] = {0, 10000, 100, 1};
    return fraction * factors[bytes & 3];
}

/* DATE: 3 bytes. */
static inline void tr_temporal_read_date(struct tr_civil *civil, const uint8_t *in)
{
    const uint32_t packed = tr_load_u24(in);
    *civil = (struct tr_civil){
        .year = (int32_t)(packed >> 9), .month = packed >> 5 & 15, .day = packed & 31};
}

/* DATETIME2 with `fraction_bytes` 0..3. */
void tr_temporal_read_datetime2(struct tr_civil *civil, const uint8_t *in, uint32_t fraction_bytes);

/* TIME2 with `fraction_bytes` 0..3: signed microseconds. */
int64_t tr_temporal_read_time2(const uint8_t *in, uint32_t fraction_bytes);

/* Types 12 and 11 of before MySQL 5.6: 8 and 3 bytes, decimal digits. */
void tr_temporal_read_datetime_old(struct tr_civil *civil, const uint8_t *in);
int64_t tr_temporal_read_time_old(const uint8_t *in);

/*
 * MariaDB's own fractions (mysql56_temporal_format=OFF): types 12 and 11 with `fsp` 1..6 and other
 * lengths. Source: mysql-binlog.md §4.3.
 */
uint32_t tr_temporal_hires_datetime_bytes(uint32_t fsp);
uint32_t tr_temporal_hires_time_bytes(uint32_t fsp);
uint32_t tr_temporal_hires_timestamp_bytes(uint32_t fsp);
void tr_temporal_read_datetime_hires(struct tr_civil *civil, const uint8_t *in, uint32_t fsp);
int64_t tr_temporal_read_time_hires(const uint8_t *in, uint32_t fsp);
/* Fraction of 10^-fsp seconds in µs. */
uint32_t tr_temporal_scale_micros(uint64_t fraction, uint32_t fsp);

/* `"2024-02-29T12:34:56.120Z"` with quotes and exactly `fsp` fraction digits (none for 0). */
uint8_t *tr_temporal_put_zoned(uint8_t *out, uint32_t epoch_seconds, uint32_t micros, uint32_t fsp);

/* The same of a checked date and time, with as many fraction digits as it needs. */
uint8_t *tr_temporal_put_instant(uint8_t *out, const struct tr_civil *civil);

/* "YYYY-MM-DD" and "HH:MM:SS[.f…]" with trailing zeros of the fraction left out: inside JSON
 * documents. */
uint8_t *tr_temporal_put_date(uint8_t *out, const struct tr_civil *civil);
uint8_t *tr_temporal_put_clock(uint8_t *out, const struct tr_civil *civil);

/*
 * A literal of a column default (contract §2.9) or a value as the server prints it:
 * "2024-02-29[ 10:11:12[.123456]]", "-838:59:59.5". False when it is none.
 */
bool tr_temporal_parse_datetime(struct tr_civil *civil, struct tr_span text);
bool tr_temporal_parse_time(int64_t *micros, struct tr_span text);

#endif
