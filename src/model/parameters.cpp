#include "model/parameters.hpp"

#include <cmath>

namespace stamarker {

WeightsView ParameterLayout::weights(const float* flat) const {
  const float* w2 = flat + w1_size();
  const float* a_src = w2 + w2_size();
  const auto width = static_cast<std::size_t>(n_hidden);
  return {{flat, n_genes, n_hidden},
          {w2, n_hidden, n_latent},
          {a_src, width},
          {a_src + n_hidden, width}};
}

GradientView ParameterLayout::gradient(float* flat) const {
  float* w2 = flat + w1_size();
  float* a_src = w2 + w2_size();
  const auto width = static_cast<std::size_t>(n_hidden);
  float* decoder = tied_update == TiedUpdate::split ? flat + n_weights() : flat;
  return {{flat, n_genes, n_hidden},
          {w2, n_hidden, n_latent},
          {a_src, width},
          {a_src + n_hidden, width},
          {decoder, n_genes, n_hidden},
          {decoder + w1_size(), n_hidden, n_latent}};
}

std::vector<float> initial_parameters(const ParameterLayout& layout, std::uint32_t seed,
                                      int model) {
  const RandomKey key{seed, static_cast<std::uint32_t>(model), Purpose::initial_weights};
  const auto deviation = [](int fan_in, int fan_out) {
    return 1.414 * std::sqrt(2.0 / (fan_in + fan_out));
  };
  const double of_w1 = deviation(layout.n_genes, layout.n_hidden);
  const double of_w2 = deviation(layout.n_hidden, layout.n_latent);
  const double of_attention = deviation(layout.n_hidden, layout.n_hidden);
  std::vector<float> flat(layout.n_weights());
  const std::size_t w1_end = layout.w1_size(), w2_end = w1_end + layout.w2_size();
#pragma omp parallel for schedule(static)
  for (std::size_t k = 0; k < flat.size(); ++k) {
    const double sd = k < w1_end ? of_w1 : k < w2_end ? of_w2 : of_attention;
    flat[k] = static_cast<float>(sd * random_normal(key, 0, k));
  }
  return flat;
}

}  // namespace stamarker
