#include "cluster/louvain.hpp"

#include <igraph/igraph.h>

#include <limits>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "cluster/numbering.hpp"

namespace stamarker {
namespace {

/// igraph reports through one global handler; the message of the last refusal waits here.
thread_local std::string refusal;  // NOLINT: igraph's handler takes no context

void remember_refusal(const char* reason, const char* /*file*/, int /*line*/,
                      igraph_error_t /*code*/) {
  refusal = reason;
  IGRAPH_FINALLY_FREE();
}

void check_igraph(igraph_error_t status, Site where = Site::current()) {
  if (status != IGRAPH_SUCCESS)
    throw LibraryError("igraph", refusal.empty() ? igraph_strerror(status) : refusal, where);
}

igraph_error_t no_state(void** state) {
  *state = nullptr;
  return IGRAPH_SUCCESS;
}
void leave_state(void* /*state*/) {}
igraph_error_t keep_seed(void* /*state*/, igraph_uint_t /*seed*/) { return IGRAPH_SUCCESS; }
igraph_uint_t next_word(void* state) { return (*static_cast<RandomSequence*>(state))(); }

/// While it lives igraph draws from the given sequence and its errors become status codes.
class IgraphSession {
 public:
  explicit IgraphSession(RandomSequence& random)
      : former_generator_(igraph_rng_default()),
        former_handler_(igraph_set_error_handler(remember_refusal)) {
    type_.name = "counter-based";
    type_.bits = 32;
    type_.init = no_state;
    type_.destroy = leave_state;
    type_.seed = keep_seed;
    type_.get = next_word;
    generator_ = {&type_, &random, true};
    igraph_rng_set_default(&generator_);
  }
  IgraphSession(const IgraphSession&) = delete;
  IgraphSession& operator=(const IgraphSession&) = delete;
  ~IgraphSession() {
    igraph_rng_set_default(former_generator_);
    igraph_set_error_handler(former_handler_);
  }

 private:
  igraph_rng_t* former_generator_;
  igraph_error_handler_t* former_handler_;
  igraph_rng_type_t type_{};
  igraph_rng_t generator_{};
};

struct IntegerVector {
  igraph_vector_int_t v;
  explicit IntegerVector(std::int64_t n) { check_igraph(igraph_vector_int_init(&v, n)); }
  IntegerVector(const IntegerVector&) = delete;
  IntegerVector& operator=(const IntegerVector&) = delete;
  ~IntegerVector() { igraph_vector_int_destroy(&v); }
};

struct RealVector {
  igraph_vector_t v;
  explicit RealVector(std::int64_t n) { check_igraph(igraph_vector_init(&v, n)); }
  RealVector(const RealVector&) = delete;
  RealVector& operator=(const RealVector&) = delete;
  ~RealVector() { igraph_vector_destroy(&v); }
};

struct Graph {
  igraph_t g;
  explicit Graph(const NeighborGraph& graph) {
    IntegerVector ends(static_cast<std::int64_t>(graph.neighbor.size()));
    std::int64_t next = 0;
    for (int i = 0; i < graph.n_points(); ++i)
      for (std::int64_t e = graph.row_start[i]; e < graph.row_start[i + 1]; ++e)
        if (i < graph.neighbor[e]) {
          VECTOR(ends.v)[next++] = i;
          VECTOR(ends.v)[next++] = graph.neighbor[e];
        }
    check_igraph(igraph_create(&g, &ends.v, graph.n_points(), IGRAPH_UNDIRECTED));
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph() { igraph_destroy(&g); }
};

/// The best of n_init runs; run(graph, random) returns the labels of one.
template <class Run>
GraphClusters best_run(const NeighborGraph& graph, double resolution, int n_init, RandomKey key,
                       Run run) {
  expects(n_init > 0 && graph.n_points() > 0, "at least one run and one point");
  RandomSequence random(key, 0);
  const IgraphSession session(random);
  const Graph in_igraph(graph);
  GraphClusters best;
  for (int start = 0; start < n_init; ++start) {
    random = RandomSequence(key, static_cast<std::uint32_t>(start));
    Numbered clusters = numbered(std::span<const std::int32_t>(run(in_igraph.g, random)));
    const double quality = modularity_quality(graph, clusters.number, resolution);
    if (start == 0 || quality > best.quality)
      best = {std::move(clusters.number), clusters.n_values, quality};
  }
  return best;
}

std::vector<std::int32_t> as_labels(const IntegerVector& membership) {
  const auto* first = VECTOR(membership.v);
  return {first, first + igraph_vector_int_size(&membership.v)};
}

}  // namespace

GraphClusters louvain(const NeighborGraph& graph, double resolution, int n_init, RandomKey key) {
  return best_run(graph, resolution, n_init, key, [&](const igraph_t& g, RandomSequence& random) {
    IntegerVector membership(graph.n_points());
    check_igraph(
        igraph_community_multilevel(&g, nullptr, resolution, &membership.v, nullptr, nullptr));
    auto labels = as_labels(membership);
    move_points(graph, resolution, random, labels);
    return labels;
  });
}

GraphClusters leiden(const NeighborGraph& graph, double resolution, int n_init, RandomKey key) {
  const auto n_edges = static_cast<double>(graph.neighbor.size());  // directed
  RealVector degree(graph.n_points());
  for (int i = 0; i < graph.n_points(); ++i)
    VECTOR(degree.v)[i] = static_cast<double>(graph.row_start[i + 1] - graph.row_start[i]);
  constexpr double randomness = 0.01;   // of the refinement, the default of Traag et al.
  constexpr double least_gain = 1e-10;  // of a quality that lies in -1 .. 1
  return best_run(graph, resolution, n_init, key, [&](const igraph_t& g, RandomSequence&) {
    IntegerVector membership(graph.n_points());
    for (int i = 0; i < graph.n_points(); ++i) VECTOR(membership.v)[i] = i;
    double before = 0, quality = -std::numeric_limits<double>::infinity();
    do {  // one iteration a call: "until stable" of igraph 0.10 ends with the first that changes
          // anything and never ends when none does (igraph issue 2798)
      before = quality;
      igraph_integer_t n_clusters = 0;
      check_igraph(igraph_community_leiden(&g, nullptr, &degree.v, resolution / n_edges, randomness,
                                           /*start=*/true, /*n_iterations=*/1, &membership.v,
                                           &n_clusters, &quality));
    } while (quality - before > least_gain);
    return as_labels(membership);
  });
}

}  // namespace stamarker
