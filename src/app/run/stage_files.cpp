#include "app/run/stage_files.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <system_error>
#include <utility>

#include "data/select_counts.hpp"
#include "data/sparse_rows.hpp"
#include "io/anndata_matrix.hpp"
#include "io/atomic_file.hpp"
#include "io/block_checksums.hpp"
#include "io/disk_driver.hpp"
#include "io/h5.hpp"
#include "io/h5_parallel.hpp"

namespace stamarker {
namespace {

template <class T>
T read_scalar(hid_t where, const std::string& name) {
  return h5::read<T>(where, name, {})[0];
}

/// A list of any length.
template <class T>
std::vector<T> read_list(hid_t where, const std::string& name) {
  return h5::read<T>(where, name, {h5::any_length});
}

/// Throws InputError unless all values are in first .. last.
template <class T>
void expect_within(const std::vector<T>& values, std::int64_t first, std::int64_t last,
                   const char* name) {
  for (const T value : values)
    if (value < first || value > last)
      throw InputError(fmt::format("{} holds {}, expected are {} to {}", name, value, first, last));
}

template <class T>
std::int64_t length(const std::vector<T>& values) {
  return static_cast<std::int64_t>(values.size());
}

template <class T>
void write_scalar(hid_t where, const std::string& name, T value) {
  h5::write(where, name, std::span<const T>(&value, 1), {});
}

/// [values / n_cols, n_cols]
template <class T>
void write_matrix(hid_t where, const std::string& name, const std::vector<T>& values,
                  std::int64_t n_rows) {
  const auto n_cols = n_rows == 0 ? 0 : static_cast<std::int64_t>(values.size()) / n_rows;
  h5::write(where, name, std::span<const T>(values), {n_rows, n_cols});
}

void write_stage_file(const std::string& path, const std::string& fingerprint,
                      const std::function<void(hid_t)>& fill) {
  const auto write = [&](hid_t file) {
    h5::write_attribute(file, "fingerprint", fingerprint);
    fill(file);
  };
  h5::write_file(path, write, h5::Checksums::of_blocks);
}

constexpr const char* advice_for_damage = "delete it and run its stage again with --resume";

InputError damaged(const DamagedFile& error) {
  return InputError(fmt::format("{}; {}", error.what(), advice_for_damage));
}

h5::File open_stage_file(const std::string& path) {
  try {
    return h5::open_verified(path);
  } catch (const DamagedFile& error) {
    throw damaged(error);
  }
}

/// Runs `read` on the open file; what cannot be read becomes an InputError that says what to do.
template <class Read>
auto read_open_file(const std::string& path, hid_t file, Read read) {
  const auto expect_undamaged = [&] {
    try {
      h5::expect_undamaged(file);
    } catch (const DamagedFile& error) {
      throw damaged(error);
    }
  };
  const auto refused = [&](const std::exception& error) {
    expect_undamaged();  // else the reason is another
    return InputError(
        fmt::format("{} cannot be read ({}); {}", path, error.what(), advice_for_damage));
  };
  const auto read_all = [&] {
    try {
      return read(file);
    } catch (const InputError& error) {
      throw refused(error);
    } catch (const LibraryError& error) {
      throw refused(error);
    }
  };
  auto found = read_all();
  expect_undamaged();
  return found;
}

template <class Read>
auto read_stage_file(const std::string& path, Read read) {
  const h5::File file = open_stage_file(path);
  return read_open_file(path, file, read);
}

std::string attribute(hid_t file, const char* name) {
  return h5::has_attribute(file, name) ? h5::read_text_attribute(file, name) : "";
}

/// What `read` returns; an empty value where the file is missing or damaged.
template <class Read>
auto found_or_empty(Read read) -> decltype(read()) {
  try {
    return read();
  } catch (const InputError&) {
    return {};
  } catch (const LibraryError&) {  // damaged behind its first bytes
    return {};
  }
}

/// Empty also when there is no such attribute.
std::string attribute_or_empty(const std::string& path, const char* name) {
  return found_or_empty(
      [&] { return read_stage_file(path, [=](hid_t file) { return attribute(file, name); }); });
}

}  // namespace

std::uint64_t identity_of_stage_file(const std::string& path) {
  try {
    return CheckedFile(path).identity();
  } catch (const DamagedFile& error) {
    throw damaged(error);
  } catch (const std::system_error& error) {
    throw InputError(fmt::format("{} cannot be read ({})", path, error.code().message()));
  }
}

std::string fingerprint_of_file(const std::string& path) {
  return attribute_or_empty(path, "fingerprint");
}

Origin origin_of_prepared(const std::string& path) {
  if (has_checksums(path))
    return {attribute_or_empty(path, "program"), attribute_or_empty(path, "input_checksum")};
  return found_or_empty([&]() -> Origin {  // of a version that wrote none
    const h5::File file = h5::open_to_read(path);
    return {attribute(file, "program"), attribute(file, "input_checksum")};
  });
}

std::string fingerprint_of_result(const std::string& path) {
  const std::string name = "uns/stamarker/provenance/fingerprint";
  return found_or_empty([&]() -> std::string {
    const h5::File file = h5::open_to_read(path);
    const auto text =
        h5::exists(file, name) ? h5::read_strings(file, name, {}) : std::vector<std::string>();
    return text.size() == 1 ? text[0] : "";
  });
}

namespace {

void write_tables(hid_t file, const PreparedData& data) {
  h5::write(file, "kept_spots", data.kept_spots);
  h5::write(file, "selected_genes", data.selected_genes);
  h5::make_group(file, "statistics");
  h5::write(file, "statistics/means", data.statistics.means);
  h5::write(file, "statistics/variances", data.statistics.variances);
  h5::write(file, "statistics/variances_norm", data.statistics.variances_norm);
  h5::write(file, "statistics/rank", data.statistics.rank);
  h5::write_strings(file, "spot_names", data.spot_names);
  h5::write_strings(file, "gene_names", data.gene_names);
  write_matrix(file, "coordinates", data.coordinates.values, data.coordinates.n_spots());
  h5::write(file, "section", data.section);
  h5::write_strings(file, "section_names", data.section_names);
  h5::make_group(file, "graph");
  h5::write(file, "graph/row_start", data.graph.row_start);
  h5::write(file, "graph/source", data.graph.source);
  h5::write(file, "graph/distance", data.graph.distance);
  h5::write(file, "radius", data.radius);
  write_scalar(file, "n_nearest", data.n_nearest);
}

constexpr std::pair<const char*, std::int64_t InputSummary::*> input_members[] = {
    {"input/n_spots", &InputSummary::n_spots},
    {"input/n_genes", &InputSummary::n_genes},
    {"input/n_other_features", &InputSummary::n_other_features},
    {"input/n_seen_genes", &InputSummary::n_seen_genes},
    {"input/n_kept_genes", &InputSummary::n_kept_genes}};

void write_summary(hid_t file, const InputSummary& summary) {
  h5::make_group(file, "input");
  for (const auto& [name, member] : input_members) write_scalar(file, name, summary.*member);
  if (!summary.warnings.empty()) h5::write_strings(file, "input/warnings", summary.warnings);
}

/// Rows that ascend from 0, and sources that are spots.
SpatialGraph read_graph(hid_t file, std::int64_t n_spots) {
  SpatialGraph graph;
  graph.row_start = h5::read<std::int64_t>(file, "graph/row_start", {n_spots + 1});
  graph.source = read_list<std::int32_t>(file, "graph/source");
  graph.distance = h5::read<float>(file, "graph/distance", {length(graph.source)});
  if (graph.row_start.front() != 0 || graph.row_start.back() != length(graph.source) ||
      !std::ranges::is_sorted(graph.row_start))
    throw InputError("graph/row_start does not fit graph/source");
  expect_within(graph.source, 0, n_spots - 1, "graph/source");
  return graph;
}

PreparedData read_tables(hid_t file) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  PreparedData data;
  data.kept_spots = read_list<std::int32_t>(file, "kept_spots");
  data.selected_genes = read_list<std::int32_t>(file, "selected_genes");
  expect_within(data.kept_spots, 0, most, "kept_spots");
  expect_within(data.selected_genes, 0, most, "selected_genes");
  const std::int64_t n_spots = length(data.kept_spots), n_genes = length(data.selected_genes);
  data.statistics.means = h5::read<double>(file, "statistics/means", {n_genes});
  data.statistics.variances = h5::read<double>(file, "statistics/variances", {n_genes});
  data.statistics.variances_norm = h5::read<double>(file, "statistics/variances_norm", {n_genes});
  data.statistics.rank = h5::read<std::int32_t>(file, "statistics/rank", {n_genes});
  data.spot_names = h5::read_strings(file, "spot_names", {n_spots});
  data.gene_names = h5::read_strings(file, "gene_names", {n_genes});
  data.coordinates.values = h5::read<double>(file, "coordinates", {n_spots, h5::any_length});
  data.coordinates.n_dims = static_cast<int>(h5::shape_of(file, "coordinates")[1]);
  if (data.coordinates.n_dims < 2 || data.coordinates.n_dims > 3)
    throw InputError(fmt::format("coordinates has {} columns", data.coordinates.n_dims));
  data.section = h5::read<std::int32_t>(file, "section", {n_spots});
  data.section_names = h5::read_strings(file, "section_names", {h5::any_length});
  expect_within(data.section, 0, length(data.section_names) - 1, "section");
  data.graph = read_graph(file, n_spots);
  data.radius = h5::read<double>(file, "radius", {h5::any_length});
  data.n_nearest = read_scalar<int>(file, "n_nearest");
  data.expression = empty_rows(static_cast<int>(n_spots), static_cast<int>(n_genes));
  return data;
}

/// Spots and entries of the ranks before this one, and of all. Collective.
struct Shares {
  std::int64_t first_spot = 0, n_spots = 0, n_entries = 0;
};

Shares shares_of(const Comm& comm, const SparseRows& counts) {
  const std::int64_t mine[] = {counts.n_rows, counts.n_entries()};
  const std::vector<std::int64_t> all = comm.all_gather(std::span<const std::int64_t>(mine));
  Shares shares;
  for (std::size_t r = 0; 2 * r < all.size(); ++r) {
    if (static_cast<int>(r) < comm.rank()) shares.first_spot += all[2 * r];
    shares.n_spots += all[2 * r];
    shares.n_entries += all[2 * r + 1];
  }
  return shares;
}

}  // namespace

