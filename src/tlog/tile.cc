#include "tlog/tile.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace sallyport::tlog {
namespace {

constexpr std::string_view kPrefix = "tile/";
constexpr std::string_view kEntries = "entries";
constexpr std::string_view kPartial = ".p/";
constexpr std::size_t kGroup = 3;
constexpr std::uint64_t kGroupValues = 1'000;

std::unexpected<Error> no_path() {
  return fail(Errc::malformed, "tile path: want tile/<level>/<index>[.p/<width>] in its one spelling");
}

std::string index_path(std::uint64_t index) {
  std::string out = fmt::format("{:03}", index % kGroupValues);
  for (index /= kGroupValues; index > 0; index /= kGroupValues) {
    out = fmt::format("x{:03}/{}", index % kGroupValues, out);
  }
  return out;
}

// A decimal number without leading zeroes, up to `most`.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > most) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return value;
}

// The digits of an index path; whether they are its one spelling is for the caller to compare.
std::optional<std::uint64_t> parse_index(std::string_view text) {
  constexpr std::uint64_t kMost = UINT64_MAX >> kTileHeight;
  std::uint64_t value = 0;
  while (!text.empty()) {
    if (text.front() == 'x') text.remove_prefix(1);
    if (text.size() < kGroup) return std::nullopt;
    for (const char digit : text.substr(0, kGroup)) {
      if (digit < '0' || digit > '9' || value > kMost / 10) return std::nullopt;
      value = value * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    text.remove_prefix(kGroup);
    if (text.empty()) break;
    if (text.front() != '/' || text.size() == 1) return std::nullopt;
    text.remove_prefix(1);
  }
  if (value > kMost) return std::nullopt;
  return value;
}

}  // namespace

std::string tile_path(const Tile& tile) {
  std::string out = tile.level ? fmt::format("{}{}/{}", kPrefix, *tile.level, index_path(tile.index))
                               : fmt::format("{}{}/{}", kPrefix, kEntries, index_path(tile.index));
  if (tile.width < kTileWidth) out += fmt::format("{}{}", kPartial, tile.width);
  return out;
}

Result<Tile> parse_tile_path(std::string_view path) {
  if (path.size() > 64 || !path.starts_with(kPrefix)) return no_path();
  std::string_view rest = path.substr(kPrefix.size());
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return no_path();
  Tile out;
  if (rest.substr(0, slash) != kEntries) {
    const auto level = parse_number(rest.substr(0, slash), kMaxTileLevel);
    if (!level) return no_path();
    out.level = static_cast<unsigned>(*level);
  }
  rest.remove_prefix(slash + 1);
  if (const std::size_t at = rest.find(kPartial); at != std::string_view::npos) {
    const auto width = parse_number(rest.substr(at + kPartial.size()), kTileWidth - 1);
    if (!width || *width == 0) return no_path();
    out.width = static_cast<unsigned>(*width);
    rest = rest.substr(0, at);
  }
  const auto index = parse_index(rest);
  if (!index) return no_path();
  out.index = *index;
  if (tile_path(out) != path) return no_path();
  return out;
}

std::uint64_t hashes_at(unsigned level, std::uint64_t size) {
  return level > kMaxTileLevel ? 0 : size >> (kTileHeight * level);
}

std::optional<Tile> tile_in(std::optional<unsigned> level, std::uint64_t index, std::uint64_t size) {
  const std::uint64_t all = hashes_at(level.value_or(0), size);
  if (index > (all >> kTileHeight)) return std::nullopt;
  const std::uint64_t first = index << kTileHeight;
  if (first >= all) return std::nullopt;
  return Tile{level, index, static_cast<unsigned>(std::min<std::uint64_t>(kTileWidth, all - first))};
}

Hash hash_in(ByteView tile, std::size_t at) {
  Hash out;
  SALLYPORT_CHECK(tile.size() >= (at + 1) * kHashSize);
  std::ranges::copy(tile.subspan(at * kHashSize, kHashSize), out.begin());
  return out;
}

Hash subtree_in(ByteView tile, std::size_t first, unsigned height) {
  if (height == 0) return hash_in(tile, first);
  const std::size_t half = std::size_t{1} << (height - 1);
  return node_hash(subtree_in(tile, first, height - 1), subtree_in(tile, first + half, height - 1));
}

Bytes encode_bundle(std::span<const Bytes> entries) {
  SALLYPORT_CHECK(entries.size() <= kTileWidth);
  Writer writer;
  for (const Bytes& entry : entries) writer.bytes_u16(entry);
  return std::move(writer).take();
}

Result<std::vector<ByteView>> parse_bundle(ByteView bytes, std::size_t count) {
  if (count == 0 || count > kTileWidth) return fail(Errc::malformed, "entry bundle: want 1 to 256 entries");
  Reader reader(bytes);
  std::vector<ByteView> out;
  while (out.size() < count) {
    const auto entry = reader.bytes_u16();
    if (!entry) return failf(Errc::malformed, "entry bundle: found {} entries, want {}", out.size(), count);
    out.push_back(*entry);
  }
  TRY_VOID(reader.finish("entry bundle"));
  return out;
}

