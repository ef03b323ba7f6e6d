#pragma once
#include <string>
#include <vector>

#include "app/config/config.hpp"
#include "app/run/stage_files.hpp"
#include "data/dataset.hpp"

/// What a reader must know before trusting a result, one line each. All follows from what stages
/// leave in their files, so that a resumed run and single stages warn as a whole run does.
namespace stamarker {

/// What reading warned of; more than half of the spots or genes dropped (of genes, those with a
/// count in any spot); and sections where more than 5 % of the spots are isolated, or where a
/// radius gives fewer than 3 or more than 12 neighbors on average.
std::vector<std::string> warnings_of_prepare(const PreparedData& data, const InputSummary& input,
                                             const PrepareOptions& options);

/// How much of the decrease of a loss from its first value the last tenth of the epochs brought:
/// with a and b the means over the last tenth but one and the last, (a - b) / (first - b). 0.1 on
/// a straight line, 0 on a flat end; 1 where the loss did not decrease.
double late_decrease(const std::vector<double>& loss);

/// Losses that have not flattened: late_decrease above 1 %. losses: [models][epochs].
std::vector<std::string> warnings_of_train(const std::vector<std::vector<double>>& losses);

/// Agreement between models below .3, domains of fewer than 10 spots, label tuples that joined
/// others, fewer domains than asked for.
std::vector<std::string> warnings_of_consensus(const ConsensusFile& found, const Config& config);

/// All of them, in the order of the stages.
std::vector<std::string> warnings_of_run(const PreparedData& data, const InputSummary& input,
                                         const std::vector<std::vector<double>>& losses,
                                         const ConsensusFile& found, const Config& config);

}  // namespace stamarker
