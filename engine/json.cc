// SPDX-License-Identifier: Apache-2.0
#define SIMDJSON_EXCEPTIONS 0

#include <cstdint>
#include <cstring>
#include <new>
#include <simdjson.h>
#include <string_view>

/* Our headers are C, this is the only place where C++ reads them: C linkage, and C's literals in inline functions. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
extern "C" {
#include "engine/assert.h"
#include "engine/json.h"
#include "engine/pool.h"
}
#pragma GCC diagnostic pop

namespace ondemand = simdjson::ondemand;

static_assert(TR_JSON_PADDING_BYTES >= simdjson::SIMDJSON_PADDING,
              "what the header promises is what simdjson reads");

/* One container that was entered. */
struct frame {
    bool is_array;
    bool is_started; /* its first member or element was handed out */
    ondemand::object_iterator member;
    ondemand::array_iterator element;
};

struct tr_json_reader {
    ondemand::parser parser;
    ondemand::document document;
    ondemand::value value; /* the current one, unless it is the root: `document` then */
    bool has_value;
    bool is_at_root;
    const uint8_t *text; /* what is read; borrows: the caller's or `copy` */
    uint8_t *copy;       /* owns; mapped, bytes_max + padding */
    size_t bytes_max;
    uint32_t depth;
    const char *failure; /* static; NULL = none */
    size_t failure_at_bytes;
    struct frame frames[TR_JSON_DEPTH_MAX];
};

/* Notes the first failure and where the parser stood. Always false. */
static bool fail(struct tr_json_reader *reader, const char *what)
{
    if (reader->failure == nullptr) {
        const char *at = nullptr;
        reader->failure = what;
        reader->failure_at_bytes = 0;
        if (reader->text != nullptr && reader->document.is_alive() &&
            reader->document.current_location().get(at) == simdjson::SUCCESS) {
            reader->failure_at_bytes =
                static_cast<size_t>(reinterpret_cast<const uint8_t *>(at) - reader->text);
        }
    }
    reader->has_value = false;
    return false;
}

static bool fail(struct tr_json_reader *reader, simdjson::error_code error)
{
    return fail(reader, simdjson::error_message(error)); /* a table of static texts */
}

/* Whether there is a current value; from here on it counts as consumed. */
static bool take_value(struct tr_json_reader *reader)
{
    if (reader->failure != nullptr) {
        return false;
    }
    TR_ASSERT(reader->has_value);
    reader->has_value = false;
    return true;
}

/* The same for a value of one type. The root, an object or an array, never passes: it is no ondemand::value. */
static bool take_value_of(struct tr_json_reader *reader, enum tr_json_type type, const char *want)
{
    TR_ASSERT(reader->failure != nullptr || reader->has_value);
    if (reader->failure == nullptr && tr_json_type(reader) != type) {
        return fail(reader, want);
    }
    return take_value(reader);
}

size_t tr_json_memory_bytes(size_t bytes_max)
{
    /* Copy, simdjson's string buffer (5/3) and its index (4 bytes for each byte at worst). */
    return sizeof(struct tr_json_reader) + bytes_max + 5 * bytes_max / 3 + 4 * bytes_max + 4096;
}

enum tr_code tr_json_open(struct tr_json_reader **reader, size_t bytes_max, struct tr_error *err)
{
    *reader = nullptr;
    TR_ASSERT(bytes_max > 0);
    auto *opened = new (std::nothrow) struct tr_json_reader();
    if (opened == nullptr) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "JSON reader: the system refused the memory");
    }
    opened->bytes_max = bytes_max;
    opened->failure = "no document was begun";
    opened->copy = static_cast<uint8_t *>(tr_memory_map(bytes_max + TR_JSON_PADDING_BYTES, err));
    if (opened->copy == nullptr || opened->parser.allocate(bytes_max) != simdjson::SUCCESS) {
        tr_json_close(opened);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "JSON reader for %zu bytes: the system refused the memory", bytes_max);
    }
    *reader = opened;
    return TR_OK;
}

