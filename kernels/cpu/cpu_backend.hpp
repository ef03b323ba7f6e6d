#pragma once
#include <span>
#include <vector>

#include "kernels/backend.hpp"
#include "kernels/cpu/column_blocked_csr.hpp"
#include "kernels/cpu/rows.hpp"
#include "kernels/cpu/sampled_rows.hpp"

namespace stamarker {

/// The readable implementation of every operation, and the fast one: OpenMP over fixed blocks of
/// rows, so that the number of threads changes no bit; loops for several instruction sets
/// (rows.cpp); GEMMs by a BLAS (gemm.hpp).
class CpuBackend : public Backend {
 public:
  void synchronize() override {}
  void upload(const void* host, void* device, std::size_t bytes) override;
  void download(const void* device, void* host, std::size_t bytes) override;
  void clear(void* device, std::size_t bytes) override;
  std::string description() const override;

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

 private:
  void* acquire(std::size_t bytes) override;
  void release(void* p) noexcept override;

  /// out (+)= factor A B through tiles of B, packed by the thread that uses them.
  void multiply(const ColumnBlockedCsr& a, const DenseOperand& b, float factor, rows::Store store,
                Matrix out);
  /// Memory of at least n floats that survives between calls.
  float* packed(std::size_t n);

  // With a single source a row, only the rows that were sampled are computed (single_source.cpp).
  void encode_sampled(const StepView& step);
  void decode_sampled(const StepView& step);
  void decoder_backward_sampled(const StepView& step);
  void latent_backward_sampled(const StepView& step);
  void weight_gradient_sampled(const StepView& step);

  Memory packed_{nullptr, Free{this}};
  std::size_t packed_size_ = 0;
  SampledRows sampled_;
  ColumnBlockedCsr encoded_columns_;  // X^T of K
  std::vector<float> d_o3_w2_;        // [n_own, L] from decode() to decoder_backward()
};

}  // namespace stamarker
