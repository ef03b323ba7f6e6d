#pragma once
#include <cuda_runtime_api.h>

#include "base/error.hpp"

namespace stamarker {

/// Throws LibraryError where the CUDA runtime refused.
inline void check_cuda(cudaError_t status, const char* what, Site where = Site::current()) {
  if (status != cudaSuccess)
    throw LibraryError("CUDA", std::string(what) + ": " + cudaGetErrorString(status), where);
}

}  // namespace stamarker
