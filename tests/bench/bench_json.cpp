// SPDX-License-Identifier: MIT
// JSON numbers: softmaxd beside simdjson, Jansson, yyjson, strtof,
// std::to_chars, fmt and printf, and with RUST_PEERS beside Rust's crates
// (json_peers/). One thread; every contestant once a round, the median of all
// rounds. Prints a table and writes the ratios to the file that is named.
#include "bench_json.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fmt/compile.h>
#include <fmt/format.h>
#include <functional>
#include <gnu/libc-version.h>
#include <jansson.h>
#include <map>
#include <simdjson.h>
#include <string>
#include <vector>

#if __has_include(<yyjson.h>)
#include <yyjson.h>
#endif

#ifdef RUST_PEERS
extern "C" {
size_t read_sonic_rs(const char *text, size_t bytes, float *values);
size_t read_simd_json(const char *text, size_t bytes, float *values);
size_t read_fast_float2(const char *text, size_t bytes, float *values);
size_t read_lexical(const char *text, size_t bytes, float *values);
size_t write_zmij_float(const float *values, size_t count);
size_t write_zmij_double(const double *values, size_t count);
size_t write_ryu_float(const float *values, size_t count);
size_t write_ryu_double(const double *values, size_t count);
size_t write_lexical_float(const float *values, size_t count);
size_t write_lexical_double(const double *values, size_t count);
}
#endif

namespace
{

constexpr size_t ROWS = 128, CLASSES = 8192, COUNT = ROWS * CLASSES;

struct contestant {
    std::string op, data, name;
    std::function<size_t()> run; // returns how many numbers, or bytes
    bool rare = false;           // slow: in every third round only
    std::vector<double> seconds = {};

    double ns() const
    {
        auto sorted = seconds;
        std::sort(sorted.begin(), sorted.end());
        return sorted[sorted.size() / 2] * 1e9 / COUNT;
    }
};

// A version and the year that it is of.
struct edition {
    std::string version, year;
};

std::string dotted(int major, int minor, int revision)
{
    return std::to_string(major) + "." + std::to_string(minor) + "." +
           std::to_string(revision);
}

// Those of the crates stand in json_peers/Cargo.toml; the years are those of
// the versions in Debian 12 and on crates.io, others have none here.
edition edition_of(const std::string &name)
{
    static const std::map<std::string, std::string> versions = {
        {"simdjson", dotted(simdjson::SIMDJSON_VERSION_MAJOR,
                            simdjson::SIMDJSON_VERSION_MINOR,
                            simdjson::SIMDJSON_VERSION_REVISION)},
        {"fmt", dotted(FMT_VERSION / 10000, FMT_VERSION / 100 % 100,
                       FMT_VERSION % 100)},
        {"jansson", JANSSON_VERSION},
        {"to_chars", "gcc " + dotted(__GNUC__, __GNUC_MINOR__, 0)},
        {"strtof", std::string("glibc ") + gnu_get_libc_version()},
        {"printf", std::string("glibc ") + gnu_get_libc_version()},
#ifdef YYJSON_VERSION_STRING
        {"yyjson", YYJSON_VERSION_STRING},
#endif
        {"zmij", "1.0.23"},
        {"ryu", "1.0.23"},
        {"sonic-rs", "0.5.10"},
        {"simd-json", "0.19.0"},
        {"fast-float2", "0.2.4"},
        {"lexical-core", "1.0.6"}};
    static const std::map<std::string, std::string> years = {
        {"simdjson 3.0.1", "2022"},      {"fmt 9.1.0", "2022"},
        {"yyjson 0.10.0", "2024"},       {"jansson 2.14", "2021"},
        {"to_chars gcc 12.2.0", "2022"}, {"strtof glibc 2.36", "2022"},
        {"printf glibc 2.36", "2022"},   {"zmij 1.0.23", "2026"},
        {"ryu 1.0.23", "2026"},          {"sonic-rs 0.5.10", "2026"},
        {"simd-json 0.19.0", "2026"},    {"fast-float2 0.2.4", "2026"},
        {"lexical-core 1.0.6", "2025"}};
    auto version = versions.find(name);
    if (version == versions.end())
        return {"", ""};
    auto year = years.find(name + " " + version->second);
    return {version->second, year == years.end() ? "" : year->second};
}

// Standard normal numbers, the same in every run: a 64-bit congruential
// generator and Box-Muller.
class normal
{
    uint64_t state = 1;

