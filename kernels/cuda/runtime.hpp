#pragma once
#include <cstddef>
#include <string>

#include "base/error.hpp"

/// The seam to the CUDA runtime. runtime.cpp has it for devices; on_host/runtime.cpp has it for the
/// launcher, where device memory is the host's and each call is done when it returns.
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

/// A queue of work of one device: a CUDA stream.
struct Queue {
  void* stream = nullptr;
};
class OwnQueue {
 public:
  OwnQueue();
  ~OwnQueue();
  OwnQueue(const OwnQueue&) = delete;
  OwnQueue& operator=(const OwnQueue&) = delete;
  operator Queue() const { return queue_; }  // NOLINT(google-explicit-constructor): it is one

 private:
  Queue queue_;
};
void wait_for(Queue queue);

/// copy_to: the host's memory may change when the call returns. copy_from waits for the queue.
void copy_to(Queue queue, const void* host, void* device, std::size_t bytes);
void copy_from(Queue queue, const void* device, void* host, std::size_t bytes);
void fill_with_zero(Queue queue, void* device, std::size_t bytes);

/// Lets `kernel` use more shared memory a block than the 48 KiB that need no asking.
void allow_shared_memory(const void* kernel, std::size_t bytes, Site where);
/// Throws LibraryError where the launch just made was refused.
void check_launch(Site where);

/// Work that was enqueued once and can be enqueued again as a whole: a CUDA graph.
class RecordedWork {
 public:
  RecordedWork() = default;
  ~RecordedWork();
  RecordedWork(RecordedWork&& other) noexcept;
  RecordedWork& operator=(RecordedWork&& other) noexcept;

  /// From here on `queue` notes work instead of doing it, until end(). No memory may be acquired
  /// and nothing waited for in between.
  static void begin(Queue queue);
  static RecordedWork end(Queue queue);
  void enqueue(Queue queue) const;

 private:
  void* graph_ = nullptr;
};
/// Whether this build can record: the launcher cannot, it does everything at once.
bool can_record();

}  // namespace stamarker
