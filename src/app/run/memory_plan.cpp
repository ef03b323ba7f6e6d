#include "app/run/memory_plan.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "app/run/log.hpp"
#include "cluster/mixture.hpp"
#include "model/classifier.hpp"
#include "model/parameters.hpp"
#include "model/saliency.hpp"
#include "model/step_memory.hpp"

namespace stamarker {
namespace {

constexpr double entry = 8;      // column and value of one non-zero
constexpr double laid_out = 12;  // of it, for X W and X^T D (kernels/cpu/column_blocked_csr.hpp)
constexpr double short_text = 32;

/// The numbers that the formulas share.
struct Plan {
  const SectionSize& size;
  const Config& config;
  const ParallelPlan& parallel;
  int n_ranks = 1, n_threads = 1;

  double n() const { return static_cast<double>(size.n_spots); }
  double g() const { return static_cast<double>(size.n_genes); }
  double entries() const { return size.n_entries(); }
  double edges() const { return n() * size.edges_per_spot; }
  double hidden() const { return config.autoencoder.n_hidden; }
  double latent() const { return config.autoencoder.n_latent; }
  double models() const { return config.models; }
  double domains() const { return config.domains; }
  ParameterLayout layout() const {
    return {static_cast<int>(size.n_genes), config.autoencoder.n_hidden,
            config.autoencoder.n_latent, config.autoencoder.tied_update};
  }
  /// Names, position, section, kept spot and graph of every spot.
  double tables() const { return n() * (short_text + 16 + 4 + 4 + 8) + 8 * edges(); }
  /// Where each row begins, weights and order of spots, the own spots of all tiles.
  double cutting() const { return n() * (8 + 8 + 4 + 4); }
  /// A block of X as tiles read it.
  double read_block() const { return entry * std::min(entries(), 1.0 * (1 << 20)); }
};

/// A part of a section with its halo: spots of `n_tiles` compact tiles, with the two rings around
/// each of them, which are 8 / sqrt(spots) of a square.
double spots_with_halo(const Plan& p, double n_tiles) {
  const double own = p.n() / n_tiles;
  return n_tiles > 1 ? std::min(p.n(), own * (1 + 8 / std::sqrt(own))) : own;
}

/// Rank 0: the input's names and positions, those kept, the neighbours that all spots choose, then
/// the graph. Every rank: positions and trees of them, the neighbours that its own spots choose;
/// its selected counts; of each thread a block of rows as read and as selected, with the chunks of
/// them inflated, and the tally of the genes.
double prepare_memory(const Plan& p) {
  const auto block = static_cast<double>(entries_at_a_time(p.size.input_chunk));
  const double share = p.entries() / p.n_ranks;
  const double input_entries = static_cast<double>(p.size.n_input_entries) / p.n_ranks;
  const double rows = p.n_threads * 2 * entry * std::min(block, input_entries);
  const auto chunk = static_cast<double>(p.size.input_chunk.n_entries);
  const double inflated = chunk == 0
                              ? 0
                              : static_cast<double>(p.size.input_chunk.n_bytes) / chunk *
                                    (std::min(p.n_threads * block, input_entries) + 2 * chunk);
  const double tally = static_cast<double>(p.size.n_input_genes) * 16 * (8 + 4.0 * p.n_threads);
  const double input_tables = p.n() * (short_text + 16 + 4);
  const double chosen = std::max(0.0, p.edges() - p.n());
  const double search = p.n() * 52 + (8 * p.n() + 28 * chosen) / p.n_ranks;
  const double choices = search + 12 * p.n() + 12 * chosen;
  return input_tables + p.tables() + choices + entry * share + rows + inflated + tally;
}

/// Of the own tiles X by rows and as the CPU's products want it; while they are made the rows of
/// one as read, a block of the file and what cuts the section, given back before there are the
/// activations Y, H1, H3, dO3 of the largest tile; weights, gradient, moments, S and P; at the end
/// a copy of weights and moments for the model's file.
double train_memory(const Plan& p) {
  const int n_tiles = training_tiles(p.config.compute, static_cast<int>(p.size.n_spots));
  const double mine = static_cast<double>(n_tiles) / p.parallel.n_tile_ranks;
  const double spots = spots_with_halo(p, n_tiles), share = spots / p.n();
  const double tile = entry * share * p.entries();
  const ParameterLayout layout = p.layout();
  const auto weights = static_cast<double>(layout.n_weights());
  const auto moments = static_cast<double>(layout.n_moments());
  const auto gradients = static_cast<double>(layout.n_gradients());
  const double numbers = weights + gradients + moments + 2 * p.hidden() * p.hidden();
  const double activations = spots * (4 * p.hidden() + 4 * p.latent()) + 2 * share * p.edges();
  const double at_work = 4 * (activations + numbers);
  const double saved = 4 * (weights + moments + p.n() * p.latent());
  return p.tables() + mine * (tile + laid_out * share * p.entries()) +
         std::max(tile + p.read_block() + p.cutting(), at_work + saved);
}

/// One embedding, in double precision too, and of mclust the responsibilities of its components and
/// the pairs of points from which each start begins.
double cluster_memory(const Plan& p) {
  const int given = p.config.clustering.n_components;
  const double components = given > 0 ? given : p.domains();
  const double chosen = std::min(p.n(), 2000.0);
  const double starts =
      p.n() < one_start_at_a_time ? std::min(p.n_threads, p.config.clustering.n_init) : 1;
  return p.n() * (12 * p.latent() + 16 * components + 4 * p.models()) +
         starts * chosen * (2 * chosen + 12 * p.latent());
}

/// Labels of all models and their tuples, rows of the embeddings of all models; on rank 0 distances
/// of all pairs of the tuples that are linked exactly. How many those are the labels tell: here as
/// many as there can be, where the models hardly agree.
double consensus_memory(const Plan& p) {
  const ClusteringOptions& clustering = p.config.clustering;
  const double clusters = clustering.n_components > 0 ? clustering.n_components : p.domains();
  const double most = clustering.method == ClusterMethod::mclust ? std::pow(clusters, p.models())
                                                                 : p.n();  // as many as they find
  const double linked =
      std::min({p.n(), most, std::max<double>(p.config.consensus.max_tuples, p.domains())});
  return p.tables() + p.n() * (8 * p.models() + 4 * p.latent() + 24) + 4 * linked * linked;
}

/// The domains; for each model side by side its embedding, the parts of it for training and
/// testing, that for training on the device too, order and lists of spots, logits of all spots; of
/// those that are tried at once the inputs and logits of the device and what each layer gives.
double classify_memory(const Plan& p) {
  const int n_models = block_of(0, p.n_ranks, p.config.models).size();
  const std::vector<int>& hidden = p.config.classifier.hidden_dims;
  const double widths =
      2 * p.latent() + std::accumulate(hidden.begin(), hidden.end(), 0.0) + 3 * p.domains();
  const double of_model = p.n() * (4 * 3 * p.latent() + 4 * p.domains() + 16) +
                          std::min<double>(p.n(), spots_tried_at_once) * 4 * widths;
  return p.n() * 8 + classifiers_side_by_side(p.n_threads, n_models) * of_model;
}

/// A block of the file; one tile, twice while it is made, and as the products want it; its
/// activations; S and one model's saliency of its spots; the weights of all models and the scores
/// of each.
double saliency_memory(const Plan& p) {
  const double n_tiles = saliency_tiles(static_cast<int>(p.size.n_spots));
  const double spots = spots_with_halo(p, n_tiles), share = spots / p.n();
  const double own = p.n() / n_tiles;
  return p.tables() + p.cutting() + p.read_block() + (2 * entry + laid_out) * share * p.entries() +
         4 * (spots * (4 * p.hidden() + 4 * p.latent()) + 3 * own * p.g()) +
         p.models() * (4 * p.g() * p.hidden() + 8 * p.domains() * p.g());
}

/// Counts and expression of this rank's spots, on rank 0 a block of all too; labels, the consensus
/// embedding, scores.
double svgs_memory(const Plan& p) {
  const double share = 1.0 / p.n_ranks;
  return p.tables() + 2 * entry * share * p.entries() + 2 * p.read_block() +
         p.n() * (4 * p.models() + 4 * p.latent() + 3 * short_text) +
         p.models() * 16 * p.domains() * p.g();
}

/// Of a GPU in training: X by rows and by columns and the graph of all own tiles; where products
/// are in tf32, dense copies of X besides (kernels/cuda/spmm_cost.hpp); for each model in flight
/// what Trainer holds.
double device_memory(const Plan& p, int n_tiles, int n_in_flight, bool has_dense,
                     double device_bytes) {
  const double mine = static_cast<double>(n_tiles) / p.parallel.n_tile_ranks;
  const double spots = spots_with_halo(p, n_tiles), share = spots / p.n();
  const double own = p.n() / n_tiles;
  const double of_tile = 2 * entry * share * p.entries() + 20 * spots + 16 * share * p.edges();
  const double dense = has_dense ? std::min(4 * mine * spots * p.g(), device_bytes / 4) : 0;
  const ParameterLayout layout = p.layout();
  const double gram = p.hidden() * p.hidden();
  const double places = 1 + std::ceil(std::log2(std::max(1.0, mine)));
  const double numbers = static_cast<double>(layout.n_weights() + layout.n_moments()) + gram +
                         places * (static_cast<double>(layout.n_gradients()) + gram);
  TileExtent extent;
  extent.n_own = static_cast<int>(own);
  extent.n_attending = static_cast<int>((own + spots) / 2);
  extent.n_spots = static_cast<int>(spots);
  extent.n_edges = static_cast<std::int64_t>(share * p.edges());
  const auto activations = static_cast<double>(
      StepMemory::bytes(extent, p.config.autoencoder.n_hidden, p.config.autoencoder.n_latent));
  return mine * of_tile + dense +
         n_in_flight * (activations + 4 * numbers + 24.0 * p.config.autoencoder.epochs);
}

double memory_of(Stage stage, const Plan& p) {
  switch (stage) {
    case Stage::prepare:
      return prepare_memory(p);
    case Stage::train:
      return train_memory(p);
    case Stage::cluster:
      return cluster_memory(p);
    case Stage::consensus:
      return consensus_memory(p);
    case Stage::classify:
      return classify_memory(p);
    case Stage::saliency:
      return saliency_memory(p);
    case Stage::svgs:
      return svgs_memory(p);
  }
  return 0;
}

}  // namespace

SectionSize::SectionSize(const InputShape& input, const Config& config)
    : n_spots(input.n_spots),
      n_input_genes(input.n_genes),
      n_input_entries(input.n_entries),
      input_chunk(input.chunk),
      n_genes(std::min<std::int64_t>(input.n_genes, config.prepare.n_top_genes)) {
  const double genes =
      static_cast<double>(n_genes) / static_cast<double>(std::max<std::int64_t>(1, n_input_genes));
  selected_share = std::min(1.0, 1.3 * genes);
  if (config.prepare.k_cutoff) edges_per_spot = 1 + *config.prepare.k_cutoff;
}

SectionSize::SectionSize(const PreparedData& data, std::int64_t n_entries)
    : n_spots(data.n_spots()),
      n_input_genes(data.n_genes()),
      n_input_entries(n_entries),
      n_genes(data.n_genes()),
      selected_share(1),
      edges_per_spot(static_cast<double>(data.graph.source.size()) / data.n_spots()) {}

std::string what_fits_on_device(const SectionSize& size, const Config& config,
                                const ParallelPlan& plan, double free_bytes) {
  constexpr double used = 0.9, fewest_own_spots = 500;
  const Plan p{size, config, plan};
  const int n_tiles = training_tiles(config.compute, static_cast<int>(size.n_spots));
  const int n_in_flight = std::max(1, config.compute.models_in_flight);
  const bool is_tf32 = config.compute.precision == Precision::tf32;
  const auto fits = [&](int tiles, int in_flight, bool has_dense) {
    return device_memory(p, tiles, in_flight, has_dense, free_bytes) < used * free_bytes;
  };
  const std::string alone = n_in_flight > 1 ? "compute.models_in_flight: 1" : "";
  if (n_in_flight > 1 && fits(n_tiles, 1, is_tf32)) return alone + " would fit";
  for (const bool has_dense : is_tf32 ? std::vector{true, false} : std::vector{false})
    for (int tiles = n_tiles; p.n() / tiles >= fewest_own_spots; tiles *= 2) {
      if (!fits(tiles, 1, has_dense)) continue;
      std::string what = tiles > n_tiles ? fmt::format("compute.tiles: {}", tiles) : "";
      for (const std::string& more :
           {alone, std::string(is_tf32 && !has_dense ? "compute.precision: fp32" : "")})
        if (!more.empty()) what += (what.empty() ? "" : " with ") + more;
      if (!what.empty()) return what + " would fit";
    }
  return fmt::format(
      "no number of compute.tiles would fit, as the expression alone takes {}; share it out over "
      "GPUs by compute.tile_groups, put fewer ranks on one GPU, keep fewer genes by "
      "prepare.n_top_genes, or use compute.device: cpu",
      readable_bytes(2 * entry * p.entries() / plan.n_tile_ranks));
}

std::array<double, all_stages.size()> memory_plan(const SectionSize& size, const Config& config,
                                                  const ParallelPlan& plan, int n_ranks,
                                                  int n_threads, double base) {
  constexpr double code = 6 << 20;  // of the libraries, which a dry run does not touch
  const Plan p{size, config, plan, n_ranks, n_threads};
  std::array<double, all_stages.size()> bytes{};
  for (const Stage stage : all_stages)
    bytes[static_cast<std::size_t>(stage)] = base + code + memory_of(stage, p);
  return bytes;
}

}  // namespace stamarker