void write_prepared(const Comm& comm, const std::string& path, const Fingerprints& fingerprints,
                    const PreparedData& tables, const InputSummary& summary,
                    const SparseRows& counts, double target_sum) {
  const Shares shares = shares_of(comm, counts);
  h5::SparseBlock mine = h5::block_of_rows(counts, {0, counts.n_rows});
  mine.first_row = shares.first_spot;
  h5::write_file_together(
      comm, path,
      [&](hid_t file) {
        h5::write_attribute(file, "fingerprint", fingerprints.of(Stage::prepare));
        h5::write_attribute(file, "program", fingerprints.origin().program);
        h5::write_attribute(file, "input_checksum", fingerprints.origin().input_checksum);
        write_tables(file, tables);
        write_summary(file, summary);
        write_scalar(file, "target_sum", target_sum);
        h5::create_csr(file, "counts", shares.n_spots, counts.n_cols, shares.n_entries);
      },
      [&](hid_t file) { h5::write_csr(comm, file, "counts", mine); }, h5::Checksums::of_blocks);
}

namespace {

/// Counts that are CSR and fit the tables beside them.
anndata::MatrixRows open_counts(hid_t file, Block rows) {
  const std::vector<std::int64_t> shape = anndata::shape_of_matrix(file, "counts");
  if (!anndata::is_sparse(file, "counts") ||
      anndata::sparse_header(h5::open_group(file, "counts"), "counts").is_csc ||
      shape[0] != h5::length_of(file, "kept_spots") ||
      shape[1] != h5::length_of(file, "selected_genes") || rows.end > shape[0])
    throw InputError("counts is not a CSR matrix of the kept spots and selected genes");
  return {file, "counts", rows};
}

double read_target_sum(hid_t file) {
  const auto target_sum = read_scalar<double>(file, "target_sum");
  if (!std::isfinite(target_sum)) throw InputError("target_sum is not finite");
  return target_sum;
}

}  // namespace