void tr_json_close(struct tr_json_reader *reader)
{
    if (reader != nullptr) {
        tr_memory_unmap(reader->copy, reader->bytes_max + TR_JSON_PADDING_BYTES);
        delete reader;
    }
}

void tr_json_begin(struct tr_json_reader *reader, struct tr_span text)
{
    if (text.bytes <= reader->bytes_max && text.bytes > 0) {
        memcpy(reader->copy, text.data, text.bytes);
        memset(reader->copy + text.bytes, ' ', TR_JSON_PADDING_BYTES);
        text.data = reader->copy;
    }
    tr_json_begin_padded(reader, text);
}

void tr_json_begin_padded(struct tr_json_reader *reader, struct tr_span text)
{
    reader->failure = nullptr;
    reader->text = nullptr;
    reader->has_value = false;
    reader->depth = 0;
    if (text.bytes > reader->bytes_max) {
        (void)fail(reader, "the text is longer than this reader takes");
        return;
    }
    if (text.bytes == 0) {
        (void)fail(reader, "the text is empty");
        return;
    }
    const simdjson::error_code error =
        reader->parser.iterate(text.data, text.bytes, text.bytes + simdjson::SIMDJSON_PADDING)
            .get(reader->document);
    if (error != simdjson::SUCCESS) {
        (void)fail(reader, error);
        return;
    }
    reader->text = text.data;
    reader->has_value = true;
    reader->is_at_root = true;
    const enum tr_json_type type = tr_json_type(reader);
    if (type != TR_JSON_TYPE_OBJECT && type != TR_JSON_TYPE_ARRAY) {
        (void)fail(reader, "want an object or an array");
    }
}

bool tr_json_is_failed(const struct tr_json_reader *reader)
{
    return reader->failure != nullptr;
}

enum tr_code tr_json_finish(struct tr_json_reader *reader, struct tr_error *err)
{
    if (reader->failure == nullptr) {
        return TR_OK;
    }
    return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "JSON near byte %zu: %s",
                   reader->failure_at_bytes, reader->failure);
}

void tr_json_fail(struct tr_json_reader *reader, const char *what)
{
    (void)fail(reader, what);
}

enum tr_json_type tr_json_type(struct tr_json_reader *reader)
{
    ondemand::json_type type;

    if (reader->failure != nullptr || !reader->has_value) {
        return TR_JSON_TYPE_FAILED;
    }
    const simdjson::error_code error =
        reader->is_at_root ? reader->document.type().get(type) : reader->value.type().get(type);
    if (error != simdjson::SUCCESS) {
        (void)fail(reader, error);
        return TR_JSON_TYPE_FAILED;
    }
    switch (type) {
    case ondemand::json_type::object:
        return TR_JSON_TYPE_OBJECT;
    case ondemand::json_type::array:
        return TR_JSON_TYPE_ARRAY;
    case ondemand::json_type::string:
        return TR_JSON_TYPE_STRING;
    case ondemand::json_type::number:
        return TR_JSON_TYPE_NUMBER;
    case ondemand::json_type::boolean:
        return TR_JSON_TYPE_BOOL;
    case ondemand::json_type::null:
        return TR_JSON_TYPE_NULL;
    }
    return TR_JSON_TYPE_FAILED;
}

/* A fresh frame for the current value, which is consumed; NULL when failed. */
static struct frame *push_frame(struct tr_json_reader *reader, bool is_array)
{
    if (!take_value(reader)) {
        return nullptr;
    }
    if (reader->depth == TR_JSON_DEPTH_MAX) {
        (void)fail(reader, "nested too deeply");
        return nullptr;
    }
    struct frame *frame = &reader->frames[reader->depth];
    reader->depth++;
    frame->is_array = is_array;
    frame->is_started = false;
    return frame;
}

