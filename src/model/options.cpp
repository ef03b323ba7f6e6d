#include "model/options.hpp"

#include <fmt/core.h>

#include "base/error.hpp"

namespace stamarker {
namespace {

/// Throws unless `holds`: "autoencoder.epochs = 0 (must be at least 1)".
template <class Value>
void require(bool holds, const char* key, Value value, const char* rule) {
  if (!holds) throw InputError(fmt::format("{} = {} (must be {})", key, value, rule));
}

}  // namespace

void AutoencoderOptions::validate() const {
  require(n_hidden >= 1, "autoencoder.hidden_dims[0]", n_hidden, "at least 1");
  require(n_latent >= 1 && n_latent <= n_hidden, "autoencoder.hidden_dims[1]", n_latent,
          "between 1 and hidden_dims[0]");
  require(epochs >= 1, "autoencoder.epochs", epochs, "at least 1");
  require(learning_rate > 0, "autoencoder.learning_rate", learning_rate, "positive");
  require(weight_decay >= 0, "autoencoder.weight_decay", weight_decay, "0 or positive");
  require(clip_norm >= 0, "autoencoder.clip_norm", clip_norm, "positive, or 0 for no clipping");
  require(step_size >= 1, "autoencoder.step_size", step_size, "at least 1");
  require(gamma > 0 && gamma <= 1, "autoencoder.gamma", gamma, "in (0, 1]");
}

void ClassifierOptions::validate() const {
  for (const int width : hidden_dims)
    require(width >= 1, "classifier.hidden_dims", width, "a list of widths of at least 1");
  require(epochs >= 1, "classifier.epochs", epochs, "at least 1");
  require(batch_size >= 1, "classifier.batch_size", batch_size, "at least 1");
  require(learning_rate > 0, "classifier.learning_rate", learning_rate, "positive");
  require(weight_decay >= 0, "classifier.weight_decay", weight_decay, "0 or positive");
  require(step_size >= 1, "classifier.step_size", step_size, "at least 1");
  require(gamma > 0 && gamma <= 1, "classifier.gamma", gamma, "in (0, 1]");
  require(test_prop >= 0 && test_prop <= 0.9, "classifier.test_prop", test_prop,
          "between 0 and 0.9");
}

void SvgOptions::validate() const { require(alpha >= 0, "svgs.alpha", alpha, "0 or positive"); }

}  // namespace stamarker
