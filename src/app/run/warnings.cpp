#include "app/run/warnings.hpp"

#include <fmt/core.h>

#include "data/spatial_graph.hpp"

namespace stamarker {

std::vector<std::string> warnings_of_graph(const PreparedData& data) {
  constexpr double fewest = 3, most = 12;  // neighbors on average
  std::vector<std::string> warnings;
  const auto n_sections = static_cast<int>(data.section_names.size());
  const std::vector<GraphSummary> sections = summaries_of(data.graph, data.section, n_sections);
  for (std::size_t s = 0; s < sections.size(); ++s) {
    const GraphSummary& section = sections[s];
    if (section.n_spots == 0) continue;
    const std::string name = fmt::format("section '{}'", data.section_names[s]);
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

}  // namespace stamarker