/* Leaves the innermost container, which has come to its end. Always false. */
static bool pop_frame(struct tr_json_reader *reader)
{
    reader->depth--;
    if (reader->depth == 0 &&
        reader->document.current_location().error() != simdjson::OUT_OF_BOUNDS) {
        return fail(reader, "there is text after the document's end");
    }
    return false;
}

bool tr_json_enter_object(struct tr_json_reader *reader)
{
    ondemand::object object;
    struct frame *frame = push_frame(reader, false);

    if (frame == nullptr) {
        return false;
    }
    simdjson::error_code error = reader->is_at_root ? reader->document.get_object().get(object)
                                                    : reader->value.get_object().get(object);
    reader->is_at_root = false;
    if (error == simdjson::SUCCESS) {
        error = object.begin().get(frame->member);
    }
    return error == simdjson::SUCCESS || fail(reader, error);
}

bool tr_json_enter_array(struct tr_json_reader *reader)
{
    ondemand::array array;
    struct frame *frame = push_frame(reader, true);

    if (frame == nullptr) {
        return false;
    }
    simdjson::error_code error = reader->is_at_root ? reader->document.get_array().get(array)
                                                    : reader->value.get_array().get(array);
    reader->is_at_root = false;
    if (error == simdjson::SUCCESS) {
        error = array.begin().get(frame->element);
    }
    return error == simdjson::SUCCESS || fail(reader, error);
}

/* A member's name: in place where nothing is escaped. */
static bool read_name(struct tr_json_reader *reader, ondemand::field *field, struct tr_span *name)
{
    const char *at = field->key().raw();
    const char *end = at;

    while (*end != '"' && *end != '\\') { /* stage 1 saw the closing quote */
        end++;
    }
    if (*end == '"') {
        *name = tr_span_of(at, static_cast<size_t>(end - at));
        return true;
    }
    std::string_view unescaped;
    const simdjson::error_code error = field->unescaped_key().get(unescaped);
    if (error != simdjson::SUCCESS) {
        return fail(reader, error);
    }
    *name = tr_span_of(unescaped.data(), unescaped.size());
    return true;
}

bool tr_json_next_member(struct tr_json_reader *reader, struct tr_span *name)
{
    *name = tr_span_of(nullptr, 0);
    if (reader->failure != nullptr) {
        return false;
    }
    TR_ASSERT(reader->depth > 0);
    struct frame *frame = &reader->frames[reader->depth - 1];
    TR_ASSERT(!frame->is_array);
    if (frame->is_started) {
        ++frame->member; /* skips what was not read; an error shows below */
    }
    frame->is_started = true;
    if (!(frame->member != frame->member)) { /* the iterator's way to say: at the end */
        return pop_frame(reader);
    }
    ondemand::field field;
    const simdjson::error_code error = (*frame->member).get(field);
    if (error != simdjson::SUCCESS) {
        return fail(reader, error);
    }
    if (!read_name(reader, &field, name)) {
        return false;
    }
    reader->value = field.value();
    reader->has_value = true;
    return true;
}

bool tr_json_next_element(struct tr_json_reader *reader)
{
    if (reader->failure != nullptr) {
        return false;
    }
    TR_ASSERT(reader->depth > 0);
    struct frame *frame = &reader->frames[reader->depth - 1];
    TR_ASSERT(frame->is_array);
    if (frame->is_started) {
        ++frame->element; /* skips what was not read; an error shows below */
    }
    frame->is_started = true;
    if (!(frame->element != frame->element)) { /* the iterator's way to say: at the end */
        return pop_frame(reader);
    }
    const simdjson::error_code error = (*frame->element).get(reader->value);
    if (error != simdjson::SUCCESS) {
        return fail(reader, error);
    }
    reader->has_value = true;
    return true;
}

struct tr_span tr_json_get_text(struct tr_json_reader *reader)
{
    const struct tr_span none = {nullptr, 0};

