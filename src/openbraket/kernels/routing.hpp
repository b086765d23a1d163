// Placement and routing of two-qubit blocks on a coupling graph.
//
// Source: the search is SABRE's (Li, Ding, Xie, "Tackling the qubit mapping problem for NISQ-era
// quantum devices", 2019): exchange the neighbours that bring the next blocks closest. Three
// things are ours: an exchange costs what it adds to the native gates of the block before it on
// the same pair (0 or 1 for most blocks, 3 on its own); blocks that commute may run in any order;
// and an exchange of qubits that nothing has touched yet is a better initial layout, so it is free.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace openbraket {

// The device: physical qubits 0 to count - 1 and their couplings, all in one connected component.
struct CouplingGraph {
  int count = 0;
  std::vector<std::vector<int>> neighbours;
  std::vector<int> distance;  // count * count
  std::vector<double> weight; // count * count: cost of one native two-qubit gate on this pair

  CouplingGraph(int count, std::span<const std::uint32_t> pairs, std::span<const double> weights);
  int hops(int p, int q) const { return distance[static_cast<std::size_t>(p) * count + q]; }
  double weight_of(int p, int q) const { return weight[static_cast<std::size_t>(p) * count + q]; }
};

// Blocks in program order. On each qubit they stand in groups, numbered from 0 without gaps;
// blocks of one group commute, those of the next wait for all of them.
struct BlockColumns {
  std::span<const std::uint32_t> qubits;   // two per block: logical
  std::span<const std::uint32_t> groups;   // two per block: its group on each of these
  std::span<const double> costs;           // native gates of the block
  std::span<const double> exchanged_costs; // native gates of the block with an exchange
};

struct RoutingOptions {
  int logical_count = 0;
  int trial_count = 1;
  int round_count = 0; // refinements of the best attempts
  int thread_count = 1;
  std::uint64_t seed = 0;
};

struct Routed {
  double cost = 0;
  std::vector<std::int32_t> layout; // physical qubit of each logical one at the start
  std::vector<std::int32_t> events; // three each: block or -1 for an exchange, and the two qubits
};

// Returns the cheapest of `trial_count` searches from different layouts, and of `round_count`
// refinements of the best of them; or, if `layout` is not empty, of as many searches from this one.
// The same arguments give the same answer for every thread count.
Routed route_blocks(const CouplingGraph &graph, const BlockColumns &blocks,
                    std::span<const std::int32_t> layout, const RoutingOptions &options);

// Returns the cheapest layout found that needs no exchange at all, or an empty one: a search for
// the graph of interactions inside the coupling graph that gives up after `step_count_max` steps.
// `qubit_costs` has a cost for using each physical qubit.
std::vector<std::int32_t> embed_blocks(const CouplingGraph &graph, const BlockColumns &blocks,
                                       std::span<const double> qubit_costs, int logical_count,
                                       std::int64_t step_count_max);

} // namespace openbraket
