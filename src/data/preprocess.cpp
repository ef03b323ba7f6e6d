#include "data/preprocess.hpp"

#include <fmt/core.h>

#include <cmath>

#include "base/error.hpp"

namespace stamarker {

void PrepareOptions::validate() const {
  const auto refuse = [](const char* key, auto value, const char* rule) {
    throw InputError(fmt::format("prepare.{} = {} ({})", key, value, rule));
  };
  if (min_cells < 0) refuse("min_cells", min_cells, "must be 0 or more");
  if (min_counts < 0) refuse("min_counts", min_counts, "must be 0 or more");
  if (n_top_genes < 1) refuse("n_top_genes", n_top_genes, "must be 1 or more");
  if (!(target_sum > 0) || !std::isfinite(target_sum))
    refuse("target_sum", target_sum, "must be positive and finite");
  if (max_neighbors < 1) refuse("max_neighbors", max_neighbors, "must be 1 or more");
  if (k_cutoff && *k_cutoff < 1) refuse("k_cutoff", *k_cutoff, "must be 1 or more");
  if (rad_cutoff && (!(*rad_cutoff > 0) || !std::isfinite(*rad_cutoff)))
    refuse("rad_cutoff", *rad_cutoff, "must be positive and finite, or auto");
  if (rad_cutoff && k_cutoff)
    refuse("k_cutoff", *k_cutoff, "excludes prepare.rad_cutoff; set one of the two");
}

}  // namespace stamarker
