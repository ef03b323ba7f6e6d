#pragma once
#include <cstdint>
#include <span>

#include "data/dataset.hpp"

namespace stamarker {

/// The expression of a section, of which each tile takes the rows of its spots: a section need not
/// be in memory whole.
class ExpressionRows {
 public:
  virtual ~ExpressionRows() = default;
  /// Where the entries of each spot begin, [n_spots + 1].
  virtual std::span<const std::int64_t> row_start() const = 0;
  /// Of the given distinct spots, in the given order: [spots, n_genes].
  virtual SparseRows rows(std::span<const std::int32_t> spots) const = 0;
};

/// Of a matrix in memory, which must outlive this.
class ExpressionInMemory : public ExpressionRows {
 public:
  explicit ExpressionInMemory(const SparseRows& expression) : expression_(expression) {}
  std::span<const std::int64_t> row_start() const override { return expression_.row_start; }
  SparseRows rows(std::span<const std::int32_t> spots) const override;

 private:
  const SparseRows& expression_;
};

}  // namespace stamarker
