#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <utility>

#include "io/anndata_copy.hpp"
#include "io/h5.hpp"
#include "io/input_formats.hpp"

namespace stamarker::input {

namespace {

/// The extent of some positions in x and y.
struct Box {
  static constexpr double far = std::numeric_limits<double>::infinity();
  std::array<double, 2> low{far, far}, high{-far, -far};

  void add(const double* position) {
    for (std::size_t d = 0; d < 2; ++d) {
      low[d] = std::min(low[d], position[d]);
      high[d] = std::max(high[d], position[d]);
    }
  }
  double area() const { return (high[0] - low[0]) * (high[1] - low[1]); }
};

/// The column of obs that names each cell's field of view, as CosMx's tables and squidpy call it.
const Column* field_column(const Frame& obs) {
  for (const char* name : {"fov", "FOV", "fov_id", "fov_name", "field_of_view"})
    if (const Column* column = obs.find(name)) return column;
  return nullptr;
}

/// Whether the fields of a section cover the same area: of fields that lie side by side, half or
/// more cover at most half of the whole.
/// field: [n_spots], -1 none. section: [n_spots].
bool coincide(const Coordinates& positions, const std::vector<std::int32_t>& field,
              const std::vector<std::int32_t>& section) {
  std::map<std::int32_t, std::map<std::int32_t, Box>> boxes;  // of each field of each section
  std::map<std::int32_t, Box> whole;                          // of each section
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] < 0) continue;
    const double* position = positions.spot(static_cast<int>(i));
    boxes[section[i]][field[i]].add(position);
    whole[section[i]].add(position);
  }
  return std::ranges::any_of(boxes, [&](const auto& of_section) {
    const auto& [number, fields] = of_section;
    std::vector<double> areas;
    for (const auto& [code, box] : fields) areas.push_back(box.area());
    std::ranges::sort(areas);
    constexpr double more_than_half = 0.6;
    return areas.size() > 1 &&
           areas[(areas.size() - 1) / 2] > more_than_half * whole.at(number).area();
  });
}

/// Positions in obsm/<name>; none if that is no array of them.
Coordinates positions_in(hid_t file, const std::string& name, std::size_t n_spots) {
  const std::string path = "obsm/" + name;
  if (h5::is_group(file, path)) return {};
  const H5T_class_t kind = h5::class_of(file, path);
  const std::vector<std::int64_t> shape = h5::shape_of(file, path);
  if ((kind != H5T_INTEGER && kind != H5T_FLOAT) || shape.size() != 2 ||
      shape[0] != static_cast<std::int64_t>(n_spots) || shape[1] < 2 || shape[1] > 3)
    return {};
  return {static_cast<int>(shape[1]), h5::read<double>(file, path)};
}

/// Where positions over all fields are, and what to do to have them read.
std::string way_to_all_fields(hid_t file, const InputOptions& options, const Frame& obs,
                              const Dataset& data, const Column& fields,
                              const std::vector<std::int32_t>& field) {
  if (h5::is_group(file, "obsm")) {
    for (const std::string& name : anndata::element_names(file, "obsm")) {
      if (name == options.spatial_key ||
          (name.find("spatial") == name.npos && name.find("global") == name.npos))
        continue;
      const Coordinates others = positions_in(file, name, field.size());
      if (!others.values.empty() && !coincide(others, field, data.section))
        return fmt::format("positions over all fields are in obsm/{0}: set input.spatial_key: {0}",
                           name);
    }
  }
  for (const auto& [x, y] : {std::pair{"CenterX_global_px", "CenterY_global_px"},
                             std::pair{"x_global_px", "y_global_px"}})
    if (obs.find(x) != nullptr && obs.find(y) != nullptr)
      return fmt::format(
          "positions over all fields are in columns {} and {} of obs: put them in "
          "obsm and set input.spatial_key",
          x, y);
  return fmt::format(
      "put positions over all fields in obsm and set input.spatial_key, or set "
      "input.batch_key: {}",
      fields.name);
}

}  // namespace

std::string overlaid_fields(hid_t file, const InputOptions& options, const Frame& obs,
                            const Dataset& data) {
  const Column* fields = field_column(obs);
  if (fields == nullptr || fields->name == options.batch_key) return {};
  const Column coded = as_categorical(*fields);
  const auto& field = std::get<std::vector<std::int32_t>>(coded.values);
  if (!coincide(data.coordinates, field, data.section)) return {};
  return fmt::format(
      "{}: obsm/{} lays the fields of view of obs/{} over each other, so that cells "
      "of different fields become neighbors; {}",
      options.path, options.spatial_key, fields->name,
      way_to_all_fields(file, options, obs, data, *fields, field));
}

}  // namespace stamarker::input
