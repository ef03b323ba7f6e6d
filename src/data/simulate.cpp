#include "data/simulate.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/error.hpp"
#include "base/random_run.hpp"

namespace stamarker {
namespace {

/// What a random number of the simulation stands for: the `model` of its key. Part of the format.
enum class Draw : std::uint32_t {
  position = 0,    // of a spot
  depth = 1,       // of a spot
  domains = 2,     // widths and bends of layers, centres of blobs
  gene_order = 3,  // which genes are what
  gene_mean = 4,   // of a gene
  direction = 5,   // of a gradient gene
  count = 6,       // of a spot and gene
};

RandomKey key_of(std::uint32_t seed, Draw draw) {
  return {seed, static_cast<std::uint32_t>(draw), Purpose::simulation};
}

struct Point {
  double x = 0, y = 0;
};

/// Position of a spot on an array `n_columns` wide: odd rows are moved by half a step.
Point hexagonal_position(int spot, int n_columns, double spacing) {
  const int row = spot / n_columns, column = spot % n_columns;
  return {(column + 0.5 * (row % 2)) * spacing, row * spacing * std::sqrt(3.0) / 2};
}

/// Positions brought to 0 .. 1 along each axis, [n_spots].
std::vector<Point> relative_positions(const Coordinates& coordinates) {
  Point low{INFINITY, INFINITY}, high{-INFINITY, -INFINITY};
  for (int i = 0; i < coordinates.n_spots(); ++i) {
    const double* p = coordinates.spot(i);
    low = {std::min(low.x, p[0]), std::min(low.y, p[1])};
    high = {std::max(high.x, p[0]), std::max(high.y, p[1])};
  }
  std::vector<Point> relative;
  relative.reserve(coordinates.n_spots());
  for (int i = 0; i < coordinates.n_spots(); ++i) {
    const double* p = coordinates.spot(i);
    relative.push_back({(p[0] - low.x) / (high.x - low.x), (p[1] - low.y) / (high.y - low.y)});
  }
  return relative;
}

/// Layers of unequal width, bent by two waves.
std::vector<std::int32_t> layers(const std::vector<Point>& positions, int n_domains,
                                 RandomSequence random) {
  std::vector<double> border;  // upper end of each layer, the last one 1
  border.reserve(static_cast<std::size_t>(n_domains));
  for (int k = 0; k < n_domains; ++k)
    border.push_back((border.empty() ? 0 : border.back()) + 1 + random.uniform());
  for (double& end : border) end /= border.back();
  const double phase = 2 * std::numbers::pi * random.uniform();
  std::vector<std::int32_t> domain;
  for (const Point& p : positions) {
    const double angle = 2 * std::numbers::pi * p.x + phase;
    const double depth = p.y + 0.05 * std::sin(angle) + 0.02 * std::sin(2.7 * angle);
    const auto end = std::lower_bound(border.begin(), border.end() - 1, depth);
    domain.push_back(static_cast<std::int32_t>(end - border.begin()));
  }
  return domain;
}

/// Every spot belongs to the nearest of 3 centres a domain.
std::vector<std::int32_t> blobs(const std::vector<Point>& positions, int n_domains,
                                RandomSequence random) {
  std::vector<Point> centers(static_cast<std::size_t>(3) * n_domains);
  for (Point& center : centers) {
    center.x = random.uniform();
    center.y = random.uniform();
  }
  std::vector<std::int32_t> domain;
  for (const Point& p : positions) {
    const auto nearer = [&](const Point& a, const Point& b) {
      return std::hypot(a.x - p.x, a.y - p.y) < std::hypot(b.x - p.x, b.y - p.y);
    };
    const auto nearest = std::min_element(centers.begin(), centers.end(), nearer);
    domain.push_back(static_cast<std::int32_t>((nearest - centers.begin()) % n_domains));
  }
  return domain;
}

/// The count at which the distribution function of the negative binomial of mean mu and variance
/// mu + phi mu^2 reaches u; P(k + 1) = P(k) (k + r) / (k + 1) mu / (r + mu) with r = 1 / phi.
int negative_binomial(double u, double mu, double phi) {
  const double r = 1 / phi;
  double probability = std::exp(-r * std::log1p(mu * phi));
  double reached = probability;
  int k = 0;
  while (reached < u && (k < mu || probability > 1e-17)) {
    probability *= (k + r) / (k + 1) * (mu / (r + mu));
    reached += probability;
    ++k;
  }
  return k;
}

}  // namespace

const char* name_of(GeneKind kind) {
  switch (kind) {
    case GeneKind::domain_svg:
      return "domain_svg";
    case GeneKind::gradient:
      return "gradient";
    default:
      return "noise";
  }
}

void SimulateOptions::validate() const {
  const auto require = [](bool holds, const char* key, auto value, const char* rule) {
    if (!holds) throw InputError(fmt::format("simulate.{} = {} ({})", key, value, rule));
  };
  const auto in = [](double value, double low, double high) {
    return value >= low && value <= high;  // false for nan
  };
  require(n_domains >= 1, "n_domains", n_domains, "must be 1 or more");
  require(n_spots / 10 >= n_domains, "n_spots", n_spots, "must be at least 10 for each domain");
  require(n_genes >= 1, "n_genes", n_genes, "must be 1 or more");
  require(svgs_per_domain >= 0, "svgs_per_domain", svgs_per_domain, "must be 0 or more");
  require(n_gradient_genes >= 0, "n_gradient_genes", n_gradient_genes, "must be 0 or more");
  const std::int64_t named = std::int64_t{svgs_per_domain} * n_domains + n_gradient_genes;
  require(named <= n_genes, "n_genes", n_genes,
          "must hold svgs_per_domain x n_domains + n_gradient_genes");
  require(in(spacing_um, 1e-6, 1e9), "spacing_um", spacing_um, "must be positive");
  require(in(fold_change, 1, 1000), "fold_change", fold_change, "must lie in 1 .. 1000");
  require(in(gradient_fold, 1, 1000), "gradient_fold", gradient_fold, "must lie in 1 .. 1000");
  require(in(mean_counts, 1, 1e6), "mean_counts", mean_counts, "must lie in 1 .. 1e6");
  require(in(gene_spread, 0, 3), "gene_spread", gene_spread, "must lie in 0 .. 3");
  require(in(depth_spread, 0, 3), "depth_spread", depth_spread, "must lie in 0 .. 3");
  require(in(dispersion, 0.05, 10), "dispersion", dispersion, "must lie in 0.05 .. 10");
  require(in(dropout, 0, 0.95), "dropout", dropout, "must lie in 0 .. 0.95");
}

Simulation::Simulation(const SimulateOptions& options) : options_(options) {
  options_.validate();
  place_spots();
  choose_domains();
  choose_genes();
  bound_zeros();
}

void Simulation::place_spots() {
  const int n = options_.n_spots;
  const int n_columns = static_cast<int>(std::ceil(std::sqrt(n * std::sqrt(3.0) / 2)));
  const double side = std::sqrt(static_cast<double>(n)) * options_.spacing_um;
  const double spread = options_.depth_spread;
  for (int i = 0; i < n; ++i) {
    Point p = hexagonal_position(i, n_columns, options_.spacing_um);
    if (options_.layout == SpotLayout::random) {
      const auto words = random_words(key_of(options_.seed, Draw::position), 0, i);
      p = {uniform_of(words[0]) * side, uniform_of(words[1]) * side};
    }
    coordinates_.values.insert(coordinates_.values.end(), {p.x, p.y});
    const double z = random_normal(key_of(options_.seed, Draw::depth), 0, i);
    depth_.push_back(std::exp(spread * z - spread * spread / 2));
  }
}

void Simulation::choose_domains() {
  const std::vector<Point> positions = relative_positions(coordinates_);
  const RandomSequence random(key_of(options_.seed, Draw::domains), 0);
  truth_.domain = options_.shape == DomainShape::layers
                      ? layers(positions, options_.n_domains, random)
                      : blobs(positions, options_.n_domains, random);
}

void Simulation::choose_genes() {
  const int n = options_.n_genes;
  RandomSequence order_random(key_of(options_.seed, Draw::gene_order), 0);
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  for (int g = n - 1; g > 0; --g) std::swap(order[g], order[order_random.below(g + 1)]);

  truth_.kind.assign(n, GeneKind::noise);
  truth_.gene_domain.assign(n, -1);
  const int n_svgs = options_.svgs_per_domain * options_.n_domains;
  for (int k = 0; k < n_svgs + options_.n_gradient_genes; ++k) {
    truth_.kind[order[k]] = k < n_svgs ? GeneKind::domain_svg : GeneKind::gradient;
    if (k < n_svgs) truth_.gene_domain[order[k]] = k % options_.n_domains;
  }

  double total = 0;
  for (int g = 0; g < n; ++g) {
    const double z = random_normal(key_of(options_.seed, Draw::gene_mean), 0, g);
    base_.push_back(std::exp(options_.gene_spread * z));
    const auto words = random_words(key_of(options_.seed, Draw::direction), 0, g);
    const double angle = 2 * std::numbers::pi * uniform_of(words[0]);
    direction_.insert(direction_.end(), {std::cos(angle), std::sin(angle)});
    total += base_[g];
  }
  // So that a spot expects mean_counts at depth 1 and fold 1, after dropout.
  for (double& mean : base_) mean *= options_.mean_counts / (total * (1 - options_.dropout));
}

double Simulation::fold(int spot, int gene) const {
  switch (truth_.kind[gene]) {
    case GeneKind::domain_svg:
      return truth_.domain[spot] == truth_.gene_domain[gene] ? options_.fold_change : 1;
    case GeneKind::gradient: {
      const double side = std::sqrt(static_cast<double>(options_.n_spots)) * options_.spacing_um;
      const double* at = coordinates_.spot(spot);
      const double* toward = &direction_[static_cast<std::size_t>(gene) * 2];
      const double t = (at[0] / side - 0.5) * toward[0] + (at[1] / side - 0.5) * toward[1];
      return std::pow(options_.gradient_fold, t);  // t runs from about -1/2 to 1/2
    }
    default:
      return 1;
  }
}

std::string Simulation::spot_name(int spot) const { return fmt::format("spot_{:07}", spot); }
std::string Simulation::gene_name(int gene) const { return fmt::format("gene_{:05}", gene); }

double Simulation::largest_fold(int gene) const {
  if (truth_.kind[gene] == GeneKind::noise) return 1;
  if (truth_.kind[gene] == GeneKind::domain_svg) return options_.fold_change;
  // t of fold() is linear in the place, so largest at a corner of the box around all spots, which
  // spans -1/2 .. 1/2 of the side, or on an array one row and half a step more.
  const double reach = 0.5 + 2 / std::sqrt(static_cast<double>(options_.n_spots));
  const double* toward = &direction_[static_cast<std::size_t>(gene) * 2];
  return std::pow(options_.gradient_fold, reach * (std::abs(toward[0]) + std::abs(toward[1])));
}

/// Most entries are zero, and for most a look at the random word tells: the count is zero up to
/// P(0) of the largest mean that the gene has in any spot of about this depth. The classes by
/// depth are 64 of equal ratio.
void Simulation::bound_zeros() {
  constexpr int n_classes = 64;
  const auto [low, high] = std::minmax_element(depth_.begin(), depth_.end());
  for (int k = 1; k < n_classes; ++k)
    depth_edge_.push_back(*low * std::pow(*high / *low, k / static_cast<double>(n_classes)));
  depth_edge_.push_back(*high);
  zero_word_.resize(static_cast<std::size_t>(n_classes) * n_genes());
  const double phi = options_.dispersion, lost = options_.dropout;
#pragma omp parallel for schedule(static)
  for (int g = 0; g < n_genes(); ++g)
    for (int k = 0; k < n_classes; ++k) {
      const double mu = depth_edge_[k] * base_[g] * largest_fold(g);
      const double zero = std::exp(-std::log1p(mu * phi) / phi) * (1 - 1e-9);  // below any rounding
      const double words = 0x1p32 * (lost + (1 - lost) * zero);
      zero_word_[static_cast<std::size_t>(k) * n_genes() + g] =
          static_cast<std::uint32_t>(std::max(0.0, words - 2));
    }
}

void Simulation::add_row(int spot, std::vector<std::uint32_t>& words,
                         std::vector<std::int32_t>& column, std::vector<float>& value) const {
  const std::uint64_t n_indices = words.size() / 4;
  random_words(key_of(options_.seed, Draw::count), 0, spot * n_indices, words);
  const auto edge = std::lower_bound(depth_edge_.begin(), depth_edge_.end() - 1, depth_[spot]);
  const std::uint32_t* zero =
      zero_word_.data() + static_cast<std::size_t>(edge - depth_edge_.begin()) * n_genes();
  for (int g = 0; g < n_genes(); ++g) {
    if (words[g] < zero[g]) continue;
    const double u = uniform_of(words[g]);
    if (u <= options_.dropout) continue;
    const double mu = depth_[spot] * base_[g] * fold(spot, g);
    const double kept = (u - options_.dropout) / (1 - options_.dropout);  // uniform again
    if (const int count = negative_binomial(kept, mu, options_.dispersion); count > 0) {
      column.push_back(g);
      value.push_back(static_cast<float>(count));
    }
  }
}

SparseRows Simulation::rows(int first, int last) const {
  expects(0 <= first && first <= last && last <= n_spots(), "rows of the section");
  const int n_rows = last - first;
  std::vector<std::vector<std::int32_t>> column(n_rows);
  std::vector<std::vector<float>> value(n_rows);
#pragma omp parallel
  {
    std::vector<std::uint32_t> words((static_cast<std::size_t>(n_genes()) + 3) / 4 * 4);
#pragma omp for schedule(static)
    for (int r = 0; r < n_rows; ++r) add_row(first + r, words, column[r], value[r]);
  }

  SparseRows m;
  m.n_rows = n_rows;
  m.n_cols = n_genes();
  for (int r = 0; r < n_rows; ++r) {
    m.column.insert(m.column.end(), column[r].begin(), column[r].end());
    m.value.insert(m.value.end(), value[r].begin(), value[r].end());
    m.row_start.push_back(static_cast<std::int64_t>(m.column.size()));
  }
  return m;
}

SimulatedSection simulate(const SimulateOptions& options) {
  const Simulation simulation(options);
  SimulatedSection section;
  section.truth = simulation.truth();
  section.data.counts = simulation.rows(0, simulation.n_spots());
  section.data.coordinates = simulation.coordinates();
  for (int i = 0; i < simulation.n_spots(); ++i)
    section.data.spot_names.push_back(simulation.spot_name(i));
  for (int g = 0; g < simulation.n_genes(); ++g)
    section.data.gene_names.push_back(simulation.gene_name(g));
  section.data.section.assign(simulation.n_spots(), 0);
  section.data.section_names = {"simulated"};
  return section;
}

}  // namespace stamarker
