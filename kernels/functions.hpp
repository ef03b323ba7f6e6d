#pragma once
#include <bit>
#include <cstdint>

/// Scalar functions and choices of the model, one definition for every backend. constexpr, so that
/// device code may call them (nvcc --expt-relaxed-constexpr); branch-free where loops must
/// vectorise.
namespace stamarker {

/// The function inside the attention softmax.
enum class Attention { leaky_relu, sigmoid };
/// The function between the layers of the classifier.
enum class Activation { none, elu };
/// What the classifier minimises. batch_softmax is what the public code does: softmax over the
/// batch dimension, and cross-entropy of that as if it were logits.
enum class ClassifierLoss { cross_entropy, batch_softmax };

/// How dense products of a GPU round: as float32 throughout, or with factors rounded to 10 bits of
/// mantissa (TF32, on tensor cores). The CPU's are float32 always.
enum class Precision { fp32, tf32 };
/// Whether a matrix enters a product as it stands or transposed.
enum class Transpose { no, yes };

inline constexpr float leaky_relu_slope = 0.2f;  // of STAGATE's attention

/// exp(x) to 2 ulp for x in [-87, 88]. Cody-Waite reduction by ln 2 and a minimax polynomial of
/// degree 6 (coefficients: Cephes expf, S. Moshier).
constexpr float exp_in_range(float x) {
  constexpr float to_integer = 12582912.0f + 127.0f;  // 1.5 * 2^23 and the exponent's bias
  const float biased = x * 1.44269504088896341f + to_integer;
  const float n = biased - to_integer;
  const float r = x - n * 0.693359375f - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * std::bit_cast<float>(std::bit_cast<std::uint32_t>(biased) << 23);  // p 2^n
}

/// exp(x), of -87 below it and of 88 above it; not a number if x is none.
constexpr float fast_exp(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  return exp_in_range(x);
}

/// x for x > 0, else exp(x) - 1; not a number if x is none.
constexpr float elu(float x) {
  float below = x > 0 ? 0.0f : x;  // in this order GCC needs four comparisons a vector, not eight
  below = below < -87.0f ? -87.0f : below;
  const float value = exp_in_range(below) - 1.0f;
  return x > 0 ? x : value;
}
/// Derivative of elu at the point where its value is h.
constexpr float elu_slope(float h) { return h > 0 ? 1.0f : h + 1.0f; }

constexpr float attention_score(Attention f, float x) {
  if (f == Attention::leaky_relu) return x > 0 ? x : leaky_relu_slope * x;
  return 1.0f / (1.0f + fast_exp(-x));
}
/// Derivative of attention_score at x.
constexpr float attention_slope(Attention f, float x) {
  if (f == Attention::leaky_relu) return x > 0 ? 1.0f : leaky_relu_slope;
  const float value = attention_score(f, x);
  return value * (1.0f - value);
}

}  // namespace stamarker
