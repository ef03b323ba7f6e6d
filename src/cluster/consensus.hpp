#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset.hpp"

namespace stamarker {

struct ConsensusOptions {
  int max_tuples = 20000;  // distinct label tuples linked exactly; rarer ones join the nearest
  int refine = 0;          // nearest spots in space whose majority a spot follows; 0: off

  void validate() const;  // throws InputError naming the key (consensus.<field>)
};

/// The domains all models agree on best, and how they were joined.
struct Consensus {
  std::vector<std::int32_t> domain;  // [n_spots], 0 .. n_domains - 1 by decreasing number of spots
  int n_domains = 0;                 // fewer than asked for only when refining emptied a domain
  std::int64_t n_tuples = 0;         // distinct label tuples, U
  double joined_share = 0;           // of the spots whose tuple was too rare to be linked exactly
  /// Mean distance |C_i - C_leaf(i)| of those spots, 0 without any. Moving spots by d_i changes the
  /// mean distance of two clusters by mean_A d_i + mean_B d_i at most (triangle inequality), so
  /// this, set against the heights near the cut, bounds what joining them so can have changed.
  double joined_shift = 0;
  std::vector<std::int32_t> leaf;  // [n_spots], leaf of the linkage a spot belongs to
  /// [n_leaves - 1, 4] as scipy.cluster.hierarchy: the two joined, height, number of spots. Leaves
  /// are tuples by decreasing number of spots; join k makes cluster n_leaves + k.
  std::vector<double> linkage;

  int n_leaves() const { return static_cast<int>(linkage.size() / 4) + 1; }
  std::vector<double> heights() const;  // [n_leaves - 1], ascending
};

/// Average linkage on the Euclidean distance between rows of the co-association matrix
/// C_ij = mean_m [l_m(i) = l_m(j)], cut at n_domains. C is never formed: spots with the same
/// tuple of labels have the same row. With w_a spots of tuple a, its one-hot code z_a (length K =
/// clusters of all models together) and B = sum_a w_a z_a z_a^T (K x K),
///
///   |C_a - C_b|^2 = (z_a - z_b)^T B (z_a - z_b) / M^2,      B = V diag(lambda) V^T,
///
/// tuple a lies at y_a = sqrt(lambda) V^T z_a / M, and average linkage of the points weighted by w
/// gives what the spots would. Source: Zhang et al., Nucleic Acids Research 2023 (STAMarker),
/// consensus clustering; merges by nearest-neighbour chain (Murtagh 1983).
///
/// labels: [n_models, n_spots], non-negative, any numbering in each model.
/// coordinates, section: of the spots, used when options.refine > 0, else may be empty.
/// Throws InputError when n_domains exceeds the number of tuples that can be told apart.
Consensus consensus(std::span<const std::int32_t> labels, int n_models, int n_domains,
                    const ConsensusOptions& options, const Coordinates& coordinates = {},
                    std::span<const std::int32_t> section = {});

/// Each spot takes the most frequent domain of its n_neighbors nearest other spots of the same
/// section (fewer in a smaller section), all decided at once. A spot keeps its domain when that is
/// among the most frequent; else equal counts go to the lower domain. As STAGATE's refine_label
/// (STAGATE/utils.py), which leaves equal counts open. Numbers are not changed.
std::vector<std::int32_t> follow_majority(std::span<const std::int32_t> domain,
                                          const Coordinates& coordinates,
                                          std::span<const std::int32_t> section, int n_neighbors);

/// Agreement of two partitions of the same points, 1: equal, about 0: by chance (Hubert and
/// Arabie 1985). Two partitions without any pair to judge agree: 1.
double adjusted_rand_index(std::span<const std::int32_t> a, std::span<const std::int32_t> b);

/// Mean adjusted Rand index over all pairs of models; 1 for one model.
/// labels: [n_models, n_spots].
double mean_agreement(std::span<const std::int32_t> labels, int n_models);

}  // namespace stamarker