std::int64_t read_n_spots(const std::string& path) {
  return read_stage_file(path, [](hid_t file) { return h5::length_of(file, "kept_spots"); });
}

PreparedData read_prepared(const std::string& path) { return read_stage_file(path, read_tables); }

InputSummary read_input_summary(const std::string& path) {
  return read_stage_file(path, [](hid_t file) {
    InputSummary summary;
    for (const auto& [name, member] : input_members)
      summary.*member = read_scalar<std::int64_t>(file, name);
    if (h5::exists(file, "input/warnings"))
      summary.warnings = h5::read_strings(file, "input/warnings", {h5::any_length});
    return summary;
  });
}

PreparedExpression::PreparedExpression(const std::string& path)
    : path_(path),
      file_(open_stage_file(path)),
      target_sum_(read_open_file(path, file_, read_target_sum)),
      counts_(read_open_file(path, file_, [](hid_t file) {
        return open_counts(file, {0, static_cast<int>(h5::length_of(file, "kept_spots"))});
      })) {}

SparseRows PreparedExpression::rows(std::span<const std::int32_t> spots) const {
  // Spots near each other in the file are read at once, with those between them: reading so many
  // entries takes less time than another call of HDF5.
  constexpr std::int64_t most_between = 1 << 13, most_at_once = 1 << 20;
  const std::span<const std::int64_t> start = row_start();
  SparseRows found;
  found.n_rows = static_cast<int>(spots.size());
  found.n_cols = counts_.n_cols();
  for (const std::int32_t i : spots)
    found.row_start.push_back(found.n_entries() + start[i + 1] - start[i]);
  found.column.resize(static_cast<std::size_t>(found.n_entries()));
  found.value.resize(found.column.size());
  std::vector<std::int32_t> order(spots.size());  // of the file
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](std::int32_t k) { return spots[k]; });
  const auto spot = [&](std::size_t at) { return spots[order[at]]; };
  SparseRows block;
  for (std::size_t first = 0, last = 0; first < order.size(); first = last) {
    for (last = first + 1; last < order.size(); ++last)
      if (start[spot(last)] - start[spot(last - 1) + 1] > most_between ||
          start[spot(last) + 1] - start[spot(first)] > most_at_once)
        break;
    read_counts(spot(first), spot(last - 1) + 1, block);
    for (std::size_t at = first; at < last; ++at) {
      const std::int32_t from = spot(at) - spot(first);
      const std::int64_t begin = block.row_start[from], end = block.row_start[from + 1];
      const std::int64_t to = found.row_start[order[at]];
      if (end - begin != found.row_start[order[at] + 1] - to)
        throw InputError(path_ + " (damaged: counts that are zero; delete it and prepare again)");
      std::copy(block.column.begin() + begin, block.column.begin() + end,
                found.column.begin() + to);
      std::copy(block.value.begin() + begin, block.value.begin() + end, found.value.begin() + to);
    }
  }
  normalize_log(found, target_sum_);
  return found;
}

