#include "model/svgs.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "app/config/config_value.hpp"
#include "app/run/stage_files.hpp"
#include "app/run/summary.hpp"
#include "app/run/warnings.hpp"
#include "app/stages/stages.hpp"
#include "app/version/version.hpp"
#include "base/text.hpp"
#include "io/atomic_file.hpp"
#include "io/result_file.hpp"

namespace stamarker {
namespace {

/// The scores of the whole section, tiles added in their order.
SvgTable read_table(const RunContext& run, int n_genes, int n_domains, int n_spots) {
  const std::size_t table = static_cast<std::size_t>(n_domains) * n_genes;
  std::vector<double> squares(table, 0), model_squares(table * run.config.models, 0);
  int n_covered = 0;
  for (const std::string& file : run.directory.files_of(Stage::saliency)) {
    const TileSaliency tile = read_tile_saliency(
        file, {n_spots, n_genes, run.config.models, n_domains}, /*with_saliency=*/false);
    add_squares(tile, n_genes, squares, model_squares);
    n_covered += static_cast<int>(tile.spots.size());
  }
  if (n_covered != n_spots)
    throw InputError(
        fmt::format("{}/saliency (covers {} of {} spots; run `stamarker saliency` again)",
                    run.directory.path(), n_covered, n_spots));
  return make_svg_table(squares, model_squares, run.config.models, n_domains, n_genes,
                        run.config.svgs);
}

/// A name as one field of a TSV: quoted where it would end the field or the line, or be quotes
/// itself, as pandas and R read it back.
std::string field_of(const std::string& name) {
  if (name.find_first_of("\t\n\r\"") == name.npos) return name;
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

/// SVGs of each domain by decreasing score.
std::string table_text(const SvgTable& table, const std::vector<std::string>& gene_names,
                       const std::vector<float>& log_fold_change) {
  std::string text = "domain\tgene\trank\tscore\tscore_sd\tstability\tlog2_fold_change\n";
  for (int k = 0; k < table.n_domains; ++k) {
    int rank = 0;
    for (const std::int32_t g : table.ranking(k)) {
      const std::size_t at = static_cast<std::size_t>(k) * table.n_genes + g;
      if (table.selected[at] == 0) continue;
      text += fmt::format("{}\t{}\t{}\t{:.6g}\t{:.6g}\t{:.3f}\t{:.4f}\n", k,
                          field_of(gene_names[g]), ++rank, table.score[at],
                          table.score_deviation[at], table.stability[at], log_fold_change[at]);
    }
  }
  return text;
}

/// Options that change no result stand apart, in the provenance: the configuration in the result
/// is the same for all ways of computing it.
RunRecord make_record(const RunContext& run, const PreparedData& data, const ConsensusFile& found,
                      PeakMemory memory) {
  RunRecord record;
  std::vector<std::vector<double>> losses;
  record.n_models = run.config.models;
  const std::vector<int> widths = classifier_widths(
      run.config.autoencoder.n_latent, run.config.classifier, found.consensus.n_domains);
  record.config = to_yaml_of_result(run.config);
  for (int m = 0; m < run.config.models; ++m) {
    losses.push_back(read_model_losses(run.directory.model(m), run.config.autoencoder.epochs));
    for (const double loss : losses.back()) record.losses.push_back(static_cast<float>(loss));
    const Classifier classifier = read_classifier(run.directory.classifier(m), widths);
    record.held_out_accuracy.push_back(classifier.held_out_accuracy);
    record.confusion.insert(record.confusion.end(), classifier.confusion.begin(),
                            classifier.confusion.end());
  }
  record.warnings = warnings_of_run(data, read_input_summary(run.directory.prepared()), losses,
                                    found, run.config);
  record.linkage = found.consensus.linkage;
  record.measures = {{"agreement", found.agreement},
                     {"n_tuples", static_cast<double>(found.consensus.n_tuples)},
                     {"joined_share", found.consensus.joined_share},
                     {"joined_shift", found.consensus.joined_shift}};
  record.run_times = run.seconds;
  record.provenance = {{"version", version},
                       {"commit", commit},
                       {"fingerprint", run.fingerprints.of(Stage::svgs)},
                       {"input_checksum", run.fingerprints.origin().input_checksum},
                       {"seed", fmt::format("{}", run.config.seed)},
                       {"backend", run.backend.description()},
                       {"ranks", fmt::format("{}", run.world.size())},
                       {"threads", fmt::format("{}", run.n_threads)},
                       {"tile_groups", fmt::format("{}", run.config.compute.tile_groups)},
                       {"output", readable(run.config.output)},
                       {"peak_memory", readable_bytes(memory.largest)}};
  return record;
}

/// The saliency of this rank's tiles, one at a time.
std::function<SaliencyRows()> saliency_reader(const RunContext& run, SaliencySizes sizes) {
  const std::vector<std::string> files = run.directory.files_of(Stage::saliency);
  const Block mine = block_of(run.world.rank(), run.world.size(), static_cast<int>(files.size()));
  return [files, mine, sizes, next = mine.begin]() mutable -> SaliencyRows {
    if (next == mine.end) return {};
    const std::string& file = files[next++];
    TileSaliency tile = read_tile_saliency(file, sizes, /*with_saliency=*/true);
    return {std::move(tile.spots), std::move(tile.saliency)};
  };
}

/// The large matrices of the result, of which every rank holds its rows.
struct Rows {
  std::vector<std::int32_t> labels;            // [rows, M]
  std::vector<std::vector<float>> embeddings;  // M of [rows, L], or none
  PreparedRows prepared;                       // [rows, G]
};

Rows read_rows_of(const RunContext& run, Block rows, int n_spots) {
  Rows mine;
  const int n_models = run.config.models, n_latent = run.config.autoencoder.n_latent;
  mine.prepared = read_prepared_rows(run.directory.prepared(), rows);
  const std::vector<std::int32_t> labels = read_labels(run.directory.clusters(), n_models, n_spots);
  for (int i = rows.begin; i < rows.end; ++i)
    for (int m = 0; m < n_models; ++m)
      mine.labels.push_back(labels[static_cast<std::size_t>(m) * n_spots + i]);
  if (run.config.compute.embeddings == EmbeddingOutput::none) return mine;
  for (int m = 0; m < n_models; ++m) {
    std::vector<float> embedding(static_cast<std::size_t>(rows.size()) * n_latent);
    if (rows.size() > 0)
      read_embedding_rows(run.directory.model(m), n_spots, n_latent, rows.begin, embedding);
    mine.embeddings.push_back(std::move(embedding));
  }
  return mine;
}

/// Of the whole section, read block by block.
std::vector<float> fold_changes_of(const RunContext& run, std::span<const std::int32_t> domain,
                                   int n_domains, int n_genes) {
  FoldChanges changes(n_domains, n_genes);
  const PreparedExpression all(run.directory.prepared());
  all.visit([&](int first, const SparseRows& expression) {
    changes.add(expression, domain.subspan(static_cast<std::size_t>(first),
                                           static_cast<std::size_t>(expression.n_rows)));
  });
  return changes.values();
}

}  // namespace

void svgs_stage(RunContext& run) {
  const PreparedData& data = run.tables();
  ConsensusFile found;
  Rows mine;
  Block rows;
  run.world.together([&] {
    found =
        read_consensus(run.directory.consensus(), data.n_spots(), run.config.autoencoder.n_latent);
    rows = block_of(run.world.rank(), run.world.size(), data.n_spots());
    mine = read_rows_of(run, rows, data.n_spots());
  });
  const int n_domains = found.consensus.n_domains, n_latent = run.config.autoencoder.n_latent;
  const PeakMemory memory = peak_memory(run.world);

  ResultContents contents;
  fill_prepared(data, rows, mine.prepared.counts, mine.prepared.expression, contents);
  const auto first = static_cast<std::size_t>(rows.begin) * n_latent;
  contents.embedding = {rows.begin, n_latent,
                        std::span<const float>(found.embedding.scores)
                            .subspan(first, static_cast<std::size_t>(rows.size()) * n_latent)};
  contents.labels = {rows.begin, run.config.models, mine.labels};
  for (const std::vector<float>& embedding : mine.embeddings)
    contents.embeddings.push_back({rows.begin, n_latent, embedding});
  if (run.config.saliency.write)
    contents.next_saliency =
        saliency_reader(run, {data.n_spots(), data.n_genes(), run.config.models, n_domains});

  SvgTable table;
  run.world.on_root([&] {
    table = read_table(run, data.n_genes(), n_domains, data.n_spots());
    contents.input = run.config.input;
    DomainResults& domains = contents.domains;
    domains.domain = found.consensus.domain;
    for (int k = 0; k < n_domains; ++k) domains.domain_names.push_back(fmt::format("{}", k));
    domains.score = table.score;
    domains.stability = table.stability;
    domains.score_deviation = table.score_deviation;
    domains.selected = table.selected;
    domains.log_fold_change = fold_changes_of(run, domains.domain, n_domains, data.n_genes());
    contents.run = make_record(run, data, found, memory);
    write_text_file(run.directory.svg_table(),
                    table_text(table, data.gene_names, domains.log_fold_change));
  });
  const std::vector<std::string> left_out =
      write_result(run.world, run.directory.result(), contents);
  for (const std::string& line : left_out) run.log.info("not carried over: " + line);
  run.world.on_root([&] {
    run.warn(contents.run.warnings);  // of stages that an earlier call has computed
    run.log.lines(fmt::format("\n{}", domain_summary({.domain = found.consensus.domain,
                                                      .table = table,
                                                      .gene_names = data.gene_names,
                                                      .accuracy = contents.run.held_out_accuracy,
                                                      .agreement = found.agreement})));
  });
}

}  // namespace stamarker
