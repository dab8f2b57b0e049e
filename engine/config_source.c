// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/config_table.h"

#define FILE_BYTES_MAX (1024 * 1024)
#define EXPANSION_DEPTH_MAX 32     /* SmallRye's own */
#define EXPRESSION_COUNT_MAX 10000 /* in one value: nested ones may double with each level */
#define PROFILE "%prod."           /* the profile that a packaged Debezium Server runs under */

static const char *const usual_paths[] = {"config/application.properties",
                                          "conf/application.properties", "application.properties"};

/* Text under construction. */
struct builder {
    struct tr_config *config;
    const char *key; /* whose value is expanded, for problems */
    const struct tr_config_origin *origin;
    char *text; /* TR_CONFIG_VALUE_BYTES */
    size_t bytes;
    uint32_t expression_count;
    bool has_failed;
};

static void expand_span(struct builder *b, const char *text, size_t bytes, uint32_t depth);

const char *tr_config_keep(struct tr_config *config, const char *text, size_t bytes)
{
    struct tr_config_private *hidden = config->hidden;

    if (bytes + 1 > TR_CONFIG_ARENA_BYTES - hidden->arena_bytes) {
        tr_config_problem(config, NULL, "configuration",
                          "more than %d bytes of values: make them shorter", TR_CONFIG_ARENA_BYTES);
        return NULL;
    }
    char *kept = hidden->arena + hidden->arena_bytes;
    memcpy(kept, text, bytes);
    kept[bytes] = '\0';
    hidden->arena_bytes += bytes + 1;
    return kept;
}

/* The property of the file that decides `key`: that of the profile before the plain one. */
static const struct tr_property *find_in_file(struct tr_config *config, const char *key)
{
    const struct tr_properties *file = &config->hidden->file;
    const struct tr_property *found = NULL;

    for (uint32_t i = 0; i < file->count; i++) {
        const char *name = file->items[i].key;
        const bool is_profiled = strncmp(name, PROFILE, sizeof(PROFILE) - 1) == 0;
        if (strcmp(is_profiled ? name + sizeof(PROFILE) - 1 : name, key) != 0) {
            continue;
        }
        config->hidden->is_used[i] = true;
        const bool was_profiled = found != NULL && found->key[0] == '%';
        if (is_profiled || !was_profiled) {
            found = &file->items[i];
        }
    }
    return found;
}

struct tr_config_raw tr_config_lookup(struct tr_config *config, const char *key)
{
    struct tr_config_raw raw = {0};
    const struct tr_property *property =
        find_in_file(config, key); /* marks it as used, also when outranked */
    uint32_t best_rank = 0;

    for (char *const *entry = config->hidden->environment; entry != NULL && *entry != NULL;
         entry++) {
        const char *equals = strchr(*entry, '=');
        const size_t name_bytes = equals == NULL ? 0 : (size_t)(equals - *entry);
        const uint32_t rank =
            name_bytes == 0 ? 0 : tr_config_environment_rank(*entry, name_bytes, key);
        if (rank > best_rank) {
            best_rank = rank;
            raw.value = equals + 1;
            raw.origin.from = TR_CONFIG_FROM_ENVIRONMENT;
            raw.origin.name = *entry; /* up to the equals sign: cut off below */
        }
    }
    if (best_rank > 0) {
        raw.origin.name =
            tr_config_keep(config, raw.origin.name, strlen(key)); /* as long as the key */
    }
    if (best_rank == 0 && property != NULL) {
        raw.value = property->value;
        raw.origin.from = TR_CONFIG_FROM_FILE;
        raw.origin.line = property->line;
    }
    if (raw.value != NULL && raw.value[0] == '\0') {
        raw.value = NULL; /* an empty value counts as absent */
    }
    return raw;
}

static void fail(struct builder *b, const char *what, const char *remedy)
{
    if (!b->has_failed) {
        tr_config_problem(b->config, b->origin, b->key, "%s: %s", what, remedy);
    }
    b->has_failed = true;
}

static void append(struct builder *b, const char *text, size_t bytes)
{
    if (bytes > TR_CONFIG_VALUE_BYTES - 1 - b->bytes) {
        fail(b, "value is too long after its expressions are expanded", "shorten it to 64 KiB");
        return;
    }
    memcpy(b->text + b->bytes, text, bytes);
    b->bytes += bytes;
}

/* Where the expression that begins after its brace ends: at its closing brace, or with the text
 * (lenient syntax). */
static size_t expression_bytes(const char *text, size_t bytes, size_t *colon)
{
    uint32_t open_count = 1;

    *colon = SIZE_MAX;
    for (size_t i = 0; i < bytes; i++) {
        const bool has_next = i + 1 < bytes;
        if (text[i] == '$' && has_next && text[i + 1] == '{') {
            open_count++;
            i++;
        } else if ((text[i] == '$' || text[i] == '\\') && has_next && text[i + 1] == '$') {
            i++;
        } else if (text[i] == '}' && --open_count == 0) {
            return i;
        } else if (text[i] == ':' && open_count == 1 && *colon == SIZE_MAX) {
            *colon = i;
        }
    }
    return bytes;
}

