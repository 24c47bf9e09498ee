/* The one file that knows simdjson (and the one file of C++).
 *
 * simdjson's DOM parser finds all structure of a document with SIMD in a first pass and writes a flat "tape" in a second:
 * one pass over everything, so what no one asks for is checked as well. (Its on-demand parser skips unknown values
 * unchecked and is for that reason not used, though it is faster.) The tape's values are handed out as plain C.
 * Lemire, Langdale, "Parsing gigabytes of JSON per second", VLDB Journal 28, 2019.
 *
 * An error about a number is explained further: not JSON, too big an integer, or not finite. */
#include "decode/json.h"

#include <simdjson.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>

#include "decode/cut.h"
#include "decode/nan.h"

#define _Noreturn [[noreturn]] /* C17's word, in C++ */
extern "C" {
#include "base/check.h"
}
#undef _Noreturn

namespace dom = simdjson::dom;

struct json {
    dom::parser parser;
    simdjson::internal::string_builder<> minified;
    const char *words = "";
    char named[200]; /* words that name a field */
};

static_assert(std::is_trivially_copyable<dom::object>::value &&
                  std::is_trivially_copyable<dom::array>::value &&
                  std::is_trivially_copyable<dom::array::iterator>::value,
              "places are copied as bytes");
static_assert(sizeof(dom::object) == sizeof(json_place) &&
                  sizeof(dom::array) == sizeof(json_place) &&
                  sizeof(dom::array::iterator) == sizeof(json_place),
              "a place is simdjson's two words");
static_assert(JSON_PADDING >= simdjson::SIMDJSON_PADDING, "padding");

template <typename T> static json_place place_of(const T &t)
{
    json_place p;
    std::memcpy(static_cast<void *>(&p), static_cast<const void *>(&t), sizeof p);
    return p;
}

template <typename T> static T from_place(const json_place &p)
{
    T t;
    std::memcpy(static_cast<void *>(&t), static_cast<const void *>(&p), sizeof p);
    return t;
}

static zl_span span_of(std::string_view s)
{
    return zl_span{s.data(), s.size()};
}

static void value_of(dom::element e, json_value *out)
{
    switch (e.type()) {
    case dom::element_type::ARRAY:
        out->kind = JSON_ARRAY;
        out->in = place_of(dom::array(e.get_array().value_unsafe()));
        break;
    case dom::element_type::OBJECT:
        out->kind = JSON_OBJECT;
        out->in = place_of(dom::object(e.get_object().value_unsafe()));
        break;
    case dom::element_type::INT64:
        out->kind = JSON_INTEGER;
        out->integer = e.get_int64().value_unsafe();
        break;
    case dom::element_type::UINT64:
        out->kind = JSON_BIG;
        out->integer = INT64_MAX;
        break;
    case dom::element_type::DOUBLE:
        out->kind = JSON_DOUBLE;
        out->number = e.get_double().value_unsafe();
        break;
    case dom::element_type::STRING:
        out->kind = JSON_STRING;
        out->text = span_of(e.get_string().value_unsafe());
        break;
    case dom::element_type::BOOL:
        out->kind = JSON_BOOL;
        out->integer = e.get_bool().value_unsafe();
        break;
    case dom::element_type::NULL_VALUE:
        out->kind = JSON_NULL;
        out->integer = 0;
        break;
    }
}

extern "C" struct json *decode_json_open(void)
{
    json *j = new (std::nothrow) json;
    ASSERT(j);
    return j;
}

extern "C" void decode_json_close(struct json *j)
{
    delete j;
}

/* Buffers grow in powers of two, so that messages of slowly growing length do not allocate each time. */
static bool make_room(json *j, size_t len)
{
    if (len <= j->parser.capacity() && j->parser.max_depth() == JSON_MAX_DEPTH)
        return true;
    size_t capacity = 4096;
    while (capacity < len)
        capacity *= 2;
    return j->parser.allocate(capacity, JSON_MAX_DEPTH) == simdjson::SUCCESS;
}