    double unit()
    {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return (double)((state >> 11) + 1) * 0x1p-53;
    }

  public:
    double operator()()
    {
        double radius = std::sqrt(-2 * std::log(unit()));
        return radius * std::cos(2 * M_PI * unit());
    }
};

// {"logits":[[...]]} with the digits that float has, or double.
template <class number> std::string body(const std::vector<float> &logits)
{
    std::string text = "{\"logits\":[";
    char digits[40];
    for (size_t i = 0; i < COUNT; i++) {
        text += i % CLASSES ? "," : i ? "],[" : "[";
        text.append(digits, std::to_chars(digits, digits + sizeof digits,
                                          (number)logits[i])
                                .ptr);
    }
    return text + "]]}";
}

size_t read_jansson(const std::string &text, float *values)
{
    json_t *document = json_loadb(text.data(), text.size(), 0, nullptr);
    json_t *row, *value;
    size_t i, k, n = 0;
    json_array_foreach(json_object_get(document, "logits"), i, row)
        json_array_foreach(row, k, value) values[n++] =
            (float)json_number_value(value);
    json_decref(document);
    return n;
}

#ifdef YYJSON_VERSION_STRING
size_t read_yyjson(const std::string &text, float *values)
{
    yyjson_doc *document = yyjson_read(text.data(), text.size(), 0);
    yyjson_val *row, *value;
    size_t i, k, rows, columns, n = 0;
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(document), "logits"),
                       i, rows, row) yyjson_arr_foreach(row, k, columns, value)
        values[n++] = (float)yyjson_get_num(value);
    yyjson_doc_free(document);
    return n;
}

size_t write_yyjson(const std::vector<double> &values)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(nullptr);
    yyjson_mut_doc_set_root(
        document,
        yyjson_mut_arr_with_real(document, values.data(), values.size()));
    size_t bytes = 0;
    free(yyjson_mut_write(document, 0, &bytes));
    yyjson_mut_doc_free(document);
    return bytes;
}
#endif

size_t read_strtof(const std::string &text, float *values)
{
    size_t n = 0;
    for (const char *p = text.c_str(); *p;)
        if ((*p >= '0' && *p <= '9') || *p == '-') {
            char *end;
            values[n++] = strtof(p, &end);
            p = end;
        } else {
            p++;
        }
    return n;
}

size_t read_simdjson(simdjson::ondemand::parser &parser,
                     const simdjson::padded_string &text, float *values)
{
    size_t n = 0;
    auto document = parser.iterate(text);
    for (auto row : document["logits"].get_array())
        for (auto value : row.get_array())
            values[n++] = (float)(double)value.get_double();
    return n;
}

void add_readers(std::vector<contestant> &all, const std::string &data,
                 const std::string &text, simdjson::ondemand::parser &parser,
                 const simdjson::padded_string &padded, float *values)
{
    all.push_back({"read", data, "softmaxd", [&text] {
                       return codec_read_float32(text.data(), text.size(),
                                                 nullptr);
                   }});
    all.push_back({"read", data, "simdjson", [&parser, &padded, values] {
                       return read_simdjson(parser, padded, values);
                   }});
    all.push_back({"read", data, "strtof",
                   [&text, values] { return read_strtof(text, values); },
                   true});
    all.push_back({"read", data, "jansson",
                   [&text, values] { return read_jansson(text, values); },
                   true});
#ifdef YYJSON_VERSION_STRING
    all.push_back({"read", data, "yyjson",
                   [&text, values] { return read_yyjson(text, values); }});
#endif
#ifdef RUST_PEERS
    static constexpr struct {
        const char *name;
        size_t (*read)(const char *text, size_t bytes, float *values);
    } crates[] = {{"sonic-rs", read_sonic_rs},
                  {"simd-json", read_simd_json},
                  {"fast-float2", read_fast_float2},
                  {"lexical-core", read_lexical}};
    for (const auto &crate : crates)
        all.push_back({"read", data, crate.name, [&text, values, crate] {
                           return crate.read(text.data(), text.size(), values);
                       }});
#endif
}

