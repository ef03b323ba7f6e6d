#pragma once
#include <cstddef>

#include "base/error.hpp"

namespace stamarker {

/// A queue of work of one device: a CUDA stream. On the host each call is done when it returns.
struct Queue {
  void* stream = nullptr;
};

/// Lets `kernel` use more shared memory a block than the 48 KiB that need no asking.
void allow_shared_memory(const void* kernel, std::size_t bytes, Site where);
/// Throws LibraryError where the launch just made was refused.
void check_launch(Site where);

}  // namespace stamarker
