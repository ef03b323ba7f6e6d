#include "base/error.hpp"
#include "kernels/backend.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cuda/gpu.hpp"

namespace stamarker {

std::vector<Device> available_devices() {
  if (why_no_gpu().empty()) return {Device::cpu, Device::cuda};
  return {Device::cpu};
}

bool is_built_for(Device device) { return device == Device::cpu || is_built_for_gpus(); }

std::string why_missing(Device device) { return device == Device::cpu ? "" : why_no_gpu(); }

std::unique_ptr<Backend> make_backend(Device device, const BackendOptions& options) {
  if (device == Device::cpu) return std::make_unique<CpuBackend>();
  const std::string problem = why_no_gpu();
  if (!problem.empty()) throw InputError("compute.device = cuda (" + problem + ')');
  return make_gpu_backend(options);
}

}  // namespace stamarker
