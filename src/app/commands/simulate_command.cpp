#include "app/commands/simulate_command.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <map>

#include "app/run/log.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "io/section_file.hpp"

namespace stamarker {
namespace {

constexpr const char* footer = R"(
Examples:
  stamarker simulate section.h5ad
  stamarker simulate section.h5ad --n-spots 5000 --n-domains 8 --shape blobs --layout random --seed 3
  stamarker simulate atlas.h5ad --n-spots 1000000 --n-genes 20000 --mean-counts 600

A section is written by blocks of spots, so it may be larger than memory; any number of threads
(OMP_NUM_THREADS) gives the same counts.
The truth stands in obs/domain, var/kind (domain_svg, gradient, noise) and var/svg_of.)";

/// The domains' names as codes of a categorical column.
std::vector<std::string> domain_names(int n_domains) {
  std::vector<std::string> names;
  names.reserve(static_cast<std::size_t>(n_domains));
  for (int k = 0; k < n_domains; ++k) names.push_back(fmt::format("domain_{}", k));
  return names;
}

/// An option whose values have names; its help shows the default's, as that of other options.
template <class Enum>
void add_choice(CLI::App& command, const char* name, Enum& value, const char* meaning,
                const std::map<std::string, Enum>& choices) {
  const auto found =
      std::ranges::find_if(choices, [&](const auto& choice) { return choice.second == value; });
  expects(found != choices.end(), "a default that has a name");
  std::vector<std::string> names;
  names.reserve(choices.size());
  for (const auto& [text, code] : choices) names.push_back(text);
  command
      .add_option_function<std::string>(
          name, [&value, choices](const std::string& text) { value = choices.at(text); }, meaning)
      ->check(CLI::IsMember(names).description(""))
      ->type_name(fmt::format("{}", fmt::join(names, "|")))
      ->default_str(found->first);
}

/// Twice what the first 1024 spots promise: each spot's depth and position are random.
std::int64_t most_nonzeros(const Simulation& section) {
  const int n_first = std::min(section.n_spots(), 1024);
  const std::int64_t n_all = std::int64_t{section.n_spots()} * section.n_genes();
  if (n_all <= std::numeric_limits<std::int32_t>::max()) return n_all;
  const std::int64_t n_of_spot = section.rows(0, n_first).n_entries() / n_first + 1;
  return std::min(n_all, 2 * n_of_spot * section.n_spots());
}

}  // namespace

void add_simulate_options(CLI::App& command, SimulateArguments& arguments) {
  SimulateOptions& o = arguments.options;
  const auto option = [&](const char* name, auto& value, const char* meaning) {
    command.add_option(name, value, meaning)->capture_default_str();
  };
  command.footer(footer);
  command.add_option("FILE", arguments.file, ".h5ad to write")->required();
  option("--n-spots", o.n_spots, "spots; hexagonal: rounded up to fill the last row");
  option("--n-genes", o.n_genes, "genes");
  option("--n-domains", o.n_domains, "domains");
  add_choice(command, "--layout", o.layout, "of the spots: hexagonal (as Visium) or random",
             {{"hexagonal", SpotLayout::hexagonal}, {"random", SpotLayout::random}});
  add_choice(command, "--shape", o.shape, "of the domains: layers (as the cortex) or blobs",
             {{"layers", DomainShape::layers}, {"blobs", DomainShape::blobs}});
  option("--spacing-um", o.spacing_um, "micrometres between neighbouring spots");
  option("--svgs-per-domain", o.svgs_per_domain, "genes raised in each domain");
  option("--fold-change", o.fold_change, "of such a gene inside its domain");
  option("--n-gradient-genes", o.n_gradient_genes, "genes that rise smoothly across all domains");
  option("--gradient-fold", o.gradient_fold, "between the two ends of a gradient");
  option("--mean-counts", o.mean_counts, "counts of a spot over all genes");
  option("--gene-spread", o.gene_spread, "standard deviation of the log mean over genes");
  option("--depth-spread", o.depth_spread, "standard deviation of the log depth over spots");
  option("--dispersion", o.dispersion, "phi of the variance mu + phi mu^2");
  option("--dropout", o.dropout, "share of entries lost beyond that, 0 .. 1");
  option("--seed", o.seed, "of every random number");
}

void run_simulate(const SimulateArguments& arguments) {
  const SimulateOptions& options = arguments.options;
  options.validate();
  const Simulation section(options);
  const SimulatedTruth& truth = section.truth();
  const std::vector<std::string> names = domain_names(options.n_domains);
  std::vector<std::string> kinds, svg_of;
  for (std::size_t g = 0; g < truth.kind.size(); ++g) {
    kinds.emplace_back(name_of(truth.kind[g]));
    const int k = truth.gene_domain[g];
    svg_of.push_back(k >= 0 ? names[k] : "none");
  }
  Frame obs, var;
  for (int i = 0; i < section.n_spots(); ++i) obs.index.push_back(section.spot_name(i));
  for (int g = 0; g < section.n_genes(); ++g) var.index.push_back(section.gene_name(g));
  obs.set(categorical_column("domain", truth.domain, names));
  var.set({.name = "kind", .values = kinds});
  var.set({.name = "svg_of", .values = svg_of});
  Log log(/*speaks=*/true);
  Progress progress(log, "simulate", section.n_spots());
  std::int64_t n_entries = 0;
  write_section(arguments.file, obs, var, section.coordinates(), most_nonzeros(section),
                [&](int first, int last) {
                  progress.at(first, [&] { return fmt::format("spot {}", first); });
                  SparseRows rows = section.rows(first, last);
                  n_entries += rows.n_entries();
                  return rows;
                });
  const double n_all = static_cast<double>(section.n_spots()) * section.n_genes();
  log.info(fmt::format("{}: {} x {}, {:.1f} % non-zero, {}", arguments.file,
                       counted(section.n_spots(), "spot"), counted(section.n_genes(), "gene"),
                       100 * static_cast<double>(n_entries) / n_all,
                       counted(options.n_domains, "domain")));
}

}  // namespace stamarker
