#include <fmt/core.h>
#include <fmt/ranges.h>

#include "io/anndata_matrix.hpp"
#include "io/h5.hpp"
#include "io/input_formats.hpp"

namespace stamarker::input {

namespace {

/// Where the parts of a 10x matrix stand. Version 3: group `matrix` with `features`; version 2: one
/// group per genome with `genes` and `gene_names`.
struct MatrixPlaces {
  std::string group, ids, names, types;
};

MatrixPlaces places_of(hid_t file, const std::string& path) {
  if (h5::exists(file, "matrix/features"))
    return {"matrix", "features/id", "features/name", "features/feature_type"};
  std::vector<std::string> genomes;
  for (const std::string& name : h5::names_in(file))
    if (h5::exists(file, name + "/barcodes")) genomes.push_back(name);
  if (genomes.size() != 1)
    throw InputError(fmt::format("{} holds the genomes {}; write one of them to a file of its own",
                                 path, fmt::join(genomes, ", ")));
  return {genomes.front(), "genes", "gene_names", ""};
}

}  // namespace

InputShape tenx_shape(const std::filesystem::path& file_path) {
  const h5::File file = h5::open_to_read(file_path);
  const h5::Group group = h5::open_group(file, places_of(file, file_path.string()).group);
  const auto shape = h5::read<std::int64_t>(group, "shape", {2});  // genes, spots
  return {shape[1], shape[0], h5::length_of(group, "data")};
}

std::vector<std::filesystem::path> tenx_files(const std::filesystem::path& file) {
  return {file, tissue_positions(file)};
}

Loaded load_tenx_h5(const std::filesystem::path& file_path, Part part) {
  const h5::File file = h5::open_to_read(file_path);
  const std::string path = file_path.string();
  const MatrixPlaces places = places_of(file, path);
  const h5::Group group = h5::open_group(file, places.group);

  Loaded loaded;
  Frame& obs = loaded.annotations.obs;
  Frame& var = loaded.annotations.var;
  obs.index = h5::read_strings(group, "barcodes", {h5::any_length});
  var.index = h5::read_strings(group, places.names, {h5::any_length});
  const auto add = [&](const std::string& name, const std::string& from) {
    if (from.empty() || !h5::exists(group, from)) return;
    var.set({name, h5::read_strings(group, from, {var.n_rows()})});
  };
  add("gene_ids", places.ids);
  add("feature_types", places.types);
  add("genome", places.types.empty() ? "" : "features/genome");

  if (part != Part::annotations) {
    const auto shape = h5::read<std::int64_t>(group, "shape", {2});  // genes, spots
    if (shape[0] != static_cast<std::int64_t>(var.index.size()) ||
        shape[1] != static_cast<std::int64_t>(obs.index.size()))
      throw InputError(fmt::format("{}: shape ({}) does not fit {} genes and {} barcodes", path,
                                   fmt::join(shape, ", "), var.index.size(), obs.index.size()));
    loaded.data.counts = anndata::ordered_rows(  // stored by spots
        shape[1], shape[0], h5::read<std::int64_t>(group, "indptr", {shape[1] + 1}),
        h5::read<std::int32_t>(group, "indices", {h5::any_length}),
        h5::read<float>(group, "data", {h5::any_length}), path + ": " + places.group);
    loaded.data.gene_names = var.index;
  }
  keep_gene_expression(part, loaded);
  add_tissue_positions(tissue_positions(file_path), part, loaded);
  return loaded;
}

}  // namespace stamarker::input
