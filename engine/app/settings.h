// SPDX-License-Identifier: Apache-2.0
/*
 * From the configuration to the options of the modules: which never read it themselves. Texts stay
 * the configuration's.
 * @thread main
 */
#ifndef TR_ENGINE_APP_SETTINGS_H
#define TR_ENGINE_APP_SETTINGS_H

#include "engine/app/pipeline.h"
#include "engine/config.h"
#include "stages/decode/plan.h"
#include "stages/schema/filter.h"
#include "stages/schema/topic.h"
#include "stages/ship/control.h"
#include "stages/ship/credentials.h"
#include "stages/ship/endpoint.h"
#include "stages/source/mysql_link.h"
#include "stages/source/server_facts.h"
#include "stages/source/snapshot.h"
#include "stages/source/wire_source.h"

struct tr_mysql_options tr_settings_mysql(const struct tr_config *config);
struct tr_wire_options tr_settings_wire(const struct tr_config *config);
struct tr_filter_options tr_settings_filter(const struct tr_config *config);
struct tr_topic_options tr_settings_topic(const struct tr_config *config);
struct tr_encode_options tr_settings_encode(const struct tr_config *config,
                                            const struct tr_server_facts *facts);
struct tr_credentials_options tr_settings_credentials(const struct tr_config *config);
struct tr_endpoint_options tr_settings_endpoint(const struct tr_config *config);
/* What a stream that is created shall be like. */
struct tr_stream_wish tr_settings_wish(const struct tr_config *config);

/* What is read before the log; `with_rows`: rows too, not only the tables' statements. */
struct tr_snapshot_options tr_settings_snapshot(const struct tr_config *config,
                                                const struct tr_server_facts *facts,
                                                const struct tr_filter *filter, bool with_rows);

/* What the configuration says of the pipeline: plan, counts, limits, the actors' settings. Ports
 * and start are the caller's. */
void tr_settings_pipeline(struct tr_pipeline_options *options, const struct tr_config *config);

#endif
