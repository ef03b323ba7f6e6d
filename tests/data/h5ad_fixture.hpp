#pragma once
#include <filesystem>

#include "data/dataset.hpp"

namespace stamarker::test {

/// X (a csr_matrix group) and obsm/spatial of an .h5ad file, with indices as names. Only for tests
/// of this layer, which cannot use the program's own reader.
Dataset read_section(const std::filesystem::path& path);

}  // namespace stamarker::test
