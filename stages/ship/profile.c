// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/profile.h"

#include <string.h>

/* The keys that are read, and where their values go. */
struct known_key {
    const char *name;
    size_t offset;
    size_t room_bytes;
};

static const struct known_key text_keys[] = {
    {"aws_access_key_id", offsetof(struct tr_profile, key_id), TR_AWS_KEY_ID_BYTES_MAX + 1},
    {"aws_secret_access_key", offsetof(struct tr_profile, secret), TR_AWS_SECRET_BYTES_MAX + 1},
    {"aws_session_token", offsetof(struct tr_profile, token), TR_AWS_TOKEN_BYTES_MAX + 1},
    {"region", offsetof(struct tr_profile, region), sizeof(((struct tr_profile *)0)->region)},
    {"endpoint_url", offsetof(struct tr_profile, endpoint_url),
     sizeof(((struct tr_profile *)0)->endpoint_url)},
};

static struct tr_span next_line(struct tr_cursor *cursor);
static struct tr_span trimmed(struct tr_span text);
static bool is_section_of(struct tr_span line, enum tr_profile_file file, const char *name);
static void take_setting(struct tr_span line, enum tr_profile_file file,
                         struct tr_profile *profile);
static void take_value(struct tr_span key, struct tr_span value, struct tr_profile *profile);

void tr_profile_parse(struct tr_span text, enum tr_profile_file file, const char *name,
                      struct tr_profile *profile)
{
    static const uint8_t byte_order_mark[] = {0xEF, 0xBB, 0xBF};
    struct tr_cursor cursor = tr_cursor_of(text);
    if (text.bytes >= sizeof(byte_order_mark) &&
        memcmp(text.data, byte_order_mark, sizeof(byte_order_mark)) == 0) {
        (void)tr_cursor_take(&cursor, sizeof(byte_order_mark));
    }
    bool inside = false;
    while (tr_cursor_remaining(&cursor) > 0) {
        const struct tr_span line = next_line(&cursor);
        if (line.bytes == 0 || line.data[0] == '#' || line.data[0] == ';') {
            continue;
        }
        if (line.data[0] == '[') {
            inside = is_section_of(line, file, name);
            profile->found = profile->found || inside;
            continue;
        }
        if (inside && line.data[0] != ' ' && line.data[0] != '\t') {
            take_setting(line, file, profile);
        }
    }
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* The bytes up to the next line feed, which is taken too. */
static struct tr_span next_line(struct tr_cursor *cursor)
{
    const size_t remaining = tr_cursor_remaining(cursor);
    const uint8_t *feed = memchr(cursor->at, '\n', remaining);
    if (feed == NULL) {
        return tr_cursor_span(cursor, remaining);
    }
    struct tr_span line = tr_cursor_span(cursor, (size_t)(feed - cursor->at) + 1);
    line.bytes -= 1;
    return line;
}

static struct tr_span trimmed(struct tr_span text)
{
    while (text.bytes > 0 && is_blank(text.data[0])) {
        text.data += 1;
        text.bytes -= 1;
    }
    while (text.bytes > 0 && is_blank(text.data[text.bytes - 1])) {
        text.bytes -= 1;
    }
    return text;
}

static bool is_section_of(struct tr_span line, enum tr_profile_file file, const char *name)
{
    static const char prefix[] = "profile";
    const uint8_t *close = memchr(line.data, ']', line.bytes);
    if (close == NULL) {
        return false;
    }
    struct tr_span section = trimmed(tr_span_of(line.data + 1, (size_t)(close - line.data) - 1));
    if (file == TR_PROFILE_CONFIG) {
        const size_t prefix_bytes = sizeof(prefix) - 1;
        if (section.bytes > prefix_bytes && memcmp(section.data, prefix, prefix_bytes) == 0 &&
            is_blank(section.data[prefix_bytes])) {
            section =
                trimmed(tr_span_of(section.data + prefix_bytes, section.bytes - prefix_bytes));
        } else if (!tr_span_equals(section, tr_span_of_text("default"))) {
            return false; /* [sso-session …], [services …], or a bare name, which the config file
                             does not allow */
        }
    }
    return tr_span_equals(section, tr_span_of_text(name));
}

static void take_setting(struct tr_span line, enum tr_profile_file file, struct tr_profile *profile)
{
    const uint8_t *equals = memchr(line.data, '=', line.bytes);
    if (equals == NULL) {
        return;
    }
    const size_t key_bytes = (size_t)(equals - line.data);
    struct tr_span value = tr_span_of(equals + 1, line.bytes - key_bytes - 1);
    if (file == TR_PROFILE_CONFIG) {
        /* A comment may follow a value after a blank. */
        for (size_t i = 1; i < value.bytes; i++) {
            if ((value.data[i] == '#' || value.data[i] == ';') && is_blank(value.data[i - 1])) {
                value.bytes = i;
            }
        }
    }
    take_value(trimmed(tr_span_of(line.data, key_bytes)), trimmed(value), profile);
}

static void take_value(struct tr_span key, struct tr_span value, struct tr_profile *profile)
{
    if (value.bytes == 0 || memchr(value.data, '\0', value.bytes) != NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof(text_keys) / sizeof(text_keys[0]); i++) {
        if (!tr_span_equals(key, tr_span_of_text(text_keys[i].name))) {
            continue;
        }
        char *out = (char *)profile + text_keys[i].offset;
        if (value.bytes >= text_keys[i].room_bytes) {
            profile->too_long = text_keys[i].name;
        } else if (out[0] == '\0') {
            memcpy(out, value.data, value.bytes);
            out[value.bytes] = '\0';
        }
        return;
    }
    if (tr_span_equals(key, tr_span_of_text("role_arn"))) {
        profile->has_role = true;
    } else if (tr_span_equals(key, tr_span_of_text("web_identity_token_file"))) {
        profile->has_web_identity = true;
    } else if (tr_span_equals(key, tr_span_of_text("credential_process"))) {
        profile->has_process = true;
    } else if ((key.bytes >= 4 && memcmp(key.data, "sso_", 4) == 0) ||
               tr_span_equals(key, tr_span_of_text("login_session"))) {
        profile->has_sso = true;
    }
}
