#include "kernels/cuda/cuda_backend.hpp"

#include <utility>

#include "kernels/cuda/gpu.hpp"

namespace stamarker {

void* GrowingMemory::bytes(std::size_t n) {
  if (n <= size_) return memory_;
  release_memory(memory_);  // first give back, then take
  memory_ = nullptr;
  size_ = 0;
  memory_ = acquire_memory(n);
  size_ = n;
  ++n_moves_;
  return memory_;
}

CudaBackend::CudaBackend(int index, const BackendOptions& options)
    : limits_(use_device(index)), options_(options), gemm_(stream_, options.precision) {}

void CudaBackend::upload(const void* host, void* device, std::size_t bytes) {
  copy_to(stream_, host, device, bytes);
}
void CudaBackend::download(const void* device, void* host, std::size_t bytes) {
  copy_from(stream_, device, host, bytes);
}
void CudaBackend::clear(void* device, std::size_t bytes) { fill_with_zero(stream_, device, bytes); }

std::string CudaBackend::description() const { return limits_.name + " (" + limits_.bus_id + ')'; }

/// A graph of what `enqueue` enqueues; made anew when memory that it names has moved.
class CudaGraph : public CapturedGraph {
 public:
  CudaGraph(CudaBackend& on, std::function<void()> enqueue)
      : on_(on), enqueue_(std::move(enqueue)) {
    capture();
  }
  void launch() override {
    if (!can_capture()) return enqueue_();
    if (n_moves_ != on_.n_moves_) capture();
    graph_.launch(on_.stream_);
  }

 private:
  void capture() {
    if (!can_capture()) return;
    n_moves_ = on_.n_moves_;
    ExecutableGraph::begin_capture(on_.stream_);
    enqueue_();
    graph_ = ExecutableGraph::end_capture(on_.stream_);
  }

  CudaBackend& on_;
  std::function<void()> enqueue_;
  ExecutableGraph graph_;
  int n_moves_ = 0;
};

std::unique_ptr<CapturedGraph> CudaBackend::capture(std::function<void()> enqueue) {
  return std::make_unique<CudaGraph>(*this, std::move(enqueue));
}

void CudaBackend::multiply(ConstMatrix a, ConstMatrix b, Matrix out) {
  gemm_.multiply(Transpose::no, a, Transpose::no, b, 1, 0, out);
}
void CudaBackend::add_transposed_product(ConstMatrix a, ConstMatrix b, Matrix out) {
  gemm_.multiply(Transpose::yes, a, Transpose::no, b, 1, 1, out);
}
void CudaBackend::add_gram(ConstMatrix a, Matrix out) { gemm_.gram(a, 1, out); }
void CudaBackend::gram(ConstMatrix a, Matrix out) { gemm_.gram(a, 0, out); }
void CudaBackend::add_product(float c, ConstMatrix a, ConstMatrix p, Matrix out) {
  gemm_.multiply(Transpose::no, a, Transpose::no, p, c, 1, out);
}

bool is_built_for_gpus() { return true; }

std::string why_no_gpu() { return find_devices().problem; }

std::unique_ptr<Backend> make_gpu_backend(const BackendOptions& options) {
  return std::make_unique<CudaBackend>(options.local_rank % find_devices().n, options);
}

}  // namespace stamarker
