#include "kernels/cuda/runtime.hpp"

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <unordered_map>

#include "kernels/device_memory.hpp"

namespace stamarker {
namespace {

constexpr std::align_val_t alignment{256};

/// Of the device that is played: 64 GiB, or as many bytes as STM_DEVICE_BYTES says.
std::size_t memory_bytes() {
  const char* said = std::getenv("STM_DEVICE_BYTES");
  return said != nullptr ? std::strtoull(said, nullptr, 10) : std::size_t{64} << 30;
}

/// What is acquired and not released.
class Acquired {
 public:
  void* acquire(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes > memory_bytes() - used_)
      throw OutOfDeviceMemory(bytes, memory_bytes() - used_, memory_bytes());
    void* p = ::operator new(bytes, alignment);
    size_[p] = bytes;
    used_ += bytes;
    return p;
  }
  void release(void* p) {
    const std::lock_guard lock(mutex_);
    used_ -= size_.at(p);
    size_.erase(p);
    ::operator delete(p, alignment);
  }
  std::size_t free() {
    const std::lock_guard lock(mutex_);
    return memory_bytes() - used_;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<void*, std::size_t> size_;
  std::size_t used_ = 0;
};

Acquired& acquired() {
  static Acquired of_device;
  return of_device;
}

}  // namespace

FoundDevices find_devices() { return {1, ""}; }

// Few processors, so that kernels that cut work by their number cut it.
DeviceLimits use_device(int) {
  return {.name = "CUDA kernels on the host",
          .n_processors = 4,
          .shared_bytes_per_block = std::size_t{227} << 10,
          .memory_bytes = memory_bytes(),
          .bus_id = "host"};
}

void* acquire_memory(std::size_t bytes) { return bytes == 0 ? nullptr : acquired().acquire(bytes); }
void release_memory(void* p) noexcept {
  if (p != nullptr) acquired().release(p);
}
std::size_t free_memory() { return acquired().free(); }

OwnedStream::OwnedStream() = default;
OwnedStream::~OwnedStream() { stream_.handle = nullptr; }  // nothing to give back
void synchronize(Stream) {}

void copy_to(Stream, const void* host, void* device, std::size_t bytes) {
  if (bytes > 0) std::memcpy(device, host, bytes);
}
void copy_from(Stream, const void* device, void* host, std::size_t bytes) {
  if (bytes > 0) std::memcpy(host, device, bytes);
}
void fill_with_zero(Stream, void* device, std::size_t bytes) {
  if (bytes > 0) std::memset(device, 0, bytes);
}

ExecutableGraph::~ExecutableGraph() { graph_ = nullptr; }
ExecutableGraph::ExecutableGraph(ExecutableGraph&&) noexcept = default;
ExecutableGraph& ExecutableGraph::operator=(ExecutableGraph&&) noexcept = default;
void ExecutableGraph::begin_capture(Stream) {}
ExecutableGraph ExecutableGraph::end_capture(Stream) { return {}; }
void ExecutableGraph::launch(Stream) const {}
bool can_capture() { return false; }

}  // namespace stamarker
