#include "data/preprocess.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_set>

#include "base/error.hpp"
#include "data/spatial_graph.hpp"
#include "data/variable_genes.hpp"

namespace stamarker {
namespace {

void check_distinct(const std::vector<std::string>& names, const char* what,
                    const std::string& source) {
  std::unordered_set<std::string_view> seen;
  for (const std::string& name : names)
    if (!seen.insert(name).second)
      throw InputError(
          fmt::format("{}: {} name '{}' occurs more than once (names must be unique; rename them, "
                      "e.g. with anndata's {}_names_make_unique)",
                      source, what, name, what == std::string_view("gene") ? "var" : "obs"));
}

void check_values(const Dataset& data, const std::string& source) {
  const SparseRows& counts = data.counts;
  for (int i = 0; i < counts.n_rows; ++i)
    for (std::int64_t k = counts.row_start[i]; k < counts.row_start[i + 1]; ++k)
      if (const float count = counts.value[k];
          !(count >= 0) || !std::isfinite(count) || count != std::floor(count))
        throw InputError(
            fmt::format("{}: gene '{}' has the count {} in spot '{}' (counts must be non-negative "
                        "integers; point input.layer to the raw counts)",
                        source, data.gene_names[counts.column[k]], count, data.spot_names[i]));
}

void check_positions(const Dataset& data, const std::string& source) {
  const Coordinates& positions = data.coordinates;
  expects(positions.n_spots() == data.n_spots(), "a position for each spot");
  for (int i = 0; i < positions.n_spots(); ++i)
    for (int d = 0; d < positions.n_dims; ++d)
      if (const double value = positions.spot(i)[d]; !std::isfinite(value))
        throw InputError(
            fmt::format("{}: spot '{}' has the coordinate {} (every spot needs a position; remove "
                        "those without one or change input.spatial_key)",
                        source, data.spot_names[i], value));
}

std::vector<std::int32_t> all_of(int n) {
  std::vector<std::int32_t> indices(static_cast<std::size_t>(n));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

std::vector<std::int32_t> genes_seen_often(const SparseRows& counts, int min_cells) {
  GeneSums sums(counts.n_cols);
  sums.add(counts, all_of(counts.n_rows));
  std::vector<std::int32_t> genes;
  for (int g = 0; g < counts.n_cols; ++g)
    if (sums.n_nonzero[g] >= min_cells) genes.push_back(g);
  if (genes.empty()) {
    const auto most = std::max_element(sums.n_nonzero.begin(), sums.n_nonzero.end());
    throw InputError(fmt::format(
        "prepare.min_cells = {} leaves no gene (the most frequent of {} genes is seen in {} of {} "
        "spots; lower prepare.min_cells)",
        min_cells, counts.n_cols, most == sums.n_nonzero.end() ? 0 : *most, counts.n_rows));
  }
  return genes;
}

/// Counts of the given genes in each spot, [n_spots].
std::vector<double> totals(const SparseRows& counts, const std::vector<std::int32_t>& genes) {
  std::vector<char> is_kept(static_cast<std::size_t>(counts.n_cols), 0);
  for (const std::int32_t g : genes) is_kept[g] = 1;
  std::vector<double> total(static_cast<std::size_t>(counts.n_rows));
#pragma omp parallel for schedule(static)
  for (int i = 0; i < counts.n_rows; ++i)
    for (std::int64_t k = counts.row_start[i]; k < counts.row_start[i + 1]; ++k)
      if (is_kept[counts.column[k]] != 0) total[i] += counts.value[k];
  return total;
}

Coordinates coordinates_of(const Coordinates& all, const std::vector<std::int32_t>& spots) {
  Coordinates some{all.n_dims, {}};
  some.values.reserve(spots.size() * all.n_dims);
  for (const std::int32_t i : spots)
    some.values.insert(some.values.end(), all.spot(i), all.spot(i) + all.n_dims);
  return some;
}

template <class T>
std::vector<T> at_indices(const std::vector<T>& all, const std::vector<std::int32_t>& indices) {
  std::vector<T> some;
  some.reserve(indices.size());
  for (const std::int32_t i : indices) some.push_back(all[i]);
  return some;
}

/// Selected genes in the order of the input, with their statistics.
void select_genes(const Dataset& data, const Kept& kept, int n_top, PreparedData& result) {
  const GeneStatistics all = highly_variable_genes(data.counts, kept.spots, kept.genes, n_top);
  for (std::size_t k = 0; k < kept.genes.size(); ++k) {
    if (all.rank[k] < 0) continue;
    result.selected_genes.push_back(kept.genes[k]);
    result.statistics.means.push_back(all.means[k]);
    result.statistics.variances.push_back(all.variances[k]);
    result.statistics.variances_norm.push_back(all.variances_norm[k]);
    result.statistics.rank.push_back(all.rank[k]);
  }
}

void connect_spots(const PrepareOptions& options, PreparedData& result) {
  if (options.k_cutoff) {
    result.graph = nearest_graph(result.coordinates, result.section, *options.k_cutoff);
  } else {
    result.radius = options.rad_cutoff ? *options.rad_cutoff
                                       : automatic_radius(result.coordinates, result.section);
    result.graph =
        radius_graph(result.coordinates, result.section, result.radius, options.max_neighbors);
  }
  check_edges(result.graph, result.radius, result.coordinates, result.section);
}

}  // namespace

void PrepareOptions::validate() const {
  const auto refuse = [](const char* key, auto value, const char* rule) {
    throw InputError(fmt::format("prepare.{} = {} ({})", key, value, rule));
  };
  if (min_cells < 0) refuse("min_cells", min_cells, "must be 0 or more");
  if (min_counts < 0) refuse("min_counts", min_counts, "must be 0 or more");
  if (n_top_genes < 1) refuse("n_top_genes", n_top_genes, "must be 1 or more");
  if (!(target_sum > 0) || !std::isfinite(target_sum))
    refuse("target_sum", target_sum, "must be positive and finite");
  if (max_neighbors < 1) refuse("max_neighbors", max_neighbors, "must be 1 or more");
  if (k_cutoff && *k_cutoff < 1) refuse("k_cutoff", *k_cutoff, "must be 1 or more");
  if (rad_cutoff && (!(*rad_cutoff > 0) || !std::isfinite(*rad_cutoff)))
    refuse("rad_cutoff", *rad_cutoff, "must be positive and finite, or auto");
  if (rad_cutoff && k_cutoff)
    refuse("k_cutoff", *k_cutoff, "excludes prepare.rad_cutoff; set one of the two");
}

void check_counts(const Dataset& data, const std::string& source) {
  if (data.n_spots() == 0) throw InputError(source + ": no spots (the table has 0 rows)");
  if (data.n_genes() == 0) throw InputError(source + ": no genes (the table has 0 columns)");
  expects(static_cast<int>(data.spot_names.size()) == data.n_spots(), "a name for each spot");
  expects(static_cast<int>(data.gene_names.size()) == data.n_genes(), "a name for each gene");
  check_distinct(data.spot_names, "spot", source);
  check_distinct(data.gene_names, "gene", source);
  check_values(data, source);
  check_positions(data, source);
}

Kept filter(const SparseRows& counts, const PrepareOptions& options) {
  Kept kept{{}, genes_seen_often(counts, options.min_cells)};
  const std::vector<double> total = totals(counts, kept.genes);
  for (int i = 0; i < counts.n_rows; ++i)
    if (total[i] >= options.min_counts) kept.spots.push_back(i);
  if (kept.spots.size() < 2)
    throw InputError(fmt::format(
        "prepare.min_counts = {} leaves {} of {} spots (at least two are needed; the largest spot "
        "has {} counts of the genes kept; lower prepare.min_counts)",
        options.min_counts, kept.spots.size(), counts.n_rows,
        total.empty() ? 0 : *std::max_element(total.begin(), total.end())));
  return kept;
}

SparseRows normalized_log(const SparseRows& counts, double target_sum) {
  SparseRows result = counts;
#pragma omp parallel for schedule(static)
  for (int i = 0; i < counts.n_rows; ++i) {
    double total = 0;
    for (std::int64_t k = counts.row_start[i]; k < counts.row_start[i + 1]; ++k)
      total += counts.value[k];
    if (total == 0) continue;
    for (std::int64_t k = counts.row_start[i]; k < counts.row_start[i + 1]; ++k)
      result.value[k] = static_cast<float>(std::log1p(counts.value[k] * (target_sum / total)));
  }
  return result;
}

PreparedData prepare(const Dataset& data, const PrepareOptions& options) {
  options.validate();
  expects(data.coordinates.n_spots() == data.n_spots(), "a position for each spot");
  expects(static_cast<int>(data.section.size()) == data.n_spots(), "a section for each spot");
  Kept kept = filter(data.counts, options);

  PreparedData result;
  select_genes(data, kept, options.n_top_genes, result);
  result.kept_spots = std::move(kept.spots);
  result.counts = submatrix(data.counts, result.kept_spots, result.selected_genes);
  result.expression = normalized_log(result.counts, options.target_sum);
  result.spot_names = at_indices(data.spot_names, result.kept_spots);
  result.gene_names = at_indices(data.gene_names, result.selected_genes);
  result.coordinates = coordinates_of(data.coordinates, result.kept_spots);
  result.section = at_indices(data.section, result.kept_spots);
  result.section_names = data.section_names;
  connect_spots(options, result);
  return result;
}

}  // namespace stamarker
