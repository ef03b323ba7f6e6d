#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/backend.hpp"
#include "kernels/cuda/block_memory.hpp"
#include "kernels/cuda/warp.hpp"

/// One batch through an MLP by one block: forward, loss, backward. Everything is in shared memory
/// (Space InShared), or in device memory where that does not fit (InGlobal).
namespace stamarker {

inline constexpr int most_layers = 32;

/// Sizes of an MLP and where its layers stand. Pitches are odd, so that threads that work on
/// neighbouring rows use different banks of shared memory.
struct MlpShape {
  int n_layers = 0;
  int width[most_layers + 1] = {};
  int weight_at[most_layers + 1] = {};  // of a layer in the parameters; the last: how many
  int value_at[most_layers + 1] = {};   // of a layer's output [batch, pitch]; from 1 on
  Activation activation = Activation::none;

  __host__ __device__ int pitch(int layer) const { return width[layer] | 1; }
  __host__ __device__ int n_classes() const { return width[n_layers]; }
  __host__ __device__ int n_parameters() const { return weight_at[n_layers]; }
};

struct InShared {
  template <class T>
  using Array = Shared<T>;
  template <class T>
  __device__ Array<T> take(int n) const {
    return memory.take<T>(n);
  }
  BlockMemory& memory;
};

struct InGlobal {
  template <class T>
  struct Array {
    T* data;
    __device__ T& operator[](int i) const { return data[i]; }
  };
  template <class T>
  __device__ Array<T> take(int n) {
    T* data = reinterpret_cast<T*>(next);
    next += shared_bytes<T>(static_cast<std::size_t>(n));
    return {data};
  }
  unsigned char* next;
};

/// An MLP and one batch of rows of z.
template <class Space>
struct MlpBatch {
  using Floats = typename Space::template Array<float>;
  using Ints = typename Space::template Array<int>;

  const MlpShape& shape;
  const float* z;   // [n, L] in device memory
  int size;         // rows of this batch
  Floats weights;   // [n_parameters]
  Floats gradient;  // [n_parameters]
  Floats values;    // of layers 1 .. n_layers
  Floats share;     // [batch, pitch] of the classes; batch_softmax only
  Ints row, label;  // [batch] row of z, class