// Every number with a comma into one slice again and again, as an answer goes
// to a socket; put(text, value) returns the end of the text.
template <class number, class function>
size_t write_slices(const std::vector<number> &values, function put)
{
    static char slice[SLICE_BYTES];
    char *p = slice;
    size_t total = 0;
    for (number value : values) {
        if (slice + sizeof slice - p < 64) {
            total += (size_t)(p - slice);
            p = slice;
        }
        p = put(p, value);
        *p++ = ',';
    }
    return total + (size_t)(p - slice);
}

template <class number> size_t write_jansson(const std::vector<number> &values)
{
    json_t *array = json_array();
    for (number value : values)
        json_array_append_new(array, json_real((double)value));
    char *text = json_dumps(array, JSON_COMPACT);
    size_t bytes = strlen(text);
    free(text);
    json_decref(array);
    return bytes;
}

#ifdef RUST_PEERS
void add_crates(std::vector<contestant> &all, const std::string &data,
                const std::vector<float> &values)
{
    all.push_back({"write", data, "zmij", [&values] {
                       return write_zmij_float(values.data(), values.size());
                   }});
    all.push_back({"write", data, "ryu", [&values] {
                       return write_ryu_float(values.data(), values.size());
                   }});
    all.push_back({"write", data, "lexical-core", [&values] {
                       return write_lexical_float(values.data(), values.size());
                   }});
}

void add_crates(std::vector<contestant> &all, const std::string &data,
                const std::vector<double> &values)
{
    all.push_back({"write", data, "zmij", [&values] {
                       return write_zmij_double(values.data(), values.size());
                   }});
    all.push_back({"write", data, "ryu", [&values] {
                       return write_ryu_double(values.data(), values.size());
                   }});
    all.push_back({"write", data, "lexical-core", [&values] {
                       return write_lexical_double(values.data(),
                                                   values.size());
                   }});
}
#endif

template <class number>
void add_writers(std::vector<contestant> &all, const std::string &data,
                 const std::vector<number> &values,
                 std::function<size_t()> codec)
{
    all.push_back({"write", data, "softmaxd", codec});
    all.push_back({"write", data, "to_chars", [&values] {
                       return write_slices(values, [](char *p, number x) {
                           return std::to_chars(p, p + 40, x).ptr;
                       });
                   }});
    all.push_back({"write", data, "fmt", [&values] {
                       return write_slices(values, [](char *p, number x) {
                           return fmt::format_to(p, FMT_COMPILE("{}"), x);
                       });
                   }});
    all.push_back({"write", data, "printf",
                   [&values] {
                       int digits = sizeof(number) == 4 ? 9 : 17;
                       return write_slices(values, [=](char *p, number x) {
                           return p +
                                  snprintf(p, 40, "%.*g", digits, (double)x);
                       });
                   },
                   true});
    all.push_back({"write", data, "jansson",
                   [&values] { return write_jansson(values); }, true});
#ifdef RUST_PEERS
    add_crates(all, data, values);
#endif
}

[[noreturn]] void fail(const char *what)
{
    fprintf(stderr, "bench_json: %s\n", what);
    exit(1);
}

// What is measured must be right: all read as strtof, all written reads back.
void check_reading(const std::string &text)
{
    std::vector<float> got(COUNT), want(COUNT);
    if (codec_read_float32(text.data(), text.size(), got.data()) != COUNT ||
        read_strtof(text, want.data()) != COUNT ||
        memcmp(got.data(), want.data(), COUNT * sizeof(float)) != 0)
        fail("the reader's numbers are not strtof's");
}

