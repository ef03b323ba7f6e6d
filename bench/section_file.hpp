#pragma once
#include <string>

#include "data/dataset.hpp"

namespace stamarker::bench {

/// What ours and the peers (bench/peers) compute the same thing from; one HDF5 file:
///
///   expression/{row_start, column, value, n_cols}, graph/{row_start, source}, coordinates [N, 2]
///   weights/{w1 [G, H], w2 [H, L], a_src, a_dst [H]}     where training starts
///   reference/samples [n_checked, N]             sources sampled in the first epochs
///   classifier/embedding [N, L], domain [N]     normal clusters that overlap, and which is which
///   consensus/labels [M, N], n_domains          M partitions that differ at their borders
inline constexpr int n_hidden = 512, n_latent = 30, n_domains = 7, n_models = 20, n_checked = 3;

void write_section_file(const std::string& path, const PreparedData& data);
PreparedData read_training_data(const std::string& path);

}  // namespace stamarker::bench
