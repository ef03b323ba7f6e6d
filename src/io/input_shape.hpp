#pragma once
#include <cstdint>

#include "io/anndata_matrix.hpp"
#include "io/read_input.hpp"

namespace stamarker {

/// Size of the input's table of counts as its header tells it, before spots and genes are dropped
/// that read_input drops; nothing else is read. Throws InputError as read_input, for all that the
/// header tells: a file, layer, column or table of coordinates that is missing, tables of different
/// lengths, a column that is named twice.
struct InputShape {
  std::int64_t n_spots = 0, n_genes = 0;
  std::int64_t n_entries = 0;       // stored ones; of a dense matrix all
  anndata::ChunkExtent chunk = {};  // of an .h5ad
};
InputShape read_shape(const InputOptions& options);

/// Entries of an .h5ad that a thread reads at a time: 1 MB, which stays in a core's cache; or as
/// many as are inflated together, up to 8 MB, so that threads need not wait for the same chunk.
std::int64_t entries_at_a_time(anndata::ChunkExtent chunk);

}  // namespace stamarker
