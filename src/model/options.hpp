#pragma once
#include <vector>

#include "kernels/functions.hpp"

namespace stamarker {

/// How the two gradients of the one storage of W1 (and W2) are applied (docs/method.md: Profiles).
enum class TiedUpdate { joint, split };
/// Which sources a spot attends to in one training step.
enum class Neighbors { all, one };

/// How one auto-encoder is trained. Defaults: profile `full`; profiles: app/config/config.cpp.
struct AutoencoderOptions {
  int n_hidden = 512;           // H, width of the attention layer
  int n_latent = 30;            // L, width of the embedding that is clustered
  int epochs = 1000;            // full-batch steps
  float learning_rate = 1e-3f;  // Adam
  float weight_decay = 1e-4f;   // L2, inside the gradient
  float clip_norm = 5.0f;       // of all gradients together; 0: no clipping
  int step_size = 1000;         // StepLR: epochs between two decays
  float gamma = 0.9f;           // StepLR: factor of a decay
  Attention attention = Attention::sigmoid;
  Neighbors neighbors_per_step = Neighbors::all;
  TiedUpdate tied_update = TiedUpdate::joint;

  void validate() const;  // throws InputError naming the key (autoencoder.<field>)
};

/// How one MLP from embedding to domain is trained. Defaults: profile `full`.
struct ClassifierOptions {
  std::vector<int> hidden_dims{30};
  int epochs = 300;
  int batch_size = 1000;        // sampled with replacement
  float learning_rate = 1e-3f;  // Adam
  float weight_decay = 1e-4f;   // L2, inside the gradient
  int step_size = 250;          // StepLR
  float gamma = 0.5f;           // StepLR
  double test_prop = 0.1;       // share of spots held out, 0 .. 0.9
  bool balanced = true;         // draw with probability inverse to class size
  Activation activation = Activation::elu;
  ClassifierLoss loss = ClassifierLoss::cross_entropy;

  void validate() const;
};

/// The function applied before the threshold of SVG selection.
enum class SvgTransform { identity, log_score, log_saliency };

struct SvgOptions {
  double alpha = 1.5;  // a gene is selected above mean + alpha * standard deviation
  SvgTransform transform = SvgTransform::identity;

  void validate() const;
};

}  // namespace stamarker
