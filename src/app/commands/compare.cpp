#include "app/commands/compare.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "base/text.hpp"
#include "cluster/consensus.hpp"
#include "io/h5.hpp"
#include "io/read_input.hpp"

namespace stamarker {
namespace {

constexpr double not_known = std::numeric_limits<double>::quiet_NaN();

/// The column as a categorical one.
Column column_of(const Frame& frame, const std::string& name, const std::string& where) {
  if (const Column* column = frame.find(name)) return as_categorical(*column);
  std::vector<std::string> names;
  for (const Column& column : frame.columns) names.push_back(column.name);
  throw InputError(
      fmt::format("{}/{} is missing (there is: {})", where, name, fmt::join(names, ", ")));
}

const std::vector<std::int32_t>& codes_of(const Column& categorical) {
  return std::get<std::vector<std::int32_t>>(categorical.values);
}

/// varm/stamarker_score, [n_genes, n_domains].
std::vector<double> read_score(const std::string& path, std::size_t n_genes,
                               std::size_t n_domains) {
  const h5::File file = h5::open_to_read(path);
  const char* name = "varm/stamarker_score";
  if (!h5::exists(file, name))
    throw InputError(fmt::format("{}: {} is missing; run `stamarker svgs` first", path, name));
  const std::vector<std::int64_t> shape = h5::shape_of(file, name);
  if (shape != std::vector<std::int64_t>{static_cast<std::int64_t>(n_genes),
                                         static_cast<std::int64_t>(n_domains)})
    throw InputError(fmt::format(
        "{}: {} has shape ({}), {} x {} of obs/stamarker expected; "
        "compare the result as `stamarker` wrote it",
        path, name, fmt::join(shape, ", "), counted(static_cast<std::int64_t>(n_genes), "gene"),
        counted(static_cast<std::int64_t>(n_domains), "domain")));
  return h5::read<double>(file, name, shape);
}

DomainMatch match_of(const ComparedSection& section, std::int32_t annotated) {
  const std::size_t n_found = section.domain_names.size();
  std::vector<int> shared(n_found);
  DomainMatch match;
  match.annotated = section.annotated_names[static_cast<std::size_t>(annotated)];
  for (std::size_t i = 0; i < section.annotation.size(); ++i)
    if (section.annotation[i] == annotated && section.domain[i] >= 0) {
      ++match.n_spots;
      ++shared[static_cast<std::size_t>(section.domain[i])];
    }
  const auto most = std::ranges::max_element(shared);
  const auto found = static_cast<std::size_t>(most - shared.begin());
  match.found = section.domain_names[found];
  match.n_shared = *most;

  std::vector<std::uint8_t> is_known;
  std::vector<double> score;
  for (std::size_t g = 0; g < section.gene_annotation.size(); ++g) {
    is_known.push_back(section.gene_annotation[g] == annotated);
    score.push_back(section.score[g * n_found + found]);
    match.n_genes += is_known.back();
  }
  match.auroc = area_under_curve(score, is_known);
  return match;
}

}  // namespace

double area_under_curve(std::span<const double> score, std::span<const std::uint8_t> is_positive) {
  std::vector<std::size_t> order(score.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t k) { return score[k]; });
  double rank_sum = 0, n_positive = 0;  // of positives, ranks from 1, mean rank where equal
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first;
    while (last < order.size() && score[order[last]] == score[order[first]]) ++last;
    for (std::size_t k = first; k < last; ++k)
      if (is_positive[order[k]] != 0) {
        rank_sum += 0.5 * static_cast<double>(first + last + 1);
        ++n_positive;
      }
    first = last;
  }
  const double n_negative = static_cast<double>(score.size()) - n_positive;
  if (n_positive == 0 || n_negative == 0) return not_known;
  return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative);
}

Comparison compare(const ComparedSection& section) {
  Comparison result;
  std::vector<std::int32_t> annotated, found;
  for (std::size_t i = 0; i < section.annotation.size(); ++i) {
    if (section.annotation[i] < 0) {
      ++result.n_not_annotated;
    } else if (section.domain[i] < 0) {
      ++result.n_without_domain;
    } else {
      annotated.push_back(section.annotation[i]);
      found.push_back(section.domain[i]);
    }
  }
  result.n_annotated = static_cast<int>(annotated.size());
  result.adjusted_rand_index = adjusted_rand_index(annotated, found);

  double sum = 0;
  int n_known = 0;
  for (std::size_t k = 0; k < section.annotated_names.size(); ++k) {
    const DomainMatch match = match_of(section, static_cast<std::int32_t>(k));
    if (match.n_spots == 0) continue;
    result.matches.push_back(match);
    if (std::isnan(match.auroc)) continue;
    sum += match.auroc;
    ++n_known;
  }
  result.mean_auroc = n_known > 0 ? sum / n_known : not_known;
  return result;
}

ComparedSection read_compared(const std::string& path, const std::string& annotation,
                              const std::string& gene_annotation) {
  InputOptions input;
  input.path = path;
  const Annotations tables = read_annotations(input);
  const Column known = column_of(tables.obs, annotation, path + ": obs");
  const Column found = column_of(tables.obs, "stamarker", path + ": obs");
  ComparedSection section;
  section.annotation = codes_of(known);
  section.annotated_names = as_texts(*known.categories);
  section.domain = codes_of(found);
  section.domain_names = as_texts(*found.categories);
  bool is_any = false;
  for (std::size_t i = 0; i < section.domain.size(); ++i)
    is_any = is_any || (section.annotation[i] >= 0 && section.domain[i] >= 0);
  if (!is_any)
    throw InputError(
        fmt::format("{}: no spot has a value in obs/{} and in obs/stamarker", path, annotation));
  if (gene_annotation.empty()) return section;

  const Column genes = column_of(tables.var, gene_annotation, path + ": var");
  const std::vector<std::string> names = as_texts(*genes.categories);
  std::map<std::string, std::int32_t> index_of;
  for (std::size_t k = 0; k < section.annotated_names.size(); ++k)
    index_of[section.annotated_names[k]] = static_cast<std::int32_t>(k);
  for (const std::int32_t code : codes_of(genes)) {
    const auto name = code < 0 ? index_of.end() : index_of.find(names[std::size_t(code)]);
    section.gene_annotation.push_back(name == index_of.end() ? -1 : name->second);
  }
  section.score = read_score(path, section.gene_annotation.size(), section.domain_names.size());
  return section;
}

}  // namespace stamarker
