// Every operation of the backend contract against what the device can do at best; see --help.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <utility>

#include "kernels/buffer.hpp"
#include "model/step_memory.hpp"
#include "model/trainer.hpp"
#include "random_section.hpp"

namespace stamarker::bench {
namespace {

struct Options {
  Device device = Device::cuda;
  Precision precision = Precision::fp32;
  int spots = 0;  // 0: the two cases of the reference sizes
  double density = 0.1;
  int genes = 3000, hidden = 512, latent = 30, repeats = 20;
  std::vector<int> models{1, 20};
  double ceiling_mb = 256;  // of the arrays that the ceilings are measured with
};

/// Seconds of one call of work, stream drained: the median of five runs of `repeats` calls, which a
/// GPU enqueues as one graph. The first call is not timed.
double seconds_of(Backend& backend, int repeats, const std::function<void()>& work) {
  work();
  const auto recording = backend.capture([&] {
    for (int k = 0; k < repeats; ++k) work();
  });
  backend.synchronize();
  std::vector<double> seconds;
  for (int run = 0; run < 5; ++run) {
    const auto start = std::chrono::steady_clock::now();
    recording->launch();
    backend.synchronize();
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / repeats);
  }
  std::ranges::sort(seconds);
  return seconds[seconds.size() / 2];
}

/// What the device reaches on large arrays: bytes and float operations a second.
struct Ceilings {
  double bytes, operations;
};

Buffer<float> random_values(Backend& backend, std::size_t n) {
  RandomSequence random({1, 0, Purpose::simulation}, 1);
  std::vector<float> host(std::min<std::size_t>(n, 1 << 20));
  for (float& v : host) v = static_cast<float>(random.uniform() - 0.5);
  Buffer<float> values(backend, n);
  for (std::size_t at = 0; at < n; at += host.size())
    backend.upload(host.data(), values.span().data + at,
                   std::min(host.size(), n - at) * sizeof(float));
  return values;
}

Ceilings measure_ceilings(Backend& backend, const Options& options) {
  const auto n = static_cast<std::size_t>(options.ceiling_mb * 1e6 / sizeof(float));
  const Buffer<float> from = random_values(backend, n);
  Buffer<float> to = random_values(backend, n);
  const double stream = seconds_of(backend, 4, [&] { backend.add(from.span(), to.span()); });
  const int side = static_cast<int>(std::sqrt(static_cast<double>(n))) / 64 * 64;
  const double product = seconds_of(backend, 2, [&] {
    backend.add_product(1e-6f, from.matrix(side, side), from.matrix(side, side),
                        to.matrix(side, side));
  });
  const double flops = 2.0 * side * side * side;
  const Ceilings found{12.0 * static_cast<double>(n) / stream, flops / product};
  fmt::print("stream (a += b, {:.0f} MB each): {:.1f} GB/s\n", options.ceiling_mb,
             found.bytes / 1e9);
  fmt::print("product ({0} x {0} x {0}): {1:.2f} TFLOP/s\n\n", side, found.operations / 1e12);
  return found;
}

/// One section, uploaded, and everything one step of it needs.
class StepCase {
 public:
  StepCase(Backend& on, const PreparedData& data, const Options& options, Neighbors neighbors,
           TiedUpdate update)
      : backend(on),
        layout{data.n_genes(), options.hidden, options.latent, update},
        tile(on, whole_section(data), ExpressionInMemory(data.expression)),
        memory(on, extent_of(tile), options.hidden, options.latent),
        weights(on, std::span<const float>(initial_parameters(layout, 0, 0))),
        gradient(on, layout.n_gradients()),
        moments(on, layout.n_moments()),
        gram(random_values(on, area(options.hidden, options.hidden))),
        p(random_values(on, area(options.hidden, options.hidden))),
        sums(on, 3),
        epoch(on, std::span<const std::int32_t>(std::array<std::int32_t, 1>{0})) {
    gradient.clear(), moments.clear(), sums.clear();
    memory.draw(on, tile, {0, 0, Purpose::neighbor}, epoch.span());
    step = memory.step(tile, neighbors);
    step.weights = layout.weights(weights.span().data);
    step.scale = 1e-7f;
    step.s = std::as_const(gram).matrix(options.hidden, options.hidden);
    step.p = p.matrix(options.hidden, options.hidden);
    step.dot = {sums.span().data, 1};
    step.gradient = layout.gradient(gradient.span().data);
    backend.gram(step.weights.w1, gram.matrix(options.hidden, options.hidden));
    backend.project(step);
    if (!step.single_source) backend.attend(step);
    backend.encode(step);
    backend.decode(step);
    backend.decoder_backward(step);
  }