  /// The input of layer l in row b.
  __device__ float input(int l, int b, int k) const {
    if (l == 0) return z[static_cast<std::int64_t>(row[b]) * shape.width[0] + k];
    return values[shape.value_at[l] + b * shape.pitch(l) + k];
  }
  __device__ int logit_at(int b, int c) const {
    return shape.value_at[shape.n_layers] + b * shape.pitch(shape.n_layers) + c;
  }
};

inline __device__ int thread() { return static_cast<int>(threadIdx.x); }
inline __device__ int n_threads() { return static_cast<int>(blockDim.x); }

inline constexpr int outputs_at_a_time = 8;  // of a thread, in registers

template <class Space>
__device__ void forward(const MlpBatch<Space>& batch) {
  const MlpShape& shape = batch.shape;
  for (int l = 0; l < shape.n_layers; ++l) {
    const int in = shape.width[l], out = shape.width[l + 1], at = shape.weight_at[l];
    const bool has_elu = l + 1 < shape.n_layers && shape.activation == Activation::elu;
    const int n_tasks = batch.size * ((out + outputs_at_a_time - 1) / outputs_at_a_time);
    for (int task = thread(); task < n_tasks; task += n_threads()) {
      const int b = task % batch.size, c0 = task / batch.size * outputs_at_a_time;
      float sum[outputs_at_a_time];
      int weight_row[outputs_at_a_time];
#pragma unroll
      for (int u = 0; u < outputs_at_a_time; ++u) {
        const int c = c0 + u < out ? c0 + u : out - 1;
        weight_row[u] = at + c * in;
        sum[u] = batch.weights[at + in * out + c];
      }
      for (int k = 0; k < in; ++k) {
        const float x = batch.input(l, b, k);
#pragma unroll
        for (int u = 0; u < outputs_at_a_time; ++u) sum[u] += x * batch.weights[weight_row[u] + k];
      }
#pragma unroll
      for (int u = 0; u < outputs_at_a_time; ++u)
        if (c0 + u < out)
          batch.values[shape.value_at[l + 1] + b * shape.pitch(l + 1) + c0 + u] =
              has_elu ? elu(sum[u]) : sum[u];
    }
    __syncthreads();
  }
}

/// Cross-entropy of each row; logits become its gradient. This thread's share of the sum.
template <class Space>
__device__ double cross_entropy(const MlpBatch<Space>& batch) {
  const int n_classes = batch.shape.n_classes();
  const auto& v = batch.values;
  double loss = 0;
  for (int b = thread(); b < batch.size; b += n_threads()) {
    const int first = batch.logit_at(b, 0), label = batch.label[b];
    float top = v[first], total = 0;
    for (int c = 1; c < n_classes; ++c) top = fmaxf(top, v[first + c]);
    const float own = v[first + label] - top;
    for (int c = 0; c < n_classes; ++c) {
      const float share = expf(v[first + c] - top);
      v[first + c] = share;
      total += share;
    }
    loss += static_cast<double>(logf(total) - own);
    for (int c = 0; c < n_classes; ++c)
      v[first + c] =
          (v[first + c] / total - (c == label ? 1.0f : 0.0f)) / static_cast<float>(batch.size);
  }
  return loss;
}

/// Softmax of each class's logits over the batch, kept in `share` too; a warp a class.
template <class Space>
__device__ void softmax_over_batch(const MlpBatch<Space>& batch) {
  const int n_classes = batch.shape.n_classes(), pitch = batch.shape.pitch(batch.shape.n_layers);
  const int lane = thread() % warp_size;
  for (int c = thread() / warp_size; c < n_classes; c += n_threads() / warp_size) {
    float top = -std::numeric_limits<float>::infinity(), total = 0;
    for (int b = lane; b < batch.size; b += warp_size)
      top = fmaxf(top, batch.values[batch.logit_at(b, c)]);
    top = warp_max(top);
    for (int b = lane; b < batch.size; b += warp_size) {
      const float share = expf(batch.values[batch.logit_at(b, c)] - top);
      batch.share[b * pitch + c] = share;
      total += share;
    }
    total = warp_sum(total);
    for (int b = lane; b < batch.size; b += warp_size) {
      const float share = batch.share[b * pitch + c] / total;
      batch.share[b * pitch + c] = share;
      batch.values[batch.logit_at(b, c)] = share;
    }
  }
}

/// From the gradient of the shares to that of the logits; a warp a class.
template <class Space>
__device__ void softmax_over_batch_backward(const MlpBatch<Space>& batch) {
  const int n_classes = batch.shape.n_classes(), pitch = batch.shape.pitch(batch.shape.n_layers);
  const int lane = thread() % warp_size;
  for (int c = thread() / warp_size; c < n_classes; c += n_threads() / warp_size) {
    float mean = 0;
    for (int b = lane; b < batch.size; b += warp_size)
      mean += batch.share[b * pitch + c] * batch.values[batch.logit_at(b, c)];
    mean = warp_sum(mean);
    for (int b = lane; b < batch.size; b += warp_size) {
      const float share = batch.share[b * pitch + c];
      const float d = batch.values[batch.logit_at(b, c)];
      batch.values[batch.logit_at(b, c)] = share * (d - mean);
    }
  }
}

/// The mean loss over the batch, on every thread; logits become their gradient.
template <class Space>
__device__ double loss_and_gradient(const MlpBatch<Space>& batch, ClassifierLoss kind,
                                    const Shared<double>& workspace) {
  if (kind == ClassifierLoss::batch_softmax) {
    softmax_over_batch(batch);
    __syncthreads();
  }
  const double loss = block_sum(cross_entropy(batch), workspace) / batch.size;
  if (kind == ClassifierLoss::batch_softmax) {
    softmax_over_batch_backward(batch);
    __syncthreads();
  }
  return loss;
}

/// The gradient of layer l's parameters from that of its output; a thread a parameter.
template <class Space>
__device__ void layer_gradient(const MlpBatch<Space>& batch, int l) {
  const MlpShape& shape = batch.shape;
  const int in = shape.width[l], out = shape.width[l + 1], at = shape.weight_at[l];
  const int d_at = shape.value_at[l + 1], d_pitch = shape.pitch(l + 1);
  for (int k = thread(); k < (in + 1) * out; k += n_threads()) {
    const bool is_bias = k >= in * out;
    const int c = is_bias ? k - in * out : k / in, column = is_bias ? 0 : k % in;
    float sum = 0;
#pragma unroll 4
    for (int b = 0; b < batch.size; ++b) {
      const float d = batch.values[d_at + b * d_pitch + c];
      sum += is_bias ? d : d * batch.input(l, b, column);
    }
    batch.gradient[at + k] = sum;
  }
}

/// The gradient of layer l's output becomes that of its input, in the input's place.
template <class Space>
__device__ void layer_backward(const MlpBatch<Space>& batch, int l) {
  const MlpShape& shape = batch.shape;
  const int in = shape.width[l], out = shape.width[l + 1], at = shape.weight_at[l];
  const int n_tasks = batch.size * ((in + outputs_at_a_time - 1) / outputs_at_a_time);
  for (int task = thread(); task < n_tasks; task += n_threads()) {
    const int b = task % batch.size, k0 = task / batch.size * outputs_at_a_time;
    float sum[outputs_at_a_time] = {};
    for (int c = 0; c < out; ++c) {
      const float d = batch.values[shape.value_at[l + 1] + b * shape.pitch(l + 1) + c];
#pragma unroll
      for (int u = 0; u < outputs_at_a_time; ++u) {
        const int k = k0 + u < in ? k0 + u : in - 1;
        sum[u] += d * batch.weights[at + c * in + k];
      }
    }
#pragma unroll
    for (int u = 0; u < outputs_at_a_time; ++u) {
      if (k0 + u >= in) continue;
      const int value = shape.value_at[l] + b * shape.pitch(l) + k0 + u;
      const float h = batch.values[value];
      batch.values[value] = shape.activation == Activation::elu ? sum[u] * elu_slope(h) : sum[u];
    }
  }
}

/// From the gradient of the logits to that of all parameters.
template <class Space>
__device__ void backward(const MlpBatch<Space>& batch) {
  for (int l = batch.shape.n_layers - 1; l >= 0; --l) {
    layer_gradient(batch, l);
    __syncthreads();
    if (l == 0) return;
    layer_backward(batch, l);
    __syncthreads();
  }
}

}  // namespace stamarker
