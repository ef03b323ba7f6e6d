#pragma once
#include <CLI/App.hpp>
#include <string>

#include "data/simulate.hpp"

namespace stamarker {

struct SimulateArguments {
  std::string file;
  SimulateOptions options;
};

void add_simulate_options(CLI::App& command, SimulateArguments& arguments);
/// Writes the section with its truth: obs/domain, var/kind, var/svg_of. This rank alone.
void run_simulate(const SimulateArguments& arguments);

}  // namespace stamarker
