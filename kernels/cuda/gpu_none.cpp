#include "base/error.hpp"
#include "kernels/cuda/gpu.hpp"

namespace stamarker {

bool is_built_for_gpus() { return false; }

std::string why_no_gpu() { return "this build is for CPUs; build with STM_CUDA=ON, or use cpu"; }

std::unique_ptr<Backend> make_gpu_backend(const BackendOptions&) {
  throw std::logic_error("a GPU that is not there");
}

}  // namespace stamarker
