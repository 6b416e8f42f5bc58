// Reads the vector files of tests/vectors/pki/: sections of "key = value" lines, made by other implementations. For
// tests alone.
#pragma once

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "codec/text.h"
#include "pki/certificate.h"

namespace sallyport::pki {

struct TestVector {
  std::string name;
  std::map<std::string, std::string> fields;

  const std::string& text(const std::string& key) const {
    static const std::string kNone;
    const auto found = fields.find(key);
    EXPECT_NE(found, fields.end()) << name << " has no " << key;
    return found == fields.end() ? kNone : found->second;
  }
  bool has(const std::string& key) const { return fields.contains(key); }
  Bytes bytes(const std::string& key) const {
    auto out = codec::decode_hex(text(key));
    EXPECT_TRUE(out) << name << ": " << key;
    return out ? *std::move(out) : Bytes{};
  }
  // Several byte strings, with spaces between.
  std::vector<Bytes> list(const std::string& key) const {
    std::istringstream words(text(key));
    std::vector<Bytes> out;
    for (std::string word; words >> word;) out.push_back(*codec::decode_hex(word));
    return out;
  }
};

inline std::vector<TestVector> load_test_vectors(const std::string& file) {
  std::ifstream stream(std::string(SALLYPORT_SOURCE_DIR) + "/tests/vectors/pki/" + file);
  EXPECT_TRUE(stream) << file;
  std::vector<TestVector> out;
  for (std::string line; std::getline(stream, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line.front() == '[' && line.back() == ']') {
      out.push_back({.name = line.substr(1, line.size() - 2), .fields = {}});
      continue;
    }
    const std::size_t equals = line.find(" = ");
    EXPECT_FALSE(equals == std::string::npos || out.empty()) << file << ": " << line;
    if (equals == std::string::npos || out.empty()) continue;
    out.back().fields[line.substr(0, equals)] = line.substr(equals + 3);
  }
  EXPECT_FALSE(out.empty()) << file;
  return out;
}

inline std::vector<Certificate> read_certificates(const std::vector<Bytes>& der) {
  std::vector<Certificate> out;
  for (const Bytes& one : der) {
    auto certificate = parse_certificate(one);
    EXPECT_TRUE(certificate) << certificate.error().detail;
    if (certificate) out.push_back(*std::move(certificate));
  }
  return out;
}

}  // namespace sallyport::pki
