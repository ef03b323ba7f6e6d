#include <gtest/gtest.h>

#include "base/block.hpp"

namespace stamarker::test {

TEST(Block, CoversAllItemsOnce) {
  for (const int n_items : {0, 1, 5, 20})
    for (const int n_ranks : {1, 2, 3, 7}) {
      int next = 0;
      for (int r = 0; r < n_ranks; ++r) {
        const Block block = block_of(r, n_ranks, n_items);
        EXPECT_EQ(block.begin, next);
        EXPECT_LE(block.size(), n_items / n_ranks + 1);
        next = block.end;
      }
      EXPECT_EQ(next, n_items);
    }
}

}  // namespace stamarker::test
