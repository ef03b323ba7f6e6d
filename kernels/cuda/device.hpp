#pragma once

/// What kernel source knows of CUDA. nvcc sees CUDA's own; any other compiler the same names for
/// the launcher that runs kernels on the host, thread by thread, to test them (on_host/). What is
/// not in on_host/device.hpp (float atomics, __shared__ arrays) is what kernels do not use.
#ifdef __CUDACC__
#include <cuda_runtime.h>
#else
#include "kernels/cuda/on_host/device.hpp"
#endif
