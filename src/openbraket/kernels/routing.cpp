#include "routing_search.hpp"

#include <atomic>
#include <stdexcept>
#include <thread>

namespace openbraket {
namespace {

constexpr int kUnreached = 1 << 20;
constexpr int kLookaheadPerQubit = 3;
constexpr std::size_t kRefinedCount = 4; // attempts that are taken further

using Layout = std::vector<int>;

// How often two qubits meet, early blocks counting more.
std::vector<std::vector<std::pair<int, double>>> interactions(const Sequence &sequence) {
  std::vector<std::vector<std::pair<int, double>>> out(sequence.logical_count);
  const auto add = [&out](int a, int b, double weight) {
    for (auto &[other, sum] : out[a])
      if (other == b) {
        sum += weight;
        return;
      }
    out[a].push_back({b, weight});
  };
  for (std::size_t k = 0; k < sequence.cost.size(); ++k) {
    const int a = sequence.qubit[0][k], b = sequence.qubit[1][k];
    const double weight = 1.0 / (1 + std::max(sequence.group[0][k], sequence.group[1][k]));
    add(a, b, weight);
    add(b, a, weight);
  }
  return out;
}

// Puts qubits one by one, each next to those it meets, from a random start.
Layout grown_layout(const CouplingGraph &graph,
                    const std::vector<std::vector<std::pair<int, double>>> &partners,
                    std::mt19937_64 &random) {
  const int count = static_cast<int>(partners.size());
  Layout layout(count, -1);
  std::vector<char> is_taken(graph.count, 0);
  std::vector<double> pull(count, 0);
  const int centre = static_cast<int>(random() % graph.count);
  for (int step = 0; step < count; ++step) {
    int chosen = -1;
    for (int q = 0, ties = 0; q < count; ++q) {
      if (layout[q] >= 0)
        continue;
      if (chosen < 0 || pull[q] > pull[chosen]) {
        chosen = q;
        ties = 1;
      } else if (pull[q] == pull[chosen] && random() % ++ties == 0) {
        chosen = q;
      }
    }
    double best = std::numeric_limits<double>::infinity();
    for (int p = 0, ties = 0; p < graph.count; ++p) {
      if (is_taken[p])
        continue;
      double score = 0.02 * graph.hops(p, centre);
      for (const auto &[other, weight] : partners[chosen])
        if (layout[other] >= 0)
          score += weight * graph.hops(p, layout[other]);
      if (score < best - 1e-9) {
        best = score;
        layout[chosen] = p;
        ties = 1;
      } else if (score < best + 1e-9 && random() % ++ties == 0) {
        layout[chosen] = p;
      }
    }
    is_taken[layout[chosen]] = 1;
    for (const auto &[other, weight] : partners[chosen])
      pull[other] += weight;
  }
  return layout;
}

double between(std::mt19937_64 &random, double low, double high) {
  return low + (high - low) * (static_cast<double>(random() >> 11) * 0x1p-53);
}

Heuristic random_heuristic(int logical_count, std::mt19937_64 &random) {
  Heuristic out;
  out.lookahead = between(random, 0.15, 0.35);
  out.thrift = between(random, 0.8, 1.2);
  out.lookahead_count = kLookaheadPerQubit * logical_count;
  return out;
}

// One search, and what is needed to go on from it.
struct Attempt {
  Routed routed;
  Layout end;
};

Attempt attempt(const CouplingGraph &graph, const Sequence &sequence, const Layout &start,
                bool chooses_start, std::mt19937_64 &random) {
  Heuristic heuristic = random_heuristic(sequence.logical_count, random);
  heuristic.chooses_start = chooses_start;
  Search search(graph, sequence, heuristic, start, random());
  search.run(true);
  Attempt out;
  out.end = search.layout();
  out.routed.cost = search.cost();
  out.routed.layout.assign(search.start().begin(), search.start().end());
  out.routed.events = search.take_events();
  return out;
}

// Runs work(0) to work(count - 1).
template <typename Work> void run_all(int count, int thread_count, const Work &work) {
  std::atomic<int> next{0};
  const auto loop = [&] {
    for (int k; (k = next++) < count;)
      work(k);
  };
  std::vector<std::thread> threads;
  for (int k = 1; k < std::min(thread_count, count); ++k)
    threads.emplace_back(loop);
  loop();
  for (auto &thread : threads)
    thread.join();
}

} // namespace

CouplingGraph::CouplingGraph(int count, std::span<const std::uint32_t> pairs,
                             std::span<const double> weights)
    : count(count), neighbours(count),
      distance(static_cast<std::size_t>(count) * count, kUnreached),
      weight(static_cast<std::size_t>(count) * count, 1.0) {
  if (pairs.size() != 2 * weights.size())
    throw std::invalid_argument("a coupling graph needs one weight per pair");
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const std::size_t p = pairs[2 * k], r = pairs[2 * k + 1];
    if (p >= neighbours.size() || r >= neighbours.size() || p == r)
      throw std::invalid_argument("a coupling is not between two qubits of the graph");
    neighbours[p].push_back(static_cast<int>(r));
    neighbours[r].push_back(static_cast<int>(p));
    weight[p * count + r] = weight[r * count + p] = weights[k];
  }
  for (int p = 0; p < count; ++p) {
    int *row = &distance[static_cast<std::size_t>(p) * count];
    row[p] = 0;
    std::vector<int> queue{p};
    for (std::size_t k = 0; k < queue.size(); ++k)
      for (const int r : neighbours[queue[k]])
        if (row[r] == kUnreached) {
          row[r] = row[queue[k]] + 1;
          queue.push_back(r);
        }
    if (queue.size() != static_cast<std::size_t>(count))
      throw std::invalid_argument("the coupling graph is not connected");
  }
}

Routed route_blocks(const CouplingGraph &graph, const BlockColumns &blocks,
                    std::span<const std::int32_t> layout, const RoutingOptions &options) {
  const Sequence forward(blocks, options.logical_count, false);
  const auto partners = interactions(forward);
  std::vector<Attempt> found(options.trial_count);
  run_all(options.trial_count, options.thread_count, [&](int trial) {
    std::mt19937_64 random(options.seed * 0x9e3779b97f4a7c15u + trial);
    const Layout start = layout.empty() ? grown_layout(graph, partners, random)
                                        : Layout(layout.begin(), layout.end());
    found[trial] = attempt(graph, forward, start, layout.empty(), random);
  });
  const auto is_cheaper = [](const Attempt &a, const Attempt &b) {
    return a.routed.cost < b.routed.cost;
  };
  std::stable_sort(found.begin(), found.end(), is_cheaper);
  if (layout.empty() && options.round_count > 0) {
    // The best go back from where they ended, which gives a start that suits the first blocks.
    const Sequence backward(blocks, options.logical_count, true);
    found.resize(std::min<std::size_t>(found.size(), kRefinedCount));
    run_all(static_cast<int>(found.size()), options.thread_count, [&](int k) {
      std::mt19937_64 random(~options.seed * 0x9e3779b97f4a7c15u + k);
      Attempt latest = found[k];
      for (int round = 0; round < options.round_count; ++round) {
        const Heuristic heuristic = random_heuristic(options.logical_count, random);
        Search back(graph, backward, heuristic, latest.end, random());
        back.run(false);
        latest = attempt(graph, forward, back.layout(), true, random);
        if (is_cheaper(latest, found[k]))
          found[k] = latest;
      }
    });
  }
  return std::min_element(found.begin(), found.end(), is_cheaper)->routed;
}

} // namespace openbraket
