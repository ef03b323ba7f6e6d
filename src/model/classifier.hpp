#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/backend.hpp"
#include "model/options.hpp"

namespace stamarker {

/// A trained MLP from embedding to domain, and how well it does on the spots it never saw.
struct Classifier {
  std::vector<int> widths;        // [n_layers + 1]: L, hidden_dims..., C
  std::vector<float> parameters;  // for each layer: weight [out, in], bias [out]
  std::vector<double> loss;       // [epochs], mean over the batches
  double held_out_accuracy = 0;   // NaN when nothing was held out
  double training_accuracy = 0;
  // Predicted is the class of the largest logit; with batch_softmax, which leaves each class's
  // logits free by a constant, that of the largest share of the class's exponentials over the
  // spots.
  std::vector<std::int32_t> confusion;  // [C, C] of the held-out spots: row truth, column predicted
};

/// Its layers' widths: [L, hidden_dims..., C].
std::vector<int> classifier_widths(int n_latent, const ClassifierOptions& options, int n_domains);

/// Spots whose logits are computed at once where a trained classifier is tried.
constexpr int spots_tried_at_once = 1 << 14;

/// Trains on `embedding` [n_spots, n_latent] and `domain` [n_spots] in 0 .. n_domains - 1
/// (docs/method.md: classify; zhanglabtools/STAMarker, stamarker/modules.py, StackClassifier and
/// MLP).
Classifier train_classifier(Backend& backend, std::span<const float> embedding, int n_latent,
                            std::span<const std::int32_t> domain, int n_domains,
                            const ClassifierOptions& options, std::uint32_t seed, int model);

}  // namespace stamarker
