#include "kernels/cuda/runtime.hpp"

#include <cstring>
#include <new>

#include "kernels/cuda/memory_message.hpp"

namespace stamarker {
namespace {

constexpr std::align_val_t alignment{256};
constexpr std::size_t memory_bytes = std::size_t{64} << 30;  // of the device that is played

}  // namespace

FoundDevices find_devices() { return {1, ""}; }

// Few processors, so that kernels that cut work by their number cut it.
DeviceLimits use_device(int) {
  return {.name = "CUDA kernels on the host",
          .n_processors = 4,
          .shared_bytes_per_block = std::size_t{227} << 10,
          .memory_bytes = memory_bytes,
          .bus_id = "host"};
}

void* acquire_memory(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  if (bytes > memory_bytes)
    throw InputError(out_of_memory_message(bytes, memory_bytes, memory_bytes));
  return ::operator new(bytes, alignment);
}
void release_memory(void* p) noexcept { ::operator delete(p, alignment); }
std::size_t free_memory() { return memory_bytes; }

OwnQueue::OwnQueue() = default;
OwnQueue::~OwnQueue() { queue_.stream = nullptr; }  // nothing to give back
void wait_for(Queue) {}

void copy_to(Queue, const void* host, void* device, std::size_t bytes) {
  if (bytes > 0) std::memcpy(device, host, bytes);
}
void copy_from(Queue, const void* device, void* host, std::size_t bytes) {
  if (bytes > 0) std::memcpy(host, device, bytes);
}
void fill_with_zero(Queue, void* device, std::size_t bytes) {
  if (bytes > 0) std::memset(device, 0, bytes);
}

RecordedWork::~RecordedWork() { graph_ = nullptr; }
RecordedWork::RecordedWork(RecordedWork&&) noexcept = default;
RecordedWork& RecordedWork::operator=(RecordedWork&&) noexcept = default;
void RecordedWork::begin(Queue) {}
RecordedWork RecordedWork::end(Queue) { return {}; }
void RecordedWork::enqueue(Queue) const {}
bool can_record() { return false; }

}  // namespace stamarker
