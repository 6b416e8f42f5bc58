#include "console/admissions.h"

#include <utility>

namespace sallyport::console {

struct Admissions::Place::State {
  std::size_t total = 0;
  std::map<std::string, std::size_t> by_source;
};

Admissions::Admissions(std::size_t most, std::size_t most_per_source)
    : most_(most), most_per_source_(most_per_source), state_(std::make_shared<Place::State>()) {}

std::optional<Admissions::Place> Admissions::admit(const std::string& source) {
  if (state_->total >= most_) return std::nullopt;
  const auto counter = state_->by_source.try_emplace(source).first;
  if (counter->second >= most_per_source_) return std::nullopt;
  return Place(state_, counter);
}

Admissions::Place::Place(std::shared_ptr<State> state, Counter counter) : state_(std::move(state)), counter_(counter) {
  ++state_->total;
  ++counter_->second;
}

Admissions::Place::~Place() {
  if (!state_) return;
  --state_->total;
  if (--counter_->second == 0) state_->by_source.erase(counter_);
}

}  // namespace sallyport::console
