#include <fmt/core.h>
#include <gtest/gtest.h>

#include <string>

#include "model/tile_tree.hpp"

namespace stamarker::test {
namespace {

std::string sum_of(const std::string& a, const std::string& b) {
  return fmt::format("({}+{})", a, b);
}

/// The sum of a range of tiles, written out: "(0+(1+2))".
std::string written_out(TileRange range) {
  if (range.size() == 1) return fmt::format("{}", range.begin);
  return sum_of(written_out(range.first_half()), written_out(range.second_half()));
}

}  // namespace

TEST(TileTree, TheSumIsTheSameOnAnyNumberOfRanks) {
  for (const int n_tiles : {1, 2, 3, 4, 6, 8, 12, 20, 36})
    for (int n_ranks = 1; n_ranks <= n_tiles; ++n_ranks) {
      if (n_tiles % n_ranks != 0) continue;
      const TileTree tree(n_tiles, n_ranks);
      std::vector<std::string> parts;
      int next = 0;
      for (int rank = 0; rank < n_ranks; ++rank) {
        EXPECT_EQ(tree.block_of(rank), (TileRange{next, next + n_tiles / n_ranks}));
        EXPECT_EQ(tree.n_parts()[rank], static_cast<int>(tree.parts_of(rank).size()));
        for (const TileRange part : tree.parts_of(rank)) {
          EXPECT_EQ(part.begin, next);
          next = part.end;
          parts.push_back(written_out(part));
        }
      }

      for (const auto& [to, from] : tree.additions()) {
        ASSERT_FALSE(parts.at(from).empty());
        parts.at(to) = sum_of(parts.at(to), parts.at(from));
        parts.at(from).clear();  // added once
      }

      EXPECT_EQ(next, n_tiles);
      EXPECT_EQ(parts[0], written_out({0, n_tiles}))
          << n_tiles << " tiles, " << n_ranks << " ranks";
      EXPECT_EQ(tree.additions().size() + 1, parts.size());
    }
}

TEST(TileTree, ARankHasOnePartWhereRanksAreAPowerOfTwo) {
  for (const int n_ranks : {1, 2, 4, 8})
    for (const int each : {1, 3, 5, 8}) {
      const TileTree tree(n_ranks * each, n_ranks);
      EXPECT_EQ(tree.n_parts(), std::vector<int>(n_ranks, 1));
    }
}

}  // namespace stamarker::test
