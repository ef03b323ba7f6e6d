// Our side of bench/peers/compare_mclust.py: makes a sample, or fits it and prints one line of
// JSON.
//   mixture_time make FILE N_POINTS          float32 [N_POINTS, 30]
//   mixture_time fit FILE N_STARTS
#include <fmt/core.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "cluster/mixture.hpp"
#include "embedding_sample.hpp"

namespace stamarker::bench {
namespace {

constexpr int n_dims = 30, n_groups = 7;

void make(const std::string& path, int n_points) {
  const auto points = embedding_sample(n_points, n_dims, n_groups, 1);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(points.data()),  // NOLINT: the file's bytes
             static_cast<std::streamsize>(points.size() * sizeof(float)));
}

void fit(const std::string& path, int n_starts) {
  std::vector<float> points(std::filesystem::file_size(path) / sizeof(float));
  std::ifstream(path, std::ios::binary)
      .read(reinterpret_cast<char*>(points.data()),  // NOLINT: the file's bytes
            static_cast<std::streamsize>(points.size() * sizeof(float)));
  const std::clock_t begin = std::clock();
  const GaussianMixture found =
      fit_mixture(points, n_dims, n_groups, n_starts, {0, 0, Purpose::clustering});
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  fmt::print("{{\"cpu_s\": {}, \"log_likelihood\": {}}}\n", seconds / n_starts,
             found.log_likelihood);
}

}  // namespace
}  // namespace stamarker::bench

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() != 3 || (arguments[0] != "make" && arguments[0] != "fit")) {
    fmt::print(stderr, "usage: mixture_time make FILE N_POINTS | fit FILE N_STARTS\n");
    return 2;
  }
  const auto run = arguments[0] == "make" ? stamarker::bench::make : stamarker::bench::fit;
  run(arguments[1], std::stoi(arguments[2]));
}
