#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/one_thread.hpp"
#include "kernels/cpu/optimizer.hpp"
#include "kernels/cpu/rows.hpp"

namespace stamarker {
namespace {

/// The layers of one MLP and the activations of one batch.
class Mlp {
 public:
  Mlp(const MlpView& view, const float* parameters) : view_(view) {
    std::size_t at = 0;
    for (int l = 0; l < view.n_layers; ++l) {
      offset_.push_back(at);
      at += static_cast<std::size_t>(view.widths[l] + 1) * view.widths[l + 1];
    }
    n_parameters_ = at;
    parameters_ = parameters;
    value_.resize(static_cast<std::size_t>(view.n_layers) + 1);
  }

  std::size_t n_parameters() const { return n_parameters_; }
  int n_classes() const { return view_.widths[view_.n_layers]; }
  const std::vector<float>& logits() const { return value_.back(); }

  void forward(int n, const float* z) {
    value_[0].assign(z, z + static_cast<std::size_t>(n) * view_.widths[0]);
    for (int l = 0; l < view_.n_layers; ++l) {
      const int in = view_.widths[l], out = view_.widths[l + 1];
      const float* weight = parameters_ + offset_[l];
      const float* bias = weight + static_cast<std::size_t>(in) * out;
      std::vector<float>& to = value_[l + 1];
      to.resize(static_cast<std::size_t>(n) * out);
      for (int i = 0; i < n; ++i) std::copy(bias, bias + out, to.begin() + std::ptrdiff_t{i} * out);
      gemm(Transpose::no, Transpose::yes, n, out, in, 1, value_[l].data(), in, weight, in, 1,
           to.data(), out);
      if (l + 1 < view_.n_layers && view_.activation == Activation::elu)
        rows::elu_in_place(to.size(), to.data());
    }
  }

  /// From d_logits [n, C] to the parameters' gradient (where given) and to d_z (where given).
  void backward(int n, std::vector<float> d, float* gradient, float* d_z) const {
    for (int l = view_.n_layers - 1; l >= 0; --l) {
      const int in = view_.widths[l], out = view_.widths[l + 1];
      if (gradient != nullptr) {
        float* d_weight = gradient + offset_[l];
        float* d_bias = d_weight + static_cast<std::size_t>(in) * out;
        gemm(Transpose::yes, Transpose::no, out, in, n, 1, d.data(), out, value_[l].data(), in, 0,
             d_weight, in);
        std::fill(d_bias, d_bias + out, 0.0f);
        for (int i = 0; i < n; ++i)
          for (int c = 0; c < out; ++c) d_bias[c] += d[static_cast<std::size_t>(i) * out + c];
      }
      if (l == 0 && d_z == nullptr) return;
      std::vector<float> below(static_cast<std::size_t>(n) * in);
      gemm(Transpose::no, Transpose::no, n, in, out, 1, d.data(), out, parameters_ + offset_[l], in,
           0, below.data(), in);
      if (l > 0 && view_.activation == Activation::elu)
        for (std::size_t k = 0; k < below.size(); ++k) below[k] *= elu_slope(value_[l][k]);
      d = std::move(below);
    }
    if (d_z != nullptr) std::copy(d.begin(), d.end(), d_z);
  }

