#include "prepared_section.hpp"

namespace stamarker::test {

PreparedSection prepare_section(const Dataset& data, const PrepareOptions& options,
                                int block_rows) {
  CountsInMemory table(data, "memory: X", block_rows);
  PreparedSection section;
  section.selected = select_counts(table, options);
  section.data = describe_selected(data, section.selected.kept_spots, section.selected);
  ConnectedSpots connected = connect_spots(section.data.coordinates, section.data.section, options);
  section.data.graph = std::move(connected.graph);
  section.data.radius = std::move(connected.radius);
  section.data.n_nearest = connected.n_nearest;
  section.data.expression = section.selected.counts;
  normalize_log(section.data.expression, options.target_sum);
  return section;
}

}  // namespace stamarker::test
