// What the loops of all kinds of steps share.
#pragma once

#include "steps.hpp"

namespace openbraket {

// The P-th combination of the bits in LaneMask.
template <unsigned LaneMask, unsigned P>
constexpr unsigned pattern_of = unsigned(deposit(P, LaneMask));

// Call body(pointer to the pack) for all values of the loop's bits.
template <typename Real, typename Body>
inline void for_each_pack(Pack<Real> *tile, const Step<Real> &step, const Body &body) {
  const Mask loop = step.loop;
  const int padding = step.padding;
  Pack<Real> *const start = tile + step.start;
  Mask index = 0;
  do {
    body(start + padded(index, padding));
    index = (index - loop) & loop;
  } while (index != 0);
}

template <typename Real>
void set_offsets(Step<Real> &step, const Vector<int> &pack_bits, int padding) {
  step.offsets.assign(std::size_t(1) << pack_bits.size(), 0);
  for (std::size_t j = 0; j < step.offsets.size(); ++j)
    for (std::size_t k = 0; k < pack_bits.size(); ++k)
      if ((j >> k) & 1)
        step.offsets[j] += std::size_t(padded(bit(pack_bits[k]), padding));
}

} // namespace openbraket
