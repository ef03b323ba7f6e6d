#pragma once
#include "data/select_counts.hpp"

namespace stamarker::test {

/// A section in memory, prepared by one process: what the stage does with the input's parts.
struct PreparedSection {
  PreparedData data;        // with expression
  SelectedCounts selected;  // with the raw counts
};
PreparedSection prepare_section(const Dataset& data, const PrepareOptions& options,
                                int block_rows = 4096);

}  // namespace stamarker::test
