#include "model/device_tile.hpp"

#include <numeric>

namespace stamarker {

struct DeviceTile::HostParts {
  std::vector<std::int64_t> target_start, edge;
  std::vector<std::int32_t> target;
  SparseRows x, xt;
};

namespace {

double squared_norm(const SparseRows& x, int n_rows) {
  double sum = 0;
  for (std::int64_t k = 0; k < x.row_start[n_rows]; ++k)
    sum += static_cast<double>(x.value[k]) * x.value[k];
  return sum;
}

}  // namespace

DeviceTile::DeviceTile(Backend& backend, const Tile& tile, const ExpressionRows& expression)
    : DeviceTile(backend, tile, [&] {
        HostParts parts;
        parts.target_start.assign(static_cast<std::size_t>(tile.n_spots()) + 1, 0);
        for (const std::int32_t j : tile.source) ++parts.target_start[j + 1];
        std::partial_sum(parts.target_start.begin(), parts.target_start.end(),
                         parts.target_start.begin());
        parts.target.resize(tile.source.size());
        parts.edge.resize(tile.source.size());
        std::vector<std::int64_t> next(parts.target_start.begin(), parts.target_start.end() - 1);
        for (int i = 0; i < tile.n_attending; ++i) {
          for (std::int64_t e = tile.row_start[i]; e < tile.row_start[i + 1]; ++e) {
            const std::int64_t to = next[tile.source[e]]++;
            parts.target[to] = i;
            parts.edge[to] = e;
          }
        }
        parts.x = expression.rows(tile.spots);
        if (backend.wants_transposed()) parts.xt = transposed(parts.x);
        return parts;
      }()) {}

DeviceTile::DeviceTile(Backend& backend, const Tile& tile, const HostParts& parts)
    : n_own_(tile.n_own),
      n_attending_(tile.n_attending),
      n_spots_(tile.n_spots()),
      n_genes_(parts.x.n_cols),
      squared_expression_(squared_norm(parts.x, tile.n_own)),
      spots_(tile.spots),
      spot_(backend, std::span<const std::int32_t>(tile.spots)),
      row_start_(backend, std::span<const std::int64_t>(tile.row_start)),
      target_start_(backend, std::span<const std::int64_t>(parts.target_start)),
      edge_(backend, std::span<const std::int64_t>(parts.edge)),
      source_(backend, std::span<const std::int32_t>(tile.source)),
      target_(backend, std::span<const std::int32_t>(parts.target)),
      x_start_(backend, std::span<const std::int64_t>(parts.x.row_start)),
      xt_start_(backend, std::span<const std::int64_t>(parts.xt.row_start)),
      x_column_(backend, std::span<const std::int32_t>(parts.x.column)),
      xt_column_(backend, std::span<const std::int32_t>(parts.xt.column)),
      x_value_(backend, std::span<const float>(parts.x.value)),
      xt_value_(backend, std::span<const float>(parts.xt.value)),
      x_dense_(backend, backend.wants_dense(x_view()) ? static_cast<std::size_t>(n_spots_) *
                                                            static_cast<std::size_t>(n_genes_)
                                                      : 0) {
  if (x_dense_.size() > 0) backend.to_dense(x_view(), x_dense_.matrix(n_spots_, n_genes_));
  x_layout_ = backend.layout_of(x_view());
  if (backend.wants_transposed()) xt_layout_ = backend.layout_of(xt_view());
}

SparseView DeviceTile::x_view() const {
  return {n_spots_, n_genes_, x_start_.span(), x_column_.span(), x_value_.span(), x_layout_.get()};
}

SparseView DeviceTile::xt_view() const {
  if (xt_start_.size() <= 1) return {};
  return {n_genes_,          n_spots_,         xt_start_.span(),
          xt_column_.span(), xt_value_.span(), xt_layout_.get()};
}

TileView DeviceTile::view() const {
  return {n_own_,
          n_attending_,
          n_spots_,
          {n_attending_, n_spots_, row_start_.span(), source_.span(), target_start_.span(),
           target_.span(), edge_.span()},
          x_view(),
          xt_view(),
          x_dense_.size() > 0 ? x_dense_.matrix(n_spots_, n_genes_) : ConstMatrix(),
          spot_.span()};
}

}  // namespace stamarker