void PreparedExpression::read_counts(int first, int last, SparseRows& counts) const {
  read_open_file(path_, file_, [&](hid_t) {
    counts_.read(first, last, counts);
    return true;
  });
}

void PreparedExpression::visit(const std::function<void(int, const SparseRows&)>& visit) const {
  constexpr std::int64_t most_entries = std::int64_t{1} << 20;
  const int n_spots = counts_.n_rows();
  SparseRows block;
  for (int first = 0, last = 0; first < n_spots; first = last) {
    last = counts_.end_of_block(first, most_entries);
    read_counts(first, last, block);
    normalize_log(block, target_sum_);
    visit(first, block);
  }
}

PreparedRows read_prepared_rows(const std::string& path, Block rows) {
  return read_stage_file(path, [=](hid_t file) {
    PreparedRows read;
    open_counts(file, rows).read(rows.begin, rows.end, read.counts);
    read.expression = read.counts;
    normalize_log(read.expression, read_target_sum(file));
    return read;
  });
}

void write_model(const std::string& path, const std::string& fingerprint, const ModelFile& model) {
  write_stage_file(path, fingerprint, [&](hid_t file) {
    write_scalar(file, "epoch", model.state.epoch);
    h5::write(file, "parameters", model.state.parameters);
    h5::write(file, "moments", model.state.moments);
    h5::write(file, "loss", model.state.loss);
    h5::write(file, "gradient_norm", model.state.gradient_norm);
    if (model.is_complete()) write_matrix(file, "embedding", model.embedding, model.n_spots);
  });
}

