#include <fmt/core.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "io/h5.hpp"
#include "io/input_formats.hpp"

namespace stamarker::input {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view hdf5_signature("\x89HDF\r\n\x1a\n", 8);

/// What a file or folder shows of itself.
struct Seen {
  fs::path path;
  bool is_folder = false, is_hdf5 = false, is_gzip = false;
  std::vector<std::string> names;  // sorted: in the folder, or in the root of an HDF5 file
  std::string head;                // first bytes of a file, inflated

  bool has(std::string_view name) const {
    return std::binary_search(names.begin(), names.end(), name);
  }
  bool has_any(std::initializer_list<std::string_view> some) const {
    return std::any_of(some.begin(), some.end(), [&](std::string_view name) { return has(name); });
  }
  /// The first name with one of these endings, perhaps with .gz behind; empty if there is none.
  std::string ending(std::initializer_list<std::string_view> endings) const {
    for (std::string_view name : names) {
      const std::string_view whole = name;
      if (name.ends_with(".gz")) name.remove_suffix(3);
      for (const std::string_view ending : endings)
        if (name.ends_with(ending)) return std::string(whole);
    }
    return {};
  }
  bool begins(std::string_view with) const { return head.starts_with(with); }
  std::string_view first_line() const {
    const std::string_view all = head;
    return all.substr(0, all.find_first_of("\r\n"));
  }
};

/// None: something else. Else a word for the messages below, perhaps an empty one.
using Detail = std::optional<std::string>;
Detail found(bool is_so) { return is_so ? Detail("") : std::nullopt; }
Detail found(std::string word) { return word.empty() ? std::nullopt : Detail(std::move(word)); }

/// One kind of data that is not read. In the texts {path} and {detail} stand as Python writes
/// them between double quotes.
struct Kind {
  const char* what;
  Detail (*find)(const Seen&);
  const char* way_in;
};

bool is_zarr(const Seen& seen) {
  return seen.is_folder && seen.has_any({".zgroup", ".zattrs", ".zmetadata", "zarr.json"});
}

bool is_text_table(const Seen& seen) {
  return !seen.is_folder && seen.head.find('\0') == std::string::npos &&
         seen.first_line().find_first_of(",;\t") != std::string_view::npos;
}

/// What pandas must be told to read a table with this first line.
std::string separator_of(std::string_view line) {
  if (line.find('\t') != std::string_view::npos) return R"(sep="\t", )";
  return line.find(',') == std::string_view::npos ? R"(sep=";", )" : "";
}

Detail web_page(const Seen& seen) {
  std::string start(seen.head.substr(0, 64));
  start.erase(0, start.find_first_not_of(" \t\r\n\xEF\xBB\xBF"));
  for (char& c : start) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return found(start.starts_with("<!doctype html") || start.starts_with("<html"));
}

Detail compressed(const Seen& seen) {
  if (seen.begins("BZh")) return "bzip2";
  if (seen.begins(std::string_view("\xFD"
                                   "7zXZ\0",
                                   6)))
    return "xz";
  if (seen.begins("\x28\xB5\x2F\xFD")) return "zstd";
  return std::nullopt;
}

Detail archive(const Seen& seen) {
  if (seen.begins("PK\x03\x04")) return "unzip";
  if (seen.head.size() > 262 && seen.head.compare(257, 5, "ustar") == 0) return "tar -xf";
  return std::nullopt;
}

Detail r_data(const Seen& seen) {
  const auto& head = seen.head;
  const bool is_rds = (head.starts_with("X\n") || head.starts_with("A\n")) && head.size() > 5 &&
                      (head.compare(2, 3, std::string_view("\0\0\0", 3)) == 0 ||
                       head.compare(2, 2, "2\n") == 0 || head.compare(2, 2, "3\n") == 0);
  return found(is_rds || head.starts_with("RDX") || head.starts_with("RDA"));
}

Detail table_of_positions(const Seen& seen) {
  const std::string_view line = seen.first_line();
  const bool has_names = line.find("in_tissue,array_row,array_col") != std::string_view::npos;
  const std::size_t comma = line.find(',');
  const bool has_six = std::count(line.begin(), line.end(), ',') == 5;
  return found(is_text_table(seen) && (has_names || (has_six && (line.substr(comma, 3) == ",0," ||
                                                                 line.substr(comma, 3) == ",1,"))));
}

Detail gene_expression_map(const Seen& seen) {
  return found(!seen.is_folder &&
               (seen.begins("#FileFormat=GEM") || seen.first_line().starts_with("geneID\tx\ty\t")));
}

Detail text_table(const Seen& seen) {
  return is_text_table(seen) ? Detail(separator_of(seen.first_line())) : std::nullopt;
}

/// One of several modalities: the one usually called so.
Detail modality(const Seen& seen) {
  if (!seen.is_hdf5 || !seen.has("mod")) return std::nullopt;
  const h5::File file = h5::open_to_read(seen.path);
  const std::vector<std::string> names = h5::names_in(file, "mod");
  const bool has_rna = std::find(names.begin(), names.end(), "rna") != names.end();
  return has_rna || names.empty() ? "rna" : as_python_text(names.front());
}

Detail loom(const Seen& seen) {
  if (!seen.is_hdf5 || !seen.has("col_attrs") || !seen.has("row_attrs")) return std::nullopt;
  const h5::File file = h5::open_to_read(seen.path);
  const auto columns = coordinate_columns(h5::names_in(file, "col_attrs"));
  return columns ? fmt::format(R"("{}", "{}")", columns->first, columns->second) : R"("x", "y")";
}

Detail spatial_data(const Seen& seen) {
  if (!is_zarr(seen) || !seen.has_any({"tables", "table", "images", "points", "shapes"}))
    return std::nullopt;
  const fs::path folder = seen.path / (seen.has("tables") ? "tables" : "table");
  std::vector<std::string> tables;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (const std::string name = entry.path().filename();
        entry.is_directory(ignored) && !name.starts_with("."))
      tables.push_back(name);
  if (tables.empty()) return "table";
  return as_python_text(*std::ranges::min_element(tables));
}

/// The folder of the bins of 8 um, or of those that are there, behind the path.
Detail visium_hd(const Seen& seen) {
  if (!seen.is_folder) return std::nullopt;
  std::error_code ignored;
  for (const char* above : {"/binned_outputs", ""})
    for (const char* bins : {"/square_008um", "/square_016um", "/square_002um"})
      if (std::string folder = std::string(above) + bins;
          fs::is_directory(seen.path.string() + folder, ignored))
        return folder;
  return found(fs::exists(seen.path / "spatial" / "tissue_positions.parquet", ignored));
}

/// Reads the cells: a call of pandas.
Detail xenium(const Seen& seen) {
  const bool has_matrix = seen.has_any({"cell_feature_matrix.h5", "cell_feature_matrix"});
  if (!seen.is_folder || !(has_matrix || seen.has("experiment.xenium"))) return std::nullopt;
  for (const char* name : {"cells.csv.gz", "cells.csv"})
    if (seen.has(name))
      return fmt::format("csv(\"{}/{}\"", as_python_text(seen.path.string()), name);
  if (seen.has("cells.parquet"))
    return fmt::format("parquet(\"{}/cells.parquet\"", as_python_text(seen.path.string()));
  return std::nullopt;
}

/// The arguments by which squidpy takes a table of counts and one of cells.
Detail counts_and_cells(const Seen& seen, std::string_view counts, std::string_view cells) {
  const std::string counts_file = seen.ending({counts}), cells_file = seen.ending({cells});
  if (!seen.is_folder || counts_file.empty() || cells_file.empty()) return std::nullopt;
  return fmt::format(R"(counts_file="{}", meta_file="{}")", as_python_text(counts_file),
                     as_python_text(cells_file));
}

Detail cosmx(const Seen& seen) {
  return counts_and_cells(seen, "exprMat_file.csv", "metadata_file.csv");
}

Detail merscope(const Seen& seen) {
  return counts_and_cells(seen, "cell_by_gene.csv", "cell_metadata.csv");
}

/// What stands before the names of Space Ranger's files, as archives put a sample's name.
Detail prefix(const Seen& seen) {
  if (!seen.is_folder) return std::nullopt;
  for (const char* ending : {"matrix.mtx", "tissue_positions.csv", "tissue_positions_list.csv"}) {
    std::string name = seen.ending({ending});
    if (name.ends_with(".gz")) name.resize(name.size() - 3);
    if (name.size() <= std::string_view(ending).size()) continue;
    name.resize(name.size() - std::string_view(ending).size());
    const bool is_plain = std::ranges::all_of(name, [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
    });
    if (is_plain) return name;
  }
  return std::nullopt;
}

/// Files of the folder that can be named themselves.
Detail data_files(const Seen& seen) {
  if (!seen.is_folder) return std::nullopt;
  std::vector<std::string> some;
  for (const std::string& name : seen.names)
    if (name.ends_with(".h5ad") || name.ends_with(".h5")) some.push_back(name);
  if (some.size() > 4) some.resize(4), some.emplace_back("...");
  return found(fmt::format("{}", fmt::join(some, ", ")));
}

/// The largest of them, which has the counts.
Detail folder_of_tables(const Seen& seen) {
  if (!seen.is_folder) return std::nullopt;
  std::string largest;
  std::uintmax_t size = 0;
  for (const std::string& name : seen.names) {
    std::error_code unknown;
    const std::string bare = name.ends_with(".gz") ? name.substr(0, name.size() - 3) : name;
    const bool is_table =
        bare.ends_with(".csv") || bare.ends_with(".tsv") || bare.ends_with(".txt");
    if (!is_table || !fs::is_regular_file(seen.path / name, unknown)) continue;
    const std::uintmax_t here = fs::file_size(seen.path / name, unknown);
    if (largest.empty() || here > size) largest = name, size = here;
  }
  return found(as_python_text(largest));
}

Detail hdf5_with(const Seen& seen, std::initializer_list<std::string_view> all) {
  return found(seen.is_hdf5 &&
               std::all_of(all.begin(), all.end(), [&](auto name) { return seen.has(name); }));
}

/// Folders with a 10x matrix, which is read, and positions that are not.
const Kind kinds_by_positions[] = {
    {"Visium HD with positions in Parquet", visium_hd,
     R"(set input.path to "{path}{detail}" after this, in Python: import pandas as pd; )"
     R"(p = "{path}{detail}/spatial/tissue_positions."; )"
     R"(pd.read_parquet(p + "parquet").to_csv(p + "csv", index=False))"},
    {"a Xenium folder", xenium,
     R"(in Python: import scanpy as sc, pandas as pd; )"
     R"(a = sc.read_10x_h5("{path}/cell_feature_matrix.h5"); a.var_names_make_unique(); )"
     R"(c = pd.read_{detail}).astype({{"cell_id": str}}).set_index("cell_id"); )"
     R"(a.obsm["spatial"] = c.loc[a.obs_names, ["x_centroid", "y_centroid"]].to_numpy(); )"
     R"(a.write_h5ad("section.h5ad"))"},
    {"a folder whose files have a sample's name in front ({detail})", prefix,
     R"(give each sample a folder and name that; in this folder: mkdir sample && for f in )"
     R"({detail}*; do ln -s "../$f" "sample/${{f#{detail}}}"; done)"},
};

/// All others; the first that fits is told.
const Kind other_kinds[] = {
    {"an empty file",
     [](const Seen& s) { return found(!s.is_folder && !s.is_hdf5 && s.head.empty()); },
     "copy or download it again"},
    {"a web page", web_page,
     "the download failed: open the link in a browser, it may ask for a login"},
    {"a pointer of Git LFS",
     [](const Seen& s) { return found(s.begins("version https://git-lfs")); },
     "fetch the file itself: git lfs pull"},
    {"an HDF5 file inside gzip",
     [](const Seen& s) { return found(s.is_gzip && s.begins(hdf5_signature)); },
     R"(inflate it: gunzip -k "{path}")"},
    {"compressed by {detail}", compressed, "decompress it and name what comes out"},
    {"an archive", archive, R"(unpack it and name what was in it: {detail} "{path}")"},
    {"a file of R", r_data,
     R"(save it as .h5ad in R: zellkonverter::writeH5AD(x, "section.h5ad"), x being a )"
     R"(SingleCellExperiment (of Seurat: as.SingleCellExperiment) with the coordinates as )"
     R"(reducedDim(x, "spatial"))"},
    {"a table in Parquet", [](const Seen& s) { return found(s.begins("PAR1")); },
     R"(with a table of coordinates, in Python: import anndata, pandas as pd; )"
     R"(a = anndata.AnnData(pd.read_parquet("{path}")); a.obsm["spatial"] = )"
     R"(pd.read_csv("coordinates.csv", index_col=0).loc[a.obs_names].to_numpy(); )"
     R"(a.write_h5ad("section.h5ad"))"},
    {"a Matrix Market file by itself",
     [](const Seen& s) { return found(s.begins("%%MatrixMarket")); },
     "name its folder, which holds matrix.mtx, barcodes.tsv and features.tsv"},
    {"a table of positions, without counts", table_of_positions,
     "name the matrix it belongs to, or the folder outs of Space Ranger"},
    {"a Stereo-seq GEM file", gene_expression_map,
     R"(with stereopy, in Python: import stereo as st; st.io.stereo_to_anndata(st.io.read_gem()"
     R"("{path}", bin_size=50), flavor="scanpy", output="section.h5ad"))"},
    {"a table of text", text_table,
     R"(of spots x genes (else add .T behind the first bracket), with a table of coordinates, in )"
     R"(Python: import anndata, pandas as pd; a = anndata.AnnData(pd.read_csv("{path}", )"
     R"({detail}index_col=0)); a.obsm["spatial"] = pd.read_csv("coordinates.csv", )"
     R"(index_col=0).loc[a.obs_names].to_numpy(); a.write_h5ad("section.h5ad"))"},
    {"a MuData file", modality,
     R"(in Python: import anndata, h5py; anndata.io.read_elem(h5py.File("{path}")["mod/{detail}"]))"
     R"(.write_h5ad("section.h5ad"))"},
    {"a loom file", loom,
     R"(in Python: import scanpy as sc; a = sc.read_loom("{path}"); a.obsm["spatial"] = )"
     R"(a.obs[[{detail}]].to_numpy(); a.write_h5ad("section.h5ad"))"},
    {"an h5Seurat file",
     [](const Seen& s) {
       return hdf5_with(s, {"assays", "meta.data"});
     },
     R"(in R: SeuratDisk::Convert("{path}", dest = "h5ad"); the coordinates belong into )"
     R"(obsm/spatial)"},
    {"a Stereo-seq GEF file",
     [](const Seen& s) {
       return found(s.is_hdf5 && s.has_any({"geneExp", "cellBin"}));
     },
     R"(with stereopy, in Python: import stereo as st; st.io.stereo_to_anndata(st.io.read_gef()"
     R"("{path}", bin_size=50), flavor="scanpy", output="section.h5ad"))"},
    {"a molecule_info.h5 of 10x", [](const Seen& s) { return hdf5_with(s, {"barcode_idx"}); },
     "name filtered_feature_bc_matrix.h5 of the same folder"},
    {"SpatialData in zarr", spatial_data,
     R"(in Python: import spatialdata; )"
     R"(spatialdata.read_zarr("{path}").tables["{detail}"].write_h5ad("section.h5ad"))"},
    {"AnnData in zarr", [](const Seen& s) { return found(is_zarr(s) && s.has("obs")); },
     R"(in Python: import anndata; anndata.read_zarr("{path}").write_h5ad("section.h5ad"))"},
    {"a CosMx folder", cosmx,
     R"(set input.spatial_key: spatial_fov (obsm/spatial is that within each field of view) )"
     R"(after this, in Python: import squidpy as sq; )"
     R"(sq.read.nanostring("{path}", {detail}).write_h5ad("section.h5ad"))"},
    {"a MERSCOPE folder", merscope,
     R"(in Python: import squidpy as sq; )"
     R"(sq.read.vizgen("{path}", {detail}).write_h5ad("section.h5ad"))"},
    {"a folder that holds {detail}", data_files, "name the one to read"},
    {"a folder of text tables", folder_of_tables,
     R"(of counts (spots x genes) and coordinates, in Python: import anndata, pandas as pd; )"
     R"(a = anndata.AnnData(pd.read_csv("{path}/{detail}", index_col=0)); a.obsm["spatial"] = )"
     R"(pd.read_csv("coordinates.csv", index_col=0).loc[a.obs_names].to_numpy(); )"
     R"(a.write_h5ad("section.h5ad"))"},
};

/// The first bytes of a file as they are, then inflated, which changes nothing in others.
void see_file(Seen& seen) {
  std::string head(512, '\0');
  std::ifstream file(seen.path, std::ios::binary);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(file.gcount()));
  seen.is_hdf5 = head.starts_with(hdf5_signature);
  seen.is_gzip = head.starts_with("\x1f\x8b");
  if (seen.is_hdf5) {
    seen.names = h5::names_in(h5::open_to_read(seen.path));
    return;
  }
  seen.head.resize(std::size_t{1} << 16);
  gzFile inflated = gzopen(seen.path.c_str(), "rb");
  const int n = inflated == nullptr
                    ? 0
                    : gzread(inflated, seen.head.data(), static_cast<unsigned>(seen.head.size()));
  if (inflated != nullptr) gzclose(inflated);
  seen.head.resize(static_cast<std::size_t>(std::max(n, 0)));
  if (seen.head.empty()) seen.head = head;  // damaged, or not readable
}

Seen seen_of(const fs::path& path) {
  Seen seen;
  seen.path = path;
  seen.is_folder = fs::is_directory(path);
  if (seen.is_folder)
    for (const auto& entry : fs::directory_iterator(path))
      seen.names.push_back(entry.path().filename());
  else
    see_file(seen);
  std::sort(seen.names.begin(), seen.names.end());
  return seen;
}

std::optional<std::string> message_of(const Seen& seen, std::span<const Kind> kinds) {
  for (const Kind& kind : kinds) {
    const Detail detail = kind.find(seen);
    if (!detail) continue;
    const auto word = fmt::arg("detail", *detail);
    const std::string path = as_python_text(seen.path.string());
    return fmt::format("{} is {}, which is not read; {}", seen.path.string(),
                       fmt::format(fmt::runtime(kind.what), word),
                       fmt::format(fmt::runtime(kind.way_in), fmt::arg("path", path), word));
  }
  return std::nullopt;
}

/// None too for what cannot be read: the readers say what is wrong with it.
std::optional<std::string> message_of(const fs::path& path,
                                      std::initializer_list<std::span<const Kind>> tables) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored) && !fs::is_regular_file(path, ignored)) return std::nullopt;
  try {
    const Seen seen = seen_of(path);
    for (const std::span<const Kind> kinds : tables)
      if (auto message = message_of(seen, kinds)) return message;
  } catch (const fs::filesystem_error&) {  // NOLINT(bugprone-empty-catch)
  } catch (const InputError&) {            // NOLINT(bugprone-empty-catch)
  } catch (const LibraryError&) {          // NOLINT(bugprone-empty-catch)
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> unsupported_input(const fs::path& path) {
  return message_of(path, {kinds_by_positions, other_kinds});
}

std::optional<std::string> unsupported_positions(const fs::path& folder) {
  return message_of(folder, {kinds_by_positions});
}

std::string as_python_text(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\' || c == '"') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace stamarker::input