 private:
  MlpView view_;
  const float* parameters_;
  std::size_t n_parameters_ = 0;
  std::vector<std::size_t> offset_;        // [n_layers], of each layer in the parameters
  std::vector<std::vector<float>> value_;  // [n_layers + 1], input, then each layer's output
};

/// Cross-entropy of the rows of `logits` [n, C], mean over rows; logits become its gradient.
double cross_entropy(int n, int n_classes, const std::int32_t* label, std::vector<float>& logits) {
  double loss = 0;
  for (int i = 0; i < n; ++i) {
    float* row = logits.data() + static_cast<std::size_t>(i) * n_classes;
    const float top = *std::max_element(row, row + n_classes);
    for (int c = 0; c < n_classes; ++c) row[c] -= top;
    loss -= row[label[i]];
  }
  rows::exp_in_place(logits.size(), logits.data());
  for (int i = 0; i < n; ++i) {
    float* row = logits.data() + static_cast<std::size_t>(i) * n_classes;
    float total = 0;
    for (int c = 0; c < n_classes; ++c) total += row[c];
    loss += std::log(total);
    const float scale = 1 / (total * static_cast<float>(n));
    for (int c = 0; c < n_classes; ++c) row[c] *= scale;
    row[label[i]] -= 1 / static_cast<float>(n);
  }
  return loss / n;
}

/// Softmax of each column over the batch, cross-entropy of that; logits become the gradient. Sums
/// run over the rows in order, for all classes side by side.
double batch_softmax_loss(int n, int n_classes, const std::int32_t* label,
                          std::vector<float>& logits) {
  const auto each_row = [&](std::vector<float>& of, auto use) {
    for (int i = 0; i < n; ++i) use(i, of.data() + static_cast<std::size_t>(i) * n_classes);
  };
  std::vector<float> top(logits.begin(), logits.begin() + n_classes), total(n_classes, 0.0f);
  each_row(logits, [&](int, const float* row) {
    for (int c = 0; c < n_classes; ++c) top[c] = std::max(top[c], row[c]);
  });
  each_row(logits, [&](int, float* row) {
    for (int c = 0; c < n_classes; ++c) row[c] -= top[c];
  });
  rows::exp_in_place(logits.size(), logits.data());
  each_row(logits, [&](int, const float* row) {
    for (int c = 0; c < n_classes; ++c) total[c] += row[c];
  });
  for (float& t : total) t = 1 / t;
  each_row(logits, [&](int, float* row) {
    for (int c = 0; c < n_classes; ++c) row[c] *= total[c];
  });

  std::vector<float> share = logits, mean(n_classes, 0.0f);
  const double loss = cross_entropy(n, n_classes, label, logits);
  each_row(logits, [&](int i, const float* row) {
    const float* p = share.data() + static_cast<std::size_t>(i) * n_classes;
    for (int c = 0; c < n_classes; ++c) mean[c] += p[c] * row[c];
  });
  each_row(logits, [&](int i, float* row) {
    const float* p = share.data() + static_cast<std::size_t>(i) * n_classes;
    for (int c = 0; c < n_classes; ++c) row[c] = p[c] * (row[c] - mean[c]);
  });
  return loss;
}

double loss_and_gradient(ClassifierLoss kind, int n, int n_classes, const std::int32_t* label,
                         std::vector<float>& logits) {
  return kind == ClassifierLoss::cross_entropy ? cross_entropy(n, n_classes, label, logits)
                                               : batch_softmax_loss(n, n_classes, label, logits);
}

/// Draws spots with replacement: all alike, or first a class, all classes alike, then its spot.
class BatchSampler {
 public:
  BatchSampler(const MlpTraining& training, std::span<const std::int32_t> label)
      : training_(training), n_spots_(static_cast<std::uint32_t>(label.size())) {
    if (!training.balanced) return;
    const int n_classes = *std::max_element(label.begin(), label.end()) + 1;
    members_.resize(static_cast<std::size_t>(n_classes));
    for (std::uint32_t i = 0; i < n_spots_; ++i)
      members_[static_cast<std::size_t>(label[i])].push_back(i);
    std::erase_if(members_, [](const auto& spots) { return spots.empty(); });
  }
  std::uint32_t draw(std::uint32_t batch, std::uint64_t b) const {
    const auto words = random_words(training_.key, batch, b);
    if (!training_.balanced) return below(words[0], n_spots_);
    const auto& spots = members_[below(words[0], static_cast<std::uint32_t>(members_.size()))];
    return spots[below(words[1], static_cast<std::uint32_t>(spots.size()))];
  }

