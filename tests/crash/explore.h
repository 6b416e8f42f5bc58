// Every crash of a recorded run: for each operation, many of the states that a power cut after it may leave.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "disk_model.h"

namespace sallyport::crash {

// What a run did to its files. Whoever recorded it knows what had been promised after how many operations.
struct Recording {
  Image base;  // durable before the first operation
  std::vector<Operation> operations;
  std::vector<std::size_t> promises;  // positions at which something was promised, rising
};

struct Explored {
  std::size_t points = 0;           // crash points: operations and the end
  std::size_t states = 0;           // different images among those that were opened
  std::size_t openings = 0;         // images opened; one again when more had been promised by then
  std::vector<std::string> broken;  // the first few
};

// Opens what a crash after `point` operations left, and returns what is wrong with it; empty when nothing is.
using Examine = std::function<std::string(const Image& left, std::size_t point, std::uint64_t seed)>;

// Goes on in rounds over all points until `wanted` different states were examined, or until many rounds in a row find
// nothing new.
Explored explore(const Recording& recording, std::size_t wanted, std::uint64_t seed, const Examine& examine);

// How many states ./test wants, and how many ./test --long.
std::size_t wanted_states(std::size_t usual, std::size_t at_length);

}  // namespace sallyport::crash
