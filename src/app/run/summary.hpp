#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "app/run/machine.hpp"
#include "app/run/run_directory.hpp"
#include "model/svgs.hpp"

namespace stamarker {

/// What a finished run has found, for people.
struct Findings {
  const std::vector<std::int32_t>& domain;  // [N]
  const SvgTable& table;
  const std::vector<std::string>& gene_names;
  const std::vector<double>& accuracy;  // held out, of each model; NaN: nothing held out
  double agreement = 1;
};

/// A table of domains (spots, SVGs, the first of them), accuracy and agreement.
std::string domain_summary(const Findings& findings);

/// Time by stage, peak memory, where the files are.
std::string run_summary(const std::vector<std::pair<std::string, double>>& seconds,
                        PeakMemory memory, int n_ranks, const RunDirectory& directory,
                        bool has_result);

}  // namespace stamarker
