// The blocks of a circuit in one direction, as searches read them.
#pragma once

#include "routing.hpp"

#include <vector>

namespace openbraket {

// The blocks in one direction, with the groups of each qubit.
struct Sequence {
  int logical_count;
  std::vector<int> qubit[2], group[2];
  std::vector<double> cost, exchanged;
  std::vector<std::vector<std::vector<int>>> members; // [qubit][group]

  Sequence(const BlockColumns &blocks, int logical_count, bool is_reversed)
      : logical_count(logical_count), cost(blocks.costs.begin(), blocks.costs.end()),
        exchanged(blocks.exchanged_costs.begin(), blocks.exchanged_costs.end()),
        members(logical_count) {
    const std::size_t count = cost.size();
    for (int side = 0; side < 2; ++side) {
      qubit[side].resize(count);
      group[side].resize(count);
    }
    for (std::size_t k = 0; k < 2 * count; ++k) {
      const int q = static_cast<int>(blocks.qubits[k]), g = static_cast<int>(blocks.groups[k]);
      qubit[k % 2][k / 2] = q;
      group[k % 2][k / 2] = g;
      if (members[q].size() <= static_cast<std::size_t>(g))
        members[q].resize(g + 1);
    }
    for (std::size_t k = 0; k < 2 * count; ++k) {
      const int q = qubit[k % 2][k / 2];
      int &g = group[k % 2][k / 2];
      if (is_reversed)
        g = static_cast<int>(members[q].size()) - 1 - g;
      members[q][g].push_back(static_cast<int>(k / 2));
    }
  }
  int other(int block, int q) const {
    return qubit[0][block] == q ? qubit[1][block] : qubit[0][block];
  }
};

} // namespace openbraket
