#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "app/config/config.hpp"
#include "app/run/run_context.hpp"
#include "app/run/stage.hpp"
#include "io/input_shape.hpp"

namespace stamarker {

/// What the header of an input tells, and what follows from it before anything else is read.
struct SectionSize {
  std::int64_t n_spots = 0;
  std::int64_t n_input_genes = 0;
  std::int64_t n_input_entries = 0;
  anndata::ChunkExtent input_chunk = {};
  std::int64_t n_genes = 0;   // that will be selected, at most
  double selected_share = 0;  // of the entries, in those genes
  double edges_per_spot = 7;  // of the spatial graph, the self-loop included

  /// The header does not tell how many entries the selected genes hold; on seven annotated sections
  /// it was 0.8 to 1.4 times their share of the genes, and 2.7 and 4.5 times on two of which most
  /// genes are hardly seen. 1.3 times is taken here; exact where all genes are selected.
  SectionSize(const InputShape& input, const Config& config);
  /// Of a prepared section, whose entries are known.
  SectionSize(const PreparedData& data, std::int64_t n_entries);
  double n_entries() const { return selected_share * static_cast<double>(n_input_entries); }
};

/// Largest resident memory of any rank in each stage, in bytes: `base`, what a process holds
/// before the first stage, and the arrays named at each stage's function (memory_plan.cpp).
std::array<double, all_stages.size()> memory_plan(const SectionSize& size, const Config& config,
                                                  const ParallelPlan& plan, int n_ranks,
                                                  int n_threads, double base);

/// Which compute.tiles, compute.models_in_flight or compute.precision would let a rank train in
/// `free_bytes` of a GPU's memory, for a message: by the sizes of the arrays there, a tenth kept
/// for what libraries take.
std::string what_fits_on_device(const SectionSize& size, const Config& config,
                                const ParallelPlan& plan, double free_bytes);

}  // namespace stamarker
