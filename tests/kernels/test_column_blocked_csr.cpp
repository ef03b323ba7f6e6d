#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "kernels/cpu/column_blocked_csr.hpp"

namespace stamarker::test {
namespace {

struct Csr {
  int n_rows = 0, n_cols = 0;
  std::vector<std::int64_t> start{0};
  std::vector<std::int32_t> column;
  std::vector<float> value;

  SparseView view() const {
    return {n_rows,
            n_cols,
            {start.data(), start.size()},
            {column.data(), column.size()},
            {value.data(), value.size()}};
  }
};

Csr random_matrix(int n_rows, int n_cols, double density) {
  RandomSequence random({4, 0, Purpose::simulation}, 0);
  Csr m;
  m.n_rows = n_rows;
  m.n_cols = n_cols;
  for (int r = 0; r < n_rows; ++r) {
    for (int c = 0; c < n_cols; ++c) {
      if (r % 7 == 3 || random.uniform() > density) continue;  // rows without nonzeros
      m.column.push_back(c);
      m.value.push_back(static_cast<float>(m.value.size() + 1));
    }
    m.start.push_back(static_cast<std::int64_t>(m.column.size()));
  }
  return m;
}

using Nonzeros = std::map<std::pair<int, int>, float>;  // (list, source): value

Nonzeros nonzeros_of(const ColumnBlockedCsr& blocks) {
  Nonzeros nonzeros;
  for (int b = 0; b < blocks.n_blocks(); ++b) {
    const rows::BlockRows lists = blocks.block(b);
    for (int i = 0; i < blocks.n_rows(); ++i)
      for (std::int64_t e = lists.start[i]; e < lists.start[i + 1]; ++e) {
        const int source = blocks.first_column(b) + lists.index[e];
        EXPECT_LT(source, blocks.first_column(b + 1));
        EXPECT_TRUE(nonzeros.emplace(std::pair(i, source), lists.value[e]).second);
      }
  }
  return nonzeros;
}

TEST(ColumnBlockedCsr, HoldEveryEntryOfRowsInItsBlock) {
  const int if_dense = has_large_l2() ? 512 : 128;
  for (const double density : {0.02, 0.2}) {
    const Csr m = random_matrix(90, 1301, density);
    Nonzeros wanted;
    for (int r = 0; r < m.n_rows; ++r)
      for (std::int64_t e = m.start[r]; e < m.start[r + 1]; ++e)
        wanted[{r, m.column[e]}] = m.value[e];

    ColumnBlockedCsr blocks;
    blocks.assign(m.view());

    EXPECT_EQ(blocks.columns_per_block(), density < 0.1 ? 1024 : if_dense);
    EXPECT_GT(blocks.n_blocks(), 1);
    EXPECT_EQ(nonzeros_of(blocks), wanted);
  }
}

TEST(ColumnBlockedCsr, KeepTheRowsAskedForOfATransposedMatrix) {
  for (const double density : {0.02, 0.2}) {
    const Csr m = random_matrix(5200, 40, density);
    ColumnBlockedCsr all;
    all.assign_transposed(m.view());
    ColumnBlockedCsr blocks;
    for (const int one_of : {1, 3, 2, 6000}) {  // what was held before leaves no trace
      std::vector<std::int32_t> kept;
      Nonzeros wanted;
      for (int r = one_of / 2; r < m.n_rows; r += 1 + r % one_of) {
        for (std::int64_t e = m.start[r]; e < m.start[r + 1]; ++e)
          wanted[{m.column[e], static_cast<int>(kept.size())}] = m.value[e];
        kept.push_back(r);
      }

      blocks.assign_transposed_subset(all, m.view(), kept);

      EXPECT_EQ(blocks.n_columns(), static_cast<int>(kept.size()));
      EXPECT_EQ(nonzeros_of(blocks), wanted);
      int widest = 0;
      for (int b = 0; b < blocks.n_blocks(); ++b)
        widest = std::max(widest, blocks.first_column(b + 1) - blocks.first_column(b));
      EXPECT_LE(widest, blocks.columns_per_block());
      EXPECT_LE(blocks.n_blocks(), all.n_blocks());
    }
  }
}

}  // namespace
}  // namespace stamarker::test
