#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "kernels/functions.hpp"

namespace stamarker {

enum class Device { cpu, cuda };

/// Memory of a backend. Host code passes it on; it has no operator[] on purpose.
template <class T>
struct DeviceSpan {
  T* data = nullptr;
  std::size_t size = 0;

  constexpr DeviceSpan() = default;
  constexpr DeviceSpan(T* first, std::size_t n) : data(first), size(n) {}
  template <class U>
  requires std::same_as<const U, T>  // read-write memory serves where read-only is asked for
  constexpr DeviceSpan(DeviceSpan<U> other) : data(other.data), size(other.size) {}
};

/// A dense matrix by rows in backend memory, without gaps.
template <class T>
struct DeviceMatrix {
  T* data = nullptr;
  int n_rows = 0, n_cols = 0;

  constexpr DeviceMatrix() = default;
  constexpr DeviceMatrix(T* first, int rows, int cols) : data(first), n_rows(rows), n_cols(cols) {}
  template <class U>
  requires std::same_as<const U, T>
  constexpr DeviceMatrix(DeviceMatrix<U> other)
      : data(other.data), n_rows(other.n_rows), n_cols(other.n_cols) {}

  constexpr std::size_t size() const { return static_cast<std::size_t>(n_rows) * n_cols; }
  constexpr DeviceMatrix rows(int n) const { return {data, n, n_cols}; }  // the first n
};
using Matrix = DeviceMatrix<float>;
using ConstMatrix = DeviceMatrix<const float>;

/// A sparse matrix by rows (CSR) in host memory.
struct HostCsr {
  int n_rows = 0, n_cols = 0;
  std::span<const std::int64_t> row_start;  // [n_rows + 1], from 0
  std::span<const std::int32_t> column;     // [nnz], ascending in a row
  std::span<const float> value;             // [nnz]
};

/// How products with X are computed: as the backend's cost model says, or always in one way (for
/// tests and benchmarks). The CPU has one way.
enum class ExpressionFormat { fastest, spmm_kernel, spmm_library, dense };

/// The expression X [n_rows, n_cols] of a tile, in the storage formats in which its backend
/// multiplies it. Owns the memory. The backend outlives it; other backends of one device may read
/// it.
class Expression {
 public:
  Expression(int n_rows, int n_cols, std::int64_t nnz)
      : n_rows_(n_rows), n_cols_(n_cols), nnz_(nnz) {}
  virtual ~Expression() = default;
  Expression(const Expression&) = delete;
  Expression& operator=(const Expression&) = delete;

  int n_rows() const { return n_rows_; }
  int n_cols() const { return n_cols_; }
  std::int64_t nnz() const { return nnz_; }
  /// How X W is computed, and X^T D.
  virtual ExpressionFormat format() const { return ExpressionFormat::spmm_kernel; }
  virtual ExpressionFormat transposed_format() const { return ExpressionFormat::spmm_kernel; }

 private:
  int n_rows_, n_cols_;
  std::int64_t nnz_;
};

/// Who attends to whom in a tile. Row i lists the sources of spot i; none is empty. The transposed
/// graph lists for each source j the rows that attend to it, ascending, and the edges they do so
/// by.
struct GraphView {
  int n_rows = 0, n_sources = 0;
  DeviceSpan<const std::int64_t> row_start;     // [n_rows + 1]
  DeviceSpan<const std::int32_t> source;        // [n_edges]
  DeviceSpan<const std::int64_t> target_start;  // [n_sources + 1]
  DeviceSpan<const std::int32_t> target;        // [n_edges], the row
  DeviceSpan<const std::int64_t> edge;          // [n_edges], position in `source`
};

/// One tile of a section: its own spots first, then the spots one hop away whose latent rows are
/// needed, then the spots two hops away whose expression is needed (docs/parallel.md: Tiles).
struct TileView {
  int n_own = 0, n_attending = 0, n_spots = 0;
  GraphView graph;  // rows: the n_attending first spots; sources: all spots of the tile
  const Expression* x = nullptr;        // [n_spots, G]
  DeviceSpan<const std::int32_t> spot;  // [n_spots], index in the section, for random samples
};

struct WeightsView {
  ConstMatrix w1;                        // [G, H]
  ConstMatrix w2;                        // [H, L]
  DeviceSpan<const float> a_src, a_dst;  // [H]
};

/// Sums over tiles of the gradient. In a joint update `decoder_w1` and `decoder_w2` are the
/// encoder's own storage; in a split one they stand apart.
struct GradientView {
  Matrix w1, w2;  // through the encoder
  DeviceSpan<float> a_src, a_dst;
  Matrix decoder_w1, decoder_w2;  // through the decoder

