// Small functions on bit masks.
#pragma once

#include <bit>
#include <cstdint>

namespace openbraket {

using Mask = std::uint64_t;

constexpr Mask bit(int position) { return Mask(1) << position; }

// Spread the low bits of `value` over the set bits of `mask`, lowest first.
constexpr Mask deposit(Mask value, Mask mask) {
  Mask out = 0;
  for (; mask != 0 && value != 0; mask &= mask - 1, value >>= 1)
    if (value & 1)
      out |= mask & (~mask + 1);
  return out;
}

// Collect the bits of `value` at the set bits of `mask`, lowest first.
constexpr Mask extract(Mask value, Mask mask) {
  Mask out = 0;
  for (int i = 0; mask != 0; mask &= mask - 1, ++i)
    if (value & mask & (~mask + 1))
      out |= bit(i);
  return out;
}

// Return the next number after `value` that has zeros at the set bits of `fixed`.
constexpr Mask next_with_zeros(Mask value, Mask fixed) { return ((value | fixed) + 1) & ~fixed; }

} // namespace openbraket
