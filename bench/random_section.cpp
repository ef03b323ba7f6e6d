#include "random_section.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/random.hpp"

namespace stamarker::bench {

PreparedData random_section(int n_spots, int n_genes, double density) {
  const RandomKey key{1, 0, Purpose::simulation};
  RandomSequence random(key, 0);
  const int side = static_cast<int>(std::ceil(std::sqrt(n_spots)));
  std::vector<int> cell(static_cast<std::size_t>(n_spots));
  std::iota(cell.begin(), cell.end(), 0);
  for (std::size_t i = cell.size(); i > 1; --i)
    std::swap(cell[i - 1], cell[random.below(static_cast<std::uint32_t>(i))]);

  PreparedData data;
  data.expression.n_rows = n_spots;
  data.expression.n_cols = n_genes;
  const auto n_expected = static_cast<std::size_t>(1.01 * density * n_spots * n_genes + 1000);
  data.expression.column.reserve(n_expected);
  data.expression.value.reserve(n_expected);
  // How many genes in a row are absent: geometric.
  const double log_absent = std::log1p(-density);
  const auto absent = [&] { return static_cast<int>(std::log1p(-random.uniform()) / log_absent); };
  for (int i = 0; i < n_spots; ++i) {
    data.coordinates.values.push_back(cell[i] % side);
    data.coordinates.values.push_back(cell[i] / side);
    for (int g = absent(); g < n_genes; g += 1 + absent()) {
      data.expression.column.push_back(g);
      data.expression.value.push_back(static_cast<float>(0.5 + random.uniform()));
    }
    data.expression.row_start.push_back(static_cast<std::int64_t>(data.expression.column.size()));
  }
  std::vector<int> spot_of(static_cast<std::size_t>(side) * side, -1);
  for (int i = 0; i < n_spots; ++i) spot_of[cell[i]] = i;
  const int dx[] = {0, 1, -1, 0, 0, 1, -1}, dy[] = {0, 0, 0, 1, -1, 1, -1};
  for (int i = 0; i < n_spots; ++i) {
    std::vector<std::int32_t> row;
    for (int k = 0; k < 7; ++k) {
      const int x = cell[i] % side + dx[k], y = cell[i] / side + dy[k];
      if (x < 0 || y < 0 || x >= side || y >= side || spot_of[y * side + x] < 0) continue;
      row.push_back(spot_of[y * side + x]);
    }
    std::sort(row.begin(), row.end());
    data.graph.source.insert(data.graph.source.end(), row.begin(), row.end());
    data.graph.row_start.push_back(static_cast<std::int64_t>(data.graph.source.size()));
  }
  return data;
}

}  // namespace stamarker::bench