  bool is_joint() const { return decoder_w1.data == w1.data; }
};

/// Everything that one training step of one tile reads and writes. Letters as in docs/method.md:
/// train; d_o1 and d_y take the place of h1 and y once those are no longer needed.
struct StepView {
  TileView tile;
  GraphView graph;  // tile.graph, or the sampled one with a single source a row
  WeightsView weights;
  Attention attention = Attention::leaky_relu;
  bool single_source = false;  // every row of graph has one source: alpha is 1 and has no gradient
  float scale = 0;             // c = 2 / (N G), N of the whole section
  ConstMatrix s;               // S = W1^T W1 [H, H]

  Matrix y;                          // [n_spots, H]      Y, then dY
  DeviceSpan<float> score_src;       // [n_spots]         s_j
  DeviceSpan<float> score_dst;       // [n_attending]     d_i
  DeviceSpan<float> alpha, d_alpha;  // [n_edges]
  Matrix h1;                         // [n_attending, H]  H1, then dO1
  Matrix z, d_z;                     // [n_attending, L]
  Matrix h3, d_o3;                   // [n_own, H]

  Matrix p;                // [H, H]  += H3^T H3
  DeviceSpan<double> dot;  // [1]     += <Y, H3>
  GradientView gradient;
};

/// Adam with weight decay inside the gradient (torch.optim.Adam) and a rate that decays by steps
/// (torch.optim.lr_scheduler.StepLR). After `epoch` steps, step t = epoch + 1 has
///   rate = learning_rate gamma^(epoch / step_size)   (the quotient of integers; in double)
/// and for each of the two parts g of a weight that has two (split), in order,
///   g' = clip g + decay w,  m = b1 m + (1 - b1) g',  v = b2 v + (1 - b2) g'^2,
///   w -= rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + 1e-8)
struct AdamOptions {
  float learning_rate = 0;
  float gamma = 1;
  int step_size = 1;
  float weight_decay = 0;
  float clip_norm = 0;  // 0: none; else all gradients times min(1, clip_norm / (norm + 1e-6))
};

/// Operations that a backend enqueues again as a whole; see Backend::capture().
class CapturedGraph {
 public:
  virtual ~CapturedGraph() = default;
  virtual void launch() = 0;
};

/// Layers of an MLP in one flat buffer: for each layer weight [out, in], then bias [out].
struct MlpView {
  const int* widths = nullptr;  // on the host, [n_layers + 1]
  int n_layers = 0;
  Activation activation = Activation::none;  // between layers, none after the last
};

/// How an MLP is trained in one go; see ClassifierOptions.
struct MlpTraining {
  ClassifierLoss loss = ClassifierLoss::cross_entropy;
  int epochs = 0, batch_size = 0;
  float learning_rate = 0, weight_decay = 0;
  int step_size = 1;
  float gamma = 1;
  bool balanced = true;
  RandomKey key;  // of the samples: word 0 of index b of step t chooses the class of the b-th spot
                  // of batch t, word 1 the spot within it (balanced); word 0 the spot (otherwise)
};

/// One stream, the memory it works on, and every operation the models need. An operation
/// ends where the next one reads rows of other spots than its own. Operations only enqueue; results
/// exist after synchronize(). The same call on the same input is bitwise reproducible on any
/// number of threads. Several backends of one device read each other's memory, once its owner's
/// stream was synchronized.
class Backend {
 public:
  struct Free {
    Backend* owner;
    void operator()(void* p) const noexcept { owner->release(p); }
  };
  using Memory = std::unique_ptr<void, Free>;

