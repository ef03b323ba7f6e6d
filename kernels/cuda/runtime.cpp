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

cudaStream_t native(Stream stream) { return static_cast<cudaStream_t>(stream.handle); }

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

OwnedStream::OwnedStream() {
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  stream_ = {stream};
}
OwnedStream::~OwnedStream() { cudaStreamDestroy(native(stream_)); }
void synchronize(Stream stream) {
  check_cuda(cudaStreamSynchronize(native(stream)), "cudaStreamSynchronize");
}

// From memory that is not pinned CUDA copies to a buffer of its own before it returns.
void copy_to(Stream stream, const void* host, void* device, std::size_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, native(stream)),
             "cudaMemcpyAsync");
}
void copy_from(Stream stream, const void* device, void* host, std::size_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, native(stream)),
             "cudaMemcpyAsync");
  synchronize(stream);
}
void fill_with_zero(Stream stream, void* device, std::size_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemsetAsync(device, 0, bytes, native(stream)), "cudaMemsetAsync");
}

void allow_shared_memory(const void* kernel, std::size_t bytes, Site where) {
  if (bytes <= shared_bytes_without_asking) return;
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(bytes)),
             "shared memory of a kernel", where);
}
void check_launch(Site where) { check_cuda(cudaGetLastError(), "launch", where); }

ExecutableGraph::~ExecutableGraph() {
  if (graph_ != nullptr) cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph_));
}
ExecutableGraph::ExecutableGraph(ExecutableGraph&& other) noexcept
    : graph_(std::exchange(other.graph_, nullptr)) {}
ExecutableGraph& ExecutableGraph::operator=(ExecutableGraph&& other) noexcept {
  std::swap(graph_, other.graph_);
  return *this;
}

void ExecutableGraph::begin_capture(Stream stream) {
  check_cuda(cudaStreamBeginCapture(native(stream), cudaStreamCaptureModeThreadLocal),
             "cudaStreamBeginCapture");
}

ExecutableGraph ExecutableGraph::end_capture(Stream stream) {
  cudaGraph_t graph = nullptr;
  check_cuda(cudaStreamEndCapture(native(stream), &graph), "cudaStreamEndCapture");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  check_cuda(status, "cudaGraphInstantiate");
  ExecutableGraph work;
  work.graph_ = executable;
  return work;
}

void ExecutableGraph::launch(Stream stream) const {
  check_cuda(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph_), native(stream)),
             "cudaGraphLaunch");
}

bool can_capture() { return true; }

}  // namespace stamarker
