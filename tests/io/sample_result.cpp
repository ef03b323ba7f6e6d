#include "sample_result.hpp"

#include <cmath>
#include <memory>

#include "data/sparse_rows.hpp"

namespace stamarker::test {

namespace {

constexpr int n_latent = 4, n_models = 3, n_domains = 3;

SpatialGraph chain(int n_spots) {
  SpatialGraph graph;
  for (int i = 0; i < n_spots; ++i) {
    for (int j = std::max(i - 1, 0); j <= std::min(i + 1, n_spots - 1); ++j) {
      graph.source.push_back(j);
      graph.distance.push_back(i == j ? 0.0f : 1.5f);
    }
    graph.row_start.push_back(static_cast<std::int64_t>(graph.source.size()));
  }
  return graph;
}

DomainResults sample_domains(const PreparedData& prepared) {
  DomainResults domains;
  for (int i = 0; i < prepared.n_spots(); ++i) domains.domain.push_back(i % n_domains);
  domains.domain_names = {"1", "2", "3"};
  for (int k = 0; k < n_domains; ++k) {
    for (int g = 0; g < prepared.n_genes(); ++g) {
      domains.score.push_back((7 * g + 13 * k) % 101);
      domains.stability.push_back(g % 2);
      domains.score_deviation.push_back(0.5 * g);
      domains.selected.push_back(g % n_domains == k ? 1 : 0);
    }
  }
  FoldChanges changes(n_domains, prepared.n_genes());
  changes.add(prepared.expression, domains.domain);
  domains.log_fold_change = changes.values();
  return domains;
}

RunRecord sample_record() {
  RunRecord run;
  run.n_models = n_models;
  run.config = "seed: 0\nmodels: 3\n";
  for (int k = 0; k < n_models * 5; ++k) run.losses.push_back(1.0f / static_cast<float>(k + 1));
  run.held_out_accuracy = {0.9, 0.8, 0.7};
  for (int k = 0; k < n_models * n_domains * n_domains; ++k) run.confusion.push_back(k);
  run.linkage = {0, 1, 0.5, 2, 2, 3, 1.5, 4};
  run.run_times = {{"train", 1.25}, {"total", 2.5}};
  run.measures = {{"radius", 1.5}};
  run.provenance = {{"version", "0.1.0"}, {"commit", "none"}};
  return run;
}

}  // namespace

SampleResult::SampleResult(const InputOptions& input, int n_genes) : input_(input) {
  const Dataset data = read_input(input);
  for (int i = 0; i < data.n_spots(); ++i)
    if (i % 3 != 2) prepared_.kept_spots.push_back(i);
  for (int g = 1;
       g < data.n_genes() && prepared_.selected_genes.size() < static_cast<std::size_t>(n_genes);
       g += 2)
    prepared_.selected_genes.push_back(g);
  counts_ = submatrix(data.counts, prepared_.kept_spots, prepared_.selected_genes);
  prepared_.expression = counts_;
  for (float& value : prepared_.expression.value) value = std::log1p(value);
  for (const std::int32_t i : prepared_.kept_spots) {
    prepared_.spot_names.push_back(data.spot_names[static_cast<std::size_t>(i)]);
    const double* place = data.coordinates.spot(i);
    prepared_.coordinates.values.insert(prepared_.coordinates.values.end(), place,
                                        place + data.coordinates.n_dims);
  }
  prepared_.coordinates.n_dims = data.coordinates.n_dims;
  for (const std::int32_t g : prepared_.selected_genes) {
    prepared_.gene_names.push_back(data.gene_names[static_cast<std::size_t>(g)]);
    prepared_.statistics.means.push_back(g);
    prepared_.statistics.variances.push_back(2.0 * g);
    prepared_.statistics.variances_norm.push_back(3.0 * g);
    prepared_.statistics.rank.push_back(g / 2);
  }
  prepared_.graph = chain(prepared_.n_spots());
  prepared_.radius = {1.5};
  prepared_.section_names = {"all"};
  models_.resize(n_models);
  for (int i = 0; i < prepared_.n_spots(); ++i) {
    for (int m = 0; m < n_models; ++m) labels_.push_back((i + m) % 4);
    for (int d = 0; d < n_latent; ++d) {
      const auto value = static_cast<float>(i) + static_cast<float>(d) / 100;
      embedding_.push_back(value);
      for (int m = 0; m < n_models; ++m)
        models_[static_cast<std::size_t>(m)].push_back(value + 1000 * static_cast<float>(m));
    }
  }
}

ResultContents SampleResult::contents(const Comm& comm, bool with_saliency) {
  ResultContents contents;
  const Block rows = block_of(comm.rank(), comm.size(), prepared_.n_spots());
  own_counts_ = rows_of(counts_, rows.begin, rows.end);
  own_expression_ = rows_of(prepared_.expression, rows.begin, rows.end);
  fill_prepared(prepared_, rows, own_counts_, own_expression_, contents);
  contents.input = input_;
  const auto all_or_none = [](bool mine, const auto& values, int n_cols) {
    using Element = typename std::remove_cvref_t<decltype(values)>::value_type;
    return DenseBlock<Element>{
        0, n_cols, mine ? std::span<const Element>(values) : std::span<const Element>{}};
  };
  contents.embedding = all_or_none(comm.rank() == 0, embedding_, n_latent);
  for (int m = 0; m < n_models; ++m)
    contents.embeddings.push_back(all_or_none(comm.rank() == m % comm.size(),
                                              models_[static_cast<std::size_t>(m)], n_latent));
  const auto first = static_cast<std::size_t>(rows.begin) * n_models;
  contents.labels = {rows.begin, n_models,
                     std::span<const std::int32_t>(labels_).subspan(
                         first, static_cast<std::size_t>(rows.size()) * n_models)};
  contents.domains = sample_domains(prepared_);
  contents.run = sample_record();
  if (!with_saliency) return contents;
  // Round r: rank q gives the spots i with i mod 10 = r that are q modulo the number of ranks.
  contents.next_saliency = [this, &comm, round = 0]() mutable {
    SaliencyRows some;
    if (round >= 10) return some;
    for (int i = round; i < prepared_.n_spots(); i += 10) {
      if (i % comm.size() != comm.rank()) continue;
      some.rows.push_back(i);
      for (int g = 0; g < prepared_.n_genes(); ++g)
        some.values.push_back(static_cast<float>(i) + static_cast<float>(g) / 1000);
    }
    ++round;
    return some;
  };
  return contents;
}

}  // namespace stamarker::test