  virtual ~Backend() = default;
  Memory allocate(std::size_t bytes) { return {acquire(bytes), Free{this}}; }
  virtual void synchronize() = 0;
  /// Behind what is enqueued; the memory of the host may change once the call is back.
  virtual void upload(const void* host, void* device, std::size_t bytes) = 0;
  /// After synchronize().
  virtual void download(const void* device, void* host, std::size_t bytes) = 0;
  virtual void clear(void* device, std::size_t bytes) = 0;  // to zero
  /// Which instruction sets or device the kernels run on, for the log.
  virtual std::string description() const = 0;
  /// Tells the devices of a machine apart; empty where memory is the host's.
  virtual std::string device_id() const { return {}; }
  /// Bytes still free on a device with memory of its own; nothing where that is the host's.
  virtual std::optional<std::size_t> free_bytes() const { return {}; }

  /// Captures what `enqueue` enqueues, without running it; launch() then enqueues it again.
  /// `enqueue` calls operations and clear() only, with the same arguments whenever it is called,
  /// and has been called once before. Here every launch() simply calls it.
  virtual std::unique_ptr<CapturedGraph> capture(std::function<void()> enqueue);

  /// Stores X for the products project() and weight_gradient(). Throws OutOfDeviceMemory.
  virtual std::unique_ptr<Expression> make_expression(
      const HostCsr& x, ExpressionFormat format = ExpressionFormat::fastest) = 0;

  /// out = A^T A, [n_cols, n_cols]. Both triangles.
  virtual void gram(ConstMatrix a, Matrix out) = 0;

  /// Y = X W1.  Reads tile.x, weights.w1. Writes y.
  virtual void project(const StepView& step) = 0;

  /// s_j = <a_src, y_j>, d_i = <a_dst, y_i>, alpha_i. = softmax over row i of phi(s_j + d_i).
  /// Writes score_src, score_dst, alpha. Source: STAMarker stamarker/modules.py, GATConv.
  virtual void attend(const StepView& step) = 0;

  /// Draws one source of its row for each row of `full`, from word 0 of index spot[i] of step
  /// epoch[0]. Writes `source` [n_rows] and the transposed graph (target_start [n_sources + 1],
  /// target [n_rows], edge [n_rows]) of the graph that has those sources only.
  virtual void sample_neighbors(const GraphView& full, DeviceSpan<const std::int32_t> spot,
                                RandomKey key, DeviceSpan<const std::int32_t> epoch,
                                DeviceSpan<std::int32_t> source,
                                DeviceSpan<std::int64_t> target_start,
                                DeviceSpan<std::int32_t> target, DeviceSpan<std::int64_t> edge) = 0;

  /// H1 = elu(alpha Y), Z = H1 W2.  Writes h1, z.
  virtual void encode(const StepView& step) = 0;

  /// H3 = elu(alpha Z W2^T) for own rows, p += H3^T H3, dot += <Y, H3>,
  /// dO3 = c (H3 S - Y) elu'(O3).  Writes h3, d_o3; leaves in d_z what decoder_backward() needs.
  virtual void decode(const StepView& step) = 0;

  /// U = dO3 W2; d_alpha_ij = <u_i, z_j> for own rows i, else 0 (unless single_source);
  /// dZ = alpha^T U; decoder_w2 += dO3^T (alpha Z).  Writes d_alpha, d_z. Follows decode().
  virtual void decoder_backward(const StepView& step) = 0;

  /// w2 += H1^T dZ (unless gradient.w2 is empty), dO1 = (dZ W2^T) elu'(O1).  h1 becomes dO1.
  virtual void latent_backward(const StepView& step) = 0;

  /// d_alpha_ij += <dO1_i, y_j>; g_ij = alpha_ij (d_alpha_ij - sum_k alpha_ik d_alpha_ik)
  /// phi'(s_j + d_i); ds_j = sum_i g_ij, dd_i = sum_j g_ij; a_src += Y^T ds, a_dst += Y^T dd
  /// (unless empty); dY = alpha^T dO1 + ds a_src^T + dd a_dst^T.  y becomes dY; d_alpha becomes g;
  /// score_src and score_dst become ds and dd.
  virtual void encoder_backward(const StepView& step) = 0;

