#pragma once

/// What kernel source knows of CUDA. nvcc sees CUDA's own names. Any other compiler sees those of
/// the CPU emulation, which runs kernels thread by thread to test them (tests/cuda_emulation). What
/// its device.hpp lacks (float atomics, __shared__ arrays) is what kernels do not use.
#ifdef __CUDACC__
#include <cuda_runtime.h>
#else
#include "cuda_emulation/device.hpp"
#endif
