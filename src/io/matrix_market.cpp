#include <fmt/core.h>

#include <charconv>
#include <limits>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "base/text.hpp"
#include "io/anndata_matrix.hpp"
#include "io/input_formats.hpp"
#include "io/text_lines.hpp"

namespace stamarker::input {

namespace {

namespace fs = std::filesystem;

/// A table without header: rows of fields separated by tabs.
std::vector<std::vector<std::string>> read_table(const fs::path& path) {
  std::vector<std::vector<std::string>> rows;
  TextLines lines(path);
  while (const auto line = lines.next())
    if (!line->empty()) rows.push_back(fields_of(*line, '\t'));
  return rows;
}

fs::path needed(const fs::path& folder, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (fs::path path = plain_or_gzip(folder, name); !path.empty()) return path;
  throw InputError(
      fmt::format("{} holds matrix.mtx, but no {}[.gz]", folder.string(), *names.begin()));
}

/// What is read of a folder: of the two tables of places, the one that is not empty.
struct Files {
  fs::path matrix, barcodes, features, tissue_positions, coordinates;
};

Files files_in(const fs::path& folder) {
  Files files{.matrix = plain_or_gzip(folder, "matrix.mtx"),
              .barcodes = needed(folder, {"barcodes.tsv"}),
              .features = needed(folder, {"features.tsv", "genes.tsv"}),
              .tissue_positions = find_tissue_positions(folder),
              .coordinates = {}};
  if (!files.tissue_positions.empty()) return files;
  for (const char* name : {"coordinates.csv", "coordinates.tsv"})
    if (files.coordinates.empty()) files.coordinates = plain_or_gzip(folder, name);
  if (files.coordinates.empty()) throw InputError(without_positions(folder));
  return files;
}

std::vector<std::string> read_barcodes(const fs::path& path) {
  std::vector<std::string> names;
  for (auto& row : read_table(path)) names.push_back(row.front());
  return names;
}

/// features.tsv: id, name, type; genes.tsv: id, name; one column alone: the name.
Frame read_features(const fs::path& path) {
  Frame var;
  std::vector<std::string> ids, types;
  for (auto& row : read_table(path)) {
    ids.push_back(row.front());
    var.index.push_back(row.size() > 1 ? row[1] : row[0]);
    if (row.size() > 2) types.push_back(row[2]);
  }
  var.set({"gene_ids", std::move(ids)});
  if (types.size() == var.index.size() && !types.empty())
    var.set({"feature_types", std::move(types)});
  return var;
}

/// What to say of a table that has one line more than the matrix tells.
std::string header_of(const fs::path& table, std::int64_t n_more) {
  if (n_more != 1) return {};
  return fmt::format(" (if the first line of {} is a header, '{}', remove it)",
                     table.filename().string(), TextLines(table).next().value_or(""));
}

struct Entries {
  std::int64_t n_rows = 0, n_cols = 0, n_entries = 0;
  std::vector<std::int32_t> row, col;
  std::vector<float> value;
};

/// The next number of a line, which loses it. None: something else.
template <class T>
std::optional<T> take(std::string_view& line) {
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  T value{};
  const auto [end, status] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (status != std::errc()) return std::nullopt;
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  return value;
}

void read_size(TextLines& lines, Entries& entries) {
  auto line = lines.next();
  if (!line || line->rfind("%%MatrixMarket matrix coordinate ", 0) != 0 ||
      line->find("general") == std::string_view::npos ||
      line->find("complex") != std::string_view::npos ||
      line->find("pattern") != std::string_view::npos)
    throw InputError(lines.place() +
                     " is not '%%MatrixMarket matrix coordinate integer (or real) general', as "
                     "scipy.io.mmwrite writes a scipy.sparse.coo_matrix");
  do {
    line = lines.next();
  } while (line && (line->empty() || line->front() == '%'));
  std::string_view rest = line.value_or("");
  const auto n_rows = take<std::int64_t>(rest), n_cols = take<std::int64_t>(rest),
             n_entries = take<std::int64_t>(rest);
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max() - 1;
  if (!n_rows || !n_cols || !n_entries || *n_rows < 0 || *n_cols < 0 || *n_entries < 0 ||
      *n_rows > most || *n_cols > most)
    throw InputError(lines.place() + " is not: rows, columns, entries");
  entries.n_rows = *n_rows;
  entries.n_cols = *n_cols;
  entries.n_entries = *n_entries;
}

Entries read_entries(const fs::path& path) {
  TextLines lines(path);
  Entries entries;
  read_size(lines, entries);
  while (auto line = lines.next()) {
    if (line->empty()) continue;
    const auto row = take<std::int64_t>(*line), col = take<std::int64_t>(*line);
    const auto value = take<float>(*line);
    if (!row || !col || !value || *row < 1 || *row > entries.n_rows || *col < 1 ||
        *col > entries.n_cols)
      throw InputError(fmt::format("{} is not: row (1 .. {}), column (1 .. {}), value",
                                   lines.place(), entries.n_rows, entries.n_cols));
    entries.row.push_back(static_cast<std::int32_t>(*row - 1));
    entries.col.push_back(static_cast<std::int32_t>(*col - 1));
    entries.value.push_back(*value);
  }
  if (static_cast<std::int64_t>(entries.value.size()) != entries.n_entries)
    throw InputError(
        fmt::format("{} holds {}, its second line says {}; it is truncated", path.string(),
                    counted(std::ssize(entries.value), "entry", "entries"), entries.n_entries));
  return entries;
}

/// Entries of genes x spots as rows of spots, by counting.
SparseRows rows_of_spots(const Entries& entries, const std::string& what) {
  std::vector<std::int64_t> row_start(static_cast<std::size_t>(entries.n_cols) + 1, 0);
  for (const std::int32_t spot : entries.col) ++row_start[static_cast<std::size_t>(spot) + 1];
  std::partial_sum(row_start.begin(), row_start.end(), row_start.begin());
  std::vector<std::int64_t> next(row_start.begin(), row_start.end() - 1);
  std::vector<std::int32_t> column(entries.row.size());
  std::vector<float> value(entries.row.size());
  for (std::size_t k = 0; k < entries.row.size(); ++k) {
    const auto at = static_cast<std::size_t>(next[static_cast<std::size_t>(entries.col[k])]++);
    column[at] = entries.row[k];
    value[at] = entries.value[k];
  }
  return anndata::ordered_rows(entries.n_cols, entries.n_rows, std::move(row_start),
                               std::move(column), std::move(value), what);
}

/// A table `name, x, y[, z]` with or without header, for data that did not come from 10x.
void add_coordinates(const fs::path& path, Dataset& data, std::vector<std::string>& warnings) {
  const bool is_tsv = path.string().find(".tsv") != std::string::npos;
  struct Place {
    std::size_t line = 0;
    std::vector<double> coordinates;
  };
  std::unordered_map<std::string, Place> places;
  TextLines lines(path);
  std::size_t n_dims = 0;
  bool is_first = true;
  while (const auto line = lines.next()) {
    if (line->empty()) continue;
    const std::vector<std::string> fields = fields_of(*line, is_tsv ? '\t' : ',');
    const bool was_first = std::exchange(is_first, false);
    if (was_first) n_dims = fields.size() - 1;
    std::vector<double> place;
    for (std::size_t k = 1; k < fields.size(); ++k)
      if (const auto value = number_of(fields[k])) place.push_back(*value);
    if (was_first && place.empty() && fields.size() > 1) continue;  // the header
    if (place.size() != n_dims || n_dims < 2 || n_dims > 3)
      throw InputError(lines.place() + fmt::format(" is not: name, x, y and perhaps z, between {}",
                                                   is_tsv ? "tabs" : "commas"));
    const auto [at, is_new] = places.try_emplace(fields[0], Place{lines.line(), std::move(place)});
    if (!is_new) throw_repeated(lines, fields[0], at->second.line);
  }
  data.coordinates.n_dims = static_cast<int>(n_dims);
  const std::vector<std::string> names = names_in_table(
      data.spot_names, [&](const std::string& name) { return places.contains(name); },
      places.empty() ? "" : places.begin()->first, path, warnings);
  for (const std::string& name : names) {
    const std::vector<double>& at = places.at(name).coordinates;
    data.coordinates.values.insert(data.coordinates.values.end(), at.begin(), at.end());
  }
}

}  // namespace

InputShape matrix_market_shape(const fs::path& folder) {
  TextLines lines(plain_or_gzip(folder, "matrix.mtx"));
  Entries entries;
  read_size(lines, entries);
  return {entries.n_cols, entries.n_rows, entries.n_entries};
}

std::vector<fs::path> matrix_market_files(const fs::path& folder) {
  const Files files = files_in(folder);
  return {files.matrix, files.barcodes, files.features,
          files.tissue_positions.empty() ? files.coordinates : files.tissue_positions};
}

Loaded load_matrix_market(const fs::path& folder, Part part) {
  const Files files = files_in(folder);
  Loaded loaded;
  Frame& obs = loaded.annotations.obs;
  Frame& var = loaded.annotations.var;
  obs.index = read_barcodes(files.barcodes);
  var = read_features(files.features);
  if (part != Part::annotations) {
    const Entries entries = read_entries(files.matrix);
    if (entries.n_rows == obs.n_rows() && entries.n_cols == var.n_rows() &&
        entries.n_rows != entries.n_cols)
      throw InputError(fmt::format(
          "{0} is spots x genes, {1} x {2}, where genes x spots is expected; in Python: import "
          "scipy.io; m = scipy.io.mmread(\"{3}\"); scipy.io.mmwrite(\"{4}\", m.T)",
          files.matrix.string(), entries.n_rows, entries.n_cols,
          as_python_text(files.matrix.string()), as_python_text((folder / "matrix.mtx").string())));
    if (entries.n_rows != var.n_rows() || entries.n_cols != obs.n_rows())
      throw InputError(fmt::format(
          "{} is {} x {}, but the tables hold {} and {}{}{}", files.matrix.string(), entries.n_rows,
          entries.n_cols, counted(var.n_rows(), "feature"), counted(obs.n_rows(), "barcode"),
          header_of(files.features, var.n_rows() - entries.n_rows),
          header_of(files.barcodes, obs.n_rows() - entries.n_cols)));
    loaded.data.counts = rows_of_spots(entries, files.matrix.string());
    loaded.data.spot_names = obs.index;
    loaded.data.gene_names = var.index;
  }
  keep_gene_expression(part, loaded);
  if (!files.tissue_positions.empty()) {
    add_tissue_positions(files.tissue_positions, part, loaded);
  } else if (part != Part::annotations) {
    add_coordinates(files.coordinates, loaded.data, loaded.warnings);
    loaded.positions = files.coordinates.string();
    loaded.data.section.assign(obs.index.size(), 0);
    loaded.data.section_names = {"section"};
  }
  return loaded;
}

}  // namespace stamarker::input
