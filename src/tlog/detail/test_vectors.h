// Reads the vector files of tests/vectors/tlog/: sections of "key = value" lines, made by make_tlog.py. For tests
// alone.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "codec/text.h"
#include "tlog/merkle.h"

namespace sallyport::tlog {

struct TestVector {
  std::string name;
  std::map<std::string, std::string> fields;

  bool has(const std::string& key) const { return fields.contains(key); }
  std::string text(const std::string& key) const {
    const auto found = fields.find(key);
    EXPECT_NE(found, fields.end()) << name << " has no " << key;
    return found == fields.end() ? std::string() : found->second;
  }
  Bytes bytes(const std::string& key) const { return codec::decode_hex(text(key)).value_or(Bytes{}); }
  // Text that the file has in hexadecimal.
  std::string hidden_text(const std::string& key) const { return std::string(as_text(bytes(key))); }
  std::uint64_t number(const std::string& key) const { return std::stoull(text(key)); }
  Hash hash(const std::string& key) const { return Reader(bytes(key)).array<32>().value_or(Hash{}); }
  // Several byte strings with spaces between; "-" is the empty one.
  std::vector<Bytes> list(const std::string& key) const {
    std::istringstream words(text(key));
    std::vector<Bytes> out;
    for (std::string word; words >> word;) out.push_back(word == "-" ? Bytes{} : *codec::decode_hex(word));
    return out;
  }
  std::vector<Hash> hashes(const std::string& key) const {
    std::vector<Hash> out;
    for (const Bytes& each : list(key)) out.push_back(Reader(each).array<32>().value_or(Hash{}));
    return out;
  }
};

inline std::vector<TestVector> load_test_vectors(const std::string& file) {
  std::ifstream stream(std::string(SALLYPORT_SOURCE_DIR) + "/tests/vectors/tlog/" + file);
  EXPECT_TRUE(stream) << file;
  std::vector<TestVector> out;
  for (std::string line; std::getline(stream, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line.front() == '[') {
      out.push_back({.name = line.substr(1, line.size() - 2), .fields = {}});
      continue;
    }
    const std::size_t equals = line.find(" = ");
    EXPECT_FALSE(out.empty()) << file;
    if (equals == std::string::npos) {
      out.back().fields[line.substr(0, line.find(" ="))] = "";
    } else {
      out.back().fields[line.substr(0, equals)] = line.substr(equals + 3);
    }
  }
  EXPECT_FALSE(out.empty()) << file;
  return out;
}

inline TestVector test_vector(const std::string& file, std::string_view name) {
  for (TestVector& each : load_test_vectors(file)) {
    if (each.name == name) return std::move(each);
  }
  ADD_FAILURE() << file << " has no " << name;
  return {};
}

// A log that exists in memory: "entry 0", "entry 1", …
inline std::vector<Hash> numbered_leaves(std::size_t count) {
  std::vector<Hash> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(leaf_hash(as_bytes(fmt::format("entry {}", i))));
  return out;
}

}  // namespace sallyport::tlog