Result<ByteView> TiledTree::tile(unsigned level, std::uint64_t index) {
  const auto wanted = tile_in(level, index, size_);
  if (!wanted) return failf(Errc::not_found, "tree of {} entries: has no tile {} of level {}", size_, index, level);
  const auto found = kept_.find(level);
  if (found != kept_.end() && found->second.index == index) return ByteView(found->second.bytes);
  TRY(Bytes bytes, read_(*wanted));
  if (bytes.size() != wanted->width * kHashSize) {
    return failf(Errc::malformed, "{}: found {} bytes, want {}", tile_path(*wanted), bytes.size(),
                 wanted->width * kHashSize);
  }
  return ByteView(kept_.insert_or_assign(level, Kept{index, std::move(bytes)}).first->second.bytes);
}

Result<Hash> TiledTree::subtree(unsigned height, std::uint64_t index) {
  const unsigned level = height / kTileHeight;
  const unsigned within = height % kTileHeight;
  const std::uint64_t first = index << within;
  TRY(const ByteView bytes, tile(level, first >> kTileHeight));
  const auto at = static_cast<std::size_t>(first % kTileWidth);
  if (bytes.size() < (at + (std::size_t{1} << within)) * kHashSize) {
    return failf(Errc::not_found, "tree of {} entries: has no such subtree", size_);
  }
  return subtree_in(bytes, at, within);
}

Result<Hash> TiledTree::leaf(std::uint64_t index) {
  return subtree(0, index);
}

Result<Hash> TiledTree::root_at(std::uint64_t size) {
  if (size > size_) return failf(Errc::not_found, "tree of {} entries: has no root of {}", size_, size);
  return range_hash({0, size}, [this](unsigned height, std::uint64_t index) { return subtree(height, index); });
}

Result<std::vector<Hash>> TiledTree::hashes_of(const std::vector<Range>& ranges) {
  std::vector<Hash> out;
  for (const Range& range : ranges) {
    TRY(const Hash hash,
        range_hash(range, [this](unsigned height, std::uint64_t index) { return subtree(height, index); }));
    out.push_back(hash);
  }
  return out;
}

Result<std::vector<Hash>> TiledTree::inclusion(std::uint64_t index) {
  if (index >= size_) return failf(Errc::not_found, "tree of {} entries: has no entry {}", size_, index);
  return hashes_of(inclusion_ranges(index, size_));
}

Result<std::vector<Hash>> TiledTree::consistency_from(std::uint64_t old_size) {
  if (old_size > size_) return failf(Errc::not_found, "tree of {} entries: never had {}", size_, old_size);
  return hashes_of(consistency_ranges(old_size, size_));
}

Result<TileAppender> TileAppender::begin(std::uint64_t size, const ReadTile& read) {
  TileAppender out;
  out.size_ = size;
  for (unsigned level = 0; hashes_at(level, size) > 0; ++level) {
    const std::uint64_t all = hashes_at(level, size);
    Edge edge;
    edge.index = all >> kTileHeight;
    if (const auto partial = tile_in(level, edge.index, size)) {
      TRY(edge.bytes, read(*partial));
      if (edge.bytes.size() != partial->width * kHashSize) {
        return failf(Errc::malformed, "{}: found {} bytes, want {}", tile_path(*partial), edge.bytes.size(),
                     partial->width * kHashSize);
      }
    }
    out.edges_.push_back(std::move(edge));
  }
  return out;
}

void TileAppender::put(unsigned level, const Hash& hash) {
  if (level == edges_.size()) edges_.emplace_back();
  Edge& edge = edges_[level];
  sallyport::append(edge.bytes, hash);
  edge.is_new = true;
  if (edge.bytes.size() < kMaxTileBytes) return;
  const Hash root = subtree_in(edge.bytes, 0, kTileHeight);
  full_.emplace_back(Tile{level, edge.index}, std::move(edge.bytes));
  edge.bytes.clear();
  edge.is_new = false;
  ++edge.index;
  put(level + 1, root);
}

void TileAppender::append(const Hash& leaf) {
  put(0, leaf);
  ++size_;
}

std::vector<std::pair<Tile, Bytes>> TileAppender::take() {
  auto out = std::exchange(full_, {});
  for (unsigned level = 0; level < edges_.size(); ++level) {
    Edge& edge = edges_[level];
    if (!std::exchange(edge.is_new, false)) continue;
    out.emplace_back(Tile{level, edge.index, static_cast<unsigned>(edge.bytes.size() / kHashSize)}, edge.bytes);
  }
  std::ranges::sort(out, {}, [](const auto& each) { return std::pair(each.first.level, each.first.index); });
  return out;
}

}  // namespace sallyport::tlog
