#pragma once
#include <functional>
#include <string>

#include "data/dataset.hpp"
#include "io/frame.hpp"

namespace stamarker {

/// Writes one section as .h5ad that anndata, scanpy and read_input read: X as CSR (float32), obs
/// and var with the given columns, obsm/spatial. By this rank alone, whole or not at all. obs.index
/// and var.index are the names of spots and genes. rows(first, last) gives the counts of spots
/// first .. last - 1, [last - first, n_genes]; it is called for ascending blocks, so that a section
/// may be larger than memory. There are at most `most_nonzeros` of them, which decides the type of
/// their indices.
/// Throws InputError: no space, no permission.
void write_section(const std::string& path, const Frame& obs, const Frame& var,
                   const Coordinates& coordinates, std::int64_t most_nonzeros,
                   const std::function<SparseRows(int first, int last)>& rows);

/// The same for a section in memory. obs.index and var.index may be empty: then the names of `data`
/// are used. With more than one section the categorical column `section` is added to obs.
void write_section(const std::string& path, const Dataset& data, Frame obs = {}, Frame var = {});

}  // namespace stamarker
