#pragma once
#include <hdf5.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/input_shape.hpp"

/// The formats behind read_input, one file each.
namespace stamarker::input {

/// Counts too, or only names, positions and sections (of an .h5ad; other formats read the counts
/// anyway), or only the columns of obs and var.
enum class Part { everything, tables, annotations };

/// One input as its format reads it. With Part::annotations `data` is empty.
struct Loaded {
  Dataset data;
  Annotations annotations;
  std::string positions;              // the table of them: a file, or a name in the .h5ad
  std::vector<std::string> warnings;  // what was changed or matched on the way, a line each
  int n_other_features = 0;           // than "Gene Expression", left out
};

Loaded load_h5ad(const InputOptions& options, Part part);                   // h5ad.cpp
Loaded load_tenx_h5(const std::filesystem::path& file, Part part);          // tenx.cpp
Loaded load_matrix_market(const std::filesystem::path& folder, Part part);  // matrix_market.cpp

/// The path of the counts inside an .h5ad. Throws InputError: no such layer.
std::string counts_path(hid_t file, const InputOptions& options);  // h5ad.cpp
/// The names of its columns.
std::vector<std::string> gene_names(hid_t file, const InputOptions& options);  // h5ad.cpp
/// A warning if the fields of view of an .h5ad, which a column of obs names, cover the same area:
/// coordinates local to the field, as CosMx has them too. Says where those over all fields are.
/// Empty if not.
std::string overlaid_fields(hid_t file, const InputOptions& options, const Frame& obs,
                            const Dataset& data);  // fields_of_view.cpp
/// What the headers tell. Not all of it is counts in tissue: what read_input leaves out is in it.
InputShape h5ad_shape(const InputOptions& options);                   // h5ad.cpp
InputShape tenx_shape(const std::filesystem::path& file);             // tenx.cpp
InputShape matrix_market_shape(const std::filesystem::path& folder);  // matrix_market.cpp
/// The files that the format reads; it opens no other. Throws InputError: one is missing.
std::vector<std::filesystem::path> tenx_files(const std::filesystem::path& file);  // tenx.cpp
std::vector<std::filesystem::path> matrix_market_files(
    const std::filesystem::path& folder);  // matrix_market.cpp
/// Any format. Throws InputError, also for what a format did not foresee.
Loaded load(const InputOptions& options, Part part);  // read_input.cpp
/// Runs `read`; any failure becomes an InputError that names the input.
void reading_input(const std::string& path, const std::function<void()>& read);

/// Where a path of the configuration leads.
struct Source {
  enum class Kind { h5ad, tenx_h5, matrix_market } kind;
  std::filesystem::path path;
};
/// Throws InputError: missing, or nothing in it that can be read.
Source find_source(const std::string& path);  // read_input.cpp

/// What a file or folder is that is not read, and how its data come in, in one line; none if it is
/// of no kind that is known. Told by contents and layout. Damaged ones are left to the readers.
std::optional<std::string> unsupported_input(const std::filesystem::path& path);
/// The same of a folder with a matrix that is read, but whose positions are not.
std::optional<std::string> unsupported_positions(const std::filesystem::path& folder);
/// What stands between the quotes of "..." in Python for this text.
std::string as_python_text(std::string_view text);
/// Columns of x and y among these names, as platforms and readers call them.
std::optional<std::pair<std::string, std::string>> coordinate_columns(
    const std::vector<std::string>& names);  // h5ad.cpp

/// Space Ranger's table of positions for a matrix, a file or a folder of Matrix Market files: in
/// `spatial` beside the file or in the folder, or there itself; and in `spatial` beside a folder
/// that Space Ranger names (filtered_ or raw_feature_bc_matrix). Parents are those of the path as
/// written: no symbolic link is followed to find one. Empty if there is none.
std::filesystem::path find_tissue_positions(const std::filesystem::path& matrix);
/// The same. Throws InputError if there is none.
std::filesystem::path tissue_positions(const std::filesystem::path& matrix);
/// What to say where there is none: what the folder is, if that is known, and the way in.
std::string without_positions(const std::filesystem::path& matrix);

/// The names by which these barcodes stand in a table of positions: as they are; or, where none
/// stands so, without the "-1" of 10x at their end, or with one, if all do. A warning then tells.
/// `example`: a name of the table. Throws InputError: barcodes that the table has not.
std::vector<std::string> names_in_table(const std::vector<std::string>& barcodes,
                                        const std::function<bool(const std::string&)>& is_there,
                                        const std::string& example,
                                        const std::filesystem::path& table,
                                        std::vector<std::string>& warnings);

/// Gives a 10x matrix its places: rows of the tissue positions are matched by barcode, spots
/// outside the tissue are dropped (by `data` and `annotations` alike), array_row and array_col are
/// added to obs. Throws InputError: barcodes without a place.
void add_tissue_positions(const std::filesystem::path& path, Part part, Loaded& loaded);

/// Keeps the genes of type "Gene Expression" if var tells types (feature_types).
void keep_gene_expression(Part part, Loaded& loaded);

}  // namespace stamarker::input
