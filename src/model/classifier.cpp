#include "model/classifier.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.hpp"
#include "kernels/buffer.hpp"

namespace stamarker {
namespace {

/// torch.nn.Linear's default: weights and biases uniform in +-1 / sqrt(fan_in).
std::vector<float> initial_layers(const std::vector<int>& widths, RandomKey key) {
  std::vector<float> parameters;
  for (std::size_t l = 0; l + 1 < widths.size(); ++l) {
    const double bound = 1 / std::sqrt(static_cast<double>(widths[l]));
    const std::size_t n = static_cast<std::size_t>(widths[l] + 1) * widths[l + 1];
    for (std::size_t k = 0; k < n; ++k) {
      const double uniform = uniform_of(random_words(key, static_cast<std::uint32_t>(l), k)[0]);
      parameters.push_back(static_cast<float>(bound * (2 * uniform - 1)));
    }
  }
  return parameters;
}

/// A shuffled order of the spots; the first n_held_out of it are held out.
std::vector<std::int32_t> shuffled(std::size_t n, RandomKey key) {
  std::vector<std::int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  RandomSequence random(key, 0);
  for (std::size_t i = n; i > 1; --i)  // Fisher and Yates
    std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
  return order;
}

struct Subset {
  std::vector<float> z;
  std::vector<std::int32_t> label;
};

Subset take(std::span<const float> embedding, int n_latent, std::span<const std::int32_t> domain,
            std::span<const std::int32_t> spots) {
  Subset subset;
  subset.z.reserve(spots.size() * n_latent);
  subset.label.reserve(spots.size());
  for (const std::int32_t i : spots) {
    const auto row = embedding.subspan(static_cast<std::size_t>(i) * n_latent, n_latent);
    subset.z.insert(subset.z.end(), row.begin(), row.end());
    subset.label.push_back(domain[i]);
  }
  return subset;
}

/// What the loss compares with the labels, up to terms that are equal for all classes of a spot:
/// the logits; or, as batch_softmax leaves each class's logits free by a constant, the logits less
/// the logarithm of the sum of their exponentials over the spots.
void to_scores(ClassifierLoss loss, int n_classes, std::vector<float>& logits) {
  if (loss == ClassifierLoss::cross_entropy) return;
  for (std::size_t c = 0; c < static_cast<std::size_t>(n_classes); ++c) {
    double top = logits[c], total = 0;
    for (std::size_t k = c; k < logits.size(); k += n_classes)
      top = std::max(top, double(logits[k]));
    for (std::size_t k = c; k < logits.size(); k += n_classes) total += std::exp(logits[k] - top);
    const auto level = static_cast<float>(top + std::log(total));
    for (std::size_t k = c; k < logits.size(); k += n_classes) logits[k] -= level;
  }
}

/// [C, C] counts: row truth, column predicted.
std::vector<std::int32_t> confusion_of(Backend& backend, const MlpView& mlp, ClassifierLoss loss,
                                       const Buffer<float>& parameters, const Subset& subset,
                                       int n_latent, int n_domains) {
  std::vector<std::int32_t> confusion(static_cast<std::size_t>(n_domains) * n_domains);
  const int n = static_cast<int>(subset.label.size());
  if (n == 0) return confusion;
  std::vector<float> host(static_cast<std::size_t>(n) * n_domains);
  for (int begin = 0; begin < n; begin += spots_tried_at_once) {
    const int n_rows = std::min(spots_tried_at_once, n - begin);
    const Buffer<float> z(backend,
                          std::span(subset.z).subspan(static_cast<std::size_t>(begin) * n_latent,
                                                      static_cast<std::size_t>(n_rows) * n_latent));
    Buffer<float> logits(backend, static_cast<std::size_t>(n_rows) * n_domains);
    backend.mlp_forward(mlp, parameters.span(), z.matrix(n_rows, n_latent),
                        logits.matrix(n_rows, n_domains));
    std::ranges::copy(logits.to_host(), host.begin() + std::ptrdiff_t{begin} * n_domains);
  }
  to_scores(loss, n_domains, host);
  for (int i = 0; i < n; ++i) {
    const auto row = host.begin() + static_cast<std::ptrdiff_t>(i) * n_domains;
    const auto predicted = std::max_element(row, row + n_domains) - row;
    ++confusion[static_cast<std::size_t>(subset.label[i]) * n_domains + predicted];
  }
  return confusion;
}

double accuracy_of(const std::vector<std::int32_t>& confusion, int n_domains) {
  const double all = std::accumulate(confusion.begin(), confusion.end(), 0.0);
  double right = 0;
  for (int c = 0; c < n_domains; ++c)
    right += confusion[static_cast<std::size_t>(c) * (n_domains + 1)];
  return all > 0 ? right / all : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

std::vector<int> classifier_widths(int n_latent, const ClassifierOptions& options, int n_domains) {
  std::vector<int> widths{n_latent};
  widths.insert(widths.end(), options.hidden_dims.begin(), options.hidden_dims.end());
  widths.push_back(n_domains);
  return widths;
}

Classifier train_classifier(Backend& backend, std::span<const float> embedding, int n_latent,
                            std::span<const std::int32_t> domain, int n_domains,
                            const ClassifierOptions& options, std::uint32_t seed, int model) {
  expects(embedding.size() == domain.size() * n_latent, "one embedding row for each spot");
  const auto key = [&](Purpose purpose) {
    return RandomKey{seed, static_cast<std::uint32_t>(model), purpose};
  };
  Classifier classifier;
  classifier.widths = classifier_widths(n_latent, options, n_domains);
  const MlpView mlp{classifier.widths.data(), static_cast<int>(classifier.widths.size()) - 1,
                    options.activation};

  const std::vector<std::int32_t> order = shuffled(domain.size(), key(Purpose::held_out));
  const auto n_held_out =
      static_cast<std::size_t>(options.test_prop * static_cast<double>(order.size()));
  const std::span<const std::int32_t> spots(order);
  const Subset held_out = take(embedding, n_latent, domain, spots.first(n_held_out));
  const Subset training = take(embedding, n_latent, domain, spots.subspan(n_held_out));

  MlpTraining how{options.loss,          options.epochs,       options.batch_size,
                  options.learning_rate, options.weight_decay, options.step_size,
                  options.gamma,         options.balanced,     key(Purpose::batch)};
  const Buffer<float> z(backend, std::span<const float>(training.z));
  const Buffer<std::int32_t> label(backend, std::span<const std::int32_t>(training.label));
  Buffer<float> parameters(
      backend, std::span<const float>(initial_layers(classifier.widths, key(Purpose::classifier))));
  Buffer<double> loss(backend, static_cast<std::size_t>(options.epochs));
  backend.mlp_train(mlp, how, z.matrix(static_cast<int>(training.label.size()), n_latent),
                    label.span(), parameters.span(), loss.span());

  classifier.loss = loss.to_host();
  classifier.confusion =
      confusion_of(backend, mlp, options.loss, parameters, held_out, n_latent, n_domains);
  classifier.held_out_accuracy = accuracy_of(classifier.confusion, n_domains);
  classifier.training_accuracy = accuracy_of(
      confusion_of(backend, mlp, options.loss, parameters, training, n_latent, n_domains),
      n_domains);
  classifier.parameters = parameters.to_host();
  return classifier;
}

}  // namespace stamarker
