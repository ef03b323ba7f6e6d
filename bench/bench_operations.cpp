// Every operation of a training epoch: time, GFLOP/s and GB/s, and what share that is of this
// machine's peak (the larger of the shares of its FMAs and of its memory bandwidth).
//   build/release/bench/bench_operations --benchmark_filter='full.*25641'
// Times are CPU times of all threads, so rates are those of a core; OMP_NUM_THREADS=1 for
// comparisons. Where arrays fit the LLC, a share of memory bandwidth may exceed 1.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "data/spatial_order.hpp"
#include "kernels/buffer.hpp"
#include "kernels/cpu/blocks.hpp"
#include "kernels/cpu/column_blocked_csr.hpp"
#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/rows.hpp"
#include "machine.hpp"
#include "model/step_memory.hpp"
#include "random_section.hpp"

namespace stamarker::bench {
namespace {

enum class Profile { reference, full };

constexpr int n_genes = 3000, n_hidden = 512, n_latent = 30;

/// A tile of one section with everything one epoch needs, after the forward and backward pass.
struct Chain {
  Chain(Profile which, int n_spots, double density)
      : profile(which),
        layout{n_genes, n_hidden, n_latent,
               which == Profile::reference ? TiedUpdate::split : TiedUpdate::joint},
        backend(make_backend(Device::cpu)),
        tile(device_tile(*backend, random_section(n_spots, n_genes, density))),
        memory(*backend, extent_of(tile), n_hidden, n_latent),
        weights(*backend, std::span<const float>(initial_parameters(layout, 0, 0))),
        gradient(*backend, layout.n_gradients() + std::size_t{n_hidden} * n_hidden),
        moments(*backend, layout.n_moments()),
        gram(*backend, std::size_t{n_hidden} * n_hidden),
        sums(*backend, 2),
        epoch(*backend, 1) {
    gradient.clear(), moments.clear(), sums.clear(), epoch.clear();
    draw();
    step = memory.step(tile, which == Profile::reference ? Neighbors::one : Neighbors::all);
    step.weights = layout.weights(weights.span().data);
    step.scale = 1e-7F;
    step.s = std::as_const(gram).matrix(n_hidden, n_hidden);
    step.p = {gradient.span().data + layout.n_gradients(), n_hidden, n_hidden};
    step.dot = {sums.span().data, 1};
    step.gradient = layout.gradient(gradient.span().data);
  }

  static DeviceTile device_tile(Backend& on, const PreparedData& data) {
    std::vector<std::int32_t> all(static_cast<std::size_t>(data.n_spots()));
    std::iota(all.begin(), all.end(), 0);
    Tile whole = make_tile(data.graph, all, Halo::sources);
    order_in_space(data.coordinates, whole);
    return {on, whole, ExpressionInMemory(data.expression)};
  }
  static TileExtent extent_of(const DeviceTile& of) {
    TileExtent extent;
    extent.cover(of);
    return extent;
  }
  void draw() { memory.draw(*backend, tile, {0, 0, Purpose::neighbor}, epoch.span()); }

