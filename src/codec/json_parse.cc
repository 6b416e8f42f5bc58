#include <charconv>

#include <boost/json/basic_parser_impl.hpp>

#include "codec/json.h"

namespace sallyport::codec {
namespace {

using boost::system::error_code;
using Piece = boost::json::string_view;

// What Boost.JSON cannot refuse by itself; set before it is told to stop.
enum class Fault : std::uint8_t { none, duplicate_key, integer_range, number_range, too_many_values };

std::string_view describe(Fault fault) {
  switch (fault) {
    case Fault::duplicate_key:
      return "key that stands twice in its object";
    case Fault::integer_range:
      return "integer outside 64 bits";
    case Fault::number_range:
      return "number that no double holds";
    case Fault::too_many_values:
      return "more values than allowed";
    case Fault::none:
      return "";
  }
  return "";
}

// Builds Json from the parser's events. Every member returns false to stop the parser, with `fault` set.
// A container that is not closed yet stands on `open_`; its length is never taken from the input.
class Builder {
 public:
  explicit Builder(std::size_t max_values) : values_left_(max_values) {}

  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }

  bool on_object_begin(error_code&) { return open(Json::Object()); }
  bool on_object_end(std::size_t, error_code& ec) { return close(ec); }
  bool on_array_begin(error_code&) { return open(Json::Array()); }
  bool on_array_end(std::size_t, error_code& ec) { return close(ec); }

  bool on_key_part(Piece piece, std::size_t, error_code&) { return gather(piece); }
  bool on_key(Piece piece, std::size_t, error_code& ec) {
    gather(piece);
    Open& top = open_.back();
    top.key = std::exchange(gathered_, {});
    if (std::get<Json::Object>(top.container).contains(top.key)) return stop(Fault::duplicate_key, ec);
    return true;
  }
  bool on_string_part(Piece piece, std::size_t, error_code&) { return gather(piece); }
  bool on_string(Piece piece, std::size_t, error_code& ec) {
    gather(piece);
    return add(Json(std::exchange(gathered_, {})), ec);
  }

  bool on_number_part(Piece, error_code&) { return true; }
  bool on_int64(std::int64_t value, Piece, error_code& ec) { return add(Json(value), ec); }
  bool on_uint64(std::uint64_t, Piece, error_code& ec) { return stop(Fault::integer_range, ec); }
  // Integers beyond 64 bits also arrive here; what is written without fraction and exponent must stay an integer.
  // Boost.JSON 1.81 may be off by the last bit: the text, whole because the input is, is read again exactly.
  bool on_double(double, Piece text, error_code& ec) {
    if (text.find_first_of(".eE") == Piece::npos) return stop(Fault::integer_range, ec);
    double value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (fault != std::errc() || end != text.data() + text.size()) return stop(Fault::number_range, ec);
    return add(Json(value), ec);
  }
  bool on_bool(bool value, error_code& ec) { return add(Json(value), ec); }
  bool on_null(error_code& ec) { return add(Json(), ec); }
  bool on_comment_part(Piece, error_code&) { return true; }
  bool on_comment(Piece, error_code&) { return true; }

  Fault fault() const { return fault_; }
  Json take() { return std::move(document_); }

 private:
  struct Open {
    std::variant<Json::Array, Json::Object> container;
    std::string key;  // of the member that comes next
  };

  bool stop(Fault fault, error_code& ec) {
    fault_ = fault;
    ec = boost::json::error::syntax;
    return false;
  }

  bool gather(Piece piece) {
    gathered_.append(piece.data(), piece.size());
    return true;
  }

  template <class Container>
  bool open(Container container) {
    open_.push_back({.container = std::move(container), .key = {}});
    return true;
  }

  bool close(error_code& ec) {
    auto container = std::move(open_.back().container);
    open_.pop_back();
    return std::visit([&](auto& done) { return add(Json(std::move(done)), ec); }, container);
  }

  bool add(Json value, error_code& ec) {
    if (values_left_ == 0) return stop(Fault::too_many_values, ec);
    --values_left_;
    if (open_.empty()) {
      document_ = std::move(value);
      return true;
    }
    Open& top = open_.back();
    if (auto* const members = std::get_if<Json::Object>(&top.container)) {
      members->emplace(std::move(top.key), std::move(value));
    } else {
      std::get<Json::Array>(top.container).push_back(std::move(value));
    }
    return true;
  }

  std::vector<Open> open_;
  std::string gathered_;
  Json document_;
  std::size_t values_left_;
  Fault fault_ = Fault::none;
};

}  // namespace

Result<Json> parse_json(std::string_view text, JsonLimits limits) {
  if (text.size() > limits.size) {
    return failf(Errc::overloaded, "json: {} bytes, want at most {}", text.size(), limits.size);
  }
  if (!is_utf8(text)) return fail(Errc::malformed, "json: not UTF-8");
  boost::json::parse_options options;
  options.max_depth = limits.depth;
  boost::json::basic_parser<Builder> parser(options, limits.values);
  error_code ec;
  const std::size_t position = parser.write_some(false, text.data(), text.size(), ec);
  const Builder& builder = parser.handler();
  if (ec == boost::json::error::too_deep) {
    return failf(Errc::overloaded, "json: byte {}: deeper than {}", position, limits.depth);
  }
  if (builder.fault() != Fault::none) {
    const Errc code = builder.fault() == Fault::too_many_values ? Errc::overloaded : Errc::malformed;
    return failf(code, "json: byte {}: {}", position, describe(builder.fault()));
  }
  if (ec) return failf(Errc::malformed, "json: byte {}: {}", position, ec.message());
  if (position != text.size()) return failf(Errc::malformed, "json: byte {}: trailing characters", position);
  return parser.handler().take();
}

}  // namespace sallyport::codec