 private:
  MlpTraining training_;
  std::uint32_t n_spots_;
  std::vector<std::vector<std::uint32_t>> members_;  // spots of each class that has any
};

}  // namespace

void CpuBackend::mlp_forward(const MlpView& mlp, DeviceSpan<const float> parameters, ConstMatrix z,
                             Matrix logits) {
  Mlp network(mlp, parameters.data);
  network.forward(z.n_rows, z.data);
  std::copy(network.logits().begin(), network.logits().end(), logits.data);
}

void CpuBackend::mlp_gradient(const MlpView& mlp, ClassifierLoss loss,
                              DeviceSpan<const float> parameters, ConstMatrix z,
                              DeviceSpan<const std::int32_t> label, DeviceSpan<double> loss_value,
                              DeviceSpan<float> gradient) {
  Mlp network(mlp, parameters.data);
  network.forward(z.n_rows, z.data);
  std::vector<float> d = network.logits();
  loss_value.data[0] = loss_and_gradient(loss, z.n_rows, network.n_classes(), label.data, d);
  network.backward(z.n_rows, std::move(d), gradient.data, nullptr);
}

void CpuBackend::mlp_train(const MlpView& mlp, const MlpTraining& training, ConstMatrix z,
                           DeviceSpan<const std::int32_t> label, DeviceSpan<float> parameters,
                           DeviceSpan<double> loss) {
  const OneThread alone;  // a batch is too small to share out
  const int n = z.n_rows, width = z.n_cols;
  const int n_batches = (n + training.batch_size - 1) / training.batch_size;
  const BatchSampler sampler(training, {label.data, static_cast<std::size_t>(n)});
  Mlp network(mlp, parameters.data);
  expects(parameters.size == network.n_parameters(), "as many parameters as the layers have");
  std::vector<float> gradient(parameters.size), moments(2 * parameters.size), batch;
  std::vector<std::int32_t> batch_label;
  float rate = training.learning_rate;
  int step = 0;  // done
  for (int epoch = 0; epoch < training.epochs; ++epoch) {
    double total = 0;
    for (int k = 0; k < n_batches; ++k, ++step) {
      const int size = std::min(training.batch_size, n - k * training.batch_size);
      batch.resize(static_cast<std::size_t>(size) * width);
      batch_label.resize(static_cast<std::size_t>(size));
      for (int b = 0; b < size; ++b) {
        const std::uint32_t i = sampler.draw(static_cast<std::uint32_t>(step), b);
        std::copy_n(z.data + std::size_t{i} * width, width, batch.data() + std::size_t(b) * width);
        batch_label[b] = label.data[i];
      }
      network.forward(size, batch.data());
      std::vector<float> d = network.logits();
      total += loss_and_gradient(training.loss, size, network.n_classes(), batch_label.data(), d);
      network.backward(size, std::move(d), gradient.data(), nullptr);
      apply_adam(adam_step(step + 1, rate, training.weight_decay), parameters, 0,
                 {gradient.data(), gradient.size()}, {moments.data(), moments.size()});
    }
    loss.data[epoch] = total / n_batches;
    if ((epoch + 1) % training.step_size == 0) rate *= training.gamma;
  }
}

void CpuBackend::mlp_max_logit_gradient(const MlpView& mlp, DeviceSpan<const float> parameters,
                                        ConstMatrix z, Matrix d_z) {
  Mlp network(mlp, parameters.data);
  network.forward(z.n_rows, z.data);
  const int n_classes = network.n_classes();
  std::vector<float> d(network.logits().size(), 0.0f);
  for (std::size_t first = 0; first < d.size(); first += n_classes) {
    const auto row = network.logits().begin() + static_cast<std::ptrdiff_t>(first);
    d[first + static_cast<std::size_t>(std::max_element(row, row + n_classes) - row)] = 1;
  }
  network.backward(z.n_rows, std::move(d), nullptr, d_z.data);
}

}  // namespace stamarker