  Profile profile;
  ParameterLayout layout;
  std::unique_ptr<Backend> backend;
  DeviceTile tile;
  StepMemory memory;
  Buffer<float> weights, gradient, moments, gram;
  Buffer<double> sums;
  Buffer<std::int32_t> epoch;
  StepView step;
};

/// Sizes that the counts below are made of. Of profile `reference`, see sampled_rows.hpp: J rows
/// are decoded and K encoded.
struct Sizes {
  explicit Sizes(const Chain& chain) {
    const SparseView x = static_cast<const CpuExpression&>(*chain.step.tile.x).csr();
    n = x.n_rows;
    entries = static_cast<double>(x.row_start.data[x.n_rows]);
    edges = static_cast<double>(chain.tile.n_edges());
    if (chain.profile == Profile::full) return;
    const std::int32_t* source = chain.step.graph.source.data;
    const std::set<std::int32_t> decoded(source, source + x.n_rows);
    std::set<std::int32_t> encoded;
    for (const std::int32_t spot : decoded) encoded.insert(source[spot]);
    j = static_cast<double>(decoded.size());
    k = static_cast<double>(encoded.size());
    for (const std::int32_t spot : encoded)
      encoded_entries += static_cast<double>(x.row_start.data[spot + 1] - x.row_start.data[spot]);
  }
  double n = 0, entries = 0, edges = 0, j = 0, k = 0, encoded_entries = 0;
};

/// Counted by hand: two a multiply-add; every array once for each time it is passed over, 4 bytes a
/// number. A sparse entry has 6 bytes and is passed over once for each tile of columns.
struct Work {
  double flops = 0, bytes = 0;
};
constexpr double G = n_genes, H = n_hidden, L = n_latent;
double entry_bytes() { return 6 * H / rows::tile_width(); }

struct Operation {
  const char* name;
  void (*run)(Chain& c);
  Work (*full)(const Sizes& s);
  Work (*reference)(const Sizes& s);
};

Work none(const Sizes&) { return {}; }
Work of_gram(const Sizes&) { return {G * H * (H + 1), 4 * (G * H + H * H)}; }
Work of_projection(const Sizes& s) {
  return {2 * s.entries * H, 4 * (G * H + s.n * H) + s.entries * entry_bytes()};
}

/// multiply(n, rows of H3, rows of dO3) for all own spots, as decode() cuts them.
template <class Multiply>
void for_hidden_rows(Chain& c, const Multiply& multiply) {
  const ConstMatrix h3 = c.step.h3;
  for_row_blocks(
      h3.n_rows,
      [&](int begin, int end) {
        const std::size_t at = static_cast<std::size_t>(begin) * h3.n_cols;
        multiply(end - begin, h3.data + at, c.step.d_o3.data + at);
      },
      rows_in_cache);
}

/// The two products of decode() that take most of its time.
void hidden_times_s(Chain& c) {
  const RightFactor right(Transpose::no, c.step.s);
  for_hidden_rows(c, [&](int n, const float* h3, float* out) { right.multiply(n, h3, out); });
}
/// The same by our products, where a BLAS does it in decode().
void hidden_times_s_packed(Chain& c) {
  const ConstMatrix s = c.step.s;
  const PackedFactor right(Transpose::no, s.n_rows, s.n_cols, s.data, s.n_cols);
  for_hidden_rows(c, [&](int n, const float* h3, float* out) {
    multiply_packed(Transpose::no, n, 1, h3, s.n_rows, right, 0, out, s.n_cols);
  });
}
Work of_hidden_times_s(const Sizes& s) { return {2 * s.n * H * H, 8 * s.n * H}; }
void hidden_gram(Chain& c) { add_symmetric_product(c.step.h3, c.step.h3, c.step.p); }
Work of_hidden_gram(const Sizes& s) { return {s.n * H * (H + 1), 4 * s.n * H}; }

constexpr Operation operations[] = {
    {"gram", [](Chain& c) { c.backend->gram(c.step.weights.w1, c.gram.matrix(512, 512)); }, of_gram,
     of_gram},
    {"project", [](Chain& c) { c.backend->project(c.step); }, of_projection, of_projection},
    {"attend",
     [](Chain& c) {
       if (!c.step.single_source) c.backend->attend(c.step);
     },
     [](const Sizes& s) -> Work {
       return {4 * s.n * H, 4 * s.n * H + 12 * s.edges};  // Y; source, alpha w + r
     },
     none},
    {"sample_neighbors", [](Chain& c) { c.draw(); }, none, none},
    {"encode", [](Chain& c) { c.backend->encode(c.step); },
     [](const Sizes& s) -> Work {
       return {2 * s.edges * H + 2 * s.n * H * L, 8 * s.n * H + 8 * s.edges};  // Y, H1 w
     },
     [](const Sizes& s) -> Work {
       return {2 * s.k * H * L, 8 * s.k * H};
     }},  // Y, H1 w
    {"decode", [](Chain& c) { c.backend->decode(c.step); },
     [](const Sizes& s) -> Work {  // H3 w, dO3 w, Y, H3; alpha Z, P, dO3 W2
       return {2 * s.edges * L + s.n * H * (4 * L + 2 * H + H + 1), 16 * s.n * H + 8 * s.edges};
     },
     [](const Sizes& s) -> Work {  // h3 w, dQ w; Y of own spots
       return {s.j * H * (2 * L + 2 * H + H + 1), 8 * s.j * H + 4 * s.n * H};
     }},
    {"decoder_backward", [](Chain& c) { c.backend->decoder_backward(c.step); },
     [](const Sizes& s) -> Work {  // dO3; <u_i, z_j>, dZ
       return {2 * s.n * H * L + 4 * s.edges * L, 4 * s.n * H + 16 * s.edges};
     },
     [](const Sizes& s) -> Work {
       return {4 * s.j * H * L, 8 * s.j * H};
     }},  // dQ, dQ
    {"latent_backward", [](Chain& c) { c.backend->latent_backward(c.step); },
     [](const Sizes& s) -> Work {
       return {4 * s.n * H * L, 8 * s.n * H};
     },  // H1, dO1 w
     [](const Sizes& s) -> Work {
       return {4 * s.k * H * L, 12 * s.k * H};
     }},
    {"encoder_backward", [](Chain& c) { c.backend->encoder_backward(c.step); },
     [](const Sizes& s) -> Work {  // dO1, Y; Y for a_src, a_dst; dO1, dY w
       return {4 * s.edges * H + 8 * s.n * H, 20 * s.n * H + 40 * s.edges};
     },
     none},
    {"weight_gradient", [](Chain& c) { c.backend->weight_gradient(c.step); },
     [](const Sizes& s) -> Work {  // Y, H3; W1's gradient w
       return {2 * s.entries * H + 2 * s.n * H,
               8 * s.n * H + 4 * G * H + s.entries * entry_bytes()};
     },
     [](const Sizes& s) -> Work {  // dY of K, h3 of J by own spot; both gradients w
       const double entries = s.entries + s.encoded_entries;
       return {2 * entries * H, 4 * (s.k + s.n) * H + 8 * G * H + entries * entry_bytes()};
     }},
    {"add_product",
     [](Chain& c) {
       c.backend->add_product(1e-7F, c.step.weights.w1, c.step.p, c.step.gradient.decoder_w1);
     },
     [](const Sizes&) -> Work {
       return {2 * G * H * H, 12 * G * H};
     },
     [](const Sizes&) -> Work {
       return {2 * G * H * H, 12 * G * H};
     }},
    {"sum_of_squares",
     [](Chain& c) {
       c.backend->sum_of_squares({c.gradient.span().data, c.layout.n_gradients()}, c.sums.span());
     },
     [](const Sizes&) -> Work {
       return {2 * G * H, 4 * G * H};
     },
     [](const Sizes&) -> Work {
       return {4 * G * H, 8 * G * H};
     }},
    {"adam",
     [](Chain& c) {
       c.backend->adam({1e-6F, 1, 1, 1e-4F, 5}, c.epoch.span(), c.weights.span(),
                       c.layout.n_second(), {c.gradient.span().data, c.layout.n_gradients()},
                       c.moments.span(), {c.sums.span().data, 1});
     },
     [](const Sizes&) -> Work {
       return {12 * G * H, 28 * G * H};
     },  // g; m, v, w r + w
     [](const Sizes&) -> Work {
       return {24 * G * H, 48 * G * H};
     }},
    {"H3 S alone", hidden_times_s, of_hidden_times_s, of_hidden_times_s},
    {"H3 S by our products", hidden_times_s_packed, of_hidden_times_s, of_hidden_times_s},
    {"H3^T H3 alone", hidden_gram, of_hidden_gram, of_hidden_gram},
};

const Machine& machine() {
  static const Machine measured = measure_machine();
  return measured;
}

/// One section at a time is held, as benchmarks run in the order of registration.
Chain& chain_of(Profile profile, int n_spots, double density) {
  static std::unique_ptr<Chain> held;
  if (held == nullptr || held->profile != profile || held->step.tile.n_own != n_spots) {
    held = nullptr;
    held = std::make_unique<Chain>(profile, n_spots, density);
    for (const Operation& operation : operations) operation.run(*held);
  }
  return *held;
}

void measure(benchmark::State& state, const Operation& operation, Profile profile, int n_spots,
             double density) {
  Chain& chain = chain_of(profile, n_spots, density);
  const Sizes sizes(chain);
  const Work work = profile == Profile::full ? operation.full(sizes) : operation.reference(sizes);
  for ([[maybe_unused]] auto turn : state) operation.run(chain);
  const auto rate = [](double of_one_call) {
    return benchmark::Counter(of_one_call, benchmark::Counter::kIsIterationInvariantRate);
  };
  state.counters["GFLOP/s"] = rate(work.flops / 1e9);
  state.counters["GB/s"] = rate(work.bytes / 1e9);
  state.counters["of_FMA"] = rate(work.flops / machine().fused_flops);
  state.counters["of_memory"] = rate(work.bytes / machine().bandwidth);
}

void register_all() {
  for (const auto& [n_spots, density] : {std::pair(3639, 0.105), std::pair(25641, 0.03)})
    for (const Profile profile : {Profile::reference, Profile::full})
      for (const Operation& operation : operations) {
        const std::string name = std::string(profile == Profile::full ? "full" : "reference") +
                                 '/' + std::to_string(n_spots) + '/' + operation.name;
        benchmark::RegisterBenchmark(
            name.c_str(),
            [&operation, profile, n = n_spots, d = density](benchmark::State& state) {
              measure(state, operation, profile, n, d);
            })
            ->MeasureProcessCPUTime()
            ->Unit(benchmark::kMillisecond);
      }
}

}  // namespace
}  // namespace stamarker::bench

int main(int argc, char** argv) {
  using stamarker::bench::machine;
  benchmark::Initialize(&argc, argv);
  benchmark::AddCustomContext("GFLOP/s of a core, FMA",
                              std::to_string(machine().fused_flops / 1e9));
  benchmark::AddCustomContext("GFLOP/s of a core, dense product",
                              std::to_string(machine().product_flops / 1e9));
  benchmark::AddCustomContext("GB/s of a core", std::to_string(machine().bandwidth / 1e9));
  stamarker::bench::register_all();
  benchmark::RunSpecifiedBenchmarks();
}
