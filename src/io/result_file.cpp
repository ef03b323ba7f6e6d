#include "io/result_file.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <numbers>
#include <optional>

#include "data/spatial_graph.hpp"
#include "io/anndata_copy.hpp"
#include "io/anndata_frame.hpp"
#include "io/atomic_file.hpp"
#include "io/result_parts.hpp"

namespace stamarker {

namespace {

bool starts_with(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

/// Keys that this program writes; the input's own of the same name are not carried over.
bool is_our_element(const std::string& name) {
  return name == "X_stamarker" || name == "spatial_connectivities" || name == "spatial_distances" ||
         starts_with(name, "stamarker_");
}
bool is_our_uns(const std::string& name) {
  return name == "stamarker" || name == "stamarker_colors" || name == "rank_genes_groups" ||
         name == "spatial_neighbors" || name == "log1p" || name == "hvg";
}

/// Numbers of entries of the matrices, known before the file is made.
struct Sizes {
  std::int64_t n_spots = 0, n_genes = 0;
  std::int64_t expression = 0, counts = 0, edges = 0;
};

Sizes sizes_of(const Comm& comm, const ResultContents& contents) {
  Sizes sizes;
  sizes.n_spots = comm.sum(contents.expression.n_rows());
  sizes.n_genes = contents.expression.n_cols;
  sizes.expression = comm.sum(contents.expression.n_entries());
  sizes.counts = comm.sum(contents.counts.n_entries());
  sizes.edges = comm.sum(contents.neighbors.n_entries());
  return sizes;
}

void expect_consistent(const ResultContents& contents, const Sizes& sizes) {
  const auto n_spots = static_cast<std::size_t>(sizes.n_spots);
  const auto n_genes = static_cast<std::size_t>(sizes.n_genes);
  const DomainResults& found = contents.domains;
  const std::size_t n_scores = found.domain_names.size() * n_genes;
  expects(contents.kept_spots.size() == n_spots && contents.spot_names.size() == n_spots &&
              found.domain.size() == n_spots,
          "a name, an index and a domain for each spot");
  expects(contents.selected_genes.size() == n_genes && contents.gene_names.size() == n_genes &&
              contents.statistics.means.size() == n_genes,
          "a name, an index and statistics for each gene");
  expects(found.score.size() == n_scores && found.stability.size() == n_scores &&
              found.selected.size() == n_scores,
          "a score for each domain and gene");
}

/// The input's own tables, kept rows only, and the sizes of the whole ones.
struct OwnTables {
  Frame obs, var;
  std::int64_t n_spots = 0, n_genes = 0;
};

/// Whether the rows `kept` of a table of the input still have the names that they had.
bool has_names(const Frame& table, const std::vector<std::int32_t>& kept,
               const std::vector<std::string>& names) {
  for (std::size_t k = 0; k < kept.size(); ++k)
    if (kept[k] >= table.n_rows() || table.index[static_cast<std::size_t>(kept[k])] != names[k])
      return false;
  return true;
}

/// None if the input cannot be read any more or is another by now: then nothing of it fits.
std::optional<OwnTables> own_tables(const ResultContents& contents,
                                    std::vector<std::string>& left_out) {
  try {
    const Annotations whole = read_annotations(contents.input);
    if (!has_names(whole.obs, contents.kept_spots, contents.spot_names) ||
        !has_names(whole.var, contents.selected_genes, contents.gene_names))
      throw InputError(contents.input.path + " has changed since it was read");
    left_out.insert(left_out.end(), whole.left_out.begin(), whole.left_out.end());
    return OwnTables{rows_of(whole.obs, contents.kept_spots),
                     rows_of(whole.var, contents.selected_genes), whole.obs.n_rows(),
                     whole.var.n_rows()};
  } catch (const InputError& error) {
    left_out.push_back(fmt::format("obs, var, obsm, varm, obsp, varp and uns ({})", error.what()));
    return std::nullopt;
  }
}

Frame names_alone(const std::vector<std::string>& names) {
  Frame table;
  table.index = names;
  return table;
}

void write_obs(hid_t file, Frame obs, const DomainResults& found) {
  obs.set(categorical_column("stamarker", found.domain, found.domain_names));
  anndata::write_frame(file, "obs", obs);
}

void write_var(hid_t file, Frame var, const ResultContents& contents) {
  const DomainResults& found = contents.domains;
  const GeneStatistics& statistics = contents.statistics;
  const std::size_t n_genes = var.index.size();
  std::erase_if(var.columns,
                [](const Column& column) { return starts_with(column.name, "stamarker_"); });
  var.set({"highly_variable", std::vector<Flag>(n_genes, Flag::yes)});
  var.set({"highly_variable_rank",
           std::vector<double>(statistics.rank.begin(), statistics.rank.end())});
  var.set({"means", statistics.means});
  var.set({"variances", statistics.variances});
  var.set({"variances_norm", statistics.variances_norm});
  for (std::size_t k = 0; k < found.domain_names.size(); ++k) {
    std::vector<Flag> is_svg;
    for (std::size_t g = 0; g < n_genes; ++g)
      is_svg.push_back(found.selected[k * n_genes + g] != 0 ? Flag::yes : Flag::no);
    var.set({"stamarker_svg_" + found.domain_names[k], std::move(is_svg)});
  }
  anndata::write_frame(file, "var", var);
}

/// [C, G] by domains -> varm [G, C].
void write_gene_matrix(hid_t file, const std::string& name, const std::vector<double>& by_domain,
                       std::size_t n_domains) {
  if (by_domain.empty() || n_domains == 0) return;
  const std::size_t n_genes = by_domain.size() / n_domains;
  std::vector<double> by_gene(by_domain.size());
  for (std::size_t k = 0; k < n_domains; ++k)
    for (std::size_t g = 0; g < n_genes; ++g)
      by_gene[g * n_domains + k] = by_domain[k * n_genes + g];
  anndata::write_array(file, "varm/" + name, std::span<const double>(by_gene),
                       {static_cast<std::int64_t>(n_genes), static_cast<std::int64_t>(n_domains)});
}

/// Runs `copy`; what cannot be read is named in `left_out` and leaves nothing behind.
template <class Copy>
void carry_over(hid_t file, const std::string& path, std::vector<std::string>& left_out,
                Copy copy) {
  try {
    copy();
    if (h5::exists(file, path)) anndata::expect_utf8(file, path);
  } catch (const InputError& error) {
    left_out.push_back(fmt::format("{} ({})", path, error.what()));
    if (h5::exists(file, path)) h5::check(H5Ldelete(file, path.c_str(), H5P_DEFAULT));
  }
}

/// Names what stays behind: other matrices than the one that was read, which may be larger than
/// memory, and with raw the tables of the genes of X, which are others.
void name_left_behind(hid_t input, const std::string& layer, std::vector<std::string>& left_out) {
  const bool has_raw = h5::exists(input, "raw") || h5::exists(input, "raw.X");
  if (layer != "X" && h5::exists(input, "X")) left_out.emplace_back("X");
  if (layer != "raw" && has_raw) left_out.emplace_back("raw");
  for (const std::string& name : anndata::element_names(input, "layers"))
    if (name != layer && "layers/" + name != layer) left_out.push_back("layers/" + name);
  if (layer != "raw") return;
  left_out.emplace_back("var");
  for (const char* group : {"varm", "varp"})
    for (const std::string& name : anndata::element_names(input, group))
      left_out.push_back(fmt::format("{}/{}", group, name));
}

/// obsm, varm, obsp, varp and uns, if the input is an AnnData file.
void copy_anndata(hid_t file, const ResultContents& contents, const OwnTables& own,
                  std::vector<std::string>& left_out) {
  if (!is_anndata_file(contents.input.path)) return;
  const h5::File input = h5::open_to_read(contents.input.path);
  const anndata::Selection spots{contents.kept_spots, own.n_spots, false};
  const anndata::Selection genes{contents.selected_genes, own.n_genes, false};
  const anndata::Selection pairs{contents.kept_spots, own.n_spots, true};
  const anndata::Selection gene_pairs{contents.selected_genes, own.n_genes, true};
  name_left_behind(input, contents.input.layer, left_out);
  const auto copy_group = [&](const std::string& group, const anndata::Selection& selection) {
    for (const std::string& name : anndata::element_names(input, group))
      if (!is_our_element(name))
        carry_over(file, fmt::format("{}/{}", group, name), left_out,
                   [&] { anndata::copy_element(input, file, group, name, selection, left_out); });
  };
  copy_group("obsm", spots);
  copy_group("obsp", pairs);
  if (contents.input.layer != "raw") {
    copy_group("varm", genes);
    copy_group("varp", gene_pairs);
  }
  const std::vector<std::string> decoded = anndata::categories_in_uns(input);
  anndata::UnsCopy uns(input, file, left_out);
  for (const std::string& key : h5::names_in(input, "uns"))
    if (!is_our_uns(key) && std::find(decoded.begin(), decoded.end(), key) == decoded.end())
      carry_over(file, "uns/" + key, left_out, [&] { uns.copy(key); });
  for (const std::string& name : anndata::graphs_in_uns(input))
    carry_over(file, "obsp/" + name, left_out,
               [&] { anndata::move_graph(input, file, name, pairs, left_out); });
}

/// Makes a dense matrix whose rows are written later.
template <class T>
void make_matrix(hid_t file, const std::string& name, const Sizes& sizes, std::int64_t n_cols) {
  h5::create_rows<T>(file, name, {sizes.n_spots, n_cols});
  anndata::mark(h5::open_dataset(file, name), "array", "0.2.0");
}

std::string embedding_name(std::size_t model) {
  return fmt::format("obsm/stamarker_embedding_{}", model);
}

void make_matrices(hid_t file, const ResultContents& contents, const Sizes& sizes) {
  h5::create_csr(file, "X", sizes.n_spots, sizes.n_genes, sizes.expression);
  h5::create_csr(file, "layers/counts", sizes.n_spots, sizes.n_genes, sizes.counts);
  h5::create_csr(file, "obsp/spatial_connectivities", sizes.n_spots, sizes.n_spots, sizes.edges);
  h5::create_csr(file, "obsp/spatial_distances", sizes.n_spots, sizes.n_spots, sizes.edges);
  if (contents.embedding.n_cols > 0)
    make_matrix<float>(file, "obsm/X_stamarker", sizes, contents.embedding.n_cols);
  if (contents.labels.n_cols > 0)
    make_matrix<std::int32_t>(file, "obsm/stamarker_labels", sizes, contents.labels.n_cols);
  for (std::size_t m = 0; m < contents.embeddings.size(); ++m)
    make_matrix<float>(file, embedding_name(m), sizes, contents.embeddings[m].n_cols);
  if (contents.next_saliency) make_matrix<float>(file, "layers/saliency", sizes, sizes.n_genes);
}

/// Everything but the values of the large matrices, by rank 0 alone.
void write_small_parts(hid_t file, const ResultContents& contents, const Sizes& sizes,
                       std::vector<std::string>& left_out) {
  anndata::mark(file, "anndata", "0.1.0");
  for (const char* group : {"layers", "obsm", "obsp", "uns", "varm", "varp"})
    anndata::make_dict(file, group);
  std::optional<OwnTables> own = own_tables(contents, left_out);
  write_obs(file, own ? std::move(own->obs) : names_alone(contents.spot_names), contents.domains);
  write_var(file, own ? std::move(own->var) : names_alone(contents.gene_names), contents);
  try {
    if (own) copy_anndata(file, contents, *own, left_out);
  } catch (const InputError& error) {
    left_out.push_back(fmt::format("the rest of the input ({})", error.what()));
  }
  if (!h5::exists(file, "obsm/spatial"))
    anndata::write_array(file, "obsm/spatial", std::span<const double>(contents.coordinates.values),
                         {sizes.n_spots, contents.coordinates.n_dims});
  const std::size_t n_domains = contents.domains.domain_names.size();
  write_gene_matrix(file, "stamarker_score", contents.domains.score, n_domains);
  write_gene_matrix(file, "stamarker_stability", contents.domains.stability, n_domains);
  write_gene_matrix(file, "stamarker_score_deviation", contents.domains.score_deviation, n_domains);
  // Tells scanpy that X is log1p already. To leave `base` out says e as well, but scanpy
  // before 1.10 asks for it, and no version of anndata before 0.11 reads the None that scanpy
  // itself puts there.
  anndata::write_number(anndata::make_dict(file, "uns/log1p"), "base", std::numbers::e);
  anndata::write_string(anndata::make_dict(file, "uns/hvg"), "flavor", "seurat_v3");
  result::write_rank_genes_groups(file, contents.gene_names, contents.domains);
  result::write_spatial_neighbors(file, contents);
  result::write_run_record(file, contents.run, static_cast<std::int64_t>(n_domains));
  make_matrices(file, contents, sizes);
}

template <class T>
void write_matrix(const Comm& comm, hid_t file, const std::string& name,
                  const DenseBlock<T>& mine) {
  if (mine.n_cols > 0) h5::write_rows(comm, file, name, mine.first_row, mine.values);
}

/// The values of the large matrices, by all ranks.
void write_large_parts(const Comm& comm, hid_t file, const ResultContents& contents) {
  h5::write_csr(comm, file, "X", contents.expression);
  h5::write_csr(comm, file, "layers/counts", contents.counts);
  h5::SparseBlock neighbors = h5::block_of_rows(contents.neighbors, {0, contents.neighbors.n_rows});
  neighbors.first_row = contents.expression.first_row;
  h5::write_csr(comm, file, "obsp/spatial_distances", neighbors);
  const std::vector<float> weight(contents.neighbors.value.size(), 1.0f);
  neighbors.value = weight;
  h5::write_csr(comm, file, "obsp/spatial_connectivities", neighbors);
  write_matrix(comm, file, "obsm/X_stamarker", contents.embedding);
  write_matrix(comm, file, "obsm/stamarker_labels", contents.labels);
  for (std::size_t m = 0; m < contents.embeddings.size(); ++m)
    write_matrix(comm, file, embedding_name(m), contents.embeddings[m]);
  if (!contents.next_saliency) return;
  while (true) {
    SaliencyRows some;
    comm.together([&] { some = contents.next_saliency(); });
    if (comm.max(static_cast<std::int64_t>(some.rows.size())) == 0) return;
    h5::write_row_list(comm, file, "layers/saliency", std::span<const std::int32_t>(some.rows),
                       std::span<const float>(some.values));
  }
}

}  // namespace

void fill_prepared(const PreparedData& prepared, Block rows, const SparseRows& counts,
                   const SparseRows& expression, ResultContents& contents) {
  contents.expression = h5::block_of_rows(expression, {0, rows.size()});
  contents.expression.first_row = rows.begin;
  contents.counts = h5::block_of_rows(counts, {0, rows.size()});
  contents.counts.first_row = rows.begin;
  contents.expression.n_cols = contents.counts.n_cols = prepared.n_genes();  // also without rows
  contents.neighbors = neighbors_of(prepared.graph, rows);
  contents.kept_spots = prepared.kept_spots;
  contents.selected_genes = prepared.selected_genes;
  contents.spot_names = prepared.spot_names;
  contents.gene_names = prepared.gene_names;
  contents.coordinates = prepared.coordinates;
  contents.statistics = prepared.statistics;
  contents.radius = prepared.radius;
  contents.n_nearest = prepared.n_nearest;
  contents.section_names = prepared.section_names;
}

std::vector<std::string> write_result(const Comm& comm, const std::string& path,
                                      const ResultContents& contents) {
  const Sizes sizes = sizes_of(comm, contents);
  expects(sizes.n_spots > 0 && sizes.n_genes > 0, "a result with spots and genes");
  std::vector<std::string> left_out;
  h5::write_file_together(
      comm, path,
      [&](hid_t file) {
        expect_consistent(contents, sizes);
        write_small_parts(file, contents, sizes, left_out);
      },
      [&](hid_t file) { write_large_parts(comm, file, contents); });
  return left_out;
}

}  // namespace stamarker
