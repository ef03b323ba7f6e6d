#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "io/input_formats.hpp"
#include "io/text_lines.hpp"

namespace stamarker::input {

namespace {

namespace fs = std::filesystem;

/// One line of Space Ranger's table: barcode, in_tissue, array_row, array_col,
/// pxl_row_in_fullres, pxl_col_in_fullres.
struct Position {
  std::size_t line = 0;  // of the table
  bool in_tissue = false;
  std::int64_t array_row = 0, array_col = 0;
  double pixel_row = 0, pixel_col = 0;
};

/// With a header since Space Ranger 2 (tissue_positions.csv), without one before; told by the
/// second field, a number in every line but a header.
std::unordered_map<std::string, Position> read_positions(const fs::path& path) {
  std::unordered_map<std::string, Position> positions;
  TextLines lines(path);
  bool is_first = true;
  while (const auto line = lines.next()) {
    if (line->empty()) continue;
    const std::vector<std::string> fields = fields_of(*line, ',');
    const bool was_first = std::exchange(is_first, false);
    if (was_first && fields.size() == 6 && !number_of(fields[1])) continue;
    double number[5] = {};
    bool is_good = fields.size() == 6;
    for (std::size_t k = 0; is_good && k < 5; ++k) {
      const auto value = number_of(fields[k + 1]);
      is_good = value.has_value();
      number[k] = value.value_or(0);
    }
    if (!is_good)
      throw InputError(lines.place() +
                       " is not: barcode, in_tissue, array_row, array_col, pxl_row_in_fullres, "
                       "pxl_col_in_fullres; between commas, in_tissue 0 or 1, no row numbers");
    const auto [at, is_new] = positions.try_emplace(
        fields[0], Position{lines.line(), number[0] != 0, std::llround(number[1]),
                            std::llround(number[2]), number[3], number[4]});
    if (!is_new) throw_repeated(lines, fields[0], at->second.line);
  }
  return positions;
}

/// The folder of the matrix, as the path is written.
fs::path folder_of(const fs::path& matrix) {
  if (!fs::is_directory(matrix)) return matrix.parent_path();
  fs::path folder = matrix;
  while (folder.has_relative_path() && (folder.filename().empty() || folder.filename() == "."))
    folder = folder.parent_path();
  return folder;
}

/// Where the table may stand, the first of these first.
std::vector<fs::path> folders_of_positions(const fs::path& matrix) {
  const fs::path folder = folder_of(matrix);
  std::vector<fs::path> folders{folder / "spatial", folder};
  for (const char* name : {"filtered_feature_bc_matrix", "raw_feature_bc_matrix"})
    if (fs::is_directory(matrix) && folder.filename() == name)
      folders.push_back(folder.parent_path() / "spatial");
  return folders;
}

}  // namespace

fs::path find_tissue_positions(const fs::path& matrix) {
  for (const fs::path& folder : folders_of_positions(matrix))
    for (const char* name : {"tissue_positions.csv", "tissue_positions_list.csv"})
      if (fs::path path = plain_or_gzip(folder, name); !path.empty()) return path;
  return {};
}

fs::path tissue_positions(const fs::path& matrix) {
  fs::path path = find_tissue_positions(matrix);
  if (path.empty()) throw InputError(without_positions(matrix));
  return path;
}

std::string without_positions(const fs::path& matrix) {
  for (const fs::path& folder : folders_of_positions(matrix)) {
    const fs::path owner = folder.filename() == "spatial" ? folder.parent_path() : folder;
    if (const auto known = unsupported_positions(owner.empty() ? "." : owner)) return *known;
  }
  const fs::path folder = folder_of(matrix);
  std::string text =
      matrix.string() + ": no spatial/tissue_positions.csv or tissue_positions_list.csv there";
  if (fs::is_directory(matrix)) text += ", nor coordinates.csv (name, x, y)";
  const fs::path above = (folder.empty() ? ".." : folder.parent_path()) / "spatial";
  if (fs::is_directory(above))
    text += fmt::format(" ({} may be another section's; if it is not, link it as {})",
                        above.string(), (folder / "spatial").string());
  return text;
}

std::vector<std::string> names_in_table(const std::vector<std::string>& barcodes,
                                        const std::function<bool(const std::string&)>& is_there,
                                        const std::string& example, const fs::path& table,
                                        std::vector<std::string>& warnings) {
  const auto first_missing = [&](const std::vector<std::string>& names) {
    return std::find_if_not(names.begin(), names.end(), is_there);
  };
  if (first_missing(barcodes) == barcodes.end()) return barcodes;
  const auto n_there = std::count_if(barcodes.begin(), barcodes.end(), is_there);
  const bool all_end =
      std::ranges::all_of(barcodes, [](auto& name) { return name.ends_with("-1"); });
  std::vector<std::string> others = barcodes;
  for (std::string& name : others) {
    if (all_end)
      name.resize(name.size() - 2);
    else
      name += "-1";
  }
  if (n_there > 0 || first_missing(others) != others.end())
    throw InputError(fmt::format(
        "{} has no line for barcode {} of the matrix, nor for {} of {} in all; the files belong to "
        "different sections{}",
        table.string(), *first_missing(barcodes),
        static_cast<std::int64_t>(barcodes.size()) - n_there, barcodes.size(),
        n_there == 0 && !example.empty()
            ? fmt::format(", or one has something before or behind the barcodes (there: {})",
                          example)
            : ""));
  warnings.push_back(fmt::format("barcodes end in -1 in {} alone, and were matched without it",
                                 all_end ? "the matrix" : table.string()));
  return others;
}

void add_tissue_positions(const fs::path& path, Part part, Loaded& loaded) {
  const auto positions = read_positions(path);
  loaded.positions = path.string();
  Frame& obs = loaded.annotations.obs;
  std::vector<std::int32_t> kept;
  std::vector<std::int64_t> in_tissue, array_row, array_col;
  Coordinates places;
  const std::vector<std::string> names = names_in_table(
      obs.index, [&](const std::string& name) { return positions.contains(name); },
      positions.empty() ? "" : positions.begin()->first, path, loaded.warnings);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Position& at = positions.at(names[i]);
    if (!at.in_tissue) continue;
    kept.push_back(static_cast<std::int32_t>(i));
    in_tissue.push_back(1);
    array_row.push_back(at.array_row);
    array_col.push_back(at.array_col);
    places.values.insert(places.values.end(), {at.pixel_col, at.pixel_row});
  }
  if (kept.empty()) throw InputError(path.string() + ": no spot of the matrix is in_tissue");
  const bool drops = kept.size() < obs.index.size();
  if (drops) {
    loaded.warnings.push_back(
        fmt::format("{} of {} spots of the matrix are left out: not in_tissue by {}",
                    obs.index.size() - kept.size(), obs.index.size(), path.string()));
    obs = rows_of(obs, kept);
  }
  obs.set({"in_tissue", std::move(in_tissue)});
  obs.set({"array_row", std::move(array_row)});
  obs.set({"array_col", std::move(array_col)});
  if (part == Part::annotations) return;

