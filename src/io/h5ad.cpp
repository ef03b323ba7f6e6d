#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "io/anndata_copy.hpp"
#include "io/anndata_frame.hpp"
#include "io/anndata_matrix.hpp"
#include "io/h5.hpp"
#include "io/input_formats.hpp"

namespace stamarker::input {

namespace {

/// Paths of the chosen matrix and its table of genes. Before anndata 0.7 raw stood beside X.
struct Places {
  std::string matrix, genes;
};

/// "layers: a, b" or "no layers".
std::string layers_of(hid_t file) {
  const std::vector<std::string> names = h5::names_in(file, "layers");
  return names.empty() ? "no layers" : fmt::format("layers: {}", fmt::join(names, ", "));
}

Places places_of(hid_t file, const InputOptions& options) {
  if (options.layer == "X") {
    if (!h5::exists(file, "X"))
      throw InputError(
          fmt::format("{} has no X; set input.layer (there: {})", options.path, layers_of(file)));
    return {"X", "var"};
  }
  if (options.layer == "raw") {
    if (h5::exists(file, "raw/X")) return {"raw/X", "raw/var"};
    if (h5::exists(file, "raw.X")) return {"raw.X", "raw.var"};
    throw InputError("input.layer = raw (" + options.path + " has no raw)");
  }
  const std::string path = "layers/" + options.layer;
  if (h5::exists(file, path)) return {path, "var"};
  throw InputError(fmt::format("input.layer = {} (in {}: {}; or X)", options.layer, options.path,
                               layers_of(file)));
}

/// A table of coordinates: its numeric columns, row by row.
Coordinates from_frame(hid_t file, const std::string& path) {
  std::vector<std::string> left_out;
  const Frame frame = anndata::read_frame(file, path, left_out);
  Coordinates places;
  places.n_dims = static_cast<int>(frame.columns.size());
  places.values.resize(frame.index.size() * frame.columns.size());
  for (std::size_t d = 0; d < frame.columns.size(); ++d) {
    std::visit(
        [&](const auto& all) {
          using Element = typename std::remove_cvref_t<decltype(all)>::value_type;
          if constexpr (std::is_arithmetic_v<Element>) {
            for (std::size_t i = 0; i < all.size(); ++i)
              places.values[i * frame.columns.size() + d] = static_cast<double>(all[i]);
          } else {
            throw InputError(fmt::format("{}: column {} of {} is not a number", h5::file_name(file),
                                         frame.columns[d].name, path));
          }
        },
        frame.columns[d].values);
  }
  return places;
}

/// Before anndata 0.7 obsm was one table whose members were short arrays.
std::pair<std::vector<std::int64_t>, std::vector<double>> from_member(hid_t file,
                                                                      const std::string& key) {
  const h5::DataSet set = h5::open_dataset(file, "obsm");
  const h5::Type type{H5Dget_type(set)};
  const h5::Type member{
      H5Tget_member_type(type, static_cast<unsigned>(H5Tget_member_index(type, key.c_str())))};
  hsize_t width = 1;
  if (H5Tget_class(member) == H5T_ARRAY && H5Tget_array_ndims(member) == 1)
    H5Tget_array_dims2(member, &width);
  const h5::Type row{H5Tarray_create2(H5T_NATIVE_DOUBLE, 1, &width)};
  const h5::Type wanted{H5Tcreate(H5T_COMPOUND, H5Tget_size(row))};
  h5::check(H5Tinsert(wanted, key.c_str(), 0, row));
  const std::size_t n = h5::n_values(file, "obsm");
  std::vector<double> values(n * width);
  h5::check(H5Dread(set, wanted, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  std::vector<std::int64_t> shape{static_cast<std::int64_t>(n), static_cast<std::int64_t>(width)};
  return {std::move(shape), std::move(values)};
}

Coordinates read_coordinates(hid_t file, const InputOptions& options, std::size_t n_spots) {
  const std::vector<std::string> keys = anndata::element_names(file, "obsm");
  if (std::find(keys.begin(), keys.end(), options.spatial_key) == keys.end())
    throw InputError(
        fmt::format("{} has no obsm/{} with the coordinates (obsm holds: {}); set "
                    "input.spatial_key",
                    options.path, options.spatial_key,
                    keys.empty() ? "nothing" : fmt::format("{}", fmt::join(keys, ", "))));
  const std::string path = "obsm/" + options.spatial_key;
  Coordinates places;
  std::vector<std::int64_t> shape;
  if (!h5::is_group(file, "obsm")) {
    std::tie(shape, places.values) = from_member(file, options.spatial_key);
  } else if (h5::is_group(file, path)) {
    if (anndata::is_sparse(file, path))
      throw InputError(options.path + ": " + path + " is sparse; coordinates are a dense array");
    places = from_frame(file, path);
    shape = {static_cast<std::int64_t>(places.n_dims == 0 ? 0 : places.n_spots()), places.n_dims};
  } else {
    shape = h5::shape_of(file, path);
    places.values = h5::read<double>(file, path);
  }
  if (shape.size() != 2 || shape[0] != static_cast<std::int64_t>(n_spots) || shape[1] < 2 ||
      shape[1] > 3)
    throw InputError(fmt::format("{}: {} has shape ({}), {} spots x 2 or 3 coordinates expected",
                                 options.path, path, fmt::join(shape, ", "), n_spots));
  places.n_dims = static_cast<int>(shape[1]);
  return places;
}

/// The column of obs that names the sections, every spot with a value.
const Column& section_column(const Frame& obs, const InputOptions& options) {
  const Column* column = obs.find(options.batch_key);
  if (column == nullptr) {
    std::vector<std::string> names;
    for (const Column& each : obs.columns) names.push_back(each.name);
    throw InputError(fmt::format("input.batch_key = {} (columns of obs: {})", options.batch_key,
                                 fmt::join(names, ", ")));
  }
  for (std::size_t i = 0; i < obs.index.size(); ++i)
    if (is_missing(*column, i))
      throw InputError(fmt::format("input.batch_key = {} (spot {} has no value there)",
                                   options.batch_key, obs.index[i]));
  return *column;
}

/// Sections in the order of their categories, or of their sorted values; only those with spots.
void read_sections(const Frame& obs, const InputOptions& options, Dataset& data) {
  data.section.assign(obs.index.size(), 0);
  data.section_names = {"section"};
  if (options.batch_key.empty()) return;
  const Column column = as_categorical(section_column(obs, options));
  const std::vector<std::string> names = as_texts(*column.categories);
  std::vector<std::int32_t> number(names.size(), -1);
  const auto& codes = std::get<std::vector<std::int32_t>>(column.values);
  for (const std::int32_t code : codes) number[static_cast<std::size_t>(code)] = 0;
  data.section_names.clear();
  for (std::size_t c = 0; c < names.size(); ++c) {
    if (number[c] < 0) continue;
    number[c] = static_cast<std::int32_t>(data.section_names.size());
    data.section_names.push_back(names[c]);
  }
  for (std::size_t i = 0; i < codes.size(); ++i)
    data.section[i] = number[static_cast<std::size_t>(codes[i])];
}

void expect_size(const InputOptions& options, const std::string& matrix, std::int64_t n,
                 std::int64_t expected, const std::string& table) {
  if (n == expected) return;
  throw InputError(fmt::format("{}: {} has {} {}, but {} has {}; the file is inconsistent",
                               options.path, matrix, n, table == "obs" ? "rows" : "columns", table,
                               expected));
}

}  // namespace

std::string counts_path(hid_t file, const InputOptions& options) {
  return places_of(file, options).matrix;
}

std::vector<std::string> gene_names(hid_t file, const InputOptions& options) {
  return anndata::read_index(file, places_of(file, options).genes);
}

InputShape h5ad_shape(const InputOptions& options) {
  const h5::File file = h5::open_to_read(options.path);
  const std::string matrix = places_of(file, options).matrix;
  const std::vector<std::int64_t> shape = anndata::shape_of_matrix(file, matrix);
  const std::int64_t n_entries =
      h5::is_group(file, matrix)
          ? static_cast<std::int64_t>(h5::n_values(h5::open_group(file, matrix), "data"))
          : shape[0] * shape[1];
  return {shape[0], shape[1], n_entries, anndata::chunk_extent(file, matrix)};
}

Loaded load_h5ad(const InputOptions& options, Part part) {
  const h5::File file = h5::open_to_read(options.path);
  const Places places = places_of(file, options);
  Loaded loaded;
  Annotations& known = loaded.annotations;
  known.obs = anndata::read_frame(file, "obs", known.left_out);
  known.var = anndata::read_frame(file, places.genes, known.left_out);
  if (part == Part::annotations) return loaded;

  Dataset& data = loaded.data;
  data.spot_names = known.obs.index;
  data.gene_names = known.var.index;
  data.coordinates = read_coordinates(file, options, data.spot_names.size());
  loaded.positions = "obsm/" + options.spatial_key;
  read_sections(known.obs, options, data);
  if (part == Part::everything) data.counts = anndata::read_matrix(file, places.matrix);
  const std::vector<std::int64_t> shape = anndata::shape_of_matrix(file, places.matrix);
  expect_size(options, places.matrix, shape[0], static_cast<std::int64_t>(data.spot_names.size()),
              "obs");
  expect_size(options, places.matrix, shape[1], static_cast<std::int64_t>(data.gene_names.size()),
              places.genes);
  return loaded;
}

}  // namespace stamarker::input