  /// w1 = X^T dY and decoder_w1 = -c X^T H3, or their sum where both are one storage: then in one
  /// pass over X. What they held before counts for nothing.
  virtual void weight_gradient(const StepView& step) = 0;

  /// out += c A P, for the decoder's part of dW1 once P is summed over tiles.
  virtual void add_product(float c, ConstMatrix a, ConstMatrix p, Matrix out) = 0;

  /// <A, B> of equal shape, in double, into out [1].
  virtual void dot(ConstMatrix a, ConstMatrix b, DeviceSpan<double> out) = 0;

  /// The sum of squares of all values, in double, into out [1].
  virtual void sum_of_squares(DeviceSpan<const float> values, DeviceSpan<double> out) = 0;

  /// to += from, element by element.
  virtual void add(DeviceSpan<const float> from, DeviceSpan<float> to) = 0;
  virtual void add(DeviceSpan<const double> from, DeviceSpan<double> to) = 0;

  /// Updates `weights` [n] by the gradients and moments of one or two parts. gradient and moments:
  /// the first part of length n, then that of the second, which covers the first n_second weights
  /// (0: none); moments holds m of everything, then v of everything. squared_norm [1] is that of
  /// all gradients together; epoch [1] the number of steps done before.
  virtual void adam(const AdamOptions& options, DeviceSpan<const std::int32_t> epoch,
                    DeviceSpan<float> weights, std::size_t n_second,
                    DeviceSpan<const float> gradient, DeviceSpan<float> moments,
                    DeviceSpan<const double> squared_norm) = 0;

  /// Row epoch[0] of `history` [n_epochs, n] becomes `sums` [n]; then epoch[0] += 1.
  virtual void finish_epoch(DeviceSpan<const double> sums, DeviceMatrix<double> history,
                            DeviceSpan<std::int32_t> epoch) = 0;

  /// logits [n, C] of z [n, L].
  virtual void mlp_forward(const MlpView& mlp, DeviceSpan<const float> parameters, ConstMatrix z,
                           Matrix logits) = 0;

  /// Loss [1] of a batch and its gradient with respect to the parameters (overwritten).
  virtual void mlp_gradient(const MlpView& mlp, ClassifierLoss loss,
                            DeviceSpan<const float> parameters, ConstMatrix z,
                            DeviceSpan<const std::int32_t> label, DeviceSpan<double> loss_value,
                            DeviceSpan<float> gradient) = 0;

  /// The whole training of one MLP on z [n, L] with labels [n]; loss [epochs], mean over batches.
  virtual void mlp_train(const MlpView& mlp, const MlpTraining& training, ConstMatrix z,
                         DeviceSpan<const std::int32_t> label, DeviceSpan<float> parameters,
                         DeviceSpan<double> loss) = 0;

  /// d_z = gradient of sum_i max_c logit_c(z_i).  z, d_z: [n, L].
  virtual void mlp_max_logit_gradient(const MlpView& mlp, DeviceSpan<const float> parameters,
                                      ConstMatrix z, Matrix d_z) = 0;

  /// relu(dY W1^T) for the rows of d_y, into out [n, G].
  virtual void input_saliency(ConstMatrix d_y, ConstMatrix w1, Matrix out) = 0;

 private:
  virtual void* acquire(std::size_t bytes) = 0;
  virtual void release(void* p) noexcept = 0;
};

/// The devices that this build and this machine offer, the CPU first.
std::vector<Device> available_devices();
/// Whether this build knows the device, be it there or not.
bool is_built_for(Device device);
/// Why available_devices() lacks the device, and what to do, on one line; empty when it has it.
std::string why_missing(Device device);

struct BackendOptions {
  Precision precision = Precision::fp32;
  int local_rank = 0;  // among the ranks of this machine: GPU number local_rank modulo their number
};
/// Throws InputError where the device is not to be had, saying how to get it.
std::unique_ptr<Backend> make_backend(Device device, const BackendOptions& options = {});

}  // namespace stamarker
