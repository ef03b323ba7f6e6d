#pragma once
#include <string>
#include <vector>

#include "data/dataset.hpp"

/// What a reader must know before trusting a result, one line each. All follows from what stages
/// leave in their files, so that a resumed run and single stages warn as a whole run does.
namespace stamarker {

/// Sections where more than 5 % of the spots are isolated, or where spots have fewer than 3 or more
/// than 12 neighbors on average although their number was not set (prepare.k_cutoff).
std::vector<std::string> warnings_of_graph(const PreparedData& data);

}  // namespace stamarker
