#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "io/frame.hpp"

namespace stamarker {

/// Which data to read. Block `input` of the configuration.
struct InputOptions {
  std::string path;                     // .h5ad, 10x .h5 beside spatial/, or a folder (see below)
  std::string layer = "X";              // of an .h5ad: "X", "raw", or a name in layers
  std::string spatial_key = "spatial";  // of an .h5ad: the coordinates' name in obsm
  std::string batch_key;                // of an .h5ad: the column of obs that names the section

  void validate() const;  // throws InputError naming the key (input.<field>)
};

/// Reads one input, by this rank alone. What `path` may be:
///
/// - an AnnData file (specification 0.1.0, and what older versions of anndata wrote): CSR, CSC or
///   dense counts of any number type;
/// - a 10x Genomics matrix, version 3 (group `matrix`) or 2 (one group, named by the genome), with
///   spatial/tissue_positions.csv or tissue_positions_list.csv beside it;
/// - a folder: Space Ranger's `outs` (the .h5 above, or filtered_feature_bc_matrix/ beside
///   spatial/), or Matrix Market files matrix.mtx, barcodes.tsv, features.tsv or genes.tsv (each
///   also .gz) with spatial/ in the folder or a table `coordinates.csv` or `.tsv`: name, x, y and
///   perhaps z.
///
/// Of 10x data only "Gene Expression" features and spots with in_tissue = 1 are read, and the
/// coordinates are (pxl_col_in_fullres, pxl_row_in_fullres), as scanpy.read_visium orders them.
/// Columns of each row ascend; entries of the same place are summed.
///
/// Names are as in the file, but for genes of 10x and Matrix Market data, told apart by their ids,
/// not by their names: those whose name stood before become NAME-1, NAME-2, ..., names that exist
/// left out, as anndata's var_names_make_unique has them. Barcodes of 10x and Matrix Market data
/// must be unique.
/// Throws InputError in one line: what is missing, damaged or of the wrong shape, and what there
/// is.
Dataset read_input(const InputOptions& options);

/// The input's own columns of spots and genes, rows as in read_input. An .h5ad gives all of obs and
/// var (raw/var for layer "raw") in today's encodings; 10x data give array_row, array_col,
/// in_tissue and gene_ids, feature_types; a Matrix Market folder gives names and gene_ids.
/// Columns that no frame can hold (for example arrays) are left out and named in `left_out`.
struct Annotations {
  Frame obs, var;
  std::vector<std::string> left_out;
};
Annotations read_annotations(const InputOptions& options);

/// The files that read_input and read_annotations open for this path, all of them, in an order that
/// does not depend on names. Throws InputError: missing, or nothing in it that can be read.
std::vector<std::filesystem::path> input_files(const std::string& path);

/// Whether the input is an AnnData file, so that its obsm and uns can be carried over.
bool is_anndata_file(const std::string& path);

}  // namespace stamarker
