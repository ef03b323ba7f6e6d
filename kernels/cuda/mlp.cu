#include <algorithm>
#include <string>

#include "base/error.hpp"
#include "kernels/cuda/cuda_backend.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/mlp_block.hpp"
#include "kernels/cuda/packs.hpp"

namespace stamarker {
namespace {

constexpr int block_threads = 1024;

// ---- training: one block ----

/// Spots by class, for balanced samples: members[class_start[k]] .. are the spots of the k-th class
/// that has any, ascending.
struct Classes {
  std::int32_t *members, *class_start, *n_classes;  // [n], [C + 1], [1]
};

struct MlpWork {
  const float* z;             // [n, L]
  const std::int32_t* label;  // [n]
  int n_spots, batch_size;
  ClassifierLoss loss;
  unsigned char* global;  // where InGlobal takes its arrays
};

template <class Space>
__device__ MlpBatch<Space> take_batch(Space& space, const MlpShape& shape, const MlpWork& work) {
  const int n_parameters = shape.n_parameters(), batch = work.batch_size;
  const bool shares = work.loss == ClassifierLoss::batch_softmax;
  const auto weights = space.template take<float>(n_parameters);
  const auto gradient = space.template take<float>(n_parameters);
  const auto values = space.template take<float>(shape.value_at[shape.n_layers] +
                                                 batch * shape.pitch(shape.n_layers));
  const auto share = space.template take<float>(shares ? batch * shape.pitch(shape.n_layers) : 0);
  const auto row = space.template take<int>(batch);
  const auto label = space.template take<int>(batch);
  return {shape, work.z, 0, weights, gradient, values, share, row, label};
}
std::size_t bytes_of_batch(const MlpShape& shape, const MlpWork& work) {
  const auto n_parameters = static_cast<std::size_t>(shape.n_parameters());
  const auto batch = static_cast<std::size_t>(work.batch_size);
  const std::size_t logits = batch * shape.pitch(shape.n_layers);
  const bool shares = work.loss == ClassifierLoss::batch_softmax;
  return 2 * shared_bytes<float>(n_parameters) +
         shared_bytes<float>(shape.value_at[shape.n_layers] + logits) +
         shared_bytes<float>(shares ? logits : 0) + 2 * shared_bytes<int>(batch);
}
constexpr std::size_t scratch_bytes = shared_bytes<double>(block_threads / warp_size);

template <class Space>
__device__ Space space_in(BlockMemory& memory, unsigned char* global) {
  if constexpr (std::is_same_v<Space, InGlobal>)
    return {global};
  else
    return {memory};
}

/// Lists the spots of each class: a warp a class, 32 spots at a time.
__device__ void list_classes(const MlpWork& work, int n_labels, const Classes& classes) {
  const int lane = thread() % warp_size;
  for (int c = thread() / warp_size; c < n_labels; c += block_threads / warp_size) {
    int n = 0;
    for (int i = lane; i < work.n_spots; i += warp_size) n += work.label[i] == c ? 1 : 0;
    n = warp_sum(n);
    if (lane == 0) classes.class_start[c + 1] = n;  // for now: how many
  }
  __syncthreads();
  if (thread() == 0) {
    classes.class_start[0] = 0;
    for (int c = 0; c < n_labels; ++c) classes.class_start[c + 1] += classes.class_start[c];
  }
  __syncthreads();
  for (int c = thread() / warp_size; c < n_labels; c += block_threads / warp_size) {
    int at = classes.class_start[c];
    for (int first = 0; first < work.n_spots; first += warp_size) {
      const int i = first + lane;
      const bool is_member = i < work.n_spots && work.label[i] == c;
      const unsigned found = __ballot_sync(all_lanes, is_member);
      if (is_member) classes.members[at + __popc(found & ((1u << lane) - 1))] = i;
      at += __popc(found);
    }
  }
  __syncthreads();
  if (thread() == 0) {  // classes without spots are never sampled
    int n = 0;
    for (int c = 0; c < n_labels; ++c)
      if (classes.class_start[c + 1] > classes.class_start[c])
        classes.class_start[++n] = classes.class_start[c + 1];
    classes.n_classes[0] = n;
  }
  __syncthreads();
}

/// The b-th spot of batch number `step`.
__device__ std::uint32_t draw(const MlpTraining& training, const Classes& classes, int n_spots,
                              int step, int b) {
  const auto words =
      random_words(training.key, static_cast<std::uint32_t>(step), static_cast<std::uint64_t>(b));
  if (!training.balanced) return below(words[0], static_cast<std::uint32_t>(n_spots));
  const std::uint32_t k = below(words[0], static_cast<std::uint32_t>(classes.n_classes[0]));
  const std::int32_t first = classes.class_start[k];
  const auto n = static_cast<std::uint32_t>(classes.class_start[k + 1] - first);
  return static_cast<std::uint32_t>(classes.members[first + static_cast<int>(below(words[1], n))]);
}

/// One step of Adam (see AdamOptions) on the parameters of a thread; powers: b1^t and b2^t.
template <class Space>
__device__ void adam_of_block(const MlpBatch<Space>& batch,
                              const typename MlpBatch<Space>::Floats& first,
                              const typename MlpBatch<Space>::Floats& second, float learning_rate,
                              float weight_decay, double first_power, double second_power) {
  constexpr float b1 = 0.9f, b2 = 0.999f, epsilon = 1e-8f;
  const float rate = learning_rate * static_cast<float>(1 / (1 - first_power));
  const float correction = static_cast<float>(1 / (1 - second_power));
  for (int k = thread(); k < batch.shape.n_parameters(); k += block_threads) {
    const float weight = batch.weights[k];
    const float g = batch.gradient[k] + weight_decay * weight;
    const float m = b1 * first[k] + (1 - b1) * g;
    const float v = b2 * second[k] + (1 - b2) * g * g;
    first[k] = m;
    second[k] = v;
    batch.weights[k] = weight - rate * m / (sqrtf(v * correction) + epsilon);
  }
}

/// The whole training of one MLP.
template <class Space>
__global__ void __launch_bounds__(block_threads)
    mlp_train_kernel(const __grid_constant__ MlpShape shape,
                     const __grid_constant__ MlpTraining training,
                     const __grid_constant__ MlpWork work, Classes classes, float* parameters,
                     double* loss) {
  BlockMemory memory;
  const Shared<double> workspace = memory.take<double>(block_threads / warp_size);
  Space space = space_in<Space>(memory, work.global);
  MlpBatch<Space> batch = take_batch(space, shape, work);
  const auto first = space.template take<float>(shape.n_parameters());
  const auto second = space.template take<float>(shape.n_parameters());
  for (int k = thread(); k < shape.n_parameters(); k += block_threads) {
    batch.weights[k] = parameters[k];
    first[k] = 0;
    second[k] = 0;
  }
  if (training.balanced) list_classes(work, shape.n_classes(), classes);
  const int n_batches = (work.n_spots + work.batch_size - 1) / work.batch_size;
  float rate = training.learning_rate;
  double first_power = 1, second_power = 1;
  for (int epoch = 0; epoch < training.epochs; ++epoch) {
    double total = 0;
    for (int k = 0; k < n_batches; ++k) {
      const int left = work.n_spots - k * work.batch_size;
      batch.size = left < work.batch_size ? left : work.batch_size;
      for (int b = thread(); b < batch.size; b += block_threads) {
        const auto i =
            static_cast<int>(draw(training, classes, work.n_spots, epoch * n_batches + k, b));
        batch.row[b] = i;
        batch.label[b] = work.label[i];
      }
      __syncthreads();
      forward(batch);
      total += loss_and_gradient(batch, work.loss, workspace);
      backward(batch);
      first_power *= 0.9;
      second_power *= 0.999;
      adam_of_block(batch, first, second, rate, training.weight_decay, first_power, second_power);
      // No barrier here: the next batch's rows and labels are read behind the next one, as are
      // the weights, and nobody is still at this batch's.
    }
    if (thread() == 0) loss[epoch] = total / n_batches;
    if ((epoch + 1) % training.step_size == 0) rate *= training.gamma;
  }
  for (int k = thread(); k < shape.n_parameters(); k += block_threads)
    parameters[k] = batch.weights[k];
}

/// Loss and gradient of the whole of z as one batch.
template <class Space>
__global__ void __launch_bounds__(block_threads)
    mlp_gradient_kernel(const __grid_constant__ MlpShape shape,
                        const __grid_constant__ MlpWork work, const float* parameters,
                        float* gradient, double* loss) {
  BlockMemory memory;
  const Shared<double> workspace = memory.take<double>(block_threads / warp_size);
  Space space = space_in<Space>(memory, work.global);
  MlpBatch<Space> batch = take_batch(space, shape, work);
  batch.size = work.n_spots;
  for (int k = thread(); k < shape.n_parameters(); k += block_threads)
    batch.weights[k] = parameters[k];
  for (int b = thread(); b < batch.size; b += block_threads) {
    batch.row[b] = b;
    batch.label[b] = work.label[b];
  }
  __syncthreads();
  forward(batch);
  const double mean = loss_and_gradient(batch, work.loss, workspace);
  backward(batch);
  for (int k = thread(); k < shape.n_parameters(); k += block_threads)
    gradient[k] = batch.gradient[k];
  if (thread() == 0) loss[0] = mean;
}

// ---- many rows: a thread an element ----

__device__ std::int64_t index_of_thread() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

/// One layer: out [n, n_out] = in [n, n_in] W^T + b, then elu if asked.
__global__ void layer_kernel(ConstMatrix in, const float* weight, Activation activation,
                             Matrix out) {
  const std::int64_t at = index_of_thread();
  if (at >= static_cast<std::int64_t>(out.size())) return;
  const int c = static_cast<int>(at % out.n_cols);
  const float* x = in.data + at / out.n_cols * in.n_cols;
  const float* w = weight + static_cast<std::int64_t>(c) * in.n_cols;
  float sum = weight[static_cast<std::int64_t>(out.n_cols) * in.n_cols + c];
  for (int k = 0; k < in.n_cols; ++k) sum += x[k] * w[k];
  out.data[at] = activation == Activation::elu ? elu(sum) : sum;
}

/// One layer's backward: out [n, n_in] = d [n, n_out] W, times elu'(.) at `value` where given.
__global__ void layer_backward_kernel(ConstMatrix d, const float* weight, const float* value,
                                      Matrix out) {
  const std::int64_t at = index_of_thread();
  if (at >= static_cast<std::int64_t>(out.size())) return;
  const int k = static_cast<int>(at % out.n_cols);
  const float* row = d.data + at / out.n_cols * d.n_cols;
  float sum = 0;
  for (int c = 0; c < d.n_cols; ++c)
    sum += row[c] * weight[static_cast<std::int64_t>(c) * out.n_cols + k];
  out.data[at] = value == nullptr ? sum : sum * elu_slope(value[at]);
}

/// Rows of logits become the gradient of their largest: 1 there, 0 elsewhere. A thread a row.
__global__ void max_logit_kernel(Matrix logits) {
  const std::int64_t i = index_of_thread();
  if (i >= logits.n_rows) return;
  float* row = logits.data + i * logits.n_cols;
  int winner = 0;
  for (int c = 1; c < logits.n_cols; ++c)
    if (row[c] > row[winner]) winner = c;
  for (int c = 0; c < logits.n_cols; ++c) row[c] = c == winner ? 1.0f : 0.0f;
}

Launch one_thread_each(std::size_t n) {
  return {.n_blocks = blocks_for(static_cast<std::int64_t>(n), threads_per_block),
          .n_threads = threads_per_block};
}

MlpShape shape_of(const MlpView& mlp, int batch_size) {
  if (mlp.n_layers > most_layers)
    throw InputError("classifier.hidden_dims has " + std::to_string(mlp.n_layers - 1) +
                     " layers (at most " + std::to_string(most_layers - 1) +
                     " on a GPU; use fewer, or compute.device: cpu)");
  MlpShape shape;
  shape.n_layers = mlp.n_layers;
  shape.activation = mlp.activation;
  std::copy(mlp.widths, mlp.widths + mlp.n_layers + 1, shape.width);
  for (int l = 0; l < mlp.n_layers; ++l) {
    shape.weight_at[l + 1] = shape.weight_at[l] + (mlp.widths[l] + 1) * mlp.widths[l + 1];
    if (l > 0) shape.value_at[l + 1] = shape.value_at[l] + batch_size * shape.pitch(l);
  }
  return shape;
}

/// Rows of z through all layers. values[l]: output of layer l, values[0] is z.
std::vector<Matrix> forward_rows(Stream stream, const MlpView& mlp, const float* parameters,
                                 ConstMatrix z, float* hidden, Matrix logits) {
  std::vector<Matrix> values{{nullptr, 0, 0}};
  ConstMatrix below = z;
  for (int l = 0; l < mlp.n_layers; ++l) {
    const bool is_last = l + 1 == mlp.n_layers;
    const Matrix out = is_last ? logits : Matrix{hidden, z.n_rows, mlp.widths[l + 1]};
    launch(stream, one_thread_each(out.size()), layer_kernel, below, parameters,
           is_last ? Activation::none : mlp.activation, out);
    values.push_back(out);
    parameters += static_cast<std::ptrdiff_t>(mlp.widths[l] + 1) * mlp.widths[l + 1];
    hidden += out.size();
    below = out;
  }
  return values;
}
std::size_t n_hidden_values(const MlpView& mlp, int n_rows) {
  std::size_t width = 0;
  for (int l = 1; l < mlp.n_layers; ++l) width += static_cast<std::size_t>(mlp.widths[l]);
  return width * n_rows;
}

}  // namespace

void CudaBackend::mlp_forward(const MlpView& mlp, DeviceSpan<const float> parameters, ConstMatrix z,
                              Matrix logits) {
  float* hidden = workspace<float>(n_hidden_values(mlp, z.n_rows));
  forward_rows(stream(), mlp, parameters.data, z, hidden, logits);
}

void CudaBackend::mlp_max_logit_gradient(const MlpView& mlp, DeviceSpan<const float> parameters,
                                         ConstMatrix z, Matrix d_z) {
  const std::size_t n_hidden = n_hidden_values(mlp, z.n_rows);
  const int n_classes = mlp.widths[mlp.n_layers];
  const std::size_t n_logits = static_cast<std::size_t>(z.n_rows) * n_classes;
  float* memory = workspace<float>(2 * n_hidden + n_logits);
  const Matrix logits{memory + 2 * n_hidden, z.n_rows, n_classes};
  const auto values = forward_rows(stream(), mlp, parameters.data, z, memory, logits);
  launch(stream(), one_thread_each(z.n_rows), max_logit_kernel, logits);
  ConstMatrix d = logits;
  float* below = memory + n_hidden;
  const float* weight = parameters.data + parameters.size;
  for (int l = mlp.n_layers - 1; l >= 0; --l) {
    weight -= static_cast<std::ptrdiff_t>(mlp.widths[l] + 1) * mlp.widths[l + 1];
    const Matrix out = l == 0 ? d_z : Matrix{below, z.n_rows, mlp.widths[l]};
    const bool has_elu = l > 0 && mlp.activation == Activation::elu;
    launch(stream(), one_thread_each(out.size()), layer_backward_kernel, d, weight,
           has_elu ? values[l].data : nullptr, out);
    below += out.size();
    d = out;
  }
}

void CudaBackend::mlp_gradient(const MlpView& mlp, ClassifierLoss loss,
                               DeviceSpan<const float> parameters, ConstMatrix z,
                               DeviceSpan<const std::int32_t> label, DeviceSpan<double> loss_value,
                               DeviceSpan<float> gradient) {
  const MlpShape shape = shape_of(mlp, z.n_rows);
  MlpWork work{z.data, label.data, z.n_rows, z.n_rows, loss, nullptr};
  const std::size_t bytes = bytes_of_batch(shape, work);
  const auto start = [&](auto kernel, std::size_t in_shared) {
    launch(stream(), {.n_threads = block_threads, .shared_bytes = scratch_bytes + in_shared},
           kernel, shape, work, parameters.data, gradient.data, loss_value.data);
  };
  if (scratch_bytes + bytes <= most_shared_bytes())
    return start(mlp_gradient_kernel<InShared>, bytes);
  work.global = workspace<unsigned char>(bytes);
  start(mlp_gradient_kernel<InGlobal>, 0);
}

void CudaBackend::mlp_train(const MlpView& mlp, const MlpTraining& training, ConstMatrix z,
                            DeviceSpan<const std::int32_t> label, DeviceSpan<float> parameters,
                            DeviceSpan<double> loss) {
  const int batch_size = std::min(training.batch_size, z.n_rows);
  const MlpShape shape = shape_of(mlp, batch_size);
  expects(parameters.size == static_cast<std::size_t>(shape.n_parameters()),
          "as many parameters as the layers have");
  MlpWork work{z.data, label.data, z.n_rows, batch_size, training.loss, nullptr};
  const std::size_t bytes =
      bytes_of_batch(shape, work) + 2 * shared_bytes<float>(shape.n_parameters());
  const bool fits = scratch_bytes + bytes <= most_shared_bytes();
  const std::size_t n_ints = static_cast<std::size_t>(z.n_rows) + shape.n_classes() + 2;
  unsigned char* memory =
      workspace<unsigned char>((fits ? 0 : bytes) + shared_bytes<std::int32_t>(n_ints));
  if (!fits) work.global = memory + shared_bytes<std::int32_t>(n_ints);
  auto* ints = reinterpret_cast<std::int32_t*>(memory);
  const Classes classes{ints, ints + z.n_rows, ints + z.n_rows + shape.n_classes() + 1};
  const auto start = [&](auto kernel, std::size_t in_shared) {
    launch(stream(), {.n_threads = block_threads, .shared_bytes = scratch_bytes + in_shared},
           kernel, shape, training, work, classes, parameters.data, loss.data);
  };
  if (fits)
    start(mlp_train_kernel<InShared>, bytes);
  else
    start(mlp_train_kernel<InGlobal>, 0);
}

}  // namespace stamarker
