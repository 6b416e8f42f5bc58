// The fleet: devices by number, and the orders that a test gives. Each order is a JSON object on one line and gets one
// line back: {"ok": true, …} or {"error": "sentence", …}.
//
//   {"do": "make", "folder", "batch", "prefix", "first", "count", "site", "zone", "root", "relay", "http", "spread"}
//        device folders below "folder", requests <serial id>.csr in "batch"; "spread": each from an address of its own
//   {"do": "install", "batch"}                 takes <serial id>.pem of every device that has none yet
//   {"do": "wake", …, "samples"}  {"do": "sleep", …}  starts and stops agents
//   {"do": "wait", …, "for", "limit", "least"}      until "least" of them (all without it) are so: `conditions`
//   {"do": "mark", …}                          what "renewed" compares with
//   {"do": "count", …}  {"do": "list", …}      numbers, and every device
//   {"do": "end"}                              stops all and ends the program, as does the end of the input
//
// Where there is "…", "from" and "count" choose devices by number; all without them.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "device.h"

namespace sallyport::fleet {

class Fleet {
 public:
  explicit Fleet(World world) : world_(world) {}

  // Returns the answer. Orders are given one after the other.
  net::Task<codec::Json> obey(codec::Json order);
  net::Task<void> end();

 private:
  using Chosen = std::vector<Device*>;
  using Condition = std::function<bool(const Device&)>;

  Result<Chosen> choose(const codec::Json& order) const;
  Result<Condition> condition(std::string_view name) const;
  net::Task<Result<codec::Json::Object>> perform(codec::Json order);
  Result<codec::Json::Object> make(const codec::Json& order);
  Result<codec::Json::Object> install(const codec::Json& order);
  Result<codec::Json::Object> wake(const codec::Json& order);
  net::Task<Result<codec::Json::Object>> sleep(codec::Json order);
  net::Task<Result<codec::Json::Object>> wait(codec::Json order);
  Result<codec::Json::Object> mark(const codec::Json& order);
  Result<codec::Json::Object> count(const codec::Json& order) const;
  Result<codec::Json::Object> list(const codec::Json& order) const;

  World world_;
  std::vector<std::unique_ptr<Device>> devices_;
  std::map<const Device*, std::string> marked_;  // serials
};

}  // namespace sallyport::fleet