TrainerState read_model_state(const std::string& path, const ParameterLayout& layout) {
  return read_stage_file(path, [&](hid_t file) {
    TrainerState state;
    state.epoch = read_scalar<int>(file, "epoch");
    state.parameters =
        h5::read<float>(file, "parameters", {static_cast<std::int64_t>(layout.n_weights())});
    state.moments =
        h5::read<float>(file, "moments", {static_cast<std::int64_t>(layout.n_moments())});
    state.loss = h5::read<double>(file, "loss", {state.epoch});
    state.gradient_norm = h5::read<double>(file, "gradient_norm", {state.epoch});
    return state;
  });
}

bool is_complete_model(const std::string& path) {
  return read_stage_file(path, [](hid_t file) { return h5::exists(file, "embedding"); });
}
std::vector<float> read_model_embedding(const std::string& path, std::int64_t n_spots,
                                        int n_latent) {
  return read_stage_file(path, [=](hid_t file) {
    return h5::read<float>(file, "embedding", {n_spots, n_latent});
  });
}
void read_embedding_rows(const std::string& path, std::int64_t n_spots, int n_latent,
                         std::int64_t first_spot, std::span<float> rows) {
  read_stage_file(path, [=](hid_t file) {
    h5::read_rows(file, "embedding", {n_spots, n_latent}, first_spot,
                  static_cast<std::int64_t>(rows.size()) / n_latent, h5::native_type<float>(),
                  rows.data());
    return true;
  });
}
std::vector<float> read_model_parameters(const std::string& path, const ParameterLayout& layout) {
  return read_stage_file(path, [&](hid_t file) {
    return h5::read<float>(file, "parameters", {static_cast<std::int64_t>(layout.n_weights())});
  });
}
std::vector<double> read_model_losses(const std::string& path, int n_epochs) {
  return read_stage_file(path,
                         [=](hid_t file) { return h5::read<double>(file, "loss", {n_epochs}); });
}

void write_labels(const std::string& path, const std::string& fingerprint, int n_models,
                  const std::vector<std::int32_t>& labels) {
  write_stage_file(path, fingerprint,
                   [&](hid_t file) { write_matrix(file, "labels", labels, n_models); });
}
std::vector<std::int32_t> read_labels(const std::string& path, int n_models, std::int64_t n_spots) {
  return read_stage_file(path, [=](hid_t file) {
    auto labels = h5::read<std::int32_t>(file, "labels", {n_models, n_spots});
    expect_within(labels, 0, length(labels) / n_models - 1, "labels");
    return labels;
  });
}

void write_consensus(const std::string& path, const std::string& fingerprint,
                     const ConsensusFile& contents) {
  write_stage_file(path, fingerprint, [&](hid_t file) {
    const Consensus& c = contents.consensus;
    h5::write(file, "domain", c.domain);
    write_scalar(file, "n_domains", c.n_domains);
    write_scalar(file, "n_tuples", c.n_tuples);
    write_scalar(file, "joined_share", c.joined_share);
    write_scalar(file, "joined_shift", c.joined_shift);
    h5::write(file, "leaf", c.leaf);
    write_matrix(file, "linkage", c.linkage, static_cast<std::int64_t>(c.linkage.size() / 4));
    write_matrix(file, "embedding", contents.embedding.scores,
                 static_cast<std::int64_t>(c.domain.size()));
    h5::write(file, "explained_share", contents.embedding.explained_share);
    write_scalar(file, "agreement", contents.agreement);
  });
}

namespace {

Domains read_domains_of(hid_t file, std::int64_t n_spots) {
  Domains domains{h5::read<std::int32_t>(file, "domain", {n_spots}),
                  read_scalar<int>(file, "n_domains")};
  if (domains.n < 1 || domains.n > length(domains.of_spot))
    throw InputError(fmt::format("n_domains is {}", domains.n));
  expect_within(domains.of_spot, 0, domains.n - 1, "domain");
  return domains;
}

}  // namespace

ConsensusFile read_consensus(const std::string& path, std::int64_t n_spots, int n_latent) {
  return read_stage_file(path, [=](hid_t file) {
    ConsensusFile contents;
    Consensus& c = contents.consensus;
    Domains domains = read_domains_of(file, n_spots);
    c.domain = std::move(domains.of_spot);
    c.n_domains = domains.n;
    c.n_tuples = read_scalar<std::int64_t>(file, "n_tuples");
    c.joined_share = read_scalar<double>(file, "joined_share");
    c.joined_shift = read_scalar<double>(file, "joined_shift");
    c.leaf = h5::read<std::int32_t>(file, "leaf", {n_spots});
    c.linkage = h5::read<double>(file, "linkage", {h5::any_length, h5::any_length});
    if (c.linkage.size() % 4 != 0) throw InputError("linkage has rows of another length than 4");
    contents.embedding.scores = h5::read<float>(file, "embedding", {n_spots, n_latent});
    contents.embedding.explained_share = read_list<double>(file, "explained_share");
    contents.agreement = read_scalar<double>(file, "agreement");
    return contents;
  });
}

