#include "routing_blocks.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace openbraket {
namespace {

constexpr int kPlaced = 1 << 20;

// A depth-first search for an embedding of the interaction graph.
class Embedding {
public:
  Embedding(const CouplingGraph &graph, const Sequence &sequence,
            std::span<const double> qubit_costs, std::int64_t step_count_max)
      : graph_(graph), sequence_(sequence), qubit_costs_(qubit_costs),
        step_count_max_(step_count_max), partners_(sequence.logical_count),
        layout_(sequence.logical_count, -1), is_taken_(graph.count, 0) {
    for (std::size_t k = 0; k < sequence.cost.size(); ++k)
      for (int side = 0; side < 2; ++side)
        add_partner(sequence.qubit[side][k], sequence.qubit[1 - side][k], sequence.cost[k]);
    order_qubits();
  }

  std::vector<int> run() {
    place(0, 0);
    return best_layout_;
  }

private:
  void add_partner(int a, int b, double cost) {
    for (auto &[other, sum] : partners_[a])
      if (other == b) {
        sum += cost;
        return;
      }
    partners_[a].push_back({b, cost});
  }

  // Each qubit of a component behind one of its partners, those with most placed partners first.
  void order_qubits() {
    const int count = sequence_.logical_count;
    std::vector<int> placed(count, -1);
    for (int step = 0; step < count; ++step) {
      int chosen = -1;
      for (int q = 0; q < count; ++q) {
        if (placed[q] == kPlaced)
          continue;
        if (chosen < 0 || placed[q] > placed[chosen] ||
            (placed[q] == placed[chosen] && partners_[q].size() > partners_[chosen].size()))
          chosen = q;
      }
      placed[chosen] = kPlaced;
      order_.push_back(chosen);
      for (const auto &[other, cost] : partners_[chosen])
        if (placed[other] != kPlaced)
          placed[other] = std::max(placed[other], 0) + 1;
    }
  }

  void place(std::size_t index, double cost) {
    if (cost >= best_cost_)
      return;
    if (index == order_.size()) {
      best_cost_ = cost;
      best_layout_ = layout_;
      return;
    }
    const int q = order_[index];
    int anchor = -1;
    for (const auto &[other, unused] : partners_[q])
      if (layout_[other] >= 0)
        anchor = layout_[other];
    if (anchor >= 0) {
      for (const int p : graph_.neighbours[anchor])
        try_qubit(index, q, p, cost);
    } else {
      for (int p = 0; p < graph_.count; ++p)
        try_qubit(index, q, p, cost);
    }
  }

  void try_qubit(std::size_t index, int q, int p, double cost) {
    if (is_taken_[p] || graph_.neighbours[p].size() < partners_[q].size() ||
        ++step_count_ > step_count_max_)
      return;
    cost += qubit_costs_[p];
    for (const auto &[other, sum] : partners_[q])
      if (layout_[other] >= 0) {
        if (graph_.hops(p, layout_[other]) != 1)
          return;
        cost += sum * graph_.weight_of(p, layout_[other]);
      }
    is_taken_[p] = 1;
    layout_[q] = p;
    place(index + 1, cost);
    layout_[q] = -1;
    is_taken_[p] = 0;
  }

  const CouplingGraph &graph_;
  const Sequence &sequence_;
  std::span<const double> qubit_costs_;
  std::int64_t step_count_max_, step_count_ = 0;
  std::vector<std::vector<std::pair<int, double>>> partners_;
  std::vector<int> order_;
  std::vector<int> layout_, best_layout_;
  std::vector<char> is_taken_;
  double best_cost_ = std::numeric_limits<double>::infinity();
};

} // namespace

std::vector<std::int32_t> embed_blocks(const CouplingGraph &graph, const BlockColumns &blocks,
                                       std::span<const double> qubit_costs, int logical_count,
                                       std::int64_t step_count_max) {
  const Sequence sequence(blocks, logical_count, false);
  const std::vector<int> found = Embedding(graph, sequence, qubit_costs, step_count_max).run();
  return {found.begin(), found.end()};
}

} // namespace openbraket
