#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/text.hpp"
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

/// "layers: a, b" or "no layers", and "raw" if there is one.
std::string layers_of(hid_t file) {
  const std::vector<std::string> names = h5::names_in(file, "layers");
  const bool has_raw = h5::exists(file, "raw/X") || h5::exists(file, "raw.X");
  return (names.empty() ? "no layers" : fmt::format("layers: {}", fmt::join(names, ", "))) +
         (has_raw ? "; raw" : "");
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
    throw InputError(fmt::format("input.layer = raw ({} has no raw; {})", options.path,
                                 h5::exists(file, "layers/raw")
                                     ? "to read its layer of that name: input.layer: layers/raw"
                                     : layers_of(file) + "; or X"));
  }
  const std::string path =
      options.layer.starts_with("layers/") ? options.layer : "layers/" + options.layer;
  if (h5::exists(file, path)) return {path, "var"};
  throw InputError(fmt::format("input.layer = {} (in {}: {}; or X)", options.layer, options.path,
                               layers_of(file)));
}

[[noreturn]] void throw_text_coordinates(const InputOptions& options) {
  const std::string key = as_python_text(options.spatial_key);
  throw InputError(fmt::format(
      "{0}: obsm/{1} does not hold numbers; if they stand there as text, in Python: import "
      "anndata; "
      "a = anndata.read_h5ad(\"{2}\"); a.obsm[\"{3}\"] = a.obsm[\"{3}\"].astype(float); "
      "a.write_h5ad(\"section.h5ad\")",
      options.path, options.spatial_key, as_python_text(options.path), key));
}

/// A table of coordinates: its numeric columns, row by row.
Coordinates from_frame(hid_t file, const std::string& path, const InputOptions& options) {
  std::vector<std::string> left_out;
  const Frame frame = anndata::read_frame(file, path, left_out);
  Coordinates places;
  places.n_dims = static_cast<int>(frame.columns.size());
  places.values.resize(frame.index.size() * frame.columns.size());
  for (std::size_t d = 0; d < frame.columns.size(); ++d) {
    const Column& column = frame.columns[d];
    if (column.categories) throw_text_coordinates(options);
    for (std::size_t i = 0; i < column.missing.size(); ++i)
      if (column.missing[i] == Flag::yes)
        throw InputError(
            fmt::format("{}: {}/{} has no value for spot {}; give it one, or leave the spot out",
                        options.path, path, column.name, frame.index[i]));
    std::visit(
        [&](const auto& all) {
          using Element = typename std::remove_cvref_t<decltype(all)>::value_type;
          if constexpr (std::is_arithmetic_v<Element>) {
            for (std::size_t i = 0; i < all.size(); ++i)
              places.values[i * frame.columns.size() + d] = static_cast<double>(all[i]);
          } else {
            throw_text_coordinates(options);
          }
        },
        column.values);
  }
  return places;
}

