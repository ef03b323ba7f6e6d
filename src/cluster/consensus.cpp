#include "cluster/consensus.hpp"

#include <fmt/core.h>

#include <cmath>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cluster/clustering.hpp"
#include "cluster/linkage.hpp"
#include "cluster/numbering.hpp"

namespace stamarker {
namespace {

/// The distinct tuples of labels, most frequent first (equal: by first spot).
struct Tuples {
  int n_models = 0, n_codes = 0;      // n_codes: K, clusters of all models together
  std::vector<std::int32_t> code;     // [n_tuples, n_models], position of model m's one in z_a
  std::vector<double> n_spots;        // [n_tuples], w
  std::vector<std::int32_t> of_spot;  // [spots]

  int size() const { return static_cast<int>(n_spots.size()); }
  std::span<const std::int32_t> codes(int a) const {
    return std::span(code).subspan(static_cast<std::size_t>(a) * n_models, n_models);
  }
};

/// Each spot's tuple, numbered by first appearance. clusters: [n_models]. Numbers of clusters are
/// packed into one 64-bit key as long as they fit; a full key is replaced by its number.
Numbered tuple_numbers(const std::vector<Numbered>& clusters) {
  const std::size_t n_spots = clusters.front().number.size();
  std::vector<std::uint64_t> key(n_spots, 0);
  std::uint64_t n_keys = 1;
  for (const Numbered& of_model : clusters) {
    const auto base = static_cast<std::uint64_t>(of_model.n_values);
    if (n_keys > std::numeric_limits<std::uint64_t>::max() / base) {
      const Numbered packed = numbered(std::span<const std::uint64_t>(key));
      std::ranges::copy(packed.number, key.begin());
      n_keys = static_cast<std::uint64_t>(packed.n_values);
    }
    for (std::size_t i = 0; i < n_spots; ++i) key[i] = key[i] * base + of_model.number[i];
    n_keys *= base;
  }
  return numbered(std::span<const std::uint64_t>(key));
}

Tuples tuples_of(std::span<const std::int32_t> labels, int n_models) {
  Tuples tuples;
  tuples.n_models = n_models;
  const std::size_t n_labelled = labels.size() / n_models;
  std::vector<Numbered> clusters(static_cast<std::size_t>(n_models));
#pragma omp parallel for schedule(dynamic, 1)
  for (int m = 0; m < n_models; ++m)
    clusters[m] = numbered(labels.subspan(m * n_labelled, n_labelled));
  Numbered tuple = tuple_numbers(clusters);

  std::vector<std::int32_t> first_spot(tuple.n_values, -1), order(tuple.n_values);
  std::vector<double> n_spots(tuple.n_values, 0);
  for (std::size_t i = 0; i < tuple.number.size(); ++i)
    if (n_spots[tuple.number[i]]++ == 0) first_spot[tuple.number[i]] = static_cast<std::int32_t>(i);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater{}, [&](int a) { return n_spots[a]; });

  std::vector<std::int32_t> first_code, rank(order.size());  // the codes of a model follow those
  for (const Numbered& of_model : clusters) {                // of the model before
    first_code.push_back(tuples.n_codes);
    tuples.n_codes += of_model.n_values;
  }
  for (std::size_t a = 0; a < order.size(); ++a) {
    rank[order[a]] = static_cast<std::int32_t>(a);
    tuples.n_spots.push_back(n_spots[order[a]]);
    for (int m = 0; m < n_models; ++m)
      tuples.code.push_back(first_code[m] + clusters[m].number[first_spot[order[a]]]);
  }
  tuples.of_spot = std::move(tuple.number);
  for (std::int32_t& a : tuples.of_spot) a = rank[a];
  return tuples;
}

/// Squared distances between tuples times M^2, which are whole numbers and exact in double:
///   M^2 |C_a - C_b|^2 = r_a + r_b - 2 sum_m (B z_b)[code_m(a)],   r_a = z_a^T B z_a.
/// The eigenvectors of B would place the tuples in space; the sums over M entries cost less.
class TupleDistances {
 public:
  static constexpr int lanes = 8;  // tuples b whose B z_b stand side by side