void check_writing(const std::vector<float> &values)
{
    std::vector<float> back(COUNT);
    std::string text(COUNT * 32, '\0');
    text.resize(codec_write_float32(values.data(), ROWS, CLASSES, &text[0]));
    if (read_strtof(text, back.data()) != COUNT ||
        memcmp(back.data(), values.data(), COUNT * sizeof(float)) != 0)
        fail("what the writer wrote reads back as something else");
}

void measure(std::vector<contestant> &all, int rounds)
{
    for (int round = 0; round < rounds; round++)
        for (auto &c : all) {
            if (c.rare && round % 3)
                continue;
            auto from = std::chrono::steady_clock::now();
            if (c.run() == 0)
                fail("nothing was read or written");
            std::chrono::duration<double> took =
                std::chrono::steady_clock::now() - from;
            c.seconds.push_back(took.count());
        }
}

void report(const std::vector<contestant> &all, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        fail("cannot write the ratios");
    double own = 0;
    const char *separator = "[\n";
    printf("%-6s %-14s %-13s %-12s %-4s %11s %16s\n", "", "", "", "version",
           "year", "ns a number", "times softmaxd's");
    for (const auto &c : all) {
        if (c.name == "softmaxd")
            own = c.ns();
        edition of = edition_of(c.name);
        printf("%-6s %-14s %-13s %-12s %-4s %11.2f %16.2f\n", c.op.c_str(),
               c.data.c_str(), c.name.c_str(), of.version.c_str(),
               of.year.c_str(), c.ns(), c.ns() / own);
        if (c.name == "softmaxd" || c.data == "probabilities")
            continue;
        fprintf(file,
                "%s{\"op\":\"%s\",\"case\":\"%s\",\"peer\":\"%s\","
                "\"version\":\"%s\",\"year\":\"%s\",\"softmaxd_ns\":%.3f,"
                "\"peer_ns\":%.3f,\"ratio\":%.3f}",
                separator, c.op.c_str(), c.data.c_str(), c.name.c_str(),
                of.version.c_str(), of.year.c_str(), own, c.ns(), c.ns() / own);
        separator = ",\n";
    }
    fprintf(file, "\n]\n");
    if (fclose(file) != 0)
        fail("cannot write the ratios");
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3)
        return fprintf(stderr, "usage: bench_json ROUNDS FILE.json\n"), 2;
    std::vector<float> logits(COUNT), probabilities(COUNT), values(COUNT);
    std::vector<double> doubles(COUNT);
    normal draw;
    for (size_t i = 0; i < COUNT; i++) {
        doubles[i] = draw() * 4;
        logits[i] = (float)doubles[i];
        probabilities[i] = (float)(std::exp(doubles[i] - 8) / CLASSES);
    }
    const std::pair<const char *, std::string> texts[] = {
        {"short", body<float>(logits)}, {"long", body<double>(logits)}};
    std::vector<contestant> all;
    simdjson::ondemand::parser parser;
    const simdjson::padded_string padded[] = {texts[0].second, texts[1].second};
    for (int i = 0; i < 2; i++) {
        check_reading(texts[i].second);
        add_readers(all, texts[i].first, texts[i].second, parser, padded[i],
                    values.data());
    }
    check_writing(logits);
    check_writing(probabilities);
    add_writers(all, "float32", logits, [&] {
        return codec_write_float32(logits.data(), ROWS, CLASSES, nullptr);
    });
    add_writers(all, "probabilities", probabilities, [&] {
        return codec_write_float32(probabilities.data(), ROWS, CLASSES,
                                   nullptr);
    });
    add_writers(all, "float64", doubles, [&] {
        return codec_write_float64(doubles.data(), ROWS, CLASSES, nullptr);
    });
#ifdef YYJSON_VERSION_STRING
    all.push_back({"write", "float64", "yyjson",
                   [&doubles] { return write_yyjson(doubles); }});
#endif
    measure(all, (int)strtol(argv[1], nullptr, 10));
    report(all, argv[2]);
    return 0;
}
