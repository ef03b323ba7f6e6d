#include "data/select_counts.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "base/error.hpp"
#include "base/text.hpp"
#include "data/gene_tally.hpp"
#include "data/sparse_rows.hpp"
#include "data/spatial_graph.hpp"
#include "data/variable_genes.hpp"

namespace stamarker {
namespace {

void check_distinct(const std::vector<std::string>& names, const char* what,
                    const std::string& source) {
  std::unordered_set<std::string_view> seen(names.size());
  for (const std::string& name : names)
    if (!seen.insert(name).second)
      throw InputError(
          fmt::format("{}: {} name '{}' occurs more than once (names must be unique; rename them, "
                      "e.g. with anndata's {}_names_make_unique)",
                      source, what, name, what == std::string_view("gene") ? "var" : "obs"));
}

void check_positions(const Dataset& data, const std::string& source) {
  const Coordinates& positions = data.coordinates;
  expects(positions.n_spots() == static_cast<int>(data.spot_names.size()),
          "a position for each spot");
  for (int i = 0; i < positions.n_spots(); ++i)
    for (int d = 0; d < positions.n_dims; ++d)
      if (const double value = positions.spot(i)[d]; !std::isfinite(value))
        throw InputError(
            fmt::format("{}: spot '{}' has the coordinate {} (every spot needs a position; remove "
                        "those without one)",
                        source, data.spot_names[i], value));
}

/// No section has all its spots at one place.
void check_spread(const Dataset& data, const std::string& source) {
  const Coordinates& positions = data.coordinates;
  std::vector<std::int32_t> first(data.section_names.size(), -1);
  std::vector<char> is_spread(data.section_names.size(), 0);
  std::vector<std::int32_t> n_in(data.section_names.size(), 0);
  for (int i = 0; i < positions.n_spots(); ++i) {
    const auto s = static_cast<std::size_t>(data.section[i]);
    if (first[s] < 0) first[s] = i;
    ++n_in[s];
    if (!std::equal(positions.spot(i), positions.spot(i) + positions.n_dims,
                    positions.spot(first[s])))
      is_spread[s] = 1;
  }
  for (std::size_t s = 0; s < first.size(); ++s)
    if (n_in[s] > 1 && is_spread[s] == 0)
      throw InputError(fmt::format(
          "{}: all {} spots{} have the same coordinates (a graph needs their places)", source,
          n_in[s], first.size() > 1 ? " of section '" + data.section_names[s] + "'" : ""));
}

std::vector<std::int32_t> genes_seen_often(const std::vector<std::int64_t>& n_seen,
                                           const SharedCounts& table, int min_cells) {
  std::vector<std::int32_t> genes;
  for (std::size_t g = 0; g < n_seen.size(); ++g)
    if (n_seen[g] >= min_cells) genes.push_back(static_cast<std::int32_t>(g));
  if (genes.empty())
    throw InputError(fmt::format(
        "prepare.min_cells = {} leaves no gene (the most frequent of {} is seen in {} of {}; "
        "lower prepare.min_cells)",
        min_cells, counted(table.n_genes(), "gene"),
        n_seen.empty() ? 0 : *std::ranges::max_element(n_seen), counted(table.n_spots(), "spot")));
  return genes;
}

/// 1 for each gene of the list, [n_genes].
std::vector<char> marks_of(const std::vector<std::int32_t>& genes, int n_genes) {
  std::vector<char> is_in(static_cast<std::size_t>(n_genes), 0);
  for (const std::int32_t g : genes) is_in[g] = 1;
  return is_in;
}

/// Counts of the marked genes in each row.
std::vector<double> totals(const SparseRows& counts, const std::vector<char>& is_marked) {
  std::vector<double> total(static_cast<std::size_t>(counts.n_rows));
  for (int i = 0; i < counts.n_rows; ++i)
    for (std::int64_t k = counts.row_start[i]; k < counts.row_start[i + 1]; ++k)
      if (is_marked[counts.column[k]] != 0) total[i] += counts.value[k];
  return total;
}

/// What the filters leave: spots of this rank; the tally of the kept spots, all and of this rank.
struct Filtered {
  std::vector<std::int32_t> spots, genes;
  std::int64_t n_seen_genes = 0;  // before the filters
  std::int64_t n_spots = 0;       // kept on all ranks
  GeneTally tally;                // of all ranks
  std::vector<std::int64_t> n_seen_here;
};

void refuse_too_few(const SharedCounts& table, int min_counts, std::int64_t n_kept,
                    const std::vector<std::int64_t>& largest_of_ranks) {
  if (n_kept >= 2) return;
  const auto largest = std::ranges::max_element(largest_of_ranks);
  throw InputError(fmt::format(
      "prepare.min_counts = {} leaves {} of {} (at least two are needed; the largest spot "
      "has {} of the genes kept; lower prepare.min_counts)",
      min_counts, n_kept, counted(table.n_spots(), "spot"),
      counted(largest == largest_of_ranks.end() ? 0 : *largest, "count")));
}

/// Drops spots by their counts of the genes that are left, and tallies the others.
void filter_spots(SharedCounts& table, int min_counts, Filtered& found) {
  const std::vector<char> is_kept_gene = marks_of(found.genes, table.n_genes());
  double largest = 0;
  found.tally = GeneTally(table.n_genes());
  found.spots.clear();
  table.visit([&](int first_spot, const SparseRows& rows) {
    std::vector<double> total = totals(rows, is_kept_gene);
    std::vector<char> is_kept(total.size());
    std::ranges::transform(total, is_kept.begin(),
                           [&](double t) { return t >= min_counts ? char{1} : char{0}; });
    found.tally.add(rows, is_kept);
    return [&, first_spot, total = std::move(total), is_kept = std::move(is_kept)] {
      for (std::size_t i = 0; i < total.size(); ++i) {
        if (is_kept[i] != 0) found.spots.push_back(first_spot + static_cast<std::int32_t>(i));
        largest = std::max(largest, total[i]);
      }
    };
  });
  const std::int64_t largest_here = std::llround(largest);
  found.n_spots = static_cast<std::int64_t>(found.spots.size());
  table.sum({&found.n_spots, 1});
  refuse_too_few(table, min_counts, found.n_spots, table.gather({&largest_here, 1}));
}

Filtered filter(SharedCounts& table, const PrepareOptions& options) {
  Filtered found{.spots = {},
                 .genes = {},
                 .n_seen_genes = 0,
                 .n_spots = table.n_spots(),
                 .tally = GeneTally(table.n_genes()),
                 .n_seen_here = {}};
  table.visit([&](int first_spot, const SparseRows& rows) {
    check_counts(table, first_spot, rows);
    found.tally.add(rows);
    return [&, first_spot] {
      for (int i = 0; i < rows.n_rows; ++i) found.spots.push_back(first_spot + i);
    };
  });
  std::vector<std::int64_t> n_seen = found.n_seen_here = found.tally.n_seen();
  table.sum(n_seen);
  found.n_seen_genes = std::ranges::count_if(n_seen, [](std::int64_t n) { return n > 0; });
  found.genes = genes_seen_often(n_seen, table, options.min_cells);
  if (options.min_counts > 0 || table.n_spots() < 2) {
    filter_spots(table, options.min_counts, found);
    found.n_seen_here = found.tally.n_seen();
  }
  found.tally.join_ranks(table);
  return found;
}

/// Copies the selected entries of this rank's kept spots. `n_entries`: how many those are.
SparseRows extract(SharedCounts& table, const std::vector<std::int32_t>& spots,
                   const std::vector<std::int32_t>& genes, std::int64_t n_entries) {
  SparseRows counts;
  counts.n_cols = static_cast<int>(genes.size());
  counts.column.reserve(static_cast<std::size_t>(n_entries));
  counts.value.reserve(static_cast<std::size_t>(n_entries));
  counts.row_start.reserve(spots.size() + 1);
  const std::vector<std::int32_t> new_column = places_of(genes, table.n_genes());
  table.visit([&](int first_spot, const SparseRows& rows) {
    std::vector<std::int32_t> kept;
    for (auto next = std::ranges::lower_bound(spots, first_spot);
         next != spots.end() && *next < first_spot + rows.n_rows; ++next)
      kept.push_back(*next - first_spot);
    return [&counts, part = selected(rows, kept, new_column, counts.n_cols)] {
      append_rows(counts, part);
    };
  });
  return counts;
}

/// The statistics that decide, the same on all ranks to the last bit.
GeneStatistics agreed_statistics(SharedCounts& table, const Filtered& found, int n_top) {
  GeneStatistics all = highly_variable_genes(found.tally, found.n_spots, found.genes, n_top);
  table.take_from_first(all.variances_norm);
  std::vector<double> rank(all.rank.begin(), all.rank.end());
  table.take_from_first(rank);
  std::ranges::transform(rank, all.rank.begin(),
                         [](double r) { return static_cast<std::int32_t>(r); });
  return all;
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

}  // namespace

void check_tables(const Dataset& data, const std::string& source,
                  const std::string& source_of_positions) {
  if (data.spot_names.empty()) throw InputError(source + ": no spots (the table has 0 rows)");
  if (data.gene_names.empty()) throw InputError(source + ": no genes (the table has 0 columns)");
  check_distinct(data.spot_names, "spot", source);
  check_distinct(data.gene_names, "gene", source);
  check_positions(data, source_of_positions);
  check_spread(data, source_of_positions);
}

void check_counts(const SharedCounts& table, int first_spot, const SparseRows& rows) {
  const auto is_count = [](float v) {
    constexpr float all_whole = 1 << 24;  // a float is whole from here on
    const float fraction_at_most = v >= 0 && v < all_whole ? v : 0;
    return v >= 0 && v <= std::numeric_limits<float>::max() &&
           fraction_at_most == static_cast<float>(static_cast<int>(fraction_at_most));
  };
  int n_others = 0;
#pragma omp simd reduction(+ : n_others)
  for (std::int64_t k = 0; k < rows.n_entries(); ++k) n_others += is_count(rows.value[k]) ? 0 : 1;
  if (n_others == 0) return;
  for (int i = 0; i < rows.n_rows; ++i)
    for (std::int64_t k = rows.row_start[i]; k < rows.row_start[i + 1]; ++k)
      if (!is_count(rows.value[k]))
        throw InputError(
            fmt::format("{}: gene '{}' has the count {} in spot '{}' (counts must be non-negative "
                        "integers; point input.layer to the raw counts)",
                        table.source(), table.gene_name(rows.column[k]), rows.value[k],
                        table.spot_name(first_spot + i)));
}

SelectedCounts select_counts(SharedCounts& table, const PrepareOptions& options) {
  options.validate();
  Filtered found = filter(table, options);
  SelectedCounts result;
  result.statistics = agreed_statistics(table, found, options.n_top_genes);
  std::int64_t n_entries = 0;
  for (std::size_t k = 0; k < found.genes.size(); ++k) {
    if (result.statistics.rank[k] < 0) continue;
    result.selected_genes.push_back(found.genes[k]);
    n_entries += found.n_seen_here[found.genes[k]];
  }
  result.n_seen_genes = found.n_seen_genes;
  result.kept_spots = std::move(found.spots);
  result.kept_genes = std::move(found.genes);
  result.counts = extract(table, result.kept_spots, result.selected_genes, n_entries);
  return result;
}

void normalize_log(SparseRows& counts, double target_sum) {
  constexpr int n_known = 32;  // small counts, whose logarithms a row needs again and again
#pragma omp parallel for schedule(static)
  for (int i = 0; i < counts.n_rows; ++i) {
    double total = 0;
    for (std::int64_t k = counts.row_start[i]; k < counts.row_start[i + 1]; ++k)
      total += counts.value[k];
    if (total == 0) continue;
    const double scale = target_sum / total;
    std::array<float, n_known> known{};  // 0: not computed yet
    for (std::int64_t k = counts.row_start[i]; k < counts.row_start[i + 1]; ++k) {
      float& value = counts.value[k];
      if (value < n_known) {
        float& same = known[static_cast<std::size_t>(value)];
        if (same == 0) same = static_cast<float>(std::log1p(value * scale));
        value = same;
      } else {
        value = static_cast<float>(std::log1p(value * scale));
      }
    }
  }
}

PreparedData describe_selected(const Dataset& data, std::vector<std::int32_t> kept_spots,
                               const SelectedCounts& selected) {
  expects(data.coordinates.n_spots() == static_cast<int>(data.spot_names.size()),
          "a position for each spot");
  expects(data.section.size() == data.spot_names.size(), "a section for each spot");
  PreparedData result;
  result.kept_spots = std::move(kept_spots);
  result.selected_genes = selected.selected_genes;
  const GeneStatistics& all = selected.statistics;
  for (std::size_t k = 0; k < all.rank.size(); ++k) {
    if (all.rank[k] < 0) continue;
    result.statistics.means.push_back(all.means[k]);
    result.statistics.variances.push_back(all.variances[k]);
    result.statistics.variances_norm.push_back(all.variances_norm[k]);
    result.statistics.rank.push_back(all.rank[k]);
  }
  result.spot_names = at_indices(data.spot_names, result.kept_spots);
  result.gene_names = at_indices(data.gene_names, result.selected_genes);
  result.coordinates = coordinates_of(data.coordinates, result.kept_spots);
  result.section = at_indices(data.section, result.kept_spots);
  result.section_names = data.section_names;
  result.expression = empty_rows(static_cast<int>(result.kept_spots.size()),
                                 static_cast<int>(result.selected_genes.size()));
  return result;
}

ConnectedSpots connect_spots(const Coordinates& coordinates, std::span<const std::int32_t> section,
                             const PrepareOptions& options, const SearchRanks& ranks) {
  const NearestSpots spots(coordinates, section, ranks);
  const double radius = options.rad_cutoff.value_or(0);
  ConnectedSpots connected;
  if (options.k_cutoff)
    connected = {nearest_graph(spots, *options.k_cutoff), {}, *options.k_cutoff};
  else if (options.rad_cutoff)
    connected.graph = radius_graph(spots, radius, options.max_neighbors);
  else
    connected = automatic_graph(spots, options.max_neighbors);
  if (connected.radius.empty())
    connected.radius.assign(static_cast<std::size_t>(spots.n_sections()), radius);
  check_edges(connected.graph, radius, spots);
  return connected;
}

}  // namespace stamarker
