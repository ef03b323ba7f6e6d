#pragma once
#include <string>
#include <vector>

#include "io/anndata_element.hpp"

/// Tables of AnnData files, in the encodings of specification 0.1.0 and of older versions.
namespace stamarker::anndata {

/// Reads obs, var, raw/var or a table inside obsm. What it may be:
///
/// - a group with attribute _index: today's encoding; also that of anndata 0.7, whose categories
///   stand in __categories;
/// - a compound dataset (before anndata 0.7): the first member is the index, categories stand in
///   uns/<column>_categories.
///
/// Columns that a Frame cannot hold are left out and named in `left_out` as <name>/<column>.
/// Throws InputError: missing, damaged, columns of different lengths.
Frame read_frame(hid_t file, const std::string& name, std::vector<std::string>& left_out);

/// Number of rows and names of the columns, read of the header alone. Throws InputError: missing, a
/// column that is named twice or is of other length than the index.
struct FrameHeader {
  std::int64_t n_rows = 0;
  std::vector<std::string> columns;
};
FrameHeader read_frame_header(hid_t file, const std::string& name);

/// Only the names of the rows.
std::vector<std::string> read_index(hid_t file, const std::string& name);

/// Before anndata 0.7: the keys of uns that hold categories of columns of obs and var, which
/// read_frame has put where they belong. Empty for newer files.
std::vector<std::string> categories_in_uns(hid_t file);

/// Writes a table in today's encoding.
void write_frame(hid_t where, const std::string& name, const Frame& frame);

}  // namespace stamarker::anndata
