// From operators to sweeps. A sweep reads and writes the state once: the state falls into blocks of
// 2^block_bits amplitudes that differ only in the sweep's active bits, and all operators of the
// sweep run on one block, which fits in the level-2 cache, before the next block is touched. In the
// same way a block falls into tiles that fit in the level-1 cache.
#pragma once

#include "operators.hpp"
#include "vector.hpp"

namespace openbraket {

struct Sweep {
  Mask active = 0;               // the block's bits
  Vector<std::size_t> operators; // indices, in the order to run
  bool is_wide = false;          // one operator on too many bits for a block
};

struct BlockShape {
  Mask all;         // bits that there are
  int block_bits;   // at most their number
  Mask run;         // bits that are in every block, so that memory is read in runs
  int wide_targets; // operators that move this many bits or more are wide
};

// Plan the operators with the indices `waiting`, which run in this order or one as good. Looks at
// the monitor before each sweep.
Vector<Sweep> plan_sweeps(const Vector<Operator> &operators, Vector<std::size_t> waiting,
                          const BlockShape &shape, Monitor &monitor);

} // namespace openbraket