  Dataset& data = loaded.data;
  data.coordinates = std::move(places);
  data.spot_names = obs.index;
  data.section.assign(kept.size(), 0);
  data.section_names = {"section"};
  if (!drops) return;
  std::vector<std::int32_t> all_genes(static_cast<std::size_t>(data.counts.n_cols));
  for (std::size_t g = 0; g < all_genes.size(); ++g) all_genes[g] = static_cast<std::int32_t>(g);
  data.counts = submatrix(data.counts, kept, all_genes);
}

void keep_gene_expression(Part part, Loaded& loaded) {
  Frame& var = loaded.annotations.var;
  const Column* types = var.find("feature_types");
  if (types == nullptr) return;
  const auto& type = std::get<std::vector<std::string>>(types->values);
  std::vector<std::int32_t> kept;
  for (std::size_t g = 0; g < type.size(); ++g)
    if (type[g] == "Gene Expression") kept.push_back(static_cast<std::int32_t>(g));
  if (kept.empty()) throw InputError("no feature is of type 'Gene Expression'; nothing to read");
  if (kept.size() == type.size()) return;
  loaded.n_other_features = static_cast<int>(type.size() - kept.size());
  var = rows_of(var, kept);
  if (part == Part::annotations) return;
  std::vector<std::int32_t> all_spots(static_cast<std::size_t>(loaded.data.counts.n_rows));
  for (std::size_t i = 0; i < all_spots.size(); ++i) all_spots[i] = static_cast<std::int32_t>(i);
  loaded.data.counts = submatrix(loaded.data.counts, all_spots, kept);
  loaded.data.gene_names = var.index;
}

}  // namespace stamarker::input