  explicit TupleDistances(const Tuples& tuples)
      : tuples_(tuples),
        n_codes_(tuples.n_codes),
        shared_(static_cast<std::size_t>(n_codes_) * n_codes_, 0) {
    for (int a = 0; a < tuples.size(); ++a)
      for (const int p : tuples.codes(a))
        for (const int q : tuples.codes(a)) shared_[index(p, q)] += tuples.n_spots[a];
    for (int a = 0; a < tuples.size(); ++a) {
      double sum = 0;
      for (const int p : tuples.codes(a))
        for (const int q : tuples.codes(a)) sum += shared_[index(p, q)];
      norm_.push_back(sum);
    }
  }

  /// Squared distances of tuples first_b .. first_b + lanes - 1 (beyond the last: to the last) to
  /// tuples 0 .. n_a - 1: take(a, values[lanes]).
  template <class Take>
  void to_first(int first_b, int n_a, Take take) const {
    std::vector<double> shared_with(static_cast<std::size_t>(n_codes_) * lanes, 0);  // B z_b
    double norm_b[lanes];
    for (int lane = 0; lane < lanes; ++lane) {
      const int b = std::min(first_b + lane, tuples_.size() - 1);
      norm_b[lane] = norm_[b];
      for (const int q : tuples_.codes(b))
        for (int p = 0; p < n_codes_; ++p) shared_with[p * lanes + lane] += shared_[index(q, p)];
    }
    const double to_distance = 1.0 / (static_cast<double>(tuples_.n_models) * tuples_.n_models);
    for (int a = 0; a < n_a; ++a) {
      double both[lanes] = {};
      for (const int p : tuples_.codes(a))
        for (int lane = 0; lane < lanes; ++lane) both[lane] += shared_with[p * lanes + lane];
      for (int lane = 0; lane < lanes; ++lane)
        both[lane] = (norm_[a] + norm_b[lane] - 2 * both[lane]) * to_distance;
      take(a, both);
    }
  }

 private:
  std::size_t index(int p, int q) const { return static_cast<std::size_t>(p) * n_codes_ + q; }

  const Tuples& tuples_;
  int n_codes_;
  std::vector<double> shared_;  // B, [n_codes, n_codes]
  std::vector<double> norm_;    // r, [n_tuples]
};

/// The leaf each tuple belongs to: itself among the first n_leaves, else the nearest of them
/// (equally near: the more frequent); and its distance from there.
struct Leaves {
  std::vector<std::int32_t> of_tuple;
  std::vector<double> shift;
};

Leaves leaves_of_tuples(const TupleDistances& distances, int n_tuples, int n_leaves) {
  constexpr int lanes = TupleDistances::lanes;
  Leaves leaves{std::vector<std::int32_t>(n_tuples), std::vector<double>(n_tuples, 0)};
  std::iota(leaves.of_tuple.begin(), leaves.of_tuple.begin() + n_leaves, 0);
#pragma omp parallel for schedule(dynamic, 16)
  for (int first = n_leaves; first < n_tuples; first += lanes) {
    double nearest[lanes];
    std::fill_n(nearest, lanes, std::numeric_limits<double>::max());
    std::int32_t at_nearest[lanes] = {};
    distances.to_first(first, n_leaves, [&](int a, const double* squared) {
      for (int lane = 0; lane < lanes; ++lane)
        if (squared[lane] < nearest[lane]) {
          nearest[lane] = squared[lane];
          at_nearest[lane] = a;
        }
    });
    for (int lane = 0; lane < std::min(lanes, n_tuples - first); ++lane) {
      leaves.of_tuple[first + lane] = at_nearest[lane];
      leaves.shift[first + lane] = std::sqrt(nearest[lane]);
    }
  }
  return leaves;
}

PairMatrix<double> leaf_distances(const TupleDistances& distances, int n_leaves) {
  constexpr int lanes = TupleDistances::lanes;
  PairMatrix<double> result(n_leaves);
#pragma omp parallel for schedule(dynamic, 4)
  for (int first = 0; first < n_leaves; first += lanes) {
    const int last = std::min(first + lanes, n_leaves);
    distances.to_first(first, last, [&](int a, const double* squared) {
      for (int b = std::max(first, a + 1); b < last; ++b)
        result.row(b)[a] = std::sqrt(squared[b - first]);
    });
  }
  return result;
}

std::vector<Merge> average_linkage(PairMatrix<double>& distance, std::vector<double> n_spots) {
  return in_height_order(nearest_neighbor_chain(
      distance, n_spots, [](double d_ac, double d_bc, double, double n_a, double n_b, double) {
        return (n_a * d_ac + n_b * d_bc) / (n_a + n_b);
      }));
}

std::vector<double> linkage_table(std::span<const Merge> merges, std::vector<double> n_spots) {
  std::vector<double> table;
  table.reserve(merges.size() * 4);
  for (const Merge& merge : merges) {
    n_spots.push_back(n_spots[merge.a] + n_spots[merge.b]);
    table.insert(table.end(), {static_cast<double>(merge.a), static_cast<double>(merge.b),
                               merge.height, n_spots.back()});
  }
  return table;
}

void check_input(std::span<const std::int32_t> labels, int n_models, int n_domains,
                 const ConsensusOptions& options, const Coordinates& coordinates,
                 std::span<const std::int32_t> section) {
  options.validate();
  expects(n_models > 0 && !labels.empty() && labels.size() % n_models == 0,
          "labels are [n_models, n_spots], neither 0");
  expects(std::ranges::min(labels) >= 0, "labels are not negative");
  if (n_domains < 1) throw InputError(fmt::format("domains = {} (must be at least 1)", n_domains));
  if (options.refine == 0) return;
  const std::size_t n_spots = labels.size() / n_models;
  expects(static_cast<std::size_t>(coordinates.n_spots()) == n_spots && section.size() == n_spots,
          "refining needs coordinates and section of every spot");
}

}  // namespace