Domains read_domains(const std::string& path, std::int64_t n_spots) {
  return read_stage_file(path, [=](hid_t file) { return read_domains_of(file, n_spots); });
}

void write_classifier(const std::string& path, const std::string& fingerprint,
                      const Classifier& classifier) {
  write_stage_file(path, fingerprint, [&](hid_t file) {
    h5::write(file, "widths", classifier.widths);
    h5::write(file, "parameters", classifier.parameters);
    h5::write(file, "loss", classifier.loss);
    write_scalar(file, "held_out_accuracy", classifier.held_out_accuracy);
    write_scalar(file, "training_accuracy", classifier.training_accuracy);
    write_matrix(file, "confusion", classifier.confusion, classifier.widths.back());
  });
}

Classifier read_classifier(const std::string& path, const std::vector<int>& widths) {
  return read_stage_file(path, [&](hid_t file) {
    Classifier classifier;
    classifier.widths = h5::read<int>(file, "widths", {length(widths)});
    if (classifier.widths != widths) throw InputError("widths are those of another classifier");
    std::int64_t n_parameters = 0;
    for (std::size_t l = 0; l + 1 < widths.size(); ++l)
      n_parameters += (std::int64_t{widths[l]} + 1) * widths[l + 1];
    classifier.parameters = h5::read<float>(file, "parameters", {n_parameters});
    classifier.loss = read_list<double>(file, "loss");
    classifier.held_out_accuracy = read_scalar<double>(file, "held_out_accuracy");
    classifier.training_accuracy = read_scalar<double>(file, "training_accuracy");
    classifier.confusion =
        h5::read<std::int32_t>(file, "confusion", {widths.back(), widths.back()});
    return classifier;
  });
}

void write_tile_saliency(const std::string& path, const std::string& fingerprint,
                         const TileSaliency& tile, int n_tiles, bool with_saliency) {
  write_stage_file(path, fingerprint, [&](hid_t file) {
    write_scalar(file, "n_tiles", n_tiles);
    h5::write(file, "spots", tile.spots);
    h5::write(file, "domains", tile.domains);
    h5::write(file, "squares", tile.squares);
    h5::write(file, "model_squares", tile.model_squares);
    if (with_saliency)
      write_matrix(file, "saliency", tile.saliency, static_cast<std::int64_t>(tile.spots.size()));
  });
}

int read_n_saliency_tiles(const std::string& path) {
  return read_stage_file(path, [](hid_t file) {
    const int n_tiles = read_scalar<int>(file, "n_tiles");
    if (n_tiles < 1) throw InputError(fmt::format("n_tiles is {}", n_tiles));
    return n_tiles;
  });
}

TileSaliency read_tile_saliency(const std::string& path, const SaliencySizes& sizes,
                                bool with_saliency) {
  return read_stage_file(path, [=](hid_t file) {
    TileSaliency tile;
    tile.spots = read_list<std::int32_t>(file, "spots");
    tile.domains = read_list<std::int32_t>(file, "domains");
    expect_within(tile.spots, 0, sizes.n_spots - 1, "spots");
    expect_within(tile.domains, 0, sizes.n_domains - 1, "domains");
    for (const std::vector<std::int32_t>* list : {&tile.spots, &tile.domains})
      if (std::ranges::adjacent_find(*list, std::ranges::greater_equal()) != list->end())
        throw InputError("spots or domains do not ascend");
    const std::int64_t table = length(tile.domains) * sizes.n_genes;
    tile.squares = h5::read<double>(file, "squares", {table});
    tile.model_squares = h5::read<double>(file, "model_squares", {sizes.n_models * table});
    if (with_saliency)
      tile.saliency = h5::read<float>(file, "saliency", {length(tile.spots), sizes.n_genes});
    return tile;
  });
}

}  // namespace stamarker
