#include "base/error.hpp"
#include "kernels/backend.hpp"
#include "kernels/cpu/cpu_backend.hpp"

namespace stamarker {

std::vector<Device> available_devices() { return {Device::cpu}; }

std::unique_ptr<Backend> make_backend(Device device) {
  if (device == Device::cpu) return std::make_unique<CpuBackend>();
  throw InputError("compute.device = cuda (this build has no CUDA backend; use cpu or auto)");
}

}  // namespace stamarker
