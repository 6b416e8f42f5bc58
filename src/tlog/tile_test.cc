#include "tlog/tile.h"

#include <gtest/gtest.h>

#include <map>

#include "tlog/detail/test_vectors.h"

namespace sallyport::tlog {
namespace {

// Tiles in memory, kept whole as they grow and read in any width they have reached.
class TileShelf {
 public:
  void append(const std::vector<Hash>& leaves, std::size_t from, std::size_t to) {
    auto appender = TileAppender::begin(from, reader());
    ASSERT_TRUE(appender) << appender.error().detail;
    for (std::size_t i = from; i < to; ++i) appender->append(leaves[i]);
    EXPECT_EQ(appender->size(), to);
    for (auto& [tile, bytes] : appender->take()) tiles_[{*tile.level, tile.index}] = std::move(bytes);
  }
  ReadTile reader() const {
    return [this](const Tile& tile) -> Result<Bytes> {
      const auto found = tiles_.find({*tile.level, tile.index});
      if (found == tiles_.end() || found->second.size() < tile.width * kHashSize) {
        return failf(Errc::not_found, "{}: not there", tile_path(tile));
      }
      return to_bytes(ByteView(found->second).first(tile.width * kHashSize));
    };
  }

 private:
  std::map<std::pair<unsigned, std::uint64_t>, Bytes> tiles_;
};

TEST(TilePath, IsTheOneOfTheSpecification) {
  EXPECT_EQ(tile_path({0U, 1'234'067}), "tile/0/x001/x234/067");
  EXPECT_EQ(tile_path({std::nullopt, 1'234'067}), "tile/entries/x001/x234/067");
  EXPECT_EQ(tile_path({2U, 0, 1}), "tile/2/000.p/1");
  EXPECT_EQ(tile_path({0U, 273, 112}), "tile/0/273.p/112");
}

TEST(TilePath, IsReadBackForEveryWidthAndSizeOfIndex) {
  for (const std::uint64_t index : {0UL, 1UL, 999UL, 1'000UL, 999'999UL, 1'000'000UL, 72'057'594'037'927'935UL}) {
    for (const unsigned width : {1U, 9U, 255U, 256U}) {
      for (const std::optional<unsigned> level : {std::optional(0U), std::optional(7U), std::optional<unsigned>()}) {
        const Tile tile{level, index, width};
        const auto parsed = parse_tile_path(tile_path(tile));
        ASSERT_TRUE(parsed) << tile_path(tile);
        EXPECT_EQ(*parsed, tile);
      }
    }
  }
}

TEST(TilePath, HasOneSpelling) {
  for (const char* text : {"",
                           "tile",
                           "tile/",
                           "tile/0",
                           "tile/0/",
                           "tile/0/0",
                           "tile/0/00",
                           "tile/0/0000",
                           "tile/00/000",
                           "tile/8/000",
                           "tile/0/x000/001",
                           "tile/0/001/234",
                           "tile/0/x001",
                           "tile/0/x001/",
                           "tile/0/x001/x234",
                           "tile/0/000.p/0",
                           "tile/0/000.p/256",
                           "tile/0/000.p/01",
                           "tile/0/000.p/",
                           "tile/0/000.p",
                           "tile/0/000/",
                           "/tile/0/000",
                           "tile/0/../000",
                           "tile/0/000.p/1/2",
                           "tile/-1/000",
                           "tile/data/000",
                           "tile/entries/+01",
                           "tile/0/x999/x999/x999/x999/x999/999"}) {
    EXPECT_FALSE(parse_tile_path(text)) << text;
  }
}

TEST(Tiles, OfATreeOfSeventyThousandAreThoseOfTheSpecification) {
  EXPECT_EQ(hashes_at(0, 70'000) / kTileWidth, 273U);
  EXPECT_EQ(tile_in(0U, 273, 70'000), (Tile{0U, 273, 112}));
  EXPECT_EQ(tile_in(1U, 0, 70'000), (Tile{1U, 0, 256}));
  EXPECT_EQ(tile_in(1U, 1, 70'000), (Tile{1U, 1, 17}));
  EXPECT_EQ(tile_in(2U, 0, 70'000), (Tile{2U, 0, 1}));
  EXPECT_EQ(tile_in(3U, 0, 70'000), std::nullopt);
  EXPECT_EQ(tile_in(0U, 0, 256), (Tile{0U, 0, 256}));
  EXPECT_EQ(tile_in(0U, 1, 256), std::nullopt);
  EXPECT_EQ(tile_in(1U, 0, 256), (Tile{1U, 0, 1}));
  EXPECT_EQ(tile_in(std::nullopt, 0, 0), std::nullopt);
}

TEST(Tiles, AreTheSameHoweverTheLeavesCame) {
  const auto leaves = numbered_leaves(700);
  TileShelf at_once, by_steps;
  at_once.append(leaves, 0, 700);
  std::size_t size = 0;
  for (const std::size_t step : {1UL, 200UL, 54UL, 1UL, 1UL, 255UL, 188UL}) {
    by_steps.append(leaves, size, size + step);
    size += step;
  }
  ASSERT_EQ(size, 700U);
  int checked = 0;
  for (const TestVector& vector : load_test_vectors("merkle.txt")) {
    if (!vector.name.starts_with("tile/")) continue;
    const auto tile = *parse_tile_path(vector.name);
    const auto one = at_once.reader()(tile);
    const auto other = by_steps.reader()(tile);
    ASSERT_TRUE(one && other) << vector.name;
    EXPECT_EQ(*one, *other);
    EXPECT_EQ(crypto::sha256(*one), vector.hash("sha256")) << vector.name;
    ++checked;
  }
  EXPECT_EQ(checked, 3);
}

TEST(TiledTree, GivesTheProofsOfAnotherImplementation) {
  const auto leaves = numbered_leaves(700);
  TileShelf shelf;
  shelf.append(leaves, 0, 700);
  for (const TestVector& vector : load_test_vectors("merkle.txt")) {
    if (!vector.has("proof")) continue;
    const auto size = vector.number("size");
    TiledTree tree(size, shelf.reader());
    EXPECT_EQ(*tree.root(), vector.hash("root")) << vector.name;
    const auto proof =
        vector.has("index") ? tree.inclusion(vector.number("index")) : tree.consistency_from(vector.number("old"));
    ASSERT_TRUE(proof) << vector.name;
    EXPECT_EQ(*proof, vector.hashes("proof")) << vector.name;
    if (vector.has("index")) EXPECT_EQ(*tree.leaf(vector.number("index")), leaves[vector.number("index")]);
  }
}

TEST(TiledTree, OfALaterSizeHasTheRootOfEveryEarlierOne) {
  const auto leaves = numbered_leaves(600);
  TileShelf shelf;
  shelf.append(leaves, 0, 600);
  TiledTree tree(600, shelf.reader());
  GrowingTree growing;
  for (std::size_t size = 0; size <= 600; ++size) {
    EXPECT_EQ(*tree.root_at(size), growing.root()) << size;
    if (size < 600) growing.append(leaves[size]);
  }
  EXPECT_FALSE(tree.root_at(601));
  EXPECT_FALSE(tree.inclusion(600));
  EXPECT_FALSE(tree.consistency_from(601));
}

TEST(TiledTree, RefusesATileOfAnotherLength) {
  const auto leaves = numbered_leaves(10);
  TileShelf shelf;
  shelf.append(leaves, 0, 10);
  TiledTree tree(10, [&](const Tile& tile) -> Result<Bytes> {
    auto bytes = shelf.reader()(tile);
    if (bytes) bytes->pop_back();
    return bytes;
  });
  const auto root = tree.root();
  ASSERT_FALSE(root);
  EXPECT_EQ(root.error().code, Errc::malformed);
}

TEST(EntryBundle, IsReadBackAndRefusedOtherwise) {
  const std::vector<Bytes> entries = {Bytes{1}, Bytes{}, Bytes(65'535, 7)};
  const Bytes bundle = encode_bundle(entries);
  const auto parsed = parse_bundle(bundle, 3);
  ASSERT_TRUE(parsed);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(equal((*parsed)[i], entries[i]));
  for (const std::size_t count : {0UL, 1UL, 2UL, 4UL, 257UL}) EXPECT_FALSE(parse_bundle(bundle, count)) << count;
  for (std::size_t size = 0; size < 8; ++size) EXPECT_FALSE(parse_bundle(ByteView(bundle).first(size), 3)) << size;
  const auto vector = test_vector("log.txt", "tiles");
  EXPECT_EQ(parse_bundle(vector.bytes("bundle"), 3)->size(), 3U);
}

}  // namespace
}  // namespace sallyport::tlog
