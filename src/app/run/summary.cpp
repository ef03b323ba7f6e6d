#include "app/run/summary.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "app/run/log.hpp"
#include "base/text.hpp"

namespace stamarker {
namespace {

std::string accuracy_line(const std::vector<double>& accuracy) {
  std::vector<double> known;
  std::ranges::copy_if(accuracy, std::back_inserter(known),
                       [](double value) { return !std::isnan(value); });
  if (known.empty()) return "held-out accuracy of the classifiers: none held out";
  double sum = 0;
  for (const double value : known) sum += value;
  return fmt::format("held-out accuracy of the classifiers: {:.3f} ({:.3f} to {:.3f} over {})",
                     sum / static_cast<double>(known.size()), std::ranges::min(known),
                     std::ranges::max(known), counted(std::ssize(known), "model"));
}

}  // namespace

std::string domain_summary(const Findings& findings) {
  constexpr int n_shown = 6;
  const SvgTable& table = findings.table;
  std::string text = "domain   spots   share   SVGs   first of them\n";
  for (int k = 0; k < table.n_domains; ++k) {
    const auto n_spots = std::ranges::count(findings.domain, k);
    int n_svgs = 0;
    std::string first;
    for (const std::int32_t g : table.ranking(k)) {
      if (table.selected[static_cast<std::size_t>(k) * table.n_genes + g] == 0) continue;
      if (n_svgs++ >= n_shown) continue;
      if (!first.empty()) first += ' ';
      first += readable(findings.gene_names[g]);
    }
    text += fmt::format(
        "{:>6} {:>7} {:>5.1f} % {:>6}   {}\n", k, n_spots,
        100.0 * static_cast<double>(n_spots) / static_cast<double>(findings.domain.size()), n_svgs,
        first);
  }
  text += accuracy_line(findings.accuracy) + "\n";
  text += fmt::format("agreement between models: {:.3f} (mean adjusted Rand index)",
                      findings.agreement);
  return text;
}

std::string run_summary(const std::vector<std::pair<std::string, double>>& seconds,
                        PeakMemory memory, int n_ranks, const RunDirectory& directory,
                        bool has_result) {
  std::string text = "time      ";
  double total = 0;
  for (const auto& [stage, s] : seconds) {
    text += fmt::format(" {} {},", stage, readable_duration(s));
    total += s;
  }
  text += fmt::format(" together {}\n", readable_duration(total));
  text += fmt::format("memory     {} at most", readable_bytes(memory.largest));
  if (n_ranks > 1)
    text += fmt::format(" on a rank, {} on all {}", readable_bytes(memory.total), n_ranks);
  if (has_result)
    text += fmt::format("\nresult     {}\nSVGs       {}", readable(directory.result()),
                        readable(directory.svg_table()));
  return text;
}

}  // namespace stamarker
