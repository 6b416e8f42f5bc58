// The tree and its entries as files that never change: tiles and entry bundles (C2SP tlog-tiles).
//
//   tile/<L>/<N>[.p/<W>]        W (256 when not partial) hashes of 32 bytes: at level 0 leaf hashes, at level L each
//   the
//                               root of a full tile of level L-1
//   tile/entries/<N>[.p/<W>]    the W entries of the level 0 tile: length u16 | entry
//
// N is written in groups of three digits, all but the last with an x before: 1234067 is x001/x234/067.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tlog/merkle.h"

namespace sallyport::tlog {

inline constexpr unsigned kTileHeight = 8;
inline constexpr unsigned kTileWidth = 1U << kTileHeight;
inline constexpr unsigned kMaxTileLevel = 7;  // of a tree of 2^64 - 1 entries
inline constexpr std::size_t kHashSize = 32;
inline constexpr std::size_t kMaxTileBytes = kTileWidth * kHashSize;
inline constexpr std::size_t kMaxEntryBytes = 65'535;
inline constexpr std::size_t kMaxBundleBytes = kTileWidth * (2 + kMaxEntryBytes);

struct Tile {
  std::optional<unsigned> level;  // absent: the bundle of entries
  std::uint64_t index = 0;
  unsigned width = kTileWidth;  // 1 to 256; below 256 it is partial
  friend bool operator==(const Tile&, const Tile&) = default;
};

// "tile/0/x001/234.p/17"
std::string tile_path(const Tile& tile);
// Accepts exactly what tile_path writes, levels up to kMaxTileLevel. Errc::malformed.
Result<Tile> parse_tile_path(std::string_view path);

// How many hashes a tree of `size` has at `level` in all, full subtrees only.
std::uint64_t hashes_at(unsigned level, std::uint64_t size);
// The tile `index` of `level` (absent: of entries) as it is in a tree of `size`; absent when it has nothing there.
std::optional<Tile> tile_in(std::optional<unsigned> level, std::uint64_t index, std::uint64_t size);

// One hash of a tile's bytes. `at` must be below the tile's width.
Hash hash_in(ByteView tile, std::size_t at);
// The root of the tree over 2^height hashes of `tile` from `first` on, which must be there.
Hash subtree_in(ByteView tile, std::size_t first, unsigned height);

// Entries must be at most kMaxEntryBytes, at most 256 of them.
Bytes encode_bundle(std::span<const Bytes> entries);
// Borrows. Errc::malformed unless `bytes` are exactly `count` entries.
Result<std::vector<ByteView>> parse_bundle(ByteView bytes, std::size_t count);

// Reads the bytes of a tile of hashes. What it returns is checked for its length by the reader of trees.
using ReadTile = std::function<Result<Bytes>(const Tile& tile)>;

// The tree of one size, read from its tiles. Keeps one tile of each level. Not thread-safe.
class TiledTree {
 public:
  TiledTree(std::uint64_t size, ReadTile read) : size_(size), read_(std::move(read)) {}

  std::uint64_t size() const { return size_; }
  Result<Hash> leaf(std::uint64_t index);
  // Each fails as reading a tile does, or with Errc::malformed for a tile of another length than its width.
  Result<Hash> root() { return root_at(size_); }
  // Of the tree as it was at `size`, at most size().
  Result<Hash> root_at(std::uint64_t size);
  Result<std::vector<Hash>> inclusion(std::uint64_t index);
  Result<std::vector<Hash>> consistency_from(std::uint64_t old_size);

 private:
  struct Kept {
    std::uint64_t index = 0;
    Bytes bytes;
  };
  Result<Hash> subtree(unsigned height, std::uint64_t index);
  Result<std::vector<Hash>> hashes_of(const std::vector<Range>& ranges);
  Result<ByteView> tile(unsigned level, std::uint64_t index);

  std::uint64_t size_;
  ReadTile read_;
  std::map<unsigned, Kept> kept_;
};

// The tiles that leaves appended to a tree change. Not thread-safe.
class TileAppender {
 public:
  // Continues the tree of `size`. `read` is asked for its partial tiles alone.
  static Result<TileAppender> begin(std::uint64_t size, const ReadTile& read);

  void append(const Hash& leaf);
  std::uint64_t size() const { return size_; }
  // The tiles that changed since the last call, whole, in order of level and index.
  std::vector<std::pair<Tile, Bytes>> take();

 private:
  TileAppender() = default;
  void put(unsigned level, const Hash& hash);

  struct Edge {
    std::uint64_t index = 0;
    Bytes bytes;  // less than a full tile
    bool is_new = false;
  };
  std::uint64_t size_ = 0;
  std::vector<Edge> edges_;  // by level
  std::vector<std::pair<Tile, Bytes>> full_;
};

}  // namespace sallyport::tlog
