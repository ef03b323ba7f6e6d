#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/random.hpp"

namespace stamarker {

/// sum_k weight_k Normal(mean_k, covariance): one full covariance for all components, the model
/// "EEE" of R's mclust.
struct GaussianMixture {
  int n_components = 0, n_dims = 0;
  double log_likelihood = 0;         // natural logarithm, sum over points
  std::vector<std::int32_t> labels;  // [n_points], most probable component (equal: the lower one)
  std::vector<double> mean;          // [n_components, n_dims]
  std::vector<double> covariance;    // [n_dims, n_dims]
  std::vector<double> weight;        // [n_components], sum 1
  int n_iterations = 0;              // of the start that was kept
  int n_failed_starts = 0;           // starts that lost a component or met a singular covariance
};

/// From so many points on, starts follow each other, each on all threads; below, each has a thread.
/// The bits are the same.
inline constexpr int one_start_at_a_time = 50000;

/// Expectation maximisation from n_init starts; the best log-likelihood is kept.
///
///   p_ik = w_k f(x_i; mu_k, Sigma) / sum_l w_l f(x_i; mu_l, Sigma)
///   w_k = mean_i p_ik    mu_k = sum_i p_ik x_i / (n w_k)
///   Sigma = sum_ik p_ik (x_i - mu_k)(x_i - mu_k)^T / n  =  T - sum_k w_k mu_k mu_k^T
///
/// T: covariance of all points, the same in every iteration. A start is a hierarchical clustering
/// of at most 2000 random points cut at n_components. Stops, as mclust's control.EM, when the
/// log-likelihood l changes by less than 1e-5 (1 + |l|); the best start then goes on to 1e-8.
/// Sources: Fraley and Raftery, JASA 2002; Scrucca and Raftery, Adv. Data Anal. Classif. 2015
/// (starts); R package mclust, Mclust(modelNames = "EEE").
///
/// data: [n_points, n_dims]. Directions without any spread (relative 1e-6 of the widest) are left
/// out: the log-likelihood is that of the rest.
/// Throws InputError: not finite, no spread at all, fewer points than components + dimensions with
/// spread, or no start that kept its components and a regular covariance.
GaussianMixture fit_mixture(std::span<const float> data, int n_dims, int n_components, int n_init,
                            RandomKey key);

}  // namespace stamarker
