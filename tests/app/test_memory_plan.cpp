#include <fmt/core.h>
#include <gtest/gtest.h>

#include <sstream>

#include "app/program.hpp"
#include "io/h5.hpp"

namespace stamarker::test {
namespace {

/// The number of megabytes that follows `label` at the start of a line; 0 without one.
double megabytes(const std::string& text, const std::string& label) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(label + ' ')) continue;
    std::istringstream rest(line.substr(label.size()));
    double number = 0;
    std::string unit;
    if (rest >> number >> unit) return unit == "GB" ? 1000 * number : number;
  }
  return 0;
}

struct Size {
  int n_spots, n_ranks, tile_groups = 1, n_models = 1, n_threads = 1;
  int chunk = 0;  // entries of X that gzip compresses together; 0: as they are
};

/// For the name of a test.
void PrintTo(const Size& size, std::ostream* out) {
  *out << fmt::format("{} spots, {} ranks of {} threads, {} tile groups, {} models, chunk {}",
                      size.n_spots, size.n_ranks, size.n_threads, size.tile_groups, size.n_models,
                      size.chunk);
}

/// Writes X of an .h5ad again, in chunks compressed by gzip.
void compress(const std::filesystem::path& path, int chunk) {
  const auto n_chunk = static_cast<hsize_t>(chunk);
  const h5::File file{H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT)};
  const h5::Properties made{H5Pcreate(H5P_DATASET_CREATE)};
  h5::check(H5Pset_chunk(made, 1, &n_chunk));
  h5::check(H5Pset_deflate(made, 1));
  const auto again = [&]<class T>(const char* name, const std::vector<T>& values) {
    h5::check(H5Ldelete(file, name, H5P_DEFAULT));
    const h5::DataSet set{H5Dcreate2(file, name, h5::native_type<T>(),
                                     h5::space_of({static_cast<std::int64_t>(values.size())}),
                                     H5P_DEFAULT, made, H5P_DEFAULT)};
    h5::check(H5Dwrite(set, h5::native_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  };
  again("X/data", h5::read<float>(file, "X/data"));
  again("X/indices", h5::read<std::int32_t>(file, "X/indices"));
}

class MemoryPlanOf : public ::testing::TestWithParam<Size> {};

// All genes are selected, so the header tells all. The stages of one run follow each other in new
// processes, whose peaks are theirs alone.
TEST_P(MemoryPlanOf, IsRightWithinAFifth) {
  const auto [n_spots, n_ranks, tile_groups, n_models, n_threads, chunk] = GetParam();
  const Scratch scratch;
  ASSERT_EQ(run_program(scratch.path(), {"simulate", "section.h5ad", "--n-spots",
                                         std::to_string(n_spots), "--n-genes", "600"})
                .exit_code,
            0);
  if (chunk > 0) compress(scratch / "section.h5ad", chunk);
  write_text(scratch / "run.yaml", R"(
input: {path: section.h5ad}
output: run
domains: 2
autoencoder: {hidden_dims: [128, 16], epochs: 1}
clustering: {n_components: 6, n_init: 3}
classifier: {epochs: 1}
)" + fmt::format("models: {}\ncompute: {{threads: {}, tile_groups: {}}}\n", n_models, n_threads,
                 tile_groups));
  const Outcome dry = run_program(scratch.path(), {"run", "run.yaml", "--dry-run"}, n_ranks);
  ASSERT_EQ(dry.exit_code, 0) << dry.error;

  for (const char* stage :
       {"prepare", "train", "cluster", "consensus", "classify", "saliency", "svgs"}) {
    const Outcome outcome = run_program(scratch.path(), {stage, "run.yaml"}, n_ranks);

    ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
    const double measured = megabytes(outcome.out, "memory");
    const double planned = megabytes(dry.out, std::string("  ") + stage);
    EXPECT_GT(measured, 0) << outcome.out;
    EXPECT_NEAR(planned, measured, 0.2 * measured) << stage << "\n" << dry.out;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, MemoryPlanOf,
                         ::testing::Values(Size{10000, 1}, Size{60000, 1}, Size{30000, 2},
                                           Size{60000, 2, 2}, Size{30000, 1, 1, 3, 3},
                                           Size{10000, 1, 1, 1, 3, 1 << 18},
                                           Size{30000, 2, 1, 1, 2, 1 << 21}));

// Twelve clusterings that hardly agree: nearly every spot has labels of its own.
TEST(MemoryPlan, CountsThePairsOfLabelTuples) {
  const Scratch scratch;
  ASSERT_EQ(run_program(scratch.path(),
                        {"simulate", "section.h5ad", "--n-spots", "6000", "--n-genes", "600"})
                .exit_code,
            0);
  write_text(scratch / "run.yaml", R"(
input: {path: section.h5ad}
output: run
domains: 2
models: 12
autoencoder: {hidden_dims: [16, 6], epochs: 1}
clustering: {n_components: 20, n_init: 1}
compute: {threads: 1}
)");
  const Outcome dry = run_program(scratch.path(), {"run", "run.yaml", "--dry-run"});
  ASSERT_EQ(dry.exit_code, 0) << dry.error;
  Outcome outcome;
  for (const char* stage : {"prepare", "train", "cluster", "consensus"}) {
    outcome = run_program(scratch.path(), {stage, "run.yaml"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  }

  const double measured = megabytes(outcome.out, "memory");
  EXPECT_GT(measured, 130) << "too few tuples to tell: " << outcome.out;
  EXPECT_NEAR(megabytes(dry.out, "  consensus"), measured, 0.2 * measured) << dry.out;
}

}  // namespace
}  // namespace stamarker::test
