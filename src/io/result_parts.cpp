#include "io/result_parts.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "io/anndata_element.hpp"

namespace stamarker {

namespace {

/// A table of records with one member per domain: values [n_domains, n_ranks].
void write_records(hid_t where, const std::string& name, const std::vector<std::string>& members,
                   hid_t member_type, std::size_t member_bytes, const void* values,
                   std::size_t n_ranks) {
  const h5::Type record{H5Tcreate(H5T_COMPOUND, members.size() * member_bytes)};
  for (std::size_t k = 0; k < members.size(); ++k)
    h5::check(H5Tinsert(record, members[k].c_str(), k * member_bytes, member_type));
  std::vector<std::byte> rows(n_ranks * members.size() * member_bytes);
  const auto* from = static_cast<const std::byte*>(values);
  for (std::size_t rank = 0; rank < n_ranks; ++rank)
    for (std::size_t k = 0; k < members.size(); ++k)
      std::copy_n(from + (k * n_ranks + rank) * member_bytes, member_bytes,
                  rows.data() + (rank * members.size() + k) * member_bytes);
  h5::write_values(where, name, record, rows.data(), n_ranks, {static_cast<std::int64_t>(n_ranks)});
  anndata::mark(h5::open_dataset(where, name), "rec-array", "0.2.0");
}

template <class T>
void write_number_records(hid_t where, const std::string& name,
                          const std::vector<std::string>& members, const std::vector<T>& values) {
  write_records(where, name, members, h5::native_type<T>(), sizeof(T), values.data(),
                values.size() / members.size());
}

template <class T>
void write_vector(hid_t where, const std::string& name, const std::vector<T>& values,
                  const std::vector<std::int64_t>& shape) {
  anndata::write_array(where, name, std::span<const T>(values), shape);
}

/// Genes of one domain by decreasing score; equal scores in the order of var.
std::vector<std::int32_t> ranking(std::span<const double> score) {
  std::vector<std::int32_t> order(score.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return score[static_cast<std::size_t>(a)] > score[static_cast<std::size_t>(b)];
  });
  return order;
}

}  // namespace

void result::write_rank_genes_groups(hid_t file, const std::vector<std::string>& gene_names,
                                     const DomainResults& domains) {
  const std::size_t n_genes = gene_names.size(), n_domains = domains.domain_names.size();
  const h5::Group group = anndata::make_dict(file, "uns/rank_genes_groups");
  const h5::Group params = anndata::make_dict(group, "params");
  anndata::write_string(params, "groupby", "stamarker");
  anndata::write_string(params, "reference", "rest");
  anndata::write_string(params, "method", "stamarker");
  anndata::write_string(params, "corr_method", "none");
  anndata::write_flag(params, "use_raw", Flag::no);

  constexpr float none = std::numeric_limits<float>::quiet_NaN();
  std::vector<const char*> names(n_domains * n_genes);
  std::vector<float> scores(n_domains * n_genes), changes(n_domains * n_genes, none);
  for (std::size_t k = 0; k < n_domains; ++k) {
    const std::size_t first = k * n_genes;
    const auto order = ranking(std::span(domains.score).subspan(first, n_genes));
    for (std::size_t rank = 0; rank < n_genes; ++rank) {
      const auto gene = static_cast<std::size_t>(order[rank]);
      names[first + rank] = gene_names[gene].c_str();
      scores[first + rank] = static_cast<float>(domains.score[first + gene]);
      if (!domains.log_fold_change.empty())
        changes[first + rank] = domains.log_fold_change[first + gene];
    }
  }
  const std::vector<double> no_test(n_domains * n_genes, std::numeric_limits<double>::quiet_NaN());
  write_records(group, "names", domains.domain_names, h5::text_type(), sizeof(const char*),
                names.data(), n_genes);
  write_number_records(group, "scores", domains.domain_names, scores);
  write_number_records(group, "logfoldchanges", domains.domain_names, changes);
  write_number_records(group, "pvals", domains.domain_names, no_test);
  write_number_records(group, "pvals_adj", domains.domain_names, no_test);
}

