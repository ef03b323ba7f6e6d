#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace stamarker {

/// How much of the input there was, and how much preparation left out.
struct InputSummary {
  std::int64_t n_spots = 0, n_genes = 0;   // that were read
  std::int64_t n_other_features = 0;       // not of type "Gene Expression", not read
  std::int64_t n_seen_genes = 0;           // with a count in any spot
  std::int64_t n_kept_genes = 0;           // by min_cells
  std::vector<std::string> warnings = {};  // of reading, a line each
};

}  // namespace stamarker
