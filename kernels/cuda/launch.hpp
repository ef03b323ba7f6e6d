#pragma once
#include <cstddef>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "kernels/cuda/device.hpp"
#include "kernels/cuda/runtime.hpp"

namespace stamarker {

/// The shape of one launch.
struct Launch {
  int n_blocks = 1, n_blocks_y = 1;  // blockIdx.x, blockIdx.y (at most 65535)
  int n_threads = 256;               // of a block, a multiple of the warp's 32, at most 1024
  std::size_t shared_bytes = 0;      // what the kernel takes from BlockMemory
  Site where = Site::current();
};

/// Enqueues `kernel(args...)`; nothing where there are no blocks. The only place that launches.
template <class... Parameters, class... Arguments>
void launch(Stream stream, const Launch& how, void (*kernel)(Parameters...), Arguments&&... args) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments));
  if (how.n_blocks == 0 || how.n_blocks_y == 0) return;
#ifdef __CUDACC__
  allow_shared_memory(reinterpret_cast<const void*>(kernel), how.shared_bytes, how.where);
  const dim3 n_blocks(how.n_blocks, how.n_blocks_y);
  kernel<<<n_blocks, how.n_threads, how.shared_bytes, static_cast<cudaStream_t>(stream.handle)>>>(
      static_cast<Parameters>(std::forward<Arguments>(args))...);
  check_launch(how.where);
#else
  (void)stream;  // the host's stream is empty when a call returns
  struct Call {
    void (*kernel)(Parameters...);
    std::tuple<std::decay_t<Parameters>...> arguments;
  };
  Call call{kernel, {static_cast<Parameters>(std::forward<Arguments>(args))...}};
  const auto body = [](void* context) {
    const Call& the = *static_cast<const Call*>(context);
    std::apply(the.kernel, the.arguments);
  };
  cuda_emulation::run(
      {.n_blocks = {static_cast<unsigned>(how.n_blocks), static_cast<unsigned>(how.n_blocks_y), 1},
       .n_threads = how.n_threads,
       .shared_bytes = how.shared_bytes,
       .where = how.where,
       .body = body,
       .context = &call});
#endif
}

}  // namespace stamarker
