#pragma once
#include <string>

#include "data/dataset.hpp"

namespace stamarker::test {

/// One section of spots in a row. Spot i has counts of 1 to 7 in every `step`-th gene from gene
/// i % step on.
inline Dataset plain_section(int n_spots, int n_genes, int step) {
  Dataset data;
  data.counts.n_rows = n_spots;
  data.counts.n_cols = n_genes;
  for (int i = 0; i < n_spots; ++i) {
    for (int g = i % step; g < n_genes; g += step) {
      data.counts.column.push_back(g);
      data.counts.value.push_back(static_cast<float>(1 + (i + g) % 7));
    }
    data.counts.row_start.push_back(static_cast<std::int64_t>(data.counts.column.size()));
    data.spot_names.push_back(std::to_string(i));
    data.coordinates.values.insert(data.coordinates.values.end(), {1.0 * i, 0.0});
  }
  for (int g = 0; g < n_genes; ++g) data.gene_names.push_back(std::to_string(g));
  data.section.assign(data.spot_names.size(), 0);
  data.section_names = {"section"};
  return data;
}

}  // namespace stamarker::test