/* `${key}` or `${key:default}`, without its braces. */
static void expand_expression(struct builder *b, const char *text, size_t bytes, size_t colon,
                              uint32_t depth)
{
    const size_t name_bytes = colon == SIZE_MAX ? bytes : colon;
    const size_t name_at = b->bytes;
    char name[512];

    if (colon != SIZE_MAX && colon + 1 < bytes && text[colon + 1] == ':') {
        fail(b, "${handler::secret} needs a secret handler of Quarkus",
             "give the plain value, or an environment variable");
        return;
    }
    expand_span(b, text, name_bytes, depth + 1); /* a name may be built of expressions */
    if (b->has_failed) {
        return;
    }
    if (b->bytes - name_at >= sizeof(name)) {
        fail(b, "an expression's name is too long", "shorten it to 500 bytes");
        return;
    }
    memcpy(name, b->text + name_at, b->bytes - name_at);
    name[b->bytes - name_at] = '\0';
    b->bytes = name_at;
    const struct tr_config_raw raw = tr_config_lookup(b->config, name);
    if (raw.value != NULL) {
        expand_span(b, raw.value, strlen(raw.value), depth + 1);
    } else if (colon != SIZE_MAX) {
        expand_span(b, text + colon + 1, bytes - colon - 1, depth + 1);
    } else {
        char what[640];
        (void)snprintf(what, sizeof(what), "${%s} is set nowhere", name);
        fail(b, what, "set it in the environment or the file, or give a default: ${NAME:default}");
    }
}

/*
 * The expressions of SmallRye Config: `\$` and `$$` are a dollar, a dollar before anything else but
 * `{` is itself. Recursive, against the rule: expressions nest, and the depth is bounded by
 * EXPANSION_DEPTH_MAX.
 */
static void expand_span(struct builder *b, const char *text, size_t bytes, uint32_t depth)
{
    if (depth > EXPANSION_DEPTH_MAX) {
        fail(b, "expressions refer to each other more than 32 deep", "break the circle");
        return;
    }
    if (++b->expression_count > EXPRESSION_COUNT_MAX) {
        fail(b, "more than 10000 expressions in one value", "write it out");
        return;
    }
    for (size_t i = 0; i < bytes && !b->has_failed; i++) {
        const bool has_next = i + 1 < bytes;
        if ((text[i] == '$' || text[i] == '\\') && has_next && text[i + 1] == '$') {
            append(b, "$", 1);
            i++;
        } else if (text[i] == '$' && has_next && text[i + 1] == '{') {
            size_t colon;
            const size_t length = expression_bytes(text + i + 2, bytes - i - 2, &colon);
            expand_expression(b, text + i + 2, length, colon, depth);
            i += 2 + length; /* at the closing brace */
        } else {
            append(b, text + i, 1);
        }
    }
}

const char *tr_config_expand(struct tr_config *config, const char *key,
                             const struct tr_config_raw *raw)
{
    struct builder b = {.config = config, .key = key, .origin = &raw->origin};

    if (strchr(raw->value, '$') == NULL) {
        return tr_config_keep(config, raw->value, strlen(raw->value));
    }
    b.text = malloc(TR_CONFIG_VALUE_BYTES);
    if (b.text == NULL) {
        fail(&b, "out of memory", "free memory and start again");
        return NULL;
    }
    expand_span(&b, raw->value, strlen(raw->value), 1);
    const char *kept = b.has_failed ? NULL : tr_config_keep(config, b.text, b.bytes);
    free(b.text);
    return kept;
}

/* The whole file into `*text` (the caller frees it); false with a problem added. */
static bool read_whole(struct tr_config *config, const char *path, char **text, size_t *bytes)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    size_t got = 0;

    *text = NULL;
    if (fd == -1 || fstat(fd, &about) == -1) {
        tr_config_problem(config, NULL, path, "%s: check the path given by -c and its permissions",
                          strerrordesc_np(errno));
    } else if (!S_ISREG(about.st_mode) || about.st_size > FILE_BYTES_MAX) {
        tr_config_problem(config, NULL, path,
                          "not a file of at most %d bytes: name an application.properties",
                          FILE_BYTES_MAX);
    } else {
        *text = malloc((size_t)about.st_size + 1);
    }
    while (*text != NULL && got < (size_t)about.st_size) {
        const ssize_t part = read(fd, *text + got, (size_t)about.st_size - got);
        if (part == 0) {
            break; /* it became shorter meanwhile */
        }
        if (part == -1 && errno != EINTR) {
            tr_config_problem(config, NULL, path, "%s: check the disk", strerrordesc_np(errno));
            free(*text);
            *text = NULL;
        }
        got += part > 0 ? (size_t)part : 0;
    }
    if (fd != -1) {
        (void)close(fd); /* read only */
    }
    *bytes = got;
    return *text != NULL;
}

void tr_config_read_file(struct tr_config *config, const struct tr_config_request *request)
{
    const char *path = request->file_path;
    struct tr_error err;
    char *text;
    size_t bytes;

    config->file_path = "";
    for (size_t i = 0; path == NULL && i < sizeof(usual_paths) / sizeof(usual_paths[0]); i++) {
        if (access(usual_paths[i], F_OK) == 0) {
            path = usual_paths[i];
        }
    }
    if (path == NULL) {
        return; /* everything may come from the environment */
    }
    const char *kept = tr_config_keep(config, path, strlen(path));
    if (kept == NULL || !read_whole(config, path, &text, &bytes)) {
        return;
    }
    config->file_path = kept;
    if (tr_properties_parse(&config->hidden->file, tr_span_of(text, bytes), &err) != TR_OK) {
        tr_config_problem(config, NULL, path, "%s", err.text);
    }
    free(text);
    config->hidden->is_used = calloc((size_t)config->hidden->file.count + 1, sizeof(bool));
    if (config->hidden->is_used == NULL) {
        tr_properties_deinit(&config->hidden->file);
        tr_config_problem(config, NULL, path, "out of memory: free memory and start again");
    }
}
