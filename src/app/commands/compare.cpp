#include "app/commands/compare.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "cluster/consensus.hpp"
#include "io/h5.hpp"
#include "io/read_input.hpp"

namespace stamarker {
namespace {

constexpr double not_known = std::numeric_limits<double>::quiet_NaN();

/// A column of text as codes into its names, in the order of the categories or of the alphabet.
struct Coded {
  std::vector<std::int32_t> codes;
  std::vector<std::string> names;
};

std::vector<std::string> as_text(const Values& values) {
  return std::visit(
      [](const auto& all) {
        std::vector<std::string> text;
        for (const auto& value : all) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, Flag>)
            text.emplace_back(value == Flag::yes ? "True" : "False");
          else
            text.push_back(fmt::format("{}", value));
        }
        return text;
      },
      values);
}

Coded coded(const Column& column) {
  Coded result;
  if (column.categories) {
    result.names = as_text(*column.categories);
    std::visit(
        [&](const auto& codes) {
          if constexpr (std::is_integral_v<typename std::decay_t<decltype(codes)>::value_type>)
            for (const auto code : codes) result.codes.push_back(static_cast<std::int32_t>(code));
        },
        column.values);
    return result;
  }
  const std::vector<std::string> text = as_text(column.values);
  result.names = text;
  std::ranges::sort(result.names);
  result.names.erase(std::unique(result.names.begin(), result.names.end()), result.names.end());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto name = std::ranges::lower_bound(result.names, text[i]) - result.names.begin();
    const bool is_missing = !column.missing.empty() && column.missing[i] == Flag::yes;
    result.codes.push_back(is_missing ? -1 : static_cast<std::int32_t>(name));
  }
  return result;
}

Coded column_of(const Frame& frame, const std::string& name, const std::string& where) {
  if (const Column* column = frame.find(name)) return coded(*column);
  std::vector<std::string> names;
  for (const Column& column : frame.columns) names.push_back(column.name);
  throw InputError(
      fmt::format("{}/{} is missing (there is: {})", where, name, fmt::join(names, ", ")));
}

DomainMatch match_of(const ComparedSection& section, std::int32_t annotated) {
  const std::size_t n_found = section.domain_names.size();
  std::vector<int> shared(n_found);
  DomainMatch match;
  match.annotated = section.annotated_names[static_cast<std::size_t>(annotated)];
  for (std::size_t i = 0; i < section.annotation.size(); ++i)
    if (section.annotation[i] == annotated) {
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
  for (std::size_t i = 0; i < section.annotation.size(); ++i)
    if (section.annotation[i] >= 0) {
      annotated.push_back(section.annotation[i]);
      found.push_back(section.domain[i]);
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
  const Coded known = column_of(tables.obs, annotation, path + ": obs");
  const Coded found = column_of(tables.obs, "stamarker", path + ": obs");
  ComparedSection section;
  section.annotation = known.codes;
  section.annotated_names = known.names;
  section.domain = found.codes;
  section.domain_names = found.names;
  if (gene_annotation.empty()) return section;

  const Coded genes = column_of(tables.var, gene_annotation, path + ": var");
  std::map<std::string, std::int32_t> index_of;
  for (std::size_t k = 0; k < known.names.size(); ++k)
    index_of[known.names[k]] = static_cast<std::int32_t>(k);
  for (const std::int32_t code : genes.codes) {
    const auto name = code < 0 ? index_of.end() : index_of.find(genes.names[std::size_t(code)]);
    section.gene_annotation.push_back(name == index_of.end() ? -1 : name->second);
  }
  const h5::File file = h5::open_to_read(path);
  if (!h5::exists(file, "varm/stamarker_score"))
    throw InputError(path + ": varm/stamarker_score is missing; run `stamarker svgs` first");
  section.score = h5::read<double>(file, "varm/stamarker_score");
  return section;
}

}  // namespace stamarker
