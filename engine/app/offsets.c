// SPDX-License-Identifier: Apache-2.0
/*
 * `tailrace offsets show | set | export FILE | import FILE`: the saved position, in whichever store
 * is configured. show and export write nothing and take no lock; set and import take the lock, so
 * that they are refused while an instance runs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/app/commands.h"
#include "engine/app/offsets_file.h"
#include "engine/app/start.h"
#include "engine/log.h"
#include "offsets/position.h"

#define FDS 64
#define TIMERS 16
#define KEY_BYTES 1024
#define LOG_POS_MIN 4 /* behind a log file's magic number */

/* The open store and what it had. */
struct session {
    const struct tr_command_call *call;
    const struct tr_config *config;
    struct tr_start start;
    struct tr_signals signals;
    struct tr_store_content content; /* the store's until its next command */
    char key[KEY_BYTES];
    struct tr_span offset_key;
    struct tr_saved_position position; /* owns its GTID set */
};

static void print_text(const char *label, struct tr_span text)
{
    printf("%s ", label);
    (void)fwrite(text.data, 1, text.bytes,
                 stdout); /* main checks that standard output could be written */
    (void)putchar('\n');
}

static struct tr_span or_none(struct tr_span text)
{
    return text.bytes == 0 ? tr_span_of_text("(none)") : text;
}

/* --- show
 * --------------------------------------------------------------------------------------- */

static enum tr_code show(struct session *session, struct tr_error *err)
{
    (void)err;
    print_text("key:     ", session->offset_key);
    print_text("value:   ", or_none(session->content.offset_value));
    print_text("identity:", or_none(session->content.identity));
    if (session->content.other_key.bytes > 0) {
        print_text("there is:", session->content.other_key);
    }
    return TR_OK;
}

/* --- set
 * ---------------------------------------------------------------------------------------- */

/* Parses an offset as the start does. Which server's GTIDs they are, the text tells. */
static enum tr_code parse_value(struct session *session, struct tr_span value, struct tr_error *err)
{
    static const enum tr_flavor flavors[] = {TR_FLAVOR_MYSQL, TR_FLAVOR_MARIADB};
    enum tr_code code = TR_OK;
    for (size_t i = 0; i < sizeof(flavors) / sizeof(flavors[0]); i++) {
        tr_gtid_set_close(session->position.gtids);
        session->position.gtids = NULL;
        if (tr_gtid_set_open(&session->position.gtids, flavors[i], err) != TR_OK) {
            return err->code;
        }
        code = tr_position_parse_json(&session->position, session->start.gtid_sources, value, err);
        if (code == TR_OK) {
            return TR_OK;
        }
    }
    return code;
}

/* The one place where something is written. */
static enum tr_code replace(struct session *session, struct tr_span value, struct tr_span identity,
                            struct tr_error *err)
{
    print_text("old:", or_none(session->content.offset_value));
    if (tr_start_save_store(&session->start, value, identity, err) != TR_OK) {
        return err->code;
    }
    print_text("new:", value);
    return TR_OK;
}

/* "mysql-bin.000003": both servers name their logs with a number at the end. */
static bool is_log_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL && dot != name && dot[1] != '\0' &&
           strspn(dot + 1, "0123456789") == strlen(dot + 1) &&
           strlen(name) <= TR_BINLOG_NAME_BYTES_MAX && strchr(name, '/') == NULL;
}

static bool read_pos(const char *text, uint64_t *pos)
{
    const size_t bytes = strlen(text);
    *pos = bytes == 0 || bytes > 18 || strspn(text, "0123456789") != bytes
               ? 0
               : strtoull(text, NULL, 10);
    return *pos >= LOG_POS_MIN;
}

static enum tr_code set_file(struct session *session, const char *file, const char *pos,
                             struct tr_error *err)
{
    struct tr_log_point *point = &session->position.point;
    if (file == NULL || pos == NULL) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                       "offsets set: give --file and --pos together, or --gtids");
    }
    if (!is_log_name(file)) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                       "offsets set: --file %.300s: want a binary log's name, such as "
                       "mysql-bin.000003 (SHOW BINARY LOGS lists them)",
                       file);
    }
    if (!read_pos(pos, &point->pos)) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                       "offsets set: --pos %.100s: want a number from %d on, where an event begins",
                       pos, LOG_POS_MIN);
    }
    (void)snprintf(point->file, sizeof(point->file), "%s", file);
    return TR_OK;
}