    if (!take_value_of(reader, TR_JSON_TYPE_STRING, "want a string")) {
        return none;
    }
    /* From the value to the next token: the string and white space. */
    std::string_view token = reader->value.raw_json_token();
    std::string_view unescaped;
    while (token.size() > 2 && token.back() != '"') {
        token.remove_suffix(1);
    }
    const char *content = token.data() + 1;
    const size_t content_bytes = token.size() < 2 ? 0 : token.size() - 2;
    if (token.size() >= 2 && token.back() == '"' &&
        memchr(content, '\\', content_bytes) == nullptr) {
        /* Moves the parser behind the value without copying it. */
        ondemand::raw_json_string ignored;
        const simdjson::error_code error = reader->value.get_raw_json_string().get(ignored);
        if (error != simdjson::SUCCESS) {
            (void)fail(reader, error);
            return none;
        }
        return tr_span_of(content, content_bytes);
    }
    const simdjson::error_code error = reader->value.get_string().get(unescaped);
    if (error != simdjson::SUCCESS) {
        (void)fail(reader, error);
        return none;
    }
    return tr_span_of(unescaped.data(), unescaped.size());
}

struct tr_span tr_json_get_text_or_null(struct tr_json_reader *reader)
{
    bool is_null = false;

    if (tr_json_type(reader) != TR_JSON_TYPE_NULL) {
        return tr_json_get_text(reader);
    }
    if (take_value(reader) &&
        (reader->value.is_null().get(is_null) != simdjson::SUCCESS || !is_null)) {
        (void)fail(reader, "want a string or null");
    }
    return tr_span_of(nullptr, 0);
}

int64_t tr_json_get_int64(struct tr_json_reader *reader)
{
    int64_t number = 0;

    if (take_value_of(reader, TR_JSON_TYPE_NUMBER, "want an integer")) {
        const simdjson::error_code error = reader->value.get_int64().get(number);
        if (error != simdjson::SUCCESS) {
            (void)fail(reader, "want an integer");
            return 0;
        }
    }
    return number;
}

uint64_t tr_json_get_uint64(struct tr_json_reader *reader)
{
    uint64_t number = 0;

    if (take_value_of(reader, TR_JSON_TYPE_NUMBER, "want an integer from 0 up")) {
        const simdjson::error_code error = reader->value.get_uint64().get(number);
        if (error != simdjson::SUCCESS) {
            (void)fail(reader, "want an integer from 0 up");
            return 0;
        }
    }
    return number;
}

double tr_json_get_double(struct tr_json_reader *reader)
{
    double number = 0;

    if (take_value_of(reader, TR_JSON_TYPE_NUMBER, "want a number")) {
        const simdjson::error_code error = reader->value.get_double().get(number);
        if (error != simdjson::SUCCESS) {
            (void)fail(reader, "want a number");
            return 0;
        }
    }
    return number;
}

bool tr_json_get_bool(struct tr_json_reader *reader)
{
    bool is_true = false;

    if (take_value_of(reader, TR_JSON_TYPE_BOOL, "want true or false")) {
        const simdjson::error_code error = reader->value.get_bool().get(is_true);
        if (error != simdjson::SUCCESS) {
            return fail(reader, "want true or false");
        }
    }
    return is_true;
}

struct tr_span tr_json_get_raw(struct tr_json_reader *reader)
{
    std::string_view raw;

    if (!take_value(reader)) {
        return tr_span_of(nullptr, 0);
    }
    const simdjson::error_code error = reader->is_at_root
                                           ? simdjson::to_json_string(reader->document).get(raw)
                                           : simdjson::to_json_string(reader->value).get(raw);
    reader->is_at_root = false;
    if (error != simdjson::SUCCESS) {
        (void)fail(reader, error);
        return tr_span_of(nullptr, 0);
    }
    return tr_span_of(raw.data(), raw.size());
}
