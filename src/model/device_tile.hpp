#pragma once
#include <memory>
#include <span>

#include "data/expression_rows.hpp"
#include "data/tiles.hpp"
#include "kernels/buffer.hpp"

namespace stamarker {

/// The graph of a tile with its transpose and the expression of its spots, uploaded to a backend.
class DeviceTile {
 public:
  DeviceTile(Backend& backend, const Tile& tile, const ExpressionRows& expression);

  TileView view() const;
  std::span<const std::int32_t> own_spots() const { return {spots_.data(), std::size_t(n_own_)}; }
  int n_genes() const { return n_genes_; }
  /// Sum of the squared expression of the own spots.
  double squared_expression() const { return squared_expression_; }
  std::int64_t n_edges() const { return static_cast<std::int64_t>(source_.size()); }

 private:
  struct HostParts;
  DeviceTile(Backend& backend, const Tile& tile, const HostParts& parts);

  int n_own_, n_attending_, n_spots_, n_genes_;
  double squared_expression_;
  std::vector<std::int32_t> spots_;
  Buffer<std::int32_t> spot_;
  Buffer<std::int64_t> row_start_, target_start_, edge_;
  Buffer<std::int32_t> source_, target_;
  std::unique_ptr<Expression> x_;
};

}  // namespace stamarker
