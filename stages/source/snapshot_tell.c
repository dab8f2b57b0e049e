// SPDX-License-Identifier: Apache-2.0
/* What a snapshot says of its progress: lines of the log (snapshot_source.h). */
#include <string.h>

#include "engine/log.h"
#include "stages/source/snapshot_source.h"

#define LOG_NS (10 * TR_NS_PER_S)
#define KEEP_NS (30 * TR_NS_PER_S)

void tr_snapshot_source_tell(struct tr_snapshot_source *source, int64_t now_ns)
{
    const struct tr_snapshot_progress *progress = source->options.progress;

    if (now_ns - source->kept_ns >= KEEP_NS) {
        source->kept_ns = now_ns;
        source->options.keep(source->options.self);
    }
    if (now_ns - source->logged_ns < LOG_NS) {
        return;
    }
    /* Relaxed: our own numbers. */
    const uint64_t done = atomic_load_explicit(&progress->rows_done, memory_order_relaxed);
    const uint64_t all = atomic_load_explicit(&progress->rows_estimated, memory_order_relaxed);
    const double seconds = (double)(now_ns - (int64_t)atomic_load_explicit(&progress->started_ns,
                                                                           memory_order_relaxed)) /
                           (double)TR_NS_PER_S;
    const double share = (double)done / (double)(all > done ? all : done + 1);
    source->logged_ns = now_ns;
    TR_LOG(TR_LOG_INFO, "snapshot.progress", TR_UINT("rows", done), TR_UINT("rows_estimated", all),
           TR_REAL("share_percent", 100.0 * share),
           TR_REAL("eta_s", done > 0 ? seconds * (1.0 - share) / share : 0.0),
           TR_REAL("rows_per_s", (double)done / seconds), TR_UINT("table", source->table_at + 1),
           TR_UINT("tables", source->options.schema->row_table_count));
}

void tr_snapshot_source_tell_table(const struct tr_snapshot_source *source, int64_t now_ns)
{
    const struct tr_snapshot_table *table = tr_snapshot_source_table(source);
    char name[2 * TR_NAME_BYTES_MAX + 2];

    struct tr_span parts[2] = {table->database, table->name};
    memcpy(name, parts[0].data, parts[0].bytes);
    name[parts[0].bytes] = '.';
    memcpy(name + parts[0].bytes + 1, parts[1].data, parts[1].bytes);
    name[parts[0].bytes + 1 + parts[1].bytes] = '\0';
    TR_LOG(TR_LOG_INFO, "snapshot.table", TR_TEXT("table", name),
           TR_UINT("rows", source->table_rows),
           TR_INT("ms", (now_ns - source->table_started_ns) / TR_NS_PER_MS),
           TR_UINT("number", source->table_at + 1),
           TR_UINT("tables", source->options.schema->row_table_count));
}
