#include <gtest/gtest.h>

#include "kernels/cuda/spmm_cost.hpp"

namespace stamarker::test {
namespace {

constexpr int n_processors = 132;  // of an H100

ExpressionShape section(int n_spots, double density) {
  constexpr int n_genes = 3000;
  return {n_spots, n_genes, static_cast<std::int64_t>(density * n_spots * n_genes)};
}

TEST(ProductCost, IsLeastDenseWhereTensorCoresMultiply) {
  EXPECT_TRUE(is_faster_dense(section(4226, 0.1), Precision::tf32, n_processors));
  EXPECT_FALSE(is_faster_dense(section(4226, 0.1), Precision::fp32, n_processors));
  EXPECT_TRUE(is_faster_dense(section(4226, 0.5), Precision::fp32, n_processors));
  EXPECT_FALSE(is_faster_dense(section(4226, 0.001), Precision::tf32, n_processors));
}

// A row of the other factor is read once for all nonzeros, or for each of them anew.
TEST(ProductCost, IsLeastByTheLibraryWhereRowsOfTheOtherFactorAreReadHardlyMoreThanOnce) {
  EXPECT_TRUE(is_faster_by_library(section(4226, 0.0005), n_processors));
  EXPECT_FALSE(is_faster_by_library(section(4226, 0.1), n_processors));
  EXPECT_FALSE(is_faster_by_library(section(25641, 0.03), n_processors));
}

}  // namespace
}  // namespace stamarker::test
