#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/program.hpp"

namespace stamarker::test {

/// `n` repetitions that last until something else has happened; fewer where sanitizers make each
/// one last longer.
constexpr int lasting(int n) {
#ifdef __SANITIZE_ADDRESS__
  return n / 5;
#else
  return n;
#endif
}

/// A simulated section that a run finishes in about a second.
class Pipeline : public ::testing::Test {
 protected:
  void SetUp() override {
    const Outcome simulated = simulate(3);
    ASSERT_EQ(simulated.exit_code, 0) << simulated.error;
    write_text(scratch_ / "run.yaml", R"(
input: {path: section.h5ad}
output: run
domains: 3
models: 3
prepare: {min_cells: 5, n_top_genes: 100}
autoencoder: {hidden_dims: [32, 8], epochs: 20}
clustering: {n_init: 2}
classifier: {epochs: 20}
compute: {threads: 1}
)");
  }

  /// Writes section.h5ad, with other values for another seed.
  Outcome simulate(int seed) const {
    return run_program(
        scratch_.path(),
        {"simulate", "section.h5ad", "--n-spots", "300", "--n-genes", "150", "--n-domains", "3",
         "--svgs-per-domain", "20", "--n-gradient-genes", "20", "--seed", std::to_string(seed)});
  }

  /// "run run.yaml --set output=NAME --set ..." on n_ranks.
  Outcome run(const std::string& output, const std::vector<std::string>& settings = {},
              int n_ranks = 0, const std::string& command = "run",
              const std::vector<std::string>& flags = {}) const {
    return run_program(scratch_.path(), arguments(output, settings, command, flags), n_ranks);
  }

  static std::vector<std::string> arguments(const std::string& output,
                                            const std::vector<std::string>& settings,
                                            const std::string& command = "run",
                                            const std::vector<std::string>& flags = {}) {
    std::vector<std::string> words =
        with_settings({command, "run.yaml", "--set", "output=" + output}, settings);
    words.insert(words.end(), flags.begin(), flags.end());
    return words;
  }

  std::filesystem::path result(const std::string& output) const {
    return scratch_ / output / "result.h5ad";
  }

  void expect_same_results(const std::string& one, const std::string& other) const {
    const auto expected = comparable_contents(result(one));
    const auto found = comparable_contents(result(other));
    EXPECT_GT(expected.size(), 40u);
    for (const auto& [path, bytes] : expected) {
      const auto at = found.find(path);
      ASSERT_NE(at, found.end()) << path << " is missing in " << other;
      EXPECT_TRUE(at->second == bytes) << path << " differs between " << one << " and " << other;
    }
    EXPECT_EQ(found.size(), expected.size());
    EXPECT_EQ(read_text(scratch_ / one / "svgs.tsv"), read_text(scratch_ / other / "svgs.tsv"));
  }

  Scratch scratch_;
};

}  // namespace stamarker::test
