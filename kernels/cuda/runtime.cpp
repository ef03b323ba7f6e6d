#include "kernels/cuda/runtime.hpp"

#include <array>
#include <cstdlib>
#include <utility>

#include "kernels/cuda/check.hpp"
#include "kernels/device_memory.hpp"

namespace stamarker {
namespace {

constexpr int least_capability = 80;  // 10 major + minor; what the kernels are built for
constexpr std::size_t shared_bytes_without_asking = std::size_t{48} << 10;

std::string version_text(int version) {  // as CUDA counts: 1000 major + 10 minor
  return std::to_string(version / 1000) + '.' + std::to_string(version % 1000 / 10);
}

/// Why the driver gave no devices, and what to do.
std::string problem_of(cudaError_t status) {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0) return "no NVIDIA driver is loaded on this machine; install one, or use cpu";
  if (status == cudaErrorInsufficientDriver)
    return "the NVIDIA driver is for CUDA " + version_text(driver) + ", this build needs " +
           version_text(runtime) + "; update the driver, or use cpu";
  if (status == cudaErrorNoDevice || status == cudaSuccess) {
    const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
    if (visible == nullptr) return "the NVIDIA driver sees no GPU; use cpu";
    return std::string("the NVIDIA driver sees no GPU among CUDA_VISIBLE_DEVICES=") + visible +
           "; unset it, or use cpu";
  }
  return std::string("the NVIDIA driver says: ") + cudaGetErrorString(status) + "; use cpu";
}

struct Memory {
  std::size_t free = 0, total = 0;
};
Memory memory_in_use() {
  Memory memory;
  check_cuda(cudaMemGetInfo(&memory.free, &memory.total), "cudaMemGetInfo");
  return memory;
}

cudaStream_t stream_of(Queue queue) { return static_cast<cudaStream_t>(queue.stream); }

}  // namespace

FoundDevices find_devices() {
  FoundDevices found;
  const cudaError_t status = cudaGetDeviceCount(&found.n);
  if (status != cudaSuccess) found.n = 0;
  if (found.n == 0) found.problem = problem_of(status);
  for (int index = 0; index < found.n; ++index) {
    cudaDeviceProp device{};
    check_cuda(cudaGetDeviceProperties(&device, index), "cudaGetDeviceProperties");
    if (10 * device.major + device.minor >= least_capability) continue;
    return {0, std::string(device.name) + " is too old (compute capability " +
                   std::to_string(device.major) + '.' + std::to_string(device.minor) +
                   ", 8.0 is needed); hide it by CUDA_VISIBLE_DEVICES, or use cpu"};
  }
  return found;
}

DeviceLimits use_device(int index) {
  check_cuda(cudaSetDevice(index), "cudaSetDevice");
  cudaDeviceProp device{};
  check_cuda(cudaGetDeviceProperties(&device, index), "cudaGetDeviceProperties");
  std::array<char, 32> bus{};
  check_cuda(cudaDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), index),
             "cudaDeviceGetPCIBusId");
  return {.name = device.name,
          .n_processors = device.multiProcessorCount,
          .shared_bytes_per_block = device.sharedMemPerBlockOptin,
          .memory_bytes = device.totalGlobalMem,
          .bus_id = bus.data()};
}

void* acquire_memory(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  void* p = nullptr;
  const cudaError_t status = cudaMalloc(&p, bytes);
  if (status == cudaSuccess) return p;
  cudaGetLastError();  // an allocation that failed leaves the device as it was
  if (status != cudaErrorMemoryAllocation) check_cuda(status, "cudaMalloc");
  const Memory memory = memory_in_use();
  throw OutOfDeviceMemory(bytes, memory.free, memory.total);
}

void release_memory(void* p) noexcept { cudaFree(p); }
std::size_t free_memory() { return memory_in_use().free; }

OwnQueue::OwnQueue() {
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  queue_ = {stream};
}
OwnQueue::~OwnQueue() { cudaStreamDestroy(stream_of(queue_)); }
void wait_for(Queue queue) {
  check_cuda(cudaStreamSynchronize(stream_of(queue)), "cudaStreamSynchronize");
}

// From memory that is not pinned CUDA copies to a buffer of its own before it returns.
void copy_to(Queue queue, const void* host, void* device, std::size_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_of(queue)),
             "cudaMemcpyAsync");
}
void copy_from(Queue queue, const void* device, void* host, std::size_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_of(queue)),
             "cudaMemcpyAsync");
  wait_for(queue);
}
void fill_with_zero(Queue queue, void* device, std::size_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemsetAsync(device, 0, bytes, stream_of(queue)), "cudaMemsetAsync");
}

void allow_shared_memory(const void* kernel, std::size_t bytes, Site where) {
  if (bytes <= shared_bytes_without_asking) return;
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(bytes)),
             "shared memory of a kernel", where);
}
void check_launch(Site where) { check_cuda(cudaGetLastError(), "launch", where); }

RecordedWork::~RecordedWork() {
  if (graph_ != nullptr) cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph_));
}
RecordedWork::RecordedWork(RecordedWork&& other) noexcept
    : graph_(std::exchange(other.graph_, nullptr)) {}
RecordedWork& RecordedWork::operator=(RecordedWork&& other) noexcept {
  std::swap(graph_, other.graph_);
  return *this;
}

void RecordedWork::begin(Queue queue) {
  check_cuda(cudaStreamBeginCapture(stream_of(queue), cudaStreamCaptureModeThreadLocal),
             "cudaStreamBeginCapture");
}

RecordedWork RecordedWork::end(Queue queue) {
  cudaGraph_t graph = nullptr;
  check_cuda(cudaStreamEndCapture(stream_of(queue), &graph), "cudaStreamEndCapture");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  check_cuda(status, "cudaGraphInstantiate");
  RecordedWork work;
  work.graph_ = executable;
  return work;
}

void RecordedWork::enqueue(Queue queue) const {
  check_cuda(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph_), stream_of(queue)),
             "cudaGraphLaunch");
}

bool can_record() { return true; }

}  // namespace stamarker
