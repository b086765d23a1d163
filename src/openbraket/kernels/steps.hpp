// An operator made ready for the blocks of one sweep, and the loops that run it on a block.
//
// Within a block, bits of the amplitude's position in the block are used: the lowest are lane bits,
// the others pack bits. For a dense operator with matrix M, H targets among the pack bits and L
// among the lane bits, the new pack i is
//     out[i] = sum over j < 2^H, p < 2^L of coefficient[i][j][p] * exchange_lanes(in[j], p),
// where lane l of coefficient[i][j][p] is the entry of M from (j, l xor p) to (i, l). Controls on
// lane bits are in the coefficients too; controls on pack bits pin the loop; controls outside the
// block are tested once per block.
#pragma once

#include "bits.hpp"
#include "lanes.hpp"
#include "operators.hpp"

#include <cstddef>
#include <vector>

namespace openbraket {

// Dense operators on more targets than this never come to a block.
inline constexpr int block_targets_max = 6;

template <typename Real> struct Step {
  using Kernel = void (*)(Pack<Real> *block, const Step &step, Mask outside);

  Kernel kernel = nullptr;
  Mask outside_control_mask = 0, outside_control_value = 0; // bits of the amplitude's index
  Mask fixed = 0;                                           // pack-index bits that the loop pins
  Mask fixed_value = 0;                                     // their values (controls), targets zero
  std::size_t loop_count = 0;
  std::vector<std::size_t> offsets; // pack offset of each combination of the pack targets
  std::vector<unsigned> patterns;   // lane patterns p, for the loop over any operator
  std::vector<Pack<Real>> coefficients;
  Mask outside_target_mask = 0; // diagonal: targets outside the block
  std::vector<char> is_skipped; // coefficients that change nothing: 1 in a diagonal, else 0
};

// Coordinates of a block's bits.
struct BlockMap {
  Mask active;
  int lane_bits;

  bool has(int position) const { return (active & bit(position)) != 0; }
  int local(int position) const { return std::popcount(active & (bit(position) - 1)); }
  bool is_lane(int position) const { return has(position) && local(position) < lane_bits; }
  bool is_pack(int position) const { return has(position) && local(position) >= lane_bits; }
  int pack_bit(int position) const { return local(position) - lane_bits; }
};

// Return the operator made ready for the blocks that `map` describes.
template <typename Real> Step<Real> prepare(const Operator &op, const BlockMap &map);

extern template Step<double> prepare<double>(const Operator &, const BlockMap &);
extern template Step<float> prepare<float>(const Operator &, const BlockMap &);

} // namespace openbraket
