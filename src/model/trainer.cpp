#include "model/trainer.hpp"

#include <bit>
#include <cmath>
#include <functional>
#include <utility>

#include "base/error.hpp"
#include "data/spatial_order.hpp"
#include "data/tiles.hpp"
#include "kernels/buffer.hpp"
#include "model/parameters.hpp"
#include "model/step_memory.hpp"

namespace stamarker {

struct TrainingSection::Content {
  Content(Backend& on, const TileTree& sums, int rank)
      : backend(on), tree(sums), mine(tree.block_of(rank)), parts(tree.parts_of(rank)) {}

  Backend& backend;
  TileTree tree;
  TileRange mine;                // of all tiles
  std::vector<TileRange> parts;  // of the tree, on this rank
  std::vector<DeviceTile> tiles;
  TileExtent extent;
  int n_spots = 0, n_genes = 0;   // of the whole section
  double squared_expression = 0;  // |X|^2 of the whole section
};

namespace {

/// Non-zeros and dense products of each spot, in units of one non-zero.
std::vector<double> work_per_spot(std::span<const std::int64_t> row_start) {
  constexpr double dense_work = 512;
  std::vector<double> work;
  work.reserve(row_start.size());
  for (std::size_t i = 1; i < row_start.size(); ++i)
    work.push_back(static_cast<double>(row_start[i] - row_start[i - 1]) + dense_work);
  return work;
}

}  // namespace

TrainingSection::TrainingSection(Backend& backend, const PreparedData& data,
                                 const ExpressionRows& expression, int n_tiles, int tile_rank,
                                 int n_tile_ranks)
    : content_(std::make_unique<Content>(backend, TileTree(n_tiles, n_tile_ranks), tile_rank)) {
  Content& content = *content_;
  content.n_spots = data.n_spots();
  content.n_genes = data.n_genes();
  Tiling tiling(data.graph,
                bisect(data.coordinates, work_per_spot(expression.row_start()), n_tiles),
                Halo::sources);
  for (int t = content.mine.begin; t < content.mine.end; ++t) {
    Tile tile = tiling.tile(t);
    order_in_space(data.coordinates, tile);
    content.tiles.emplace_back(backend, tile, expression);
    content.extent.cover(content.tiles.back());
  }
  backend.synchronize();  // other streams read it
}

TrainingSection::TrainingSection(Backend& backend, const PreparedData& data, int n_tiles)
    : TrainingSection(backend, data, ExpressionInMemory(data.expression), n_tiles, 0, 1) {
  TileReduction alone;
  add_up(alone);
}

void TrainingSection::add_up(TileReduction& reduction) {
  Content& content = *content_;
  const std::function<double(TileRange)> sum_of = [&](TileRange range) -> double {
    if (range.size() == 1)
      return content.tiles[range.begin - content.mine.begin].squared_expression();
    const double first = sum_of(range.first_half());
    return first + sum_of(range.second_half());
  };
  std::vector<double> parts;
  for (const TileRange& part : content.parts) parts.push_back(sum_of(part));
  Buffer<double> sums(content.backend, std::span<const double>(parts));
  reduction.sum(content.backend, content.tree, sums.matrix(static_cast<int>(parts.size()), 1));
  content.squared_expression = sums.to_host(0, 1)[0];
}

TrainingSection::~TrainingSection() = default;
TrainingSection::TrainingSection(TrainingSection&&) noexcept = default;

namespace {

/// A part of p tiles is added up in ceil(log2 p) + 1 places, the first of which then holds it while
/// later parts are added up behind.
int n_places(const std::vector<TileRange>& parts) {
  int most = 0;
  for (int p = 0; p < static_cast<int>(parts.size()); ++p) {
    const auto depth = std::bit_width(static_cast<unsigned>(parts[p].size() - 1));
    most = std::max(most, p + 1 + static_cast<int>(depth));
  }
  return most;
}

constexpr int n_sums = 3;  // <Y, H3>, <S, P>, squared norm of the gradient

}  // namespace

/// What one rank holds of one model in training.
struct Trainer::Memory {
  Memory(Backend& stream, const TrainingSection::Content& of, const AutoencoderOptions& how,
         RandomKey samples, TileReduction& over_ranks, ParameterLayout sizes)
      : section(of),
        backend(stream),
        options(how),
        neighbor_key(samples),
        reduction(over_ranks),
        layout(sizes),
        activations(backend, of.extent, how.n_hidden, how.n_latent),
        weights(backend, sizes.n_weights()),
        gradient(backend, n_places(of.parts) * n_per_place()),
        moments(backend, sizes.n_moments()),
        s(backend, gram_size()),
        sums(backend, static_cast<std::size_t>(std::max(n_places(of.parts), n_sums))),
        history(backend, static_cast<std::size_t>(how.epochs) * n_sums),
        epochs_done(backend, 1) {
    moments.clear();
    epochs_done.clear();
    reduction.reserve(section.tree, n_per_place() * sizeof(float));
  }

