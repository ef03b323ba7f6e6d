#pragma once
#include "kernels/backend.hpp"
#include "kernels/cuda/runtime.hpp"

namespace stamarker {

/// Copies the triangle above the diagonal of a square matrix to below it.
void mirror_upper(Stream stream, Matrix m);

}  // namespace stamarker
