#include "io/read_input.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "io/h5.hpp"
#include "io/h5_errors.hpp"
#include "io/input_formats.hpp"
#include "io/text_lines.hpp"

namespace stamarker {

namespace {

namespace fs = std::filesystem;
using input::Source;

/// An HDF5 file is told by its contents, not by its ending.
Source source_of_file(const fs::path& path) {
  const std::optional<std::string> known = input::unsupported_input(path);
  if (known) throw InputError(*known);
  const h5::File file = h5::open_to_read(path);
  if (h5::exists(file, "obs") && h5::exists(file, "var")) return {Source::Kind::h5ad, path};
  if (h5::is_group(file, "matrix") && h5::exists(file, "matrix/barcodes"))
    return {Source::Kind::tenx_h5, path};
  const std::vector<std::string> names = h5::names_in(file);
  for (const std::string& name : names)
    if (h5::is_group(file, name) && h5::exists(file, name + "/barcodes"))
      return {Source::Kind::tenx_h5, path};
  throw InputError(fmt::format(
      "{} is HDF5, but neither AnnData (no obs, var) nor a 10x matrix (no barcodes); it holds {}",
      path.string(), names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", "))));
}

bool has_matrix_market(const fs::path& folder) {
  return fs::is_directory(folder) && !input::plain_or_gzip(folder, "matrix.mtx").empty();
}

/// The one file in `folder` whose name ends as given; archives put a sample's name in front.
fs::path ending_with(const fs::path& folder, const std::string& ending) {
  fs::path found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (name.size() < ending.size() ||
        name.compare(name.size() - ending.size(), ending.size(), ending) != 0)
      continue;
    if (!found.empty())
      throw InputError(
          fmt::format("{} holds several matrices ({}, {}); name one of them as "
                      "input.path",
                      folder.string(), found.filename().string(), name));
    found = entry.path();
  }
  return found;
}

Source source_in_folder(const fs::path& folder) {
  if (const fs::path file = ending_with(folder, "filtered_feature_bc_matrix.h5"); !file.empty())
    return {Source::Kind::tenx_h5, file};
  if (has_matrix_market(folder)) return {Source::Kind::matrix_market, folder};
  if (has_matrix_market(folder / "filtered_feature_bc_matrix"))
    return {Source::Kind::matrix_market, folder / "filtered_feature_bc_matrix"};
  if (fs::is_directory(folder / "outs")) return source_in_folder(folder / "outs");
  if (const auto known = input::unsupported_input(folder)) throw InputError(*known);
  throw InputError(folder.string() +
                   " holds no filtered_feature_bc_matrix.h5, no filtered_feature_bc_matrix/ and no "
                   "matrix.mtx[.gz]; name the file itself as input.path");
}

/// Gives names that stood before a number: A, A-1, A-2. Returns how many.
/// Reference: anndata.utils.make_index_unique.
int make_unique(std::vector<std::string>& names) {
  std::unordered_set<std::string> taken(names.begin(), names.end()), seen;
  std::unordered_map<std::string, int> last_number;
  int n_renamed = 0;
  for (std::string& name : names) {
    if (seen.insert(name).second) continue;
    int& number = last_number[name];
    std::string numbered;
    do numbered = fmt::format("{}-{}", name, ++number);
    while (!taken.insert(numbered).second);
    name = std::move(numbered);
    ++n_renamed;
  }
  return n_renamed;
}

/// `source`: the matrix, a file or a folder.
void refuse_repeated_barcodes(const std::vector<std::string>& barcodes, const fs::path& source) {
  std::unordered_set<std::string_view> seen;
  for (const std::string& barcode : barcodes)
    if (!seen.insert(barcode).second)
      throw InputError(
          fmt::format("{}: barcode '{}' occurs more than once (barcodes must be unique; where "
                      "samples were joined, give those of each a suffix of their own, such as -2, "
                      "here and in the table of positions)",
                      source.string(), barcode));
}

/// Gives `text` U+FFFD for bytes outside UTF-8; whether there were any.
bool repair(std::string& text) {
  std::string valid = repaired(text);
  if (valid == text) return false;
  text = std::move(valid);
  return true;
}

/// The same for texts of one column, with a warning that names the first.
void repair(std::vector<std::string>& texts, const std::string& place, const char* row,
            std::vector<std::string>& warnings) {
  std::size_t n_repaired = 0;
  std::string first;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string before = texts[i];
    if (repair(texts[i]) && n_repaired++ == 0)
      first = fmt::format("{} {}: '{}'", row, i, readable(before));
  }
  if (n_repaired > 0)
    warnings.push_back(
        fmt::format("{} holds {} not in UTF-8 ({}{}); U+FFFD takes the place of "
                    "each byte that is not",
                    place, counted(static_cast<std::int64_t>(n_repaired), "text"), first,
                    n_repaired > 1 ? ", ..." : ""));
}

/// Names of rows and columns, and columns of text.
void repair(Frame& table, const std::string& name, std::vector<std::string>& warnings) {
  repair(table.index, name + "/" + readable(table.index_name), "row", warnings);
  repair(table.index_name);
  for (Column& column : table.columns) {
    const std::string place = name + "/" + readable(column.name);
    if (std::string valid = repaired(column.name); valid != column.name) {
      while (table.find(valid) != nullptr) valid += '_';
      column.name = std::move(valid);
      warnings.push_back(place + " has a name not in UTF-8; it becomes " + column.name);
    }
    if (auto* texts = std::get_if<std::vector<std::string>>(&column.values))
      repair(*texts, place, "row", warnings);
    if (!column.categories) continue;
    if (auto* texts = std::get_if<std::vector<std::string>>(&*column.categories))
      repair(*texts, place, "category", warnings);
  }
}

