// How the threads work through the sweeps of one call.
#pragma once

#include "lanes.hpp"
#include "operators.hpp"
#include "state.hpp"
#include "vector.hpp"

#include <atomic>

namespace openbraket {

// A state that sweeps run on. Amplitudes with bits outside `alive` are zero; the memory that they
// lie in, the rest, is not touched by sweeps, and unless `is_rest_zero` it may hold anything.
template <typename Real> struct Target {
  Pack<Real> *packs;
  int bit_count;
  Mask &alive;
  std::atomic<bool> &is_rest_zero;

  void clear_rest() const {
    if (is_rest_zero)
      return;
    const std::size_t dead = ((bit(bit_count) - 1) & ~alive) >> lane_bits<Real>;
    const std::size_t count = std::size_t(1) << (bit_count - lane_bits<Real>);
    for (std::size_t k = 0; k < count && dead != 0; ++k)
      if ((k & dead) != 0)
        packs[k] = {Lanes<Real>::zero(), Lanes<Real>::zero()};
    is_rest_zero = true;
  }
};

// Apply fused operators; false if cancelled half-way.
template <typename Real>
bool run_operators(const Target<Real> &target, const Vector<Operator> &operators, int thread_count,
                   Monitor &monitor);

extern template bool run_operators<double>(const Target<double> &, const Vector<Operator> &, int,
                                           Monitor &);
extern template bool run_operators<float>(const Target<float> &, const Vector<Operator> &, int,
                                          Monitor &);

} // namespace openbraket