/* Without --file: the stored one's, since Debezium's offset has a file and a pos in any case. */
static enum tr_code keep_file(struct session *session, struct tr_error *err)
{
    if (session->content.offset_value.bytes == 0) {
        return TR_FAIL(
            err, TR_ERR_USAGE, TR_STOP,
            "offsets set --gtids: nothing is stored whose file and pos could be kept: "
            "give --file and --pos too (SHOW BINARY LOGS; any existing file will do, the "
            "GTIDs decide)");
    }
    return parse_value(session, session->content.offset_value, err);
}

static enum tr_code set_gtids(struct session *session, const char *text, struct tr_error *err)
{
    const enum tr_flavor flavor = strchr(text, ':') != NULL ? TR_FLAVOR_MYSQL : TR_FLAVOR_MARIADB;
    tr_gtid_set_close(session->position.gtids);
    session->position.gtids = NULL;
    if (tr_gtid_set_open(&session->position.gtids, flavor, err) != TR_OK) {
        return err->code;
    }
    err->text[0] = '\0';
    if (tr_gtid_set_parse(session->position.gtids, session->start.gtid_sources,
                          tr_span_of_text(text), err) != TR_OK ||
        tr_gtid_set_is_empty(session->position.gtids)) {
        char why[TR_ERROR_TEXT_BYTES / 4];
        (void)snprintf(why, sizeof(why), "%.200s", err->text);
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                       "offsets set --gtids: %s: want uuid:1-100,uuid:1-5 (MySQL) or 0-1-100,5-9-3 "
                       "(MariaDB)",
                       why[0] == '\0' ? "empty" : why);
    }
    return TR_OK;
}

static enum tr_code set(struct session *session, struct tr_error *err)
{
    const char *file = tr_command_value(session->call, "--file");
    const char *pos = tr_command_value(session->call, "--pos");
    const char *gtids = tr_command_value(session->call, "--gtids");
    const bool keeps_file = gtids != NULL && file == NULL && pos == NULL;
    if ((keeps_file ? keep_file(session, err) : set_file(session, file, pos, err)) != TR_OK ||
        (gtids != NULL && set_gtids(session, gtids, err) != TR_OK)) {
        return err->code;
    }
    /* A point between transactions; what the last event was is not known. */
    struct tr_saved_position *position = &session->position;
    position->point.snapshot = false;
    position->point.event_count = 0;
    position->point.row_count = 0;
    position->point.ts_sec = 0;
    position->point.server_id = 0;
    char *value = malloc(TR_STORE_TEXT_BYTES_MAX);
    const size_t bytes =
        value == NULL ? 0 : tr_position_write_json(position, value, TR_STORE_TEXT_BYTES_MAX);
    if (bytes == 0) {
        free(value);
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "offsets set: the position does not fit %d bytes: its GTID set is too "
                       "fragmented",
                       TR_STORE_TEXT_BYTES_MAX);
    }
    const enum tr_code code = replace(session, tr_span_of(value, bytes), (struct tr_span){0}, err);
    free(value);
    return code;
}

/* --- export, import
 * ----------------------------------------------------------------------------- */

static enum tr_code export_file(struct session *session, struct tr_error *err)
{
    const struct tr_offsets_file file = {.offset_key = session->offset_key,
                                         .topic_prefix =
                                             tr_span_of_text(session->config->topic_prefix),
                                         .offset_value = session->content.offset_value,
                                         .identity = session->content.identity};
    if (file.offset_value.bytes == 0) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "offsets export: nothing is stored for %s: check topic.prefix and the "
                       "store's settings (`tailrace config`)",
                       session->key);
    }
    if (parse_value(session, file.offset_value, err) != TR_OK ||
        tr_offsets_file_write(&file, session->call->words[1],
                              tr_command_value(session->call, "--json") != NULL, err) != TR_OK) {
        return err->code;
    }
    print_text("exported:", file.offset_value);
    return TR_OK;
}

