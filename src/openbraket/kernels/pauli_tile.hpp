// The loops that run steps on a tile of Pauli coefficients.
#pragma once

#include "pauli_plan.hpp"

#include <cstddef>
#include <vector>

namespace openbraket {

// A tile has 16 unused numbers after every 2^10, so that rows whose index differs in high digits do
// not compete for the same places of the level-1 cache.
inline constexpr int tile_padding_shift = 10;
constexpr std::size_t tile_offset(std::size_t index) {
  return index + ((index >> tile_padding_shift) << 4);
}

// Run the stage's steps on the 4^digit_count numbers of a tile, which is aligned to 64 bytes.
void run_tile(double *tile, int digit_count, const std::vector<TileStep> &steps);

} // namespace openbraket
