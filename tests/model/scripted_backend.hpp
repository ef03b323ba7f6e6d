#pragma once
#include <vector>

#include "kernels/backend.hpp"

namespace stamarker::test {

/// Another backend, whose samples are given: spot i of the section attends to sources[t][i] in step
/// t. It captures nothing: the samples come from the host.
class ScriptedBackend : public Backend {
 public:
  ScriptedBackend(Backend& on, std::vector<std::vector<std::int32_t>> sources)
      : on_(on), sources_(std::move(sources)) {}

  void sample_neighbors(const GraphView& full, DeviceSpan<const std::int32_t> spot, RandomKey key,
                        DeviceSpan<const std::int32_t> epoch, DeviceSpan<std::int32_t> source,
                        DeviceSpan<std::int64_t> target_start, DeviceSpan<std::int32_t> target,
                        DeviceSpan<std::int64_t> edge) override;

  void synchronize() override { on_.synchronize(); }
  void upload(const void* host, void* device, std::size_t bytes) override {
    on_.upload(host, device, bytes);
  }
  void download(const void* device, void* host, std::size_t bytes) override {
    on_.download(device, host, bytes);
  }
  void clear(void* device, std::size_t bytes) override { on_.clear(device, bytes); }
  std::string description() const override { return on_.description(); }
  std::unique_ptr<Expression> make_expression(const HostCsr& x, ExpressionFormat format) override {
    return on_.make_expression(x, format);
  }
  void gram(ConstMatrix a, Matrix out) override { on_.gram(a, out); }
  void project(const StepView& step) override { on_.project(step); }
  void attend(const StepView& step) override { on_.attend(step); }
  void encode(const StepView& step) override { on_.encode(step); }
  void decode(const StepView& step) override { on_.decode(step); }
  void decoder_backward(const StepView& step) override { on_.decoder_backward(step); }
  void latent_backward(const StepView& step) override { on_.latent_backward(step); }
  void encoder_backward(const StepView& step) override { on_.encoder_backward(step); }
  void weight_gradient(const StepView& step) override { on_.weight_gradient(step); }
  void add_product(float c, ConstMatrix a, ConstMatrix p, Matrix out) override {
    on_.add_product(c, a, p, out);
  }
  void dot(ConstMatrix a, ConstMatrix b, DeviceSpan<double> out) override { on_.dot(a, b, out); }
  void sum_of_squares(DeviceSpan<const float> values, DeviceSpan<double> out) override {
    on_.sum_of_squares(values, out);
  }
  void add(DeviceSpan<const float> from, DeviceSpan<float> to) override { on_.add(from, to); }
  void add(DeviceSpan<const double> from, DeviceSpan<double> to) override { on_.add(from, to); }
  void adam(const AdamOptions& options, DeviceSpan<const std::int32_t> epoch,
            DeviceSpan<float> weights, std::size_t n_second, DeviceSpan<const float> gradient,
            DeviceSpan<float> moments, DeviceSpan<const double> squared_norm) override {
    on_.adam(options, epoch, weights, n_second, gradient, moments, squared_norm);
  }
  void finish_epoch(DeviceSpan<const double> sums, DeviceMatrix<double> history,
                    DeviceSpan<std::int32_t> epoch) override {
    on_.finish_epoch(sums, history, epoch);
  }
  void mlp_forward(const MlpView& mlp, DeviceSpan<const float> parameters, ConstMatrix z,
                   Matrix logits) override {
    on_.mlp_forward(mlp, parameters, z, logits);
  }
  void mlp_gradient(const MlpView& mlp, ClassifierLoss loss, DeviceSpan<const float> parameters,
                    ConstMatrix z, DeviceSpan<const std::int32_t> label,
                    DeviceSpan<double> loss_value, DeviceSpan<float> gradient) override {
    on_.mlp_gradient(mlp, loss, parameters, z, label, loss_value, gradient);
  }
  void mlp_train(const MlpView& mlp, const MlpTraining& training, ConstMatrix z,
                 DeviceSpan<const std::int32_t> label, DeviceSpan<float> parameters,
                 DeviceSpan<double> loss) override {
    on_.mlp_train(mlp, training, z, label, parameters, loss);
  }
  void mlp_max_logit_gradient(const MlpView& mlp, DeviceSpan<const float> parameters, ConstMatrix z,
                              Matrix d_z) override {
    on_.mlp_max_logit_gradient(mlp, parameters, z, d_z);
  }
  void input_saliency(ConstMatrix d_y, ConstMatrix w1, Matrix out) override {
    on_.input_saliency(d_y, w1, out);
  }

 private:
  void* acquire(std::size_t bytes) override { return on_.allocate(bytes).release(); }
  void release(void* p) noexcept override { Memory(p, Free{&on_}).reset(); }

  Backend& on_;
  std::vector<std::vector<std::int32_t>> sources_;
};

}  // namespace stamarker::test
