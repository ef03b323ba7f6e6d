#include "section_file.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.hpp"
#include "io/atomic_file.hpp"
#include "io/h5.hpp"
#include "model/parameters.hpp"

namespace stamarker::bench {
namespace {

void write_matrix(hid_t file, const char* name, const std::vector<float>& values,
                  std::int64_t n_cols) {
  h5::write(file, name, std::span<const float>(values),
            {static_cast<std::int64_t>(values.size()) / n_cols, n_cols});
}

void write_weights(hid_t file, int n_genes) {
  const ParameterLayout layout{n_genes, n_hidden, n_latent, TiedUpdate::joint};
  const std::vector<float> flat = initial_parameters(layout, /*seed=*/0, /*model=*/0);
  const auto w2 = flat.begin() + static_cast<std::ptrdiff_t>(layout.w1_size());
  const auto a_src = w2 + static_cast<std::ptrdiff_t>(layout.w2_size());
  write_matrix(file, "weights/w1", {flat.begin(), w2}, n_hidden);
  write_matrix(file, "weights/w2", {w2, a_src}, n_latent);
  h5::write(file, "weights/a_src", std::vector<float>(a_src, a_src + n_hidden));
  h5::write(file, "weights/a_dst", std::vector<float>(a_src + n_hidden, flat.end()));
}

/// The source that each spot samples in each of the first epochs, as Backend::sample_neighbors
/// does.
void write_draws(hid_t file, const SpatialGraph& graph) {
  const RandomKey key{0, 0, Purpose::neighbor};
  std::vector<std::int32_t> samples;
  for (int epoch = 0; epoch < n_checked; ++epoch) {
    for (int i = 0; i < graph.n_spots(); ++i) {
      const auto degree = static_cast<std::uint32_t>(graph.row_start[i + 1] - graph.row_start[i]);
      const std::uint32_t word =
          random_words(key, static_cast<std::uint32_t>(epoch), static_cast<std::uint64_t>(i))[0];
      samples.push_back(graph.source[graph.row_start[i] + below(word, degree)]);
    }
  }
  h5::write(file, "reference/samples", std::span<const std::int32_t>(samples),
            {n_checked, graph.n_spots()});
}

/// Spot i lies at place u_i in 0 .. 1; domains are equal parts of it. Clusters are three standard
/// deviations apart in the first dimensions; each model moves the borders a little.
void write_clusters(hid_t file, int n_spots) {
  const RandomKey key{2, 0, Purpose::simulation};
  std::vector<std::int32_t> domain, labels;
  std::vector<double> place;
  std::vector<float> embedding;
  for (int i = 0; i < n_spots; ++i) {
    place.push_back(uniform_of(random_words(key, 0, static_cast<std::uint64_t>(i))[0]));
    domain.push_back(std::min(n_domains - 1, static_cast<int>(place.back() * n_domains)));
    for (int d = 0; d < n_latent; ++d) {
      const auto index = static_cast<std::uint64_t>(i) * n_latent + static_cast<std::uint64_t>(d);
      embedding.push_back(
          static_cast<float>(random_normal(key, 1, index) + (d == domain.back() ? 3 : 0)));
    }
  }
  for (int m = 0; m < n_models; ++m) {
    std::vector<double> border;
    for (int k = 1; k < n_domains; ++k)
      border.push_back((k + 0.2 * random_normal(key, 2, static_cast<std::uint64_t>(m) * 64 + k)) /
                       n_domains);
    for (const double u : place)
      labels.push_back(static_cast<std::int32_t>(
          std::ranges::count_if(border, [u](double b) { return b < u; })));
  }
  write_matrix(file, "classifier/embedding", embedding, n_latent);
  h5::write(file, "classifier/domain", domain);
  h5::write(file, "consensus/labels", std::span<const std::int32_t>(labels), {n_models, n_spots});
  h5::write(file, "consensus/n_domains", std::span(&n_domains, 1), {});
}

}  // namespace

void write_section_file(const std::string& path, const PreparedData& data) {
  h5::write_file(path, [&](hid_t file) {
    h5::write(file, "expression/row_start", data.expression.row_start);
    h5::write(file, "expression/column", data.expression.column);
    h5::write(file, "expression/value", data.expression.value);
    h5::write(file, "expression/n_cols", std::span(&data.expression.n_cols, 1), {});
    h5::write(file, "graph/row_start", data.graph.row_start);
    h5::write(file, "graph/source", data.graph.source);
    h5::write(file, "coordinates", data.coordinates.values);
    write_weights(file, data.n_genes());
    write_draws(file, data.graph);
    write_clusters(file, data.n_spots());
    h5::write(file, "n_checked", std::span(&n_checked, 1), {});
  });
}

PreparedData read_training_data(const std::string& path) {
  const h5::File file = h5::open_to_read(path);
  PreparedData data;
  data.expression.row_start = h5::read<std::int64_t>(file, "expression/row_start");
  data.expression.column = h5::read<std::int32_t>(file, "expression/column");
  data.expression.value = h5::read<float>(file, "expression/value");
  data.expression.n_rows = static_cast<int>(data.expression.row_start.size()) - 1;
  data.expression.n_cols = h5::read<std::int32_t>(file, "expression/n_cols").at(0);
  data.graph.row_start = h5::read<std::int64_t>(file, "graph/row_start");
  data.graph.source = h5::read<std::int32_t>(file, "graph/source");
  data.coordinates.values = h5::read<double>(file, "coordinates");
  return data;
}

}  // namespace stamarker::bench
