// One full-batch epoch of a section of a million spots, in tiles: memory, cost, gradient.
//   build/release/bench/atlas_epoch [n_spots [density]]       1000000 spots, density 0.05, 3000
//   genes
// Prints what the section and the epoch take, the CPU time per spot against that at 25,000
// spots, and how far the gradient is from that of another tiling. Exit code 1 when it is too far.
#include <fmt/core.h>
#include <sys/resource.h>

#include <cmath>
#include <cstdlib>
#include <vector>

#include "model/trainer.hpp"
#include "random_section.hpp"

namespace stamarker::bench {
namespace {

// The first epoch also lays out what later ones read.
constexpr int n_epochs = 3;
constexpr int n_genes = 3000, most_spots_per_tile = 50'000, n_spots_to_compare = 25'000;
constexpr double most_difference = 1e-5;

struct Usage {
  double seconds = 0;  // of all threads
  double peak_gb = 0;  // of the process so far
};

Usage usage() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return {seconds(used.ru_utime) + seconds(used.ru_stime),
          static_cast<double>(used.ru_maxrss) / 1e6};
}

struct Epoch {
  double microseconds_per_spot = 0;
  std::vector<float> gradient;
};

/// The fastest of n_times epochs; the gradient is that of the last.
Epoch train(const PreparedData& data, int n_tiles, int n_times) {
  AutoencoderOptions options;
  options.epochs = 1;
  options.weight_decay = 0;
  options.clip_norm = 0;
  const auto backend = make_backend(Device::cpu);
  TileReduction alone;
  const TrainingSection section(*backend, data, n_tiles);
  fmt::print("  {} tiles: section of the trainer made, {:.2f} GB at most so far\n", n_tiles,
             usage().peak_gb);
  Trainer trainer(*backend, section, options, 0, 0, alone);
  const TrainerState start = trainer.state();
  double fastest = INFINITY;
  for (int k = 0; k < n_times; ++k) {
    trainer.restore(start);
    const double before = usage().seconds;
    trainer.enqueue(1);
    trainer.wait();
    fastest = std::fmin(fastest, usage().seconds - before);
  }
  const double per_spot = 1e6 * fastest / data.n_spots();
  fmt::print("  {} tiles: {:.2f} s of CPU time an epoch, {:.2f} us a spot, {:.2f} GB at most\n",
             n_tiles, fastest, per_spot, usage().peak_gb);
  std::fflush(stdout);
  // After one step from zero moments the first moment is a tenth of the gradient.
  std::vector<float> moments = trainer.state().moments;
  moments.resize(moments.size() / 2);
  for (float& m : moments) m *= 10;
  return {per_spot, std::move(moments)};
}

/// The largest difference of two elements, as a share of the largest element.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0, difference = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    largest = std::fmax(largest, std::abs(a[k]));
    difference = std::fmax(difference, std::abs(a[k] - b[k]));
  }
  return difference / largest;
}

int run(int n_spots, double density) {
  fmt::print("{} spots x {} genes, {:.1f} % non-zero\n", n_spots_to_compare, n_genes,
             100 * density);
  const Epoch small = train(random_section(n_spots_to_compare, n_genes, density), 1, n_epochs);
  fmt::print("{} spots x {} genes, {:.1f} % non-zero\n", n_spots, n_genes, 100 * density);
  const PreparedData data = random_section(n_spots, n_genes, density);
  fmt::print("  section made, {:.2f} GB at most so far\n", usage().peak_gb);
  const int n_tiles = (n_spots + most_spots_per_tile - 1) / most_spots_per_tile;
  const Epoch one = train(data, n_tiles, n_epochs);
  const Epoch other = train(data, n_tiles + n_tiles / 2 + 1, 1);
  const double off = difference(one.gradient, other.gradient);
  fmt::print("cost of a spot against {} spots: {:.2f}\n", n_spots_to_compare,
             one.microseconds_per_spot / small.microseconds_per_spot);
  fmt::print("gradient against the other tiling: {:.1e} of its largest element\n", off);
  return off <= most_difference ? 0 : 1;
}

}  // namespace
}  // namespace stamarker::bench

int main(int argc, char** argv) {
  return stamarker::bench::run(argc > 1 ? std::atoi(argv[1]) : 1'000'000,
                               argc > 2 ? std::atof(argv[2]) : 0.05);
}