  std::size_t gram_size() const { return std::size_t(options.n_hidden) * options.n_hidden; }
  /// P stands behind the gradients, so that one reduction sums both.
  std::size_t n_per_place() const { return layout.n_gradients() + gram_size(); }
  DeviceSpan<float> place(int k) {
    return {gradient.span().data + k * n_per_place(), n_per_place()};
  }
  DeviceSpan<double> dot_of_place(int k) { return {sums.span().data + k, 1}; }
  Matrix p_of(DeviceSpan<float> at) const {
    return {at.data + layout.n_gradients(), options.n_hidden, options.n_hidden};
  }
  DeviceSpan<const float> whole_gradient() { return {gradient.span().data, layout.n_gradients()}; }

  void clear_but_w1(DeviceSpan<float> at);
  void set_to_tile(const DeviceTile& tile, int k);  // the place
  void set_to_sum(TileRange range, int k);
  void compute_gradient();
  void enqueue_epoch();
  void enqueue(int n);
  void wait();
  std::vector<float> embedding();

  const TrainingSection::Content& section;
  Backend& backend;
  AutoencoderOptions options;
  RandomKey neighbor_key;
  TileReduction& reduction;
  ParameterLayout layout;
  StepMemory activations;
  Buffer<float> weights;
  Buffer<float> gradient;  // and P, in every place; at the end the whole section's, in the first
  Buffer<float> moments, s;
  Buffer<double> sums;     // <Y, H3> of every place; at the end the n_sums of the whole section
  Buffer<double> history;  // [epochs, n_sums]
  Buffer<std::int32_t> epochs_done;
  int epoch = 0;  // steps done and enqueued
  bool has_run = false;
  std::unique_ptr<CapturedGraph> recording;
  std::vector<double> loss, gradient_norm;  // of the steps waited for
};

/// Of one place: weight_gradient() sets the parts of W1, which are nearly all of it.
void Trainer::Memory::clear_but_w1(DeviceSpan<float> at) {
  const auto clear = [&](std::size_t begin, std::size_t end) {
    backend.clear(at.data + begin, (end - begin) * sizeof(float));
  };
  if (layout.n_second() > 0) {
    clear(layout.w1_size(), layout.n_weights());
    clear(layout.n_weights() + layout.w1_size(), at.size);
  } else {
    clear(layout.w1_size(), at.size);
  }
}

/// Forward and backward pass of one tile: its gradient, P and <Y, H3>.
void Trainer::Memory::set_to_tile(const DeviceTile& tile, int k) {
  const DeviceSpan<float> to = place(k);
  clear_but_w1(to);
  backend.clear(dot_of_place(k).data, sizeof(double));
  if (options.neighbors_per_step == Neighbors::one)
    activations.draw(backend, tile, neighbor_key, epochs_done.span());
  StepView step = activations.step(tile, options.neighbors_per_step);
  step.weights = layout.weights(weights.span().data);
  step.attention = options.attention;
  step.scale = static_cast<float>(2.0 / (static_cast<double>(section.n_spots) * section.n_genes));
  step.s = std::as_const(s).matrix(options.n_hidden, options.n_hidden);
  step.p = p_of(to);
  step.dot = dot_of_place(k);
  step.gradient = layout.gradient(to.data);

  backend.project(step);
  if (!step.single_source) backend.attend(step);
  backend.encode(step);
  backend.decode(step);
  backend.decoder_backward(step);
  backend.latent_backward(step);
  backend.encoder_backward(step);
  backend.weight_gradient(step);
}

void Trainer::Memory::set_to_sum(TileRange range, int k) {
  if (range.size() == 1) return set_to_tile(section.tiles[range.begin - section.mine.begin], k);
  set_to_sum(range.first_half(), k);
  set_to_sum(range.second_half(), k + 1);
  backend.add(place(k + 1), place(k));
  backend.add(dot_of_place(k + 1), dot_of_place(k));
}

/// Leaves the gradient of the whole section's loss in the first place, and in `sums` what the loss
/// is made of.
void Trainer::Memory::compute_gradient() {
  const WeightsView w = layout.weights(weights.span().data);
  backend.gram(w.w1, s.matrix(options.n_hidden, options.n_hidden));
  const auto n_parts = static_cast<int>(section.parts.size());
  for (int k = 0; k < n_parts; ++k) set_to_sum(section.parts[k], k);
  reduction.sum(backend, section.tree, gradient.matrix(n_parts, static_cast<int>(n_per_place())));
  reduction.sum(backend, section.tree, sums.matrix(n_parts, 1));
  const Matrix p = p_of(place(0));
  const GradientView g = layout.gradient(place(0).data);
  const double n = static_cast<double>(section.n_spots) * section.n_genes;
  backend.add_product(static_cast<float>(2 / n), w.w1, p, g.decoder_w1);
  const DeviceSpan<double> out = sums.span();
  backend.dot(std::as_const(s).matrix(options.n_hidden, options.n_hidden), p, {out.data + 1, 1});
  backend.sum_of_squares(whole_gradient(), {out.data + 2, 1});
}

void Trainer::Memory::enqueue_epoch() {
  compute_gradient();
  const AdamOptions adam{options.learning_rate, options.gamma, options.step_size,
                         options.weight_decay, options.clip_norm};
  backend.adam(adam, epochs_done.span(), weights.span(), layout.n_second(), whole_gradient(),
               moments.span(), {sums.span().data + 2, 1});
  backend.finish_epoch({sums.span().data, n_sums}, history.matrix(options.epochs, n_sums),
                       epochs_done.span());
}

/// Every epoch is the same sequence of operations, so a backend may learn it. Not where ranks
/// communicate within it.
void Trainer::Memory::enqueue(int n) {
  for (; n > 0 && epoch < options.epochs; --n, ++epoch) {
    if (!has_run || section.tree.n_ranks() > 1) {
      enqueue_epoch();
      has_run = true;
      continue;
    }
    if (!recording) recording = backend.capture([this] { enqueue_epoch(); });
    recording->launch();
  }
}

void Trainer::Memory::wait() {
  const auto n_known = loss.size(), n_new = static_cast<std::size_t>(epoch) - n_known;
  const std::vector<double> rows = history.to_host(n_known * n_sums, n_new * n_sums);
  const double n = static_cast<double>(section.n_spots) * section.n_genes;
  for (std::size_t k = 0; k < rows.size(); k += n_sums) {
    loss.push_back((section.squared_expression - 2 * rows[k] + rows[k + 1]) / n);
    gradient_norm.push_back(std::sqrt(rows[k + 2]));
  }
}

std::vector<float> Trainer::Memory::embedding() {
  const auto width = static_cast<std::size_t>(options.n_latent);
  std::vector<float> all(static_cast<std::size_t>(section.n_spots) * width, 0.0f);
  for (const DeviceTile& tile : section.tiles) {
    StepView step = activations.step(tile, Neighbors::all);
    step.weights = layout.weights(weights.span().data);
    step.attention = options.attention;
    backend.project(step);
    backend.attend(step);
    backend.encode(step);
    const auto own = tile.own_spots();
    std::vector<float> z(own.size() * width);
    backend.synchronize();
    backend.download(step.z.data, z.data(), z.size() * sizeof(float));
    for (std::size_t i = 0; i < own.size(); ++i)  // 0 + -0 is 0, as in the sum over ranks
      for (std::size_t k = 0; k < width; ++k) all[own[i] * width + k] += z[i * width + k];
  }
  reduction.fill(all);
  return all;
}

namespace {

ParameterLayout layout_of(const TrainingSection& section, const AutoencoderOptions& options) {
  return {section.content().n_genes, options.n_hidden, options.n_latent, options.tied_update};
}

}  // namespace

Trainer::Trainer(Backend& stream, const TrainingSection& section, const AutoencoderOptions& options,
                 std::uint32_t seed, int model, TileReduction& reduction)
    : memory_(std::make_unique<Memory>(
          stream, section.content(), options,
          RandomKey{seed, static_cast<std::uint32_t>(model), Purpose::neighbor}, reduction,
          layout_of(section, options))) {
  memory_->weights.assign(initial_parameters(memory_->layout, seed, model));
}
Trainer::~Trainer() = default;

std::size_t Trainer::bytes(const TrainingSection& section, const AutoencoderOptions& options) {
  const TrainingSection::Content& content = section.content();
  const ParameterLayout layout = layout_of(section, options);
  const std::size_t gram = std::size_t(options.n_hidden) * options.n_hidden;
  const std::size_t n_values = layout.n_weights() + layout.n_moments() + gram +
                               n_places(content.parts) * (layout.n_gradients() + gram);
  return StepMemory::bytes(content.extent, options.n_hidden, options.n_latent) +
         n_values * sizeof(float) + static_cast<std::size_t>(options.epochs) * n_sums * 8;
}

void Trainer::enqueue(int n) { memory_->enqueue(n); }
void Trainer::wait() { memory_->wait(); }
int Trainer::epoch() const { return memory_->epoch; }
int Trainer::n_epochs() const { return memory_->options.epochs; }
const std::vector<double>& Trainer::loss() const { return memory_->loss; }

TrainerState Trainer::state() {
  wait();
  return {memory_->epoch, memory_->weights.to_host(), memory_->moments.to_host(), memory_->loss,
          memory_->gradient_norm};
}

const ParameterLayout& Trainer::layout() const { return memory_->layout; }

void Trainer::restore(const TrainerState& state) {
  Memory& memory = *memory_;
  expects(state.parameters.size() == memory.weights.size() &&
              state.moments.size() == memory.moments.size() &&
              state.loss.size() == static_cast<std::size_t>(state.epoch),
          "a checkpoint of this layout");
  memory.epoch = state.epoch;
  const std::int32_t done = state.epoch;
  memory.epochs_done.assign(std::span(&done, 1));
  memory.weights.assign(state.parameters);
  memory.moments.assign(state.moments);
  memory.loss = state.loss;
  memory.gradient_norm = state.gradient_norm;
}

std::vector<float> Trainer::embedding() { return memory_->embedding(); }

}  // namespace stamarker