/// Before anndata 0.7 obsm was one table whose members were short arrays.
std::pair<std::vector<std::int64_t>, std::vector<double>> from_member(hid_t file,
                                                                      const std::string& key,
                                                                      std::int64_t n_spots) {
  const h5::DataSet set = h5::open_checked(file, "obsm", {n_spots});
  const h5::Type type{H5Dget_type(set)};
  const h5::Type member{
      H5Tget_member_type(type, static_cast<unsigned>(H5Tget_member_index(type, key.c_str())))};
  hsize_t width = 1;
  if (H5Tget_class(member) == H5T_ARRAY && H5Tget_array_ndims(member) == 1)
    H5Tget_array_dims2(member, &width);
  const h5::Type row{H5Tarray_create2(H5T_NATIVE_DOUBLE, 1, &width)};
  const h5::Type wanted{H5Tcreate(H5T_COMPOUND, H5Tget_size(row))};
  h5::check(H5Tinsert(wanted, key.c_str(), 0, row));
  std::vector<double> values(static_cast<std::size_t>(n_spots) * width);
  h5::check(H5Dread(set, wanted, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  std::vector<std::int64_t> shape{n_spots, static_cast<std::int64_t>(width)};
  return {std::move(shape), std::move(values)};
}

/// Mostly barcodes of 10x: a dozen and more letters of DNA.
bool are_barcodes(const std::vector<std::string>& names) {
  const auto n = std::ranges::count_if(names, [](const std::string& name) {
    return name.find_first_not_of("ACGT") >= 12 && name.size() >= 12;
  });
  return 2 * static_cast<std::size_t>(n) > names.size();
}

/// Mostly ids of Ensembl: ENSG00000139618, ENSMUSG00000017167.2.
bool are_gene_ids(const std::vector<std::string>& names) {
  const auto n = std::ranges::count_if(names, [](const std::string& name) {
    const std::size_t digits = name.find_first_of("0123456789");
    return name.starts_with("ENS") && digits != std::string::npos && name[digits - 1] == 'G' &&
           name.size() >= digits + 11;
  });
  return 2 * static_cast<std::size_t>(n) > names.size();
}

[[noreturn]] void throw_transposed(const InputOptions& options, const std::string& sign) {
  throw InputError(
      fmt::format("{} is genes x spots, not spots x genes ({}); in Python: import anndata; "
                  "anndata.read_h5ad(\"{}\").T.write_h5ad(\"section.h5ad\")",
                  options.path, sign, as_python_text(options.path)));
}

void refuse_transposed(hid_t file, const InputOptions& options,
                       const std::vector<std::string>& spots,
                       const std::vector<std::string>& genes) {
  if (are_gene_ids(spots) && !are_gene_ids(genes))
    throw_transposed(options, fmt::format("obs holds genes, such as {}", spots.front()));
  if (are_barcodes(genes) && !are_barcodes(spots))
    throw_transposed(options, fmt::format("var holds barcodes, such as {}", genes.front()));
  const auto has = [&](const std::string& group) {
    return std::ranges::count(anndata::element_names(file, group), options.spatial_key) > 0;
  };
  if (has("varm") && !has("obsm"))
    throw_transposed(options, fmt::format("the coordinates are in varm/{}", options.spatial_key));
}

/// What to say where obsm has no coordinates: whether obs, with columns `names`, has.
std::string without_coordinates(const InputOptions& options, const std::vector<std::string>& names,
                                const std::vector<std::string>& keys) {
  const bool has_others = std::ranges::any_of(
      keys, [](const std::string& key) { return key.find("spatial") != std::string::npos; });
  const std::string missing =
      fmt::format("{} has no obsm/{} with the coordinates", options.path, options.spatial_key);
  if (const auto columns = coordinate_columns(names); columns && !has_others)
    return fmt::format(
        "{}, but columns {} and {} of obs; in Python: import anndata; a = "
        "anndata.read_h5ad(\"{}\"); "
        "a.obsm[\"{}\"] = a.obs[[\"{}\", \"{}\"]].to_numpy(); a.write_h5ad(\"section.h5ad\")",
        missing, columns->first, columns->second, as_python_text(options.path),
        as_python_text(options.spatial_key), columns->first, columns->second);
  if (keys.empty())
    return missing + " (obsm holds: nothing); put them there, an array of spots x 2";
  return fmt::format("{} (obsm holds: {}); set input.spatial_key", missing, fmt::join(keys, ", "));
}

/// What is to be known of both tables to check the coordinates.
struct TableHeaders {
  anndata::FrameHeader obs, var;
};

void check_shape(const InputOptions& options, const std::vector<std::int64_t>& shape,
                 const TableHeaders& tables) {
  const std::int64_t n_spots = tables.obs.n_rows, n_genes = tables.var.n_rows;
  if (shape.size() == 2 && shape[0] == n_spots && shape[1] >= 2 && shape[1] <= 3) return;
  const bool are_genes = !shape.empty() && shape[0] == n_genes && shape[0] != n_spots;
  throw InputError(fmt::format(
      "{}: obsm/{} has shape ({}), {} x 2 or 3 coordinates expected{}", options.path,
      options.spatial_key, fmt::join(shape, ", "), counted(n_spots, "spot"),
      are_genes
          ? fmt::format(" (there are {}: the matrix may be transposed)", counted(n_genes, "gene"))
          : ""));
}

/// What the header tells of the coordinates. Of obsm before anndata 0.7 only the name is looked up.
void check_coordinates(hid_t file, const InputOptions& options, const TableHeaders& tables) {
  const std::vector<std::string> keys = anndata::element_names(file, "obsm");
  if (std::find(keys.begin(), keys.end(), options.spatial_key) == keys.end())
    throw InputError(without_coordinates(options, tables.obs.columns, keys));
  if (!h5::is_group(file, "obsm")) return;
  const std::string path = "obsm/" + options.spatial_key;
  if (!h5::is_group(file, path)) {
    if (h5::class_of(file, path) == H5T_STRING) throw_text_coordinates(options);
    return check_shape(options, h5::shape_of(file, path), tables);
  }
  if (anndata::is_sparse(file, path))
    throw InputError(options.path + ": " + path + " is sparse; coordinates are a dense array");
  const anndata::FrameHeader header = anndata::read_frame_header(file, path);
  check_shape(options, {header.n_rows, std::ssize(header.columns)}, tables);
}

/// After check_coordinates.
Coordinates read_coordinates(hid_t file, const InputOptions& options, const TableHeaders& tables) {
  const std::string path = "obsm/" + options.spatial_key;
  Coordinates places;
  std::vector<std::int64_t> shape;
  if (!h5::is_group(file, "obsm")) {
    std::tie(shape, places.values) = from_member(file, options.spatial_key, tables.obs.n_rows);
  } else if (h5::is_group(file, path)) {
    places = from_frame(file, path, options);
    shape = {static_cast<std::int64_t>(places.n_dims == 0 ? 0 : places.n_spots()), places.n_dims};
  } else {
    shape = h5::shape_of(file, path);
  }
  check_shape(options, shape, tables);
  places.n_dims = static_cast<int>(shape[1]);
  if (places.values.empty()) places.values = h5::read<double>(file, path, shape);
  return places;
}

void check_batch_key(const InputOptions& options, const std::vector<std::string>& columns) {
  if (options.batch_key.empty() || std::ranges::count(columns, options.batch_key) > 0) return;
  throw InputError(fmt::format("input.batch_key = {} (columns of obs: {})", options.batch_key,
                               fmt::join(columns, ", ")));
}

/// The column of obs that names the sections, every spot with a value.
const Column& section_column(const Frame& obs, const InputOptions& options) {
  const Column* column = obs.find(options.batch_key);
  if (column == nullptr)
    throw InputError(fmt::format("input.batch_key = {} (a column of obs in {} that cannot be read)",
                                 options.batch_key, options.path));
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

/// Space Ranger's column of spots in tissue: they are not left out here as they are of 10x data.
void warn_of_spots_outside(const Frame& obs, std::vector<std::string>& warnings) {
  const Column* in_tissue = obs.find("in_tissue");
  if (in_tissue == nullptr || in_tissue->categories) return;
  const auto n_outside = std::ranges::count_if(
      as_texts(in_tissue->values), [](const auto& text) { return text == "0" || text == "False"; });
  if (n_outside == 0) return;
  warnings.push_back(fmt::format(
      "{} of {} spots are outside the tissue by obs/in_tissue and are used all the same; to leave "
      "them out, in Python: a = a[a.obs[\"in_tissue\"] == 1]",
      n_outside, obs.n_rows()));
}

void expect_size(const InputOptions& options, const std::string& matrix, std::int64_t n,
                 std::int64_t expected, const std::string& table) {
  if (n == expected) return;
  throw InputError(fmt::format("{}: {} has {}, but {} has {}; the file is inconsistent",
                               options.path, matrix, counted(n, table == "obs" ? "row" : "column"),
                               table, expected));
}

/// All that can be wrong with the tables and is seen in their headers.
TableHeaders check_header(hid_t file, const InputOptions& options, const Places& places) {
  TableHeaders tables{anndata::read_frame_header(file, "obs"),
                      anndata::read_frame_header(file, places.genes)};
  const std::vector<std::int64_t> shape = anndata::shape_of_matrix(file, places.matrix);
  expect_size(options, places.matrix, shape[0], tables.obs.n_rows, "obs");
  expect_size(options, places.matrix, shape[1], tables.var.n_rows, places.genes);
  try {
    check_coordinates(file, options, tables);
  } catch (const InputError&) {  // the names may tell why
    refuse_transposed(file, options, anndata::read_index(file, "obs"),
                      anndata::read_index(file, places.genes));
    throw;
  }
  check_batch_key(options, tables.obs.columns);
  return tables;
}

}  // namespace

std::optional<std::pair<std::string, std::string>> coordinate_columns(
    const std::vector<std::string>& names) {
  constexpr std::pair<const char*, const char*> known[] = {
      {"x_centroid", "y_centroid"},                  // Xenium
      {"CenterX_global_px", "CenterY_global_px"},    // CosMx
      {"center_x", "center_y"},                      // MERSCOPE
      {"pxl_col_in_fullres", "pxl_row_in_fullres"},  // Visium
      {"imagecol", "imagerow"},                      // stLearn, Seurat
      {"x_global_px", "y_global_px"},
      {"pixel_x", "pixel_y"},
      {"x", "y"},
      {"x_coord", "y_coord"},
      {"xcoord", "ycoord"},  // Slide-seq
      {"coord_x", "coord_y"},
      {"x_location", "y_location"},
      {"centroid_x", "centroid_y"},
      {"array_col", "array_row"},
      {"col", "row"},
  };
  const auto as_in_table = [&](std::string_view wanted) -> std::string {
    for (const std::string& name : names)
      if (std::equal(name.begin(), name.end(), wanted.begin(), wanted.end(), [](char a, char b) {
            return std::tolower(static_cast<unsigned char>(a)) ==
                   std::tolower(static_cast<unsigned char>(b));
          }))
        return name;
    return {};
  };
  for (const auto& [x, y] : known)
    if (std::string col = as_in_table(x), row = as_in_table(y); !col.empty() && !row.empty())
      return std::pair(std::move(col), std::move(row));
  return std::nullopt;
}

std::string counts_path(hid_t file, const InputOptions& options) {
  return places_of(file, options).matrix;
}

std::vector<std::string> gene_names(hid_t file, const InputOptions& options) {
  return anndata::read_index(file, places_of(file, options).genes);
}

InputShape h5ad_shape(const InputOptions& options) {
  const h5::File file = h5::open_to_read(options.path);
  const Places places = places_of(file, options);
  check_header(file, options, places);
  const std::string& matrix = places.matrix;
  const std::vector<std::int64_t> shape = anndata::shape_of_matrix(file, matrix);
  const std::int64_t n_entries = h5::is_group(file, matrix)
                                     ? h5::length_of(h5::open_group(file, matrix), "data")
                                     : shape[0] * shape[1];
  return {shape[0], shape[1], n_entries, anndata::chunk_extent(file, matrix)};
}

Loaded load_h5ad(const InputOptions& options, Part part) {
  const h5::File file = h5::open_to_read(options.path);
  const Places places = places_of(file, options);
  TableHeaders tables;
  if (part != Part::annotations) tables = check_header(file, options, places);
  Loaded loaded;
  Annotations& known = loaded.annotations;
  known.obs = anndata::read_frame(file, "obs", known.left_out);
  known.var = anndata::read_frame(file, places.genes, known.left_out);
  if (part == Part::annotations) return loaded;

  Dataset& data = loaded.data;
  data.spot_names = known.obs.index;
  data.gene_names = known.var.index;
  refuse_transposed(file, options, data.spot_names, data.gene_names);
  data.coordinates = read_coordinates(file, options, tables);
  loaded.positions = "obsm/" + options.spatial_key;
  read_sections(known.obs, options, data);
  warn_of_spots_outside(known.obs, loaded.warnings);
  if (std::string warning = overlaid_fields(file, options, known.obs, data); !warning.empty())
    loaded.warnings.push_back(std::move(warning));
  if (part == Part::everything) data.counts = anndata::read_matrix(file, places.matrix);
  return loaded;
}

}  // namespace stamarker::input
