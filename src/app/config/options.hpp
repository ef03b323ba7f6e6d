#pragma once
#include <optional>

#include "kernels/backend.hpp"

namespace stamarker {

/// Named sets of options (docs/method.md: Profiles). `full`: the method as described; `reference`:
/// what the public code does; `tuned`: the whole graph as in `full`, with the attention, the update
/// and the rate that measured best on annotated sections (docs/accuracy.md).
enum class Profile { tuned, full, reference };

/// What is written beside the scores of the genes.
struct SaliencyOptions {
  bool write = false;  // layers/saliency [n_spots, n_genes], dense float32
};

/// Which embeddings of the single models the result holds.
enum class EmbeddingOutput { none, all };
/// Where the models are computed; nothing given: a GPU when there is one and the build knows it.
using DeviceChoice = std::optional<Device>;

/// Where and how the work is done. Only `tiles` and `precision` touch the bits of a result.
/// `tiles: auto` follows `tile_groups`.
struct ComputeOptions {
  DeviceChoice device;
  Precision precision = Precision::fp32;
  int threads = 0;      // of a rank; 0: the cores it may use, shared out over the ranks of the node
  int tiles = 0;        // a section is trained in; 0: one for each rank of a tile group
  int tile_groups = 1;  // ranks that share the tiles of one section
  int models_in_flight = 0;        // side by side on a rank; 0: as many as fit; 1 with tile_groups
  double checkpoint_minutes = 10;  // between saves of models in training; 0: no such saves
  EmbeddingOutput embeddings = EmbeddingOutput::none;

  void validate() const;  // throws InputError naming the key (compute.<field>)
};

}  // namespace stamarker
