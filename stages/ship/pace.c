// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/pace.h"

#include "engine/clock.h"

#define CUT_FACTOR 0.7F
#define CUT_INTERVAL_NS (500 * TR_NS_PER_MS)
#define SHARE_FIRST 0.95F
#define SHARE_FREE 1.5F
#define SHARE_RISE_PER_S 0.02
#define RISE_AFTER_NS TR_NS_PER_S

#define BREAKER_FAILURES_MIN 5
#define BREAKER_WINDOW_NS (10 * TR_NS_PER_S)
#define BREAKER_PROBE_NS_MAX (30 * TR_NS_PER_S)

uint64_t tr_jitter_next(struct tr_jitter *jitter)
{
    uint64_t z = jitter->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

int64_t tr_jitter_backoff_ns(struct tr_jitter *jitter, int64_t base_ns, int64_t cap_ns,
                             uint32_t attempt)
{
    int64_t most_ns = base_ns;

    for (uint32_t i = 0; i < attempt && most_ns < cap_ns; i++) {
        most_ns *= 2;
    }
    most_ns = most_ns < cap_ns ? most_ns : cap_ns;
    return (int64_t)(tr_jitter_next(jitter) % (uint64_t)(most_ns + 1));
}

void tr_pace_init(struct tr_pace *pace, uint32_t shards)
{
    *pace = (struct tr_pace){.shard_count = shards};
}

static void fill(struct tr_pace *pace, int64_t now_ns)
{
    const double passed_s = (double)(now_ns - pace->filled_ns) / (double)TR_NS_PER_S;

    if (passed_s <= 0) {
        return;
    }
    pace->filled_ns = now_ns;
    if (now_ns - pace->cut_ns > RISE_AFTER_NS) {
        pace->share += (float)(SHARE_RISE_PER_S * passed_s);
        if (pace->share >= SHARE_FREE) {
            pace->is_limited = false;
            return;
        }
    }
    const double scale = (double)pace->shard_count * (double)pace->share;
    const double records_max = TR_SHARD_RECORDS_PER_S * scale;
    const double bytes_max = TR_SHARD_BYTES_PER_S * scale;
    pace->records += records_max * passed_s;
    pace->bytes += bytes_max * passed_s;
    pace->records = pace->records < records_max ? pace->records : records_max;
    pace->bytes = pace->bytes < bytes_max ? pace->bytes : bytes_max;
}

bool tr_pace_is_open(struct tr_pace *pace, int64_t now_ns)
{
    if (pace->is_limited) {
        fill(pace, now_ns);
    }
    return !pace->is_limited || (pace->records >= 1 && pace->bytes > 0);
}

void tr_pace_spend(struct tr_pace *pace, uint64_t records, uint64_t bytes)
{
    if (pace->is_limited) {
        pace->records -= (double)records;
        pace->bytes -= (double)bytes;
    }
}

void tr_pace_cut(struct tr_pace *pace, int64_t now_ns, float share_min)
{
    if (!pace->is_limited) {
        pace->is_limited = true;
        pace->share = SHARE_FIRST;
        pace->records = 0; /* the shard has just said that its second is used up */
        pace->bytes = 0;
        pace->filled_ns = now_ns;
        pace->cut_ns = now_ns;
        return;
    }
    if (now_ns - pace->cut_ns < CUT_INTERVAL_NS) {
        return;
    }
    pace->cut_ns = now_ns;
    pace->share *= CUT_FACTOR;
    pace->share = pace->share > share_min ? pace->share : share_min;
}

void tr_breaker_on_success(struct tr_breaker *breaker)
{
    *breaker = (struct tr_breaker){0};
}

bool tr_breaker_on_failure(struct tr_breaker *breaker, int64_t now_ns)
{
    if (breaker->failure_count == 0) {
        breaker->first_failure_ns = now_ns;
    }
    breaker->failure_count++;
    if (!breaker->is_open && (breaker->failure_count < BREAKER_FAILURES_MIN ||
                              now_ns - breaker->first_failure_ns < BREAKER_WINDOW_NS)) {
        return false;
    }
    const bool opened = !breaker->is_open;
    int64_t delay_ns = TR_NS_PER_S;
    for (uint32_t i = 0; i < breaker->probe_count && delay_ns < BREAKER_PROBE_NS_MAX; i++) {
        delay_ns *= 2;
    }
    delay_ns = delay_ns < BREAKER_PROBE_NS_MAX ? delay_ns : BREAKER_PROBE_NS_MAX;
    breaker->is_open = true;
    breaker->probe_count++;
    breaker->probe_due_ns = now_ns + delay_ns;
    return opened;
}

bool tr_breaker_allows(const struct tr_breaker *breaker, uint32_t in_flight_count, int64_t now_ns)
{
    return !breaker->is_open || (in_flight_count == 0 && now_ns >= breaker->probe_due_ns);
}
