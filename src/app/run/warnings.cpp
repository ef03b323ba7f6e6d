#include "app/run/warnings.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <numeric>

#include "base/text.hpp"
#include "data/spatial_graph.hpp"

namespace stamarker {
namespace {

using Lines = std::vector<std::string>;

void append(Lines& all, Lines more) { std::ranges::move(more, std::back_inserter(all)); }

Lines warnings_of_graph(const PreparedData& data) {
  constexpr double fewest = 3, most = 12;  // neighbors on average
  Lines warnings;
  const auto n_sections = static_cast<int>(data.section_names.size());
  const std::vector<GraphSummary> sections = summaries_of(data.graph, data.section, n_sections);
  for (std::size_t s = 0; s < sections.size(); ++s) {
    const GraphSummary& section = sections[s];
    if (section.n_spots == 0) continue;
    const std::string name = fmt::format("section '{}'", readable(data.section_names[s]));
    if (section.is_torn())
      warnings.push_back(
          fmt::format("{}: {} of {} spots are isolated in the spatial graph, and a spot has {:.1f} "
                      "neighbors on average (check the coordinates, or set prepare.rad_cutoff or "
                      "prepare.k_cutoff)",
                      name, section.n_isolated, section.n_spots, section.mean));
    const bool is_nearest = data.radius[s] == 0 && data.n_nearest > 0;
    if (!section.is_torn() && !is_nearest && (section.mean < fewest || section.mean > most))
      warnings.push_back(
          fmt::format("{}: a spot has {:.1f} neighbors on average, about 6 are usual (set another "
                      "prepare.rad_cutoff, or auto)",
                      name, section.mean));
  }
  return warnings;
}

/// The height at which one domain fewer would be left; 0 for one domain.
double height_of_next_join(const Consensus& consensus) {
  const std::vector<double> heights = consensus.heights();
  const auto at = static_cast<std::size_t>(consensus.n_domains) - 1;
  return 0 < at && at <= heights.size() ? heights[heights.size() - at] : 0;
}

/// "4 (1 spot), 5 (3 spots)", of domains of fewer than `fewest` spots.
std::string small_domains(const Consensus& consensus, int fewest) {
  std::string text;
  for (int k = 0; k < consensus.n_domains; ++k) {
    const auto n_spots = std::ranges::count(consensus.domain, k);
    if (n_spots >= fewest) continue;
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", k, counted(n_spots, "spot"));
  }
  return text;
}

}  // namespace

Lines warnings_of_prepare(const PreparedData& data, const InputSummary& input,
                          const PrepareOptions& options) {
  Lines warnings = input.warnings;
  const auto add_if_most = [&](std::int64_t n_dropped, std::int64_t n, const char* what,
                               const std::string& why) {
    if (2 * n_dropped > n)
      warnings.push_back(fmt::format("{} of {} {} were dropped: {}", n_dropped, n, what, why));
  };
  add_if_most(input.n_other_features, input.n_genes + input.n_other_features, "features",
              "not of type Gene Expression");
  add_if_most(input.n_seen_genes - input.n_kept_genes, input.n_seen_genes, "genes with counts",
              fmt::format("seen in fewer than prepare.min_cells = {} spots", options.min_cells));
  add_if_most(input.n_spots - data.n_spots(), input.n_spots, "spots",
              fmt::format("fewer than prepare.min_counts = {} counts", options.min_counts));
  append(warnings, warnings_of_graph(data));
  return warnings;
}

double late_decrease(const std::vector<double>& loss) {
  const auto window = std::max<std::ptrdiff_t>(1, std::ssize(loss) / 10);
  if (std::ssize(loss) < 2 * window) return 1;
  const auto mean = [&](auto begin) {
    return std::accumulate(begin, begin + window, 0.0) / static_cast<double>(window);
  };
  const double before = mean(loss.end() - 2 * window), last = mean(loss.end() - window);
  return loss.front() > last ? (before - last) / (loss.front() - last) : 1;
}

Lines warnings_of_train(const std::vector<std::vector<double>>& losses) {
  constexpr double most = 0.01;
  int n_falling = 0;
  double largest = 0;
  for (const std::vector<double>& loss : losses) {
    const double decrease = late_decrease(loss);
    n_falling += decrease > most ? 1 : 0;
    largest = std::max(largest, decrease);
  }
  if (n_falling == 0) return {};
  return {
      fmt::format("the loss of {} of {} models has not flattened: the last tenth of the epochs "
                  "brought up to {:.1f} % of its decrease (raise autoencoder.epochs = {})",
                  n_falling, losses.size(), 100 * largest, losses.front().size())};
}

Lines warnings_of_consensus(const ConsensusFile& found, const Config& config) {
  constexpr double least_agreement = 0.3;
  constexpr int fewest_spots = 10;
  Lines warnings;
  const Consensus& consensus = found.consensus;
  if (found.agreement < least_agreement)
    warnings.push_back(
        fmt::format("the models agree by {:.3f} only (mean adjusted Rand index): the domains are "
                    "not to be trusted (train longer, or ask for another number of domains)",
                    found.agreement));
  if (consensus.joined_share > 0)
    warnings.push_back(
        fmt::format("{:.2f} % of the spots have a label tuple beyond the "
                    "consensus.max_tuples = {} most frequent and joined the nearest, on average "
                    "{:.3g} away (two domains would join at {:.3g})",
                    100 * consensus.joined_share, config.consensus.max_tuples,
                    consensus.joined_shift, height_of_next_join(consensus)));
  if (consensus.n_domains < config.domains)
    warnings.push_back(fmt::format("{} left of {} after consensus.refine = {}",
                                   counted(consensus.n_domains, "domain"), config.domains,
                                   config.consensus.refine));
  if (const std::string names = small_domains(consensus, fewest_spots); !names.empty())
    warnings.push_back(
        fmt::format("domains of fewer than {} spots: {}; their lists of SVGs are not to be trusted "
                    "(ask for fewer domains, or set consensus.refine)",
                    fewest_spots, names));
  return warnings;
}

Lines warnings_of_run(const PreparedData& data, const InputSummary& input,
                      const std::vector<std::vector<double>>& losses, const ConsensusFile& found,
                      const Config& config) {
  Lines warnings = warnings_of_prepare(data, input, config.prepare);
  append(warnings, warnings_of_train(losses));
  append(warnings, warnings_of_consensus(found, config));
  return warnings;
}

}  // namespace stamarker
