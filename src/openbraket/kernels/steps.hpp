// Operators made ready for the tiles of one stage, and the loops that run them on a tile.
//
// Within a tile, bits of the amplitude's position in the block are used: the lowest are lane bits,
// the others pack bits. For a dense operator with matrix M, H targets among the pack bits and L
// among the lane bits, the new pack i is
//     out[i] = sum over j < 2^H, p < 2^L of coefficient[i][j][p] * exchange_lanes(in[j], p),
// where lane l of coefficient[i][j][p] is the entry of M from (j, l xor p) to (i, l). Controls on
// lane bits are in the coefficients too; controls on pack bits pin the loop; controls outside the
// tile are tested once per tile.
//
// Rotations [[c, -s], [s, c]] of several qubits run together, as c * [[1, -s/c], [s/c, 1]]: one
// multiply-add per real number and qubit.
#pragma once

#include "bits.hpp"
#include "lanes.hpp"
#include "operators.hpp"
#include "vector.hpp"

#include <cstddef>

namespace openbraket {

// Dense operators on more targets than this never come to a tile.
inline constexpr int block_targets_max = 6;

// Packs lie in a block with one unused pack after every 2^5, so that packs whose index differs in
// high bits do not compete for the same places of the level-1 cache. Sums of padded indices without
// a common bit are the padded index of the sum.
inline constexpr int padding_shift = 5;
inline constexpr int no_padding = 63; // for blocks that are the state itself
constexpr Mask padded(Mask index, int shift) { return index + (index >> shift); }

template <typename Real> struct Step {
  using Kernel = void (*)(Pack<Real> *tile, const Step &step, Mask outside);

  Kernel kernel = nullptr;
  Mask outside_control_mask = 0, outside_control_value = 0; // bits of the amplitude's index
  Mask loop = 0;                                            // pack bits that the loop runs over
  int padding = padding_shift;
  std::size_t start = 0;       // padded value of the pack bits that controls pin
  Vector<std::size_t> offsets; // padded offset of each combination of the pack targets
  Vector<unsigned> patterns;   // lane patterns p, for the loop over any operator
  Vector<Pack<Real>> coefficients;
  // A diagonal's factors, for each combination of outside_target_mask those of the tile: in
  // `coefficients`, or here where all lanes have the same.
  Vector<std::complex<Real>> factors;
  Mask outside_target_mask = 0; // targets outside the tile
  Vector<unsigned> factor_of;   // which factor each pack of the loop is multiplied by
  Vector<char> is_skipped;      // coefficients that change nothing: 1 in a diagonal, else 0
  double flops = 0;             // per tile that is not left out
};

// Where a tile's bits lie: `active` are its bits of the amplitude's index, all of them bits of
// `block`, whose order is that of the positions in the block.
struct TileMap {
  Mask active, block;
  int lane_bits;
  int padding; // padding_shift or no_padding

  bool has(int position) const { return (active & bit(position)) != 0; }
  int local(int position) const { return std::popcount(block & (bit(position) - 1)); }
  bool is_lane(int position) const { return has(position) && local(position) < lane_bits; }
  bool is_pack(int position) const { return has(position) && local(position) >= lane_bits; }
  int pack_bit(int position) const { return local(position) - lane_bits; }
  // The tile's pack bits.
  Mask pack_mask() const { return extract(active, block) >> lane_bits; }
};

// Return one operator made ready by itself.
template <typename Real> Step<Real> prepare_alone(const Operator &op, const TileMap &map);

// Return the operators, in this order or one as good, made ready for the tiles that `map`
// describes. Looks at the monitor before each.
template <typename Real>
Vector<Step<Real>> prepare(const Vector<Operator> &operators, const Vector<std::size_t> &chosen,
                           const TileMap &map, Monitor &monitor);

extern template Step<double> prepare_alone<double>(const Operator &, const TileMap &);
extern template Step<float> prepare_alone<float>(const Operator &, const TileMap &);
extern template Vector<Step<double>>
prepare<double>(const Vector<Operator> &, const Vector<std::size_t> &, const TileMap &, Monitor &);
extern template Vector<Step<float>>
prepare<float>(const Vector<Operator> &, const Vector<std::size_t> &, const TileMap &, Monitor &);

} // namespace openbraket