void result::write_spatial_neighbors(hid_t file, const ResultContents& contents) {
  const h5::Group group = anndata::make_dict(file, "uns/spatial_neighbors");
  anndata::write_string(group, "connectivities_key", "spatial_connectivities");
  anndata::write_string(group, "distances_key", "spatial_distances");
  const h5::Group params = anndata::make_dict(group, "params");
  anndata::write_string(params, "coord_type", "generic");
  if (contents.n_nearest > 0) anndata::write_number(params, "n_neighbors", contents.n_nearest);
  if (std::ranges::all_of(contents.radius, [](double radius) { return radius == 0; })) return;
  if (contents.radius.size() == 1) {
    anndata::write_number(params, "radius", contents.radius.front());
    return;
  }
  const auto n_sections = static_cast<std::int64_t>(contents.radius.size());
  write_vector(params, "radius", contents.radius, {n_sections});
  anndata::write_values(params, "sections", contents.section_names);
}

void result::write_run_record(hid_t file, const RunRecord& run, std::int64_t n_domains) {
  const h5::Group group = anndata::make_dict(file, "uns/stamarker");
  const auto n_models = static_cast<std::int64_t>(run.held_out_accuracy.size());
  anndata::write_string(group, "config", run.config);
  if (run.n_models > 0 && !run.losses.empty())
    write_vector(group, "losses", run.losses,
                 {run.n_models, static_cast<std::int64_t>(run.losses.size()) / run.n_models});
  if (n_models > 0) write_vector(group, "held_out_accuracy", run.held_out_accuracy, {n_models});
  if (!run.confusion.empty())
    write_vector(group, "confusion", run.confusion,
                 {static_cast<std::int64_t>(run.confusion.size()) / (n_domains * n_domains),
                  n_domains, n_domains});
  if (!run.linkage.empty())
    write_vector(group, "linkage", run.linkage,
                 {static_cast<std::int64_t>(run.linkage.size()) / 4, 4});
  if (!run.warnings.empty()) anndata::write_values(group, "warnings", run.warnings);
  const h5::Group times = anndata::make_dict(group, "run_times");
  for (const auto& [stage, seconds] : run.run_times) anndata::write_number(times, stage, seconds);
  const h5::Group measures = anndata::make_dict(group, "measures");
  for (const auto& [name, value] : run.measures) anndata::write_number(measures, name, value);
  const h5::Group provenance = anndata::make_dict(group, "provenance");
  for (const auto& [name, text] : run.provenance) anndata::write_string(provenance, name, text);
}

FoldChanges::FoldChanges(int n_domains, int n_genes)
    : n_domains_(static_cast<std::size_t>(n_domains)),
      n_genes_(static_cast<std::size_t>(n_genes)),
      sum_(n_domains_ * n_genes_),
      total_(n_genes_),
      n_spots_(n_domains_) {}

void FoldChanges::add(const SparseRows& expression, std::span<const std::int32_t> domain) {
  expects(static_cast<int>(domain.size()) == expression.n_rows, "a domain for each row");
  for (int i = 0; i < expression.n_rows; ++i) {
    const auto k = static_cast<std::size_t>(domain[static_cast<std::size_t>(i)]);
    n_spots_[k] += 1;
    for (std::int64_t e = expression.row_start[i]; e < expression.row_start[i + 1]; ++e) {
      const auto g = static_cast<std::size_t>(expression.column[e]);
      sum_[k * n_genes_ + g] += expression.value[e];
      total_[g] += expression.value[e];
    }
  }
}

std::vector<float> FoldChanges::values() const {
  const double n_all = std::accumulate(n_spots_.begin(), n_spots_.end(), 0.0);
  std::vector<float> change(n_domains_ * n_genes_);
  for (std::size_t k = 0; k < n_domains_; ++k)
    for (std::size_t g = 0; g < n_genes_; ++g) {
      const double inside = sum_[k * n_genes_ + g] / std::max(n_spots_[k], 1.0);
      const double outside =
          (total_[g] - sum_[k * n_genes_ + g]) / std::max(n_all - n_spots_[k], 1.0);
      change[k * n_genes_ + g] =
          static_cast<float>(std::log2((std::expm1(inside) + 1e-9) / (std::expm1(outside) + 1e-9)));
    }
  return change;
}

}  // namespace stamarker
