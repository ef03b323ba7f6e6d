#pragma once
#include <cstdint>

#include "io/read_input.hpp"

namespace stamarker {

/// Size of the input's table of counts as its header tells it, before spots and genes are dropped
/// that read_input drops; nothing else is read. Throws InputError as read_input.
struct InputShape {
  std::int64_t n_spots = 0, n_genes = 0;
  std::int64_t n_entries = 0;  // stored ones; of a dense matrix all
};
InputShape read_shape(const InputOptions& options);

}  // namespace stamarker
