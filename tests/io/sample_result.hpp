#pragma once
#include <functional>
#include <string>
#include <vector>

#include "comm/comm.hpp"
#include "io/result_file.hpp"

namespace stamarker::test {

/// What stands for the results of a run on any input: every number is a plain function of spot,
/// gene and model, so that a reader of the file can compute it again.
///
/// Every third spot of the input is dropped, and every gene but those of odd index, up to n_genes.
/// Expression is log1p of the counts. Spot i attends to i - 1, i and i + 1. Domain of spot i: i mod
/// 3, named "1", "2", "3". Score of gene g in domain k: (7 g + 13 k) mod 101.
class SampleResult {
 public:
  explicit SampleResult(const InputOptions& input, int n_genes = 50);

  /// The part that one rank writes. The embedding is written by rank 0 alone, the embedding of
  /// model m by rank m mod size, saliency S_ig = i + g / 1000 in scattered rows by all.
  ResultContents contents(const Comm& comm, bool with_saliency);

  const PreparedData& prepared() const { return prepared_; }
  const SparseRows& counts() const { return counts_; }

 private:
  InputOptions input_;
  PreparedData prepared_;
  SparseRows counts_;                       // [N, G]
  SparseRows own_counts_, own_expression_;  // of the rank that asked for its contents
  std::vector<float> embedding_;            // [N, n_latent], i + d / 100
  std::vector<std::int32_t> labels_;        // [N, n_models], (i + m) mod 4
  std::vector<std::vector<float>> models_;  // [n_models][N, n_latent], embedding + 1000 m
};

}  // namespace stamarker::test
