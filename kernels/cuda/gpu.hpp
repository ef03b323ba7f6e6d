#pragma once
#include <memory>
#include <string>

#include "kernels/backend.hpp"

/// What a build knows of GPUs. One of three libraries has it: gpu_none.cpp for a build without
/// CUDA, cuda_backend.cpp with the CUDA runtime, and for tests the same with its kernels
/// emulated (tests/cuda_emulation).
namespace stamarker {

bool is_built_for_gpus();
/// Why there is none, and what to do; empty where there is one.
std::string why_no_gpu();
/// Where there is one.
std::unique_ptr<Backend> make_gpu_backend(const BackendOptions& options);

}  // namespace stamarker
