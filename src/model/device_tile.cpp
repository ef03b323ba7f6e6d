#include "model/device_tile.hpp"

#include <numeric>

namespace stamarker {

struct DeviceTile::HostParts {
  std::vector<std::int64_t> target_start, edge;
  std::vector<std::int32_t> target;
  SparseRows x;
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
      x_(backend.make_expression(
          {parts.x.n_rows, parts.x.n_cols, parts.x.row_start, parts.x.column, parts.x.value})) {}

TileView DeviceTile::view() const {
  return {n_own_,
          n_attending_,
          n_spots_,
          {n_attending_, n_spots_, row_start_.span(), source_.span(), target_start_.span(),
           target_.span(), edge_.span()},
          x_.get(),
          spot_.span()};
}

}  // namespace stamarker