static json_status refuse(json *j, json_status status, const char *words)
{
    j->words = words;
    return status;
}

static json_status bad_document(json *j, const char *text, size_t len, const char *words)
{
    bool found = decode_nan_explain(zl_span{text, len}, j->named, sizeof j->named);
    return refuse(j, JSON_BAD, found ? j->named : words);
}

static json_status explain(json *j, const char *text, size_t len, simdjson::error_code error)
{
    if (!simdjson::validate_utf8(text, len))
        return refuse(j, JSON_BAD_UTF8, "the bytes are not UTF-8");
    switch (error) {
    case simdjson::NUMBER_ERROR:
        switch (decode_cut_number_fault(zl_span{text, len})) {
        case CUT_INTEGER_TOO_BIG:
            return refuse(j, JSON_TOO_BIG_INTEGER, "an integer is beyond 64 bits");
        case CUT_FLOAT_TOO_BIG:
            return refuse(j, JSON_TOO_BIG_FLOAT, "a number is beyond the range of a double");
        case CUT_NOT_A_NUMBER: break;
        }
        return bad_document(j, text, len, "a number is not written as JSON wants");
    case simdjson::DEPTH_ERROR: return refuse(j, JSON_BAD, "nested deeper than 32");
    case simdjson::EMPTY: return refuse(j, JSON_BAD, "empty message");
    case simdjson::STRING_ERROR:
        return refuse(j, JSON_BAD, "a string has a bad escape, or half of a surrogate pair");
    case simdjson::UNESCAPED_CHARS:
        return refuse(j, JSON_BAD, "a string has a raw control character");
    case simdjson::UNCLOSED_STRING: return refuse(j, JSON_BAD, "a string does not end");
    default: return bad_document(j, text, len, "not a JSON document");
    }
}

extern "C" enum json_status decode_json_parse(struct json *j, const char *text, size_t len,
                                              struct json_value *root)
{
    ASSERT(make_room(j, len));
    dom::element e;
    simdjson::error_code error = j->parser.parse(text, len, false).get(e);
    if (error != simdjson::SUCCESS)
        return explain(j, text, len, error);
    value_of(e, root);
    return JSON_OK;
}

extern "C" const char *decode_json_words(const struct json *j)
{
    return j->words;
}

static json_member *members_add(json_members *m)
{
    if (m->n == m->capacity) {
        m->capacity = m->capacity ? m->capacity * 2 : 64;
        m->at = static_cast<json_member *>(xrealloc(m->at, m->capacity, sizeof *m->at));
    }
    return &m->at[m->n++];
}

extern "C" void decode_json_object_members(const struct json_value *object,
                                           struct json_members *out)
{
    out->n = 0;
    for (dom::key_value_pair field : from_place<dom::object>(object->in)) {
        json_member *m = members_add(out);
        m->key = span_of(field.key);
        value_of(field.value, &m->value);
    }
}

extern "C" void decode_json_members_release(struct json_members *m)
{
    std::free(m->at);
    *m = json_members{};
}

extern "C" void decode_json_array_begin(const struct json_value *array, struct json_array *out)
{
    dom::array a = from_place<dom::array>(array->in);
    out->next = place_of(a.begin());
    out->end = place_of(a.end());
}

extern "C" bool decode_json_array_next(struct json_array *a, struct json_value *out)
{
    auto at = from_place<dom::array::iterator>(a->next);
    if (!(at != from_place<dom::array::iterator>(a->end)))
        return false;
    value_of(*at, out);
    a->next = place_of(++at);
    return true;
}

extern "C" struct zl_span decode_json_minify(struct json *j, const struct json_value *value)
{
    j->minified.clear();
    if (value->kind == JSON_OBJECT)
        j->minified.append(from_place<dom::object>(value->in));
    else if (value->kind == JSON_ARRAY)
        j->minified.append(from_place<dom::array>(value->in));
    return span_of(j->minified.str());
}

extern "C" bool decode_json_is_utf8(const char *text, size_t len)
{
    return simdjson::validate_utf8(text, len);
}
