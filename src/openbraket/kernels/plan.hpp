// From operators to sweeps. A sweep reads and writes the state once: the state falls into blocks of
// 2^block_bits amplitudes that differ only in the sweep's active bits, and all operators of the
// sweep run on one block, which fits in the level-2 cache, before the next block is touched.
#pragma once

#include "operators.hpp"

#include <vector>

namespace openbraket {

struct Sweep {
  Mask active = 0;                    // the block's bits
  std::vector<std::size_t> operators; // indices, in the order to run
  bool is_wide = false;               // one operator on too many bits for a block
};

struct BlockShape {
  int bit_count;    // bits of the amplitude index
  int block_bits;   // at most bit_count
  int run_bits;     // the lowest bits are in every block, so that memory is read in runs
  int wide_targets; // operators that move this many bits or more are wide
};

std::vector<Sweep> plan_sweeps(const std::vector<Operator> &operators, const BlockShape &shape);

} // namespace openbraket