static enum tr_code import_file(struct session *session, struct tr_error *err)
{
    struct tr_offsets_file file = {.offset_key = session->offset_key,
                                   .topic_prefix = tr_span_of_text(session->config->topic_prefix)};
    const char *path = session->call->words[1];
    struct tr_identity identity;
    enum tr_code code = tr_offsets_file_read(&file, path, err);
    if (code == TR_OK && (parse_value(session, file.offset_value, err) != TR_OK ||
                          (file.identity.bytes > 0 &&
                           tr_identity_parse_json(&identity, file.identity, err) != TR_OK))) {
        code = tr_error_prefix(err, "import \"%.300s\"", path);
    }
    if (code == TR_OK) {
        code = replace(session, file.offset_value, file.identity, err);
    }
    tr_offsets_file_deinit(&file);
    return code;
}

/* --- the command
 * -------------------------------------------------------------------------------- */

static const struct verb {
    const char *name;
    int word_count; /* with the verb itself */
    bool writes;
    enum tr_code (*run)(struct session *session, struct tr_error *err);
} verbs[] = {
    {"show", 1, false, show},
    {"set", 1, true, set},
    {"export", 2, false, export_file},
    {"import", 2, true, import_file},
};

/* Every option but -c belongs to one verb. */
static enum tr_code check_options(const struct tr_command_call *call, const struct verb *verb,
                                  struct tr_error *err)
{
    for (uint32_t i = 0; i < call->option_count; i++) {
        const char *name = call->options[i]->name;
        const char *owner = strcmp(name, "--json") == 0 ? "export" : "set";
        if (strcmp(name, "-c") != 0 && strcmp(owner, verb->name) != 0) {
            return TR_FAIL(err, TR_ERR_USAGE, TR_STOP, "offsets %s: %s belongs to `offsets %s`",
                           verb->name, name, owner);
        }
    }
    return TR_OK;
}

static enum tr_code run_verb(struct session *session, const struct verb *verb, struct tr_error *err)
{
    struct tr_start *start = &session->start;
    const enum tr_reactor_engine engine = (enum tr_reactor_engine)session->config->reactor;
    if (tr_reactor_open(&start->reactor, engine, FDS, TIMERS, err) != TR_OK) {
        return err->code;
    }
    start->config = session->config;
    start->signals = &session->signals;
    start->service_reactor = start->reactor;
    start->read_only = !verb->writes;
    start->is_command = true;
    if (verb->run != show && session->config->offset_storage == TR_CONFIG_OFFSET_MEMORY) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "offsets %s: offset.storage is the memory store, which keeps nothing: "
                       "configure the file or the Redis store",
                       verb->name);
    }
    if (tr_gtid_sources_open(&start->gtid_sources, err) != TR_OK ||
        tr_start_open_store(start, NULL, err) != TR_OK ||
        tr_start_load_store(start, &session->content, err) != TR_OK) {
        return err->code;
    }
    const size_t bytes = tr_position_write_key(tr_span_of_text(session->config->topic_prefix),
                                               session->key, sizeof(session->key));
    session->offset_key = tr_span_of(session->key, bytes);
    return verb->run(session, err);
}

enum tr_code tr_command_offsets(struct tr_command_call *call, struct tr_error *err)
{
    struct session session = {.call = call};
    struct tr_config *config;
    const struct verb *verb = NULL;

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        verb = strcmp(call->words[0], verbs[i].name) == 0 ? &verbs[i] : verb;
    }
    if (verb == NULL || call->word_count != verb->word_count) {
        return TR_FAIL(err, TR_ERR_USAGE, TR_STOP,
                       "offsets %.100s: want `tailrace offsets show`, `set`, `export FILE` or "
                       "`import FILE`",
                       call->words[0]);
    }
    if (check_options(call, verb, err) != TR_OK) {
        return err->code;
    }
    if (tr_command_load_config(call, TR_CONFIG_FOR_STATE, &config, err) != TR_OK) {
        return err->code;
    }
    tr_log_setup(TR_LOG_WARN, TR_LOG_TEXT, 2);
    session.config = config;
    const enum tr_code code = run_verb(&session, verb, err);
    tr_gtid_set_close(session.position.gtids);
    session.position.gtids = NULL;
    tr_start_deinit(&session.start);
    tr_reactor_close(session.start.reactor);
    tr_config_close(config);
    return code;
}
