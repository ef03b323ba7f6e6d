#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.hpp"

namespace stamarker {

enum class SpotLayout { hexagonal, random };  // Visium's array; uniform positions, as of cells
enum class DomainShape { layers, blobs };     // bent layers, as of cortex; scattered patches
enum class GeneKind { domain_svg, gradient, noise };

/// A section with known domains and genes. The defaults make domains that the counts of a spot
/// alone do not tell well (mixture on 15 principal components: ARI 0.33 to 0.50 over six sections)
/// but those of a spot and its neighbours do (0.87 to 0.97).
struct SimulateOptions {
  int n_spots = 2000;  // the last row of the array may be short
  int n_genes = 1200;
  int n_domains = 6;
  SpotLayout layout = SpotLayout::hexagonal;
  DomainShape shape = DomainShape::layers;
  double spacing_um = 100;     // between neighbouring spots
  int svgs_per_domain = 30;    // raised in their domain
  double fold_change = 2.5;    // of a domain SVG inside its domain
  int n_gradient_genes = 100;  // rise smoothly along a direction, across all domains
  double gradient_fold = 3;    // between the two ends of a gradient
  double mean_counts = 1500;   // of a spot of depth 1, before folds
  double gene_spread = 1.5;    // standard deviation of the log mean over genes
  double depth_spread = 0.3;   // standard deviation of the log depth over spots
  double dispersion = 0.5;     // phi: variance = mu + phi mu^2
  double dropout = 0.1;        // share of entries lost beyond that
  std::uint32_t seed = 0;

  void validate() const;  // throws InputError naming the option (simulate.<field>)
};

/// What is known of a simulated section.
struct SimulatedTruth {
  std::vector<std::int32_t> domain;       // [n_spots]
  std::vector<GeneKind> kind;             // [n_genes]
  std::vector<std::int32_t> gene_domain;  // [n_genes], domain of a domain SVG, else -1
};

const char* name_of(GeneKind kind);  // "domain_svg", "gradient", "noise"

/// Counts x_ig ~ NegativeBinomial(mean mu_ig, dispersion phi), lost with probability `dropout`,
///
///   mu_ig = depth_i base_g (fold of g at the place of i)
///
/// Every number is a pure function of (seed, spot, gene), so rows come in any blocks, and a section
/// of a million spots needs only its positions and the block at hand.
class Simulation {
 public:
  explicit Simulation(const SimulateOptions& options);

  int n_spots() const { return coordinates_.n_spots(); }
  int n_genes() const { return options_.n_genes; }
  const Coordinates& coordinates() const { return coordinates_; }  // micrometres
  const SimulatedTruth& truth() const { return truth_; }
  std::string spot_name(int spot) const;  // "spot_0000001"
  std::string gene_name(int gene) const;  // "gene_0001"

  /// Counts of spots first .. last - 1, [last - first, n_genes].
  SparseRows rows(int first, int last) const;

 private:
  void place_spots();
  void choose_domains();
  void choose_genes();
  void bound_zeros();
  double fold(int spot, int gene) const;
  double largest_fold(int gene) const;  // over all places of the section
  /// Adds the counts of one spot; `words` is room for its random words.
  void add_row(int spot, std::vector<std::uint32_t>& words, std::vector<std::int32_t>& column,
               std::vector<float>& value) const;

  SimulateOptions options_;
  Coordinates coordinates_;
  SimulatedTruth truth_;
  std::vector<double> depth_;       // [n_spots], mean 1
  std::vector<double> base_;        // [n_genes], expected counts at fold 1
  std::vector<double> direction_;   // [n_genes, 2], of a gradient; relative positions in 0 .. 1
  std::vector<double> depth_edge_;  // upper ends of classes of spots by depth
  std::vector<std::uint32_t> zero_word_;  // [classes, n_genes], see add_row
};

/// The whole section in memory.
struct SimulatedSection {
  Dataset data;
  SimulatedTruth truth;
};
SimulatedSection simulate(const SimulateOptions& options);

}  // namespace stamarker
