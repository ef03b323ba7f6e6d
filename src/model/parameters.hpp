#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/backend.hpp"
#include "model/options.hpp"

namespace stamarker {

/// How the weights of one auto-encoder lie in one flat buffer: [W1 | W2 | a_src | a_dst].
///
/// Gradients: the same, and behind it, where updates are split, the decoder's [W1 | W2].
/// Moments: Adam's first moments in the layout of the gradients, then its second moments.
struct ParameterLayout {
  int n_genes = 0, n_hidden = 0, n_latent = 0;
  TiedUpdate tied_update = TiedUpdate::joint;

  std::size_t w1_size() const { return std::size_t(n_genes) * n_hidden; }
  std::size_t w2_size() const { return std::size_t(n_hidden) * n_latent; }
  std::size_t n_weights() const { return w1_size() + w2_size() + 2 * std::size_t(n_hidden); }
  /// Weights that a second, decoder's update follows: W1 and W2, or none.
  std::size_t n_second() const {
    return tied_update == TiedUpdate::split ? w1_size() + w2_size() : 0;
  }
  std::size_t n_gradients() const { return n_weights() + n_second(); }
  std::size_t n_moments() const { return 2 * n_gradients(); }

  WeightsView weights(const float* flat) const;
  GradientView gradient(float* flat) const;
};

/// Xavier normal with gain 1.414: standard deviation 1.414 sqrt(2 / (fan_in + fan_out)), fans G and
/// H for W1, H and L for W2, H and H for the attention vectors.
/// Source: zhanglabtools/STAMarker, stamarker/modules.py, GATConv.__init__.
std::vector<float> initial_parameters(const ParameterLayout& layout, std::uint32_t seed, int model);

}  // namespace stamarker
