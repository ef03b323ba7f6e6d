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
    : limits_(use_device(index)), options_(options), products_(queue_, options.precision) {}

void CudaBackend::upload(const void* host, void* device, std::size_t bytes) {
  copy_to(queue_, host, device, bytes);
}
void CudaBackend::download(const void* device, void* host, std::size_t bytes) {
  copy_from(queue_, device, host, bytes);
}
void CudaBackend::clear(void* device, std::size_t bytes) { fill_with_zero(queue_, device, bytes); }

std::string CudaBackend::description() const { return limits_.name + " (" + limits_.bus_id + ')'; }

/// A graph of what `enqueue` enqueues; made anew when memory that it names has moved.
class CudaRecording : public Recording {
 public:
  CudaRecording(CudaBackend& on, std::function<void()> enqueue)
      : on_(on), enqueue_(std::move(enqueue)) {
    record();
  }
  void replay() override {
    if (!can_record()) return enqueue_();
    if (n_moves_ != on_.n_moves_) record();
    work_.enqueue(on_.queue_);
  }

 private:
  void record() {
    if (!can_record()) return;
    n_moves_ = on_.n_moves_;
    RecordedWork::begin(on_.queue_);
    enqueue_();
    work_ = RecordedWork::end(on_.queue_);
  }

  CudaBackend& on_;
  std::function<void()> enqueue_;
  RecordedWork work_;
  int n_moves_ = 0;
};

std::unique_ptr<Recording> CudaBackend::record(std::function<void()> enqueue) {
  return std::make_unique<CudaRecording>(*this, std::move(enqueue));
}

void CudaBackend::multiply(ConstMatrix a, ConstMatrix b, Matrix out) {
  products_.multiply(Transpose::no, a, Transpose::no, b, 1, 0, out);
}
void CudaBackend::add_transposed_product(ConstMatrix a, ConstMatrix b, Matrix out) {
  products_.multiply(Transpose::yes, a, Transpose::no, b, 1, 1, out);
}
void CudaBackend::add_gram(ConstMatrix a, Matrix out) { products_.gram(a, 1, out); }
void CudaBackend::gram(ConstMatrix a, Matrix out) { products_.gram(a, 0, out); }
void CudaBackend::add_product(float c, ConstMatrix a, ConstMatrix p, Matrix out) {
  products_.multiply(Transpose::no, a, Transpose::no, p, c, 1, out);
}

bool is_built_for_gpus() { return true; }

std::string why_no_gpu() { return find_devices().problem; }

std::unique_ptr<Backend> make_gpu_backend(const BackendOptions& options) {
  return std::make_unique<CudaBackend>(options.local_rank % find_devices().n, options);
}

}  // namespace stamarker
