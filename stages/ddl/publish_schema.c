// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/publish_schema.h"

#include <stddef.h>

/* Schemas as Connect's converter prints them (contract §1.3, §4.9), cut where a connector's name stands. */
static const char value_head[] =
    "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"struct\","
    "\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"version\"},{\"type\":"
    "\"string\","
    "\"optional\":false,\"field\":\"connector\"},{\"type\":\"string\",\"optional\":false,"
    "\"field\":\"name\"},{\"type\":\"int64\",\"optional\":false,\"field\":\"ts_ms\"},"
    "{\"type\":\"string\",\"optional\":true,\"name\":\"io.debezium.data.Enum\",\"version\":1,"
    "\"parameters\":{\"allowed\":\"true,first,first_in_data_collection,"
    "last_in_data_collection,last,false,incremental\"},\"default\":\"false\","
    "\"field\":\"snapshot\"},{\"type\":\"string\",\"optional\":false,\"field\":\"db\"},"
    "{\"type\":\"string\",\"optional\":true,\"field\":\"sequence\"},{\"type\":\"int64\","
    "\"optional\":true,\"field\":\"ts_us\"},{\"type\":\"int64\",\"optional\":true,"
    "\"field\":\"ts_ns\"},{\"type\":\"string\",\"optional\":true,\"field\":\"table\"},"
    "{\"type\":\"int64\",\"optional\":false,\"field\":\"server_id\"},{\"type\":\"string\","
    "\"optional\":true,\"field\":\"gtid\"},{\"type\":\"string\",\"optional\":false,"
    "\"field\":\"file\"},{\"type\":\"int64\",\"optional\":false,\"field\":\"pos\"},{\"type\":"
    "\"int32\","
    "\"optional\":false,\"field\":\"row\"},{\"type\":\"int64\",\"optional\":true,"
    "\"field\":\"thread\"},{\"type\":\"string\",\"optional\":true,\"field\":\"query\"}],"
    "\"optional\":false,\"name\":\""
    "io.debezium.connector.";
static const char value_middle[] =
    ".Source\""
    ",\"version\":1,\"field\":\"source\"},{\"type\":\"int64\",\"optional\":false,"
    "\"field\":\"ts_ms\"},{\"type\":\"string\",\"optional\":true,\"field\":\"databaseName\"},"
    "{\"type\":\"string\",\"optional\":true,\"field\":\"schemaName\"},{\"type\":\"string\","
    "\"optional\":true,\"field\":\"ddl\"},{\"type\":\"array\",\"items\":{\"type\":\"struct\","
    "\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"type\"},{\"type\":\"string\","
    "\"optional\":false,\"field\":\"id\"},{\"type\":\"struct\",\"fields\":[{\"type\":\"string\","
    "\"optional\":true,\"field\":\"defaultCharsetName\"},{\"type\":\"array\","
    "\"items\":{\"type\":\"string\",\"optional\":false},\"optional\":true,"
    "\"field\":\"primaryKeyColumnNames\"},{\"type\":\"array\",\"items\":{\"type\":\"struct\","
    "\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"name\"},{\"type\":\"int32\","
    "\"optional\":false,\"field\":\"jdbcType\"},{\"type\":\"int32\",\"optional\":true,"
    "\"field\":\"nativeType\"},{\"type\":\"string\",\"optional\":false,\"field\":\"typeName\"},"
    "{\"type\":\"string\",\"optional\":true,\"field\":\"typeExpression\"},{\"type\":\"string\","
    "\"optional\":true,\"field\":\"charsetName\"},{\"type\":\"int32\",\"optional\":true,"
    "\"field\":\"length\"},{\"type\":\"int32\",\"optional\":true,\"field\":\"scale\"},"
    "{\"type\":\"int32\",\"optional\":false,\"field\":\"position\"},{\"type\":\"boolean\","
    "\"optional\":true,\"field\":\"optional\"},{\"type\":\"boolean\",\"optional\":true,"
    "\"field\":\"autoIncremented\"},{\"type\":\"boolean\",\"optional\":true,"
    "\"field\":\"generated\"},{\"type\":\"string\",\"optional\":true,\"field\":\"comment\"},"
    "{\"type\":\"string\",\"optional\":true,\"field\":\"defaultValueExpression\"},"
    "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"optional\":false},\"optional\":true,"
    "\"field\":\"enumValues\"}],\"optional\":false,"
    "\"name\":\"io.debezium.connector.schema.Column\",\"version\":1},\"optional\":false,"
    "\"field\":\"columns\"},{\"type\":\"string\",\"optional\":true,\"field\":\"comment\"}],"
    "\"optional\":true,\"name\":\"io.debezium.connector.schema.Table\",\"version\":1,"
    "\"field\":\"table\"}],\"optional\":false,\"name\":\"io.debezium.connector.schema.Change\","
    "\"version\":1},\"optional\":false,\"field\":\"tableChanges\"}],\"optional\":false,\"name\":\""
    "io.debezium.connector.";
static const char value_tail[] = ".SchemaChangeValue\""
                                 ",\"version\":1},\"payload\":";
static const char key_head[] =
    "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,"
    "\"field\":\"databaseName\"}],\"optional\":false,\"name\":\""
    "io.debezium.connector.";
static const char key_tail[] = ".SchemaChangeKey\""
                               ",\"version\":1},\"payload\":";

static const char *connector_name(enum tr_flavor flavor)
{
    return flavor == TR_FLAVOR_MARIADB ? "mariadb" : "mysql";
}

void ddl_text_add_value_schema(struct ddl_text *text, enum tr_flavor flavor)
{
    ddl_text_add(text, value_head);
    ddl_text_add(text, connector_name(flavor));
    ddl_text_add(text, value_middle);
    ddl_text_add(text, connector_name(flavor));
    ddl_text_add(text, value_tail);
}

void ddl_text_add_key_schema(struct ddl_text *text, enum tr_flavor flavor)
{
    ddl_text_add(text, key_head);
    ddl_text_add(text, connector_name(flavor));
    ddl_text_add(text, key_tail);
}
