#pragma once
#include <cstdint>

#include "kernels/backend.hpp"
#include "kernels/cuda/cuda_expression.hpp"
#include "kernels/cuda/gemm.hpp"
#include "kernels/cuda/runtime.hpp"
#include "kernels/cuda/sampled_rows.hpp"
#include "kernels/cuda/spmm_kernel.hpp"
#include "kernels/cuda/spmm_library.hpp"

namespace stamarker {

/// Device memory that grows to the most that was asked for. A captured graph holds its address, so
/// `n_moves` counts how often that changed.
class GrowingMemory {
 public:
  explicit GrowingMemory(int& n_moves) : n_moves_(n_moves) {}
  ~GrowingMemory() { release_memory(memory_); }
  GrowingMemory(const GrowingMemory&) = delete;
  GrowingMemory& operator=(const GrowingMemory&) = delete;

  /// At least n bytes, aligned to 256, until the next call.
  void* bytes(std::size_t n);

 private:
  int& n_moves_;
  void* memory_ = nullptr;
  std::size_t size_ = 0;
};

/// One stream of one GPU. Kernels stand by operation in the .cu files beside this one, each
/// followed by the operations that launch it; GEMMs are cuBLAS's (gemm.hpp).
class CudaBackend : public Backend {
 public:
  /// Works on device `index` of those that find_devices() counts.
  CudaBackend(int index, const BackendOptions& options);

  void synchronize() override { stamarker::synchronize(stream_); }
  void upload(const void* host, void* device, std::size_t bytes) override;
  void download(const void* device, void* host, std::size_t bytes) override;
  void clear(void* device, std::size_t bytes) override;
  std::string description() const override;
  std::string device_id() const override { return limits_.bus_id; }
  std::optional<std::size_t> free_bytes() const override { return free_memory(); }
  std::unique_ptr<CapturedGraph> capture(std::function<void()> enqueue) override;

  std::unique_ptr<Expression> make_expression(const HostCsr& x, ExpressionFormat format) override;
  void gram(ConstMatrix a, Matrix out) override;
  void project(const StepView& step) override;
  void attend(const StepView& step) override;
  void sample_neighbors(const GraphView& full, DeviceSpan<const std::int32_t> spot, RandomKey key,
                        DeviceSpan<const std::int32_t> epoch, DeviceSpan<std::int32_t> source,
                        DeviceSpan<std::int64_t> target_start, DeviceSpan<std::int32_t> target,
                        DeviceSpan<std::int64_t> edge) override;
  void encode(const StepView& step) override;
  void decode(const StepView& step) override;
  void decoder_backward(const StepView& step) override;
  void latent_backward(const StepView& step) override;
  void encoder_backward(const StepView& step) override;
  void weight_gradient(const StepView& step) override;
  void add_product(float c, ConstMatrix a, ConstMatrix p, Matrix out) override;
  void dot(ConstMatrix a, ConstMatrix b, DeviceSpan<double> out) override;
  void sum_of_squares(DeviceSpan<const float> values, DeviceSpan<double> out) override;
  void add(DeviceSpan<const float> from, DeviceSpan<float> to) override;
  void add(DeviceSpan<const double> from, DeviceSpan<double> to) override;
  void adam(const AdamOptions& options, DeviceSpan<const std::int32_t> epoch,
            DeviceSpan<float> weights, std::size_t n_second, DeviceSpan<const float> gradient,
            DeviceSpan<float> moments, DeviceSpan<const double> squared_norm) override;
  void finish_epoch(DeviceSpan<const double> sums, DeviceMatrix<double> history,
                    DeviceSpan<std::int32_t> epoch) override;
  void mlp_forward(const MlpView& mlp, DeviceSpan<const float> parameters, ConstMatrix z,
                   Matrix logits) override;
  void mlp_gradient(const MlpView& mlp, ClassifierLoss loss, DeviceSpan<const float> parameters,
                    ConstMatrix z, DeviceSpan<const std::int32_t> label,
                    DeviceSpan<double> loss_value, DeviceSpan<float> gradient) override;
  void mlp_train(const MlpView& mlp, const MlpTraining& training, ConstMatrix z,
                 DeviceSpan<const std::int32_t> label, DeviceSpan<float> parameters,
                 DeviceSpan<double> loss) override;
  void mlp_max_logit_gradient(const MlpView& mlp, DeviceSpan<const float> parameters, ConstMatrix z,
                              Matrix d_z) override;
  void input_saliency(ConstMatrix d_y, ConstMatrix w1, Matrix out) override;

  Stream stream() const { return stream_; }

 private:
  friend class CudaGraph;
  void* acquire(std::size_t bytes) override { return acquire_memory(bytes); }
  void release(void* p) noexcept override { release_memory(p); }

  int n_processors() const { return limits_.n_processors; }
  std::size_t most_shared_bytes() const { return limits_.shared_bytes_per_block; }
  /// Workspace of one operation: at least n elements, until the next call.
  template <class T>
  T* workspace(std::size_t n) {
    return static_cast<T*>(workspace_.bytes(n * sizeof(T)));
  }

  /// out = A B;  out += A^T B;  out += A^T A, which out must be symmetric for.
  void multiply(ConstMatrix a, ConstMatrix b, Matrix out);
  void add_transposed_product(ConstMatrix a, ConstMatrix b, Matrix out);
  void add_gram(ConstMatrix a, Matrix out);
  void multiply(const Spmm& product);
  /// out = factor A B + keep out.
  void multiply_by_library(const SparseView& a, const std::int32_t* row_start_32, ConstMatrix b,
                           float factor, float keep, Matrix out);
  // Of make_expression(): whether X is stored dense, whether cuSPARSE multiplies A, and what for.
  bool wants_dense(const SparseView& x) const;
  bool wants_library(const SparseView& a, ExpressionFormat format) const;
  void to_dense(const SparseView& x, Matrix out);
  Buffer<std::int32_t> row_start_32_of(const SparseView& a);
  void multiply_transposed(const CudaExpression& x, float factor, ConstMatrix b, Matrix out);
  /// out [1] = <a, b> of n values, in double.
  void dot_of(std::int64_t n, const float* a, const float* b, double* out);

  // With a single source a row, only the rows that were sampled are computed (single_source.cu).
  void encode_sampled(const StepView& step);
  void decode_sampled(const StepView& step);
  void decoder_backward_sampled(const StepView& step);
  void latent_backward_sampled(const StepView& step);
  void weight_gradient_sampled(const StepView& step);
  void weight_gradient_sampled_dense(const StepView& step, const CudaExpression& x);

  DeviceLimits limits_;
  BackendOptions options_;
  OwnedStream stream_;
  Gemm gemm_;
  SpmmLibrary spmm_library_{stream_};
  int n_moves_ = 0;
  GrowingMemory workspace_{n_moves_}, sampled_memory_{n_moves_}, renumbered_memory_{n_moves_};
  SampledRows sampled_{};
};

}  // namespace stamarker