  static Tile whole_section(const PreparedData& data) {
    std::vector<std::int32_t> all(static_cast<std::size_t>(data.n_spots()));
    std::iota(all.begin(), all.end(), 0);
    return make_tile(data.graph, all, Halo::sources);
  }
  static TileExtent extent_of(const DeviceTile& tile) {
    TileExtent extent;
    extent.cover(tile);
    return extent;
  }
  static std::size_t area(int rows, int cols) { return std::size_t(rows) * cols; }

  Backend& backend;
  ParameterLayout layout;
  DeviceTile tile;
  StepMemory memory;
  Buffer<float> weights, gradient, moments, gram, p;
  Buffer<double> sums;
  Buffer<std::int32_t> epoch;
  StepView step;
};

/// Float operations and the fewest bytes of an operation: each input read once, each output
/// written once.
struct Work {
  const char* name;
  double operations, bytes;
  std::function<void()> run;
};

/// Counted by hand. N spots, E edges, n entries of X; a sampled step computes J rows of the decoder
/// and K of the encoder instead of N (kernels/cpu/sampled_rows.hpp).
std::vector<Work> operations_of(StepCase& on, double n_decoded, double n_encoded) {
  Backend& b = on.backend;
  const StepView& s = on.step;
  const double n_spots = s.y.n_rows, h = s.y.n_cols, l = s.z.n_cols, g = s.tile.x->n_cols();
  const double entries = static_cast<double>(s.tile.x->nnz());
  const double edges = s.single_source ? 0 : static_cast<double>(on.tile.n_edges());  // attended
  const double j = n_decoded, k = n_encoded;  // N of both where nothing is sampled
  const bool is_dense = s.tile.x->format() == ExpressionFormat::dense;
  const bool is_joint = s.gradient.is_joint();
  const double elements = is_dense ? n_spots * g : entries, passes = is_joint ? 1 : 2;
  const double x_bytes = is_dense ? 4 * n_spots * g : 8 * entries;
  const double n_gradients = static_cast<double>(on.layout.n_gradients());
  const double n_weights = static_cast<double>(on.layout.n_weights());
  const double pass_h = 2 * edges * h, pass_l = 2 * edges * l;  // of the graph, H and L wide
  std::vector<Work> all;
  all.push_back({"gram", g * h * (h + 1), 4 * (g * h + h * h),
                 [&] { b.gram(s.weights.w1, on.gram.matrix(s.s.n_rows, s.s.n_cols)); }});
  all.push_back(
      {"project", 2 * elements * h, x_bytes + 4 * (g * h + n_spots * h), [&] { b.project(s); }});
  if (s.single_source)
    all.push_back({"draw", 0, n_spots * (4 + 8 + 4 + 4 + 8 + 4 + 8), [&] {
                     on.memory.draw(b, on.tile, {0, 0, Purpose::neighbor}, on.epoch.span());
                   }});
  else
    all.push_back({"attend", 4 * n_spots * h, 4 * (n_spots * h + 3 * n_spots + 3 * edges),
                   [&] { b.attend(s); }});
  all.push_back({"encode", pass_h + 2 * k * h * l, 4 * (2 * k * h + k * l + h * l + 2 * edges),
                 [&] { b.encode(s); }});
  all.push_back({"decode", 2 * j * l * h + pass_l + 3 * j * h * h,
                 4 * (2 * j * h + n_spots * h + 2 * j * l + 2 * h * h + 2 * edges),
                 [&] { b.decode(s); }});
  all.push_back({"decoder_backward", 2 * pass_l + 4 * j * h * l,
                 4 * (j * h + 3 * j * l + 4 * edges), [&] { b.decoder_backward(s); }});
  all.push_back({"latent_backward", 4 * k * h * l, 4 * (2 * k * h + 2 * k * l),
                 [&] { b.latent_backward(s); }});
  if (!s.single_source)
    all.push_back({"encoder_backward", 2 * pass_h + 8 * n_spots * h,
                   4 * (3 * n_spots * h + 4 * edges + 3 * n_spots),
                   [&] { b.encoder_backward(s); }});
  all.push_back({"weight_gradient",
                 s.single_source && !is_dense ? 2 * entries * h * (1 + k / n_spots)
                                              : 2 * elements * h * passes,
                 x_bytes * passes + 4 * (passes * n_spots * h + passes * g * h),
                 [&] { b.weight_gradient(s); }});
  all.push_back({"add_product", 2 * g * h * h, 4 * (2 * g * h + h * h),
                 [&] { b.add_product(1e-7f, s.weights.w1, s.p, s.gradient.decoder_w1); }});
  all.push_back({"sum_of_squares", 2 * n_gradients, 4 * n_gradients, [&] {
                   b.sum_of_squares({on.gradient.span().data, on.layout.n_gradients()},
                                    {on.sums.span().data + 2, 1});
                 }});
  all.push_back({"adam", 12 * n_gradients, 4 * (2 * n_weights + 5 * n_gradients), [&] {
                   b.adam({.learning_rate = 1e-6f, .weight_decay = 1e-4f, .clip_norm = 5},
                          on.epoch.span(), on.weights.span(), on.layout.n_second(),
                          {on.gradient.span().data, on.layout.n_gradients()}, on.moments.span(),
                          {on.sums.span().data + 2, 1});
                 }});
  return all;
}

void print_header() {
  fmt::print("{:18s} {:>10s} {:>9s} {:>8s} {:>9s} {:>8s} {:>12s}\n", "operation", "ms", "GB/s",
             "stream%", "TFLOP/s", "product%", "of its bound");
}
void print_row(const Work& work, double seconds, const Ceilings& most) {
  const double bound = std::max(work.bytes / most.bytes, work.operations / most.operations);
  fmt::print("{:18s} {:10.4f} {:9.1f} {:7.0f}% {:9.3f} {:7.0f}% {:11.0f}%\n", work.name,
             seconds * 1e3, work.bytes / seconds / 1e9, 100 * work.bytes / seconds / most.bytes,
             work.operations / seconds / 1e12, 100 * work.operations / seconds / most.operations,
             100 * bound / seconds);
}

/// How many distinct sources own spots drew, and how many those did.
std::pair<double, double> distinct_draws(StepCase& on) {
  std::vector<std::int32_t> source(static_cast<std::size_t>(on.step.graph.n_rows));
  on.backend.synchronize();
  on.backend.download(on.step.graph.source.data, source.data(), source.size() * sizeof source[0]);
  const std::set<std::int32_t> decoded(source.begin(), source.end());
  std::set<std::int32_t> encoded;
  for (const std::int32_t s : decoded) encoded.insert(source[static_cast<std::size_t>(s)]);
  return {static_cast<double>(decoded.size()), static_cast<double>(encoded.size())};
}

/// A product with X by our kernel, by the library and by a dense X, and which of them the backend
/// chooses.
void check_cost_model(StepCase& on, const PreparedData& data, const Options& options) {
  const Expression* const chosen = on.step.tile.x;
  const SparseRows& x = data.expression;
  constexpr std::array formats{ExpressionFormat::spmm_kernel, ExpressionFormat::spmm_library,
                               ExpressionFormat::dense};
  const char* names[] = {"kernel", "library", "dense"};
  const auto seconds_in = [&](ExpressionFormat format,
                              void (Backend::*operation)(const StepView&)) {
    const auto stored =
        on.backend.make_expression({x.n_rows, x.n_cols, x.row_start, x.column, x.value}, format);
    on.step.tile.x = stored.get();
    const double seconds =
        seconds_of(on.backend, options.repeats, [&] { (on.backend.*operation)(on.step); });
    on.step.tile.x = chosen;
    return seconds;
  };
  const auto check = [&](const char* name, void (Backend::*operation)(const StepView&),
                         ExpressionFormat chosen_format) {
    std::array<double, formats.size()> seconds{};
    for (std::size_t k = 0; k < formats.size(); ++k) seconds[k] = seconds_in(formats[k], operation);
    const auto at = std::ranges::find(formats, chosen_format) - formats.begin();
    const auto fastest = std::ranges::min_element(seconds) - seconds.begin();
    fmt::print(
        "cost model: {}: kernel {:.4f} ms, library {:.4f} ms, dense {:.4f} ms; chooses {}: {}\n",
        name, seconds[0] * 1e3, seconds[1] * 1e3, seconds[2] * 1e3, names[at],
        at == fastest ? "the fastest" : "NOT THE FASTEST");
  };
  check("project", &Backend::project, chosen->format());
  check("weight_gradient", &Backend::weight_gradient, chosen->transposed_format());
}

struct Profile {
  const char* name;
  Neighbors neighbors;
  TiedUpdate update;
  Attention attention;
};
constexpr Profile profiles[] = {
    {"full", Neighbors::all, TiedUpdate::joint, Attention::sigmoid},
    {"reference", Neighbors::one, TiedUpdate::split, Attention::leaky_relu}};

/// Epochs of whole models, side by side on one device.
void bench_epochs(const PreparedData& data, const Options& options, const Profile& profile) {
  const auto first = make_backend(options.device, {.precision = options.precision});
  const std::size_t free_before = first->free_bytes().value_or(0);
  const TrainingSection section(*first, data, 1);
  AutoencoderOptions how;
  how.n_hidden = options.hidden;
  how.n_latent = options.latent;
  how.epochs = 1 << 16;
  how.neighbors_per_step = profile.neighbors;
  how.tied_update = profile.update;
  how.attention = profile.attention;
  TileReduction alone;
  for (const int n_models : options.models) {
    std::vector<std::unique_ptr<Backend>> streams;
    std::vector<std::unique_ptr<Trainer>> trainers;
    for (int m = 0; m < n_models; ++m) {
      streams.push_back(make_backend(options.device, {.precision = options.precision}));
      trainers.push_back(std::make_unique<Trainer>(*streams.back(), section, how, 0, m, alone));
    }
    const auto advance = [&](int n_epochs) {
      for (int t = 0; t < n_epochs; ++t)
        for (const auto& trainer : trainers) trainer->enqueue(1);
      for (const auto& trainer : trainers) trainer->wait();
    };
    advance(3);
    const auto start = std::chrono::steady_clock::now();
    advance(options.repeats);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const std::size_t used = free_before - first->free_bytes().value_or(0);
    fmt::print("epoch, {} models side by side: {:.4f} ms a model, {:.2f} GB on the device\n",
               n_models, seconds * 1e3 / options.repeats / n_models,
               static_cast<double>(used) * 1e-9);
  }
}

void bench_section(Backend& backend, const PreparedData& data, const Options& options,
                   const Ceilings& most) {
  const double density = static_cast<double>(data.expression.value.size()) /
                         (static_cast<double>(data.n_spots()) * data.n_genes());
  for (const Profile& profile : profiles) {
    StepCase on(backend, data, options, profile.neighbors, profile.update);
    on.step.attention = profile.attention;
    const auto [n_decoded, n_encoded] =
        on.step.single_source ? distinct_draws(on)
                              : std::pair<double, double>{data.n_spots(), data.n_spots()};
    fmt::print("{} spots x {} genes, {:.1f} % non-zero, hidden {}, latent {}, profile {}\n",
               data.n_spots(), data.n_genes(), 100 * density, options.hidden, options.latent,
               profile.name);
    print_header();
    double total = 0;
    for (const Work& work : operations_of(on, n_decoded, n_encoded)) {
      const double seconds = seconds_of(backend, options.repeats, work.run);
      total += seconds;
      print_row(work, seconds, most);
    }
    fmt::print("{:18s} {:10.4f}\n", "all of them", total * 1e3);
    if (options.device == Device::cuda) check_cost_model(on, data, options);  // a CPU has one way
    bench_epochs(data, options, profile);
    fmt::print("\n");
  }
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Times every operation of a training step, alone and queued as the program streams it, and\n"
      "compares with what the device reaches on large arrays: bytes and operations are counted by\n"
      "hand, 'of its bound' is the time that the nearer ceiling allows over the time taken.\n"
      "Checks the choice between X by its entries, by our kernel or the library's, and dense X, "
      "and times whole epochs of several\n"
      "models side by side. Without --spots: 4226 x 3000 at 10 % and 25641 x 3000 at 3 %.");
  app.add_option("--device", options.device, "cuda (default) or cpu")
      ->transform(CLI::Transformer(
          std::map<std::string, Device>{{"cpu", Device::cpu}, {"cuda", Device::cuda}}));
  app.add_option("--precision", options.precision, "fp32 (default) or tf32")
      ->transform(CLI::Transformer(
          std::map<std::string, Precision>{{"fp32", Precision::fp32}, {"tf32", Precision::tf32}}));
  app.add_option("--spots", options.spots, "of one random section, in place of the two")
      ->check(CLI::PositiveNumber);
  app.add_option("--genes", options.genes, "of the section (3000)")->check(CLI::PositiveNumber);
  app.add_option("--density", options.density, "share of non-zeros with --spots (0.1)")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--hidden", options.hidden, "width of the attention layer (512)")
      ->check(CLI::PositiveNumber);
  app.add_option("--latent", options.latent, "width of the embedding (30)")
      ->check(CLI::PositiveNumber);
  app.add_option("--models", options.models, "how many side by side, for whole epochs (1 20)")
      ->check(CLI::PositiveNumber);
  app.add_option("--repeats", options.repeats, "calls that one measurement spans (20)")
      ->check(CLI::PositiveNumber);
  app.add_option("--ceiling-mb", options.ceiling_mb, "size of the arrays for the ceilings (256)")
      ->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);

  const auto backend = make_backend(options.device, {.precision = options.precision});
  fmt::print("{}, {}\n", backend->description(),
             options.precision == Precision::tf32 ? "tf32" : "fp32");
  const Ceilings most = measure_ceilings(*backend, options);
  if (options.spots > 0) {
    bench_section(*backend, random_section(options.spots, options.genes, options.density), options,
                  most);
    return 0;
  }
  bench_section(*backend, random_section(4226, options.genes, 0.1), options, most);
  bench_section(*backend, random_section(25641, options.genes, 0.03), options, most);
  return 0;
}

}  // namespace
}  // namespace stamarker::bench

int main(int argc, char** argv) {
  try {
    return stamarker::bench::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_gpu: {}\n", error.what());
    return 1;
  }
}