void ConsensusOptions::validate() const {
  if (max_tuples < 2)
    throw InputError(fmt::format("consensus.max_tuples = {} (must be at least 2)", max_tuples));
  if (refine < 0)
    throw InputError(fmt::format(
        "consensus.refine = {} (must be 0, off, or a number of nearest spots)", refine));
}

std::vector<double> Consensus::heights() const {
  std::vector<double> heights;
  for (std::size_t k = 2; k < linkage.size(); k += 4) heights.push_back(linkage[k]);
  return heights;
}

Consensus consensus(std::span<const std::int32_t> labels, int n_models, int n_domains,
                    const ConsensusOptions& options, const Coordinates& coordinates,
                    std::span<const std::int32_t> section) {
  check_input(labels, n_models, n_domains, options, coordinates, section);
  const Tuples tuples = tuples_of(labels, n_models);
  const int n_leaves = std::min(tuples.size(), std::max(options.max_tuples, n_domains));
  if (n_domains > tuples.size())
    throw InputError(
        fmt::format("domains = {} (the spots form only {} in {}; ask for at most "
                    "that many, or for more clusters per model: clustering.n_components, "
                    "clustering.resolution)",
                    n_domains, counted(tuples.size(), "group"), counted(n_models, "clustering")));

  const TupleDistances distances(tuples);
  Consensus result;
  result.n_tuples = tuples.size();
  const Leaves leaves = leaves_of_tuples(distances, tuples.size(), n_leaves);
  std::vector<double> n_spots(static_cast<std::size_t>(n_leaves), 0);
  double n_joined = 0, shift = 0;
  for (int a = 0; a < tuples.size(); ++a) {
    n_spots[leaves.of_tuple[a]] += tuples.n_spots[a];
    if (a >= n_leaves) n_joined += tuples.n_spots[a];
    shift += tuples.n_spots[a] * leaves.shift[a];
  }
  result.joined_share = n_joined / static_cast<double>(tuples.of_spot.size());
  result.joined_shift = shift / std::max(n_joined, 1.0);
  result.leaf.reserve(tuples.of_spot.size());
  for (const std::int32_t a : tuples.of_spot) result.leaf.push_back(leaves.of_tuple[a]);

  PairMatrix<double> distance = leaf_distances(distances, n_leaves);
  const auto merges = average_linkage(distance, n_spots);
  result.linkage = linkage_table(merges, n_spots);
  const auto domain_of_leaf = cut(merges, n_domains);
  result.domain.reserve(result.leaf.size());
  for (const std::int32_t leaf : result.leaf) result.domain.push_back(domain_of_leaf[leaf]);
  if (options.refine > 0)
    result.domain = follow_majority(result.domain, coordinates, section, options.refine);
  result.domain = numbered_by_size(result.domain);
  result.n_domains = std::ranges::max(result.domain) + 1;
  return result;
}

}  // namespace stamarker