/// What is read as text from any format, so that anndata can read what is written from it.
void repair(input::Loaded& loaded, const std::string& path) {
  std::vector<std::string>& warnings = loaded.warnings;
  const std::size_t n_before = warnings.size();
  repair(loaded.annotations.obs, "obs", warnings);
  repair(loaded.annotations.var, "var", warnings);
  for (std::size_t k = n_before; k < warnings.size(); ++k) warnings[k] = path + ": " + warnings[k];
  if (!loaded.data.spot_names.empty()) loaded.data.spot_names = loaded.annotations.obs.index;
  if (!loaded.data.gene_names.empty()) loaded.data.gene_names = loaded.annotations.var.index;
  for (std::string& name : loaded.data.section_names) repair(name);
}

/// Of an input that is no .h5ad.
void refuse_keys_of_h5ad(const InputOptions& options) {
  if (options.layer != "X")
    throw InputError("input.layer = " + options.layer + " (only an .h5ad file has layers)");
  if (!options.batch_key.empty())
    throw InputError("input.batch_key = " + options.batch_key +
                     " (only an .h5ad file can hold several sections)");
}

input::Loaded load_any(const InputOptions& options, input::Part part) {
  const Source source = input::find_source(options.path);
  if (source.kind == Source::Kind::h5ad) return input::load_h5ad(options, part);
  refuse_keys_of_h5ad(options);
  input::Loaded loaded = source.kind == Source::Kind::tenx_h5
                             ? input::load_tenx_h5(source.path, part)
                             : input::load_matrix_market(source.path, part);
  refuse_repeated_barcodes(loaded.annotations.obs.index, source.path);
  if (const int n_renamed = make_unique(loaded.annotations.var.index); n_renamed > 0)
    loaded.warnings.push_back(
        fmt::format("{} with a name that stood before, now NAME-1, NAME-2, ... "
                    "(their ids: var/gene_ids)",
                    counted(n_renamed, "gene")));
  if (part != input::Part::annotations) loaded.data.gene_names = loaded.annotations.var.index;
  return loaded;
}

}  // namespace

void input::reading_input(const std::string& path, const std::function<void()>& read) {
  try {
    read();
  } catch (const LibraryError& error) {
    throw InputError(fmt::format("{} cannot be read ({}): {}", path, error.what(),
                                 h5::advice_for(error.what())));
  } catch (const fs::filesystem_error& error) {
    throw InputError(fmt::format("{} cannot be read ({})", path, error.what()));
  }
}

input::Loaded input::load(const InputOptions& options, Part part) {
  options.validate();
  Loaded loaded;
  reading_input(options.path, [&] {
    loaded = load_any(options, part);
    repair(loaded, options.path);
  });
  return loaded;
}

Source input::find_source(const std::string& path) {
  std::error_code reason;
  if (!fs::exists(path, reason))
    throw InputError(fmt::format(
        "input.path: {} {}", path,
        reason ? "cannot be read (" + reason.message() + ")"
        : fs::is_symlink(path, reason)
            ? "is a link to " + fs::read_symlink(path, reason).string() + ", which does not exist"
            : "does not exist"));
  if (access(path.c_str(), fs::is_directory(path, reason) ? R_OK | X_OK : R_OK) != 0)
    throw InputError(fmt::format("input.path: {} cannot be read ({})", path,
                                 std::generic_category().message(errno)));
  return fs::is_directory(path) ? source_in_folder(path) : source_of_file(path);
}

void InputOptions::validate() const {
  if (path.empty()) throw InputError("input.path is missing (the data file or folder to read)");
  if (layer.empty()) throw InputError("input.layer is empty (X, raw, or a name in layers)");
  if (spatial_key.empty()) throw InputError("input.spatial_key is empty (a name in obsm)");
}

InputShape read_shape(const InputOptions& options) {
  options.validate();
  InputShape shape;
  input::reading_input(options.path, [&] {
    const Source source = input::find_source(options.path);
    if (source.kind != Source::Kind::h5ad) refuse_keys_of_h5ad(options);
    switch (source.kind) {
      case Source::Kind::h5ad:
        shape = input::h5ad_shape(options);
        break;
      case Source::Kind::tenx_h5:
        static_cast<void>(input::tenx_files(source.path));  // all there
        shape = input::tenx_shape(source.path);
        break;
      case Source::Kind::matrix_market:
        static_cast<void>(input::matrix_market_files(source.path));
        shape = input::matrix_market_shape(source.path);
        break;
    }
  });
  return shape;
}

std::int64_t entries_at_a_time(anndata::ChunkExtent chunk) {
  return std::clamp<std::int64_t>(chunk.n_entries, 1 << 17, 1 << 20);
}

Dataset read_input(const InputOptions& options) {
  return input::load(options, input::Part::everything).data;
}

Annotations read_annotations(const InputOptions& options) {
  return input::load(options, input::Part::annotations).annotations;
}

std::vector<fs::path> input_files(const std::string& path) {
  std::vector<fs::path> files;
  input::reading_input(path, [&] {
    const Source source = input::find_source(path);
    switch (source.kind) {
      case Source::Kind::h5ad:
        files = {source.path};
        break;
      case Source::Kind::tenx_h5:
        files = input::tenx_files(source.path);
        break;
      case Source::Kind::matrix_market:
        files = input::matrix_market_files(source.path);
        break;
    }
  });
  return files;
}

bool is_anndata_file(const std::string& path) {
  return input::find_source(path).kind == Source::Kind::h5ad;
}

}  // namespace stamarker
