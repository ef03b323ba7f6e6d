#include "cluster/clustering.hpp"

#include <fmt/core.h>

#include "base/error.hpp"
#include "cluster/louvain.hpp"
#include "cluster/mixture.hpp"
#include "cluster/neighbors.hpp"

namespace stamarker {

void ClusteringOptions::validate() const {
  if (n_components < 0)
    throw InputError(fmt::format(
        "clustering.n_components = {} (must be positive, or 0: as many as domains)", n_components));
  if (n_init < 1)
    throw InputError(fmt::format("clustering.n_init = {} (must be at least 1)", n_init));
  if (!(resolution > 0))
    throw InputError(fmt::format("clustering.resolution = {} (must be positive)", resolution));
  if (n_neighbors < 2)
    throw InputError(
        fmt::format("clustering.n_neighbors = {} (must be at least 2; it counts the spot itself)",
                    n_neighbors));
}

Clusters cluster(std::span<const float> embedding, int n_latent, const ClusteringOptions& options,
                 std::uint32_t seed, int model, int n_domains) {
  options.validate();
  const RandomKey key{seed, static_cast<std::uint32_t>(model), Purpose::clustering};
  if (options.method == ClusterMethod::mclust) {
    const int n_components = options.n_components > 0 ? options.n_components : n_domains;
    const auto mixture = fit_mixture(embedding, n_latent, n_components, options.n_init, key);
    return {numbered_by_size(mixture.labels)};
  }
  const auto n_spots = static_cast<int>(embedding.size() / n_latent);
  const NeighborGraph graph =
      neighbor_graph(embedding, n_latent, options.n_neighbors, search_for(n_spots));
  const auto method = options.method == ClusterMethod::louvain ? louvain : leiden;
  return {numbered_by_size(method(graph, options.resolution, options.n_init, key).labels),
          graph.recall};
}

}  // namespace stamarker
