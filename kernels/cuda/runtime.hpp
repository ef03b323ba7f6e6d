#pragma once
#include <cstddef>
#include <string>

#include "base/error.hpp"

/// The CUDA runtime: runtime.cpp for devices, tests/cuda_emulation/runtime.cpp for the emulation,
/// where device memory is the host's and each call is done when it returns.
namespace stamarker {

/// Which devices this process may use (CUDA_VISIBLE_DEVICES limits them).
struct FoundDevices {
  int n = 0;
  std::string problem;  // when n is 0: why, and what to do
};
FoundDevices find_devices();

struct DeviceLimits {
  std::string name;
  int n_processors = 0;                    // multiprocessors
  std::size_t shared_bytes_per_block = 0;  // the most a kernel can ask for
  std::size_t memory_bytes = 0;
  std::string bus_id;  // tells the devices of a machine apart
};
/// Device `index` is what this thread works on from now on.
DeviceLimits use_device(int index);

/// Memory of the device in use, aligned to 256 bytes. Throws OutOfDeviceMemory
/// (kernels/device_memory.hpp) where there is not enough.
void* acquire_memory(std::size_t bytes);
void release_memory(void* p) noexcept;
std::size_t free_memory();

/// A CUDA stream.
struct Stream {
  void* handle = nullptr;
};
class OwnedStream {
 public:
  OwnedStream();
  ~OwnedStream();
  OwnedStream(const OwnedStream&) = delete;
  OwnedStream& operator=(const OwnedStream&) = delete;
  operator Stream() const { return stream_; }  // NOLINT(google-explicit-constructor): it is one

 private:
  Stream stream_;
};
void synchronize(Stream stream);

/// copy_to: the host's memory may change when the call returns. copy_from synchronizes.
void copy_to(Stream stream, const void* host, void* device, std::size_t bytes);
void copy_from(Stream stream, const void* device, void* host, std::size_t bytes);
void fill_with_zero(Stream stream, void* device, std::size_t bytes);

/// Lets `kernel` use more shared memory a block than the 48 KiB that need no asking.
void allow_shared_memory(const void* kernel, std::size_t bytes, Site where);
/// Throws LibraryError where the launch just made was refused.
void check_launch(Site where);

/// An instantiated CUDA graph.
class ExecutableGraph {
 public:
  ExecutableGraph() = default;
  ~ExecutableGraph();
  ExecutableGraph(ExecutableGraph&& other) noexcept;
  ExecutableGraph& operator=(ExecutableGraph&& other) noexcept;

  /// Stream capture between the two calls: nothing runs. No memory may be acquired and no stream
  /// synchronized meanwhile.
  static void begin_capture(Stream stream);
  static ExecutableGraph end_capture(Stream stream);
  void launch(Stream stream) const;

 private:
  void* graph_ = nullptr;
};
/// Whether this build can capture. The emulation cannot: it runs everything at once.
bool can_capture();

}  // namespace stamarker
