// How the threads work through the sweeps of one call.
#pragma once

#include "lanes.hpp"
#include "operators.hpp"
#include "state.hpp"
#include "vector.hpp"

namespace openbraket {

// A state that sweeps run on. Amplitudes with bits outside `alive` are zero, and what they lie in
// may be memory that nobody has touched: sweeps leave it alone.
template <typename Real> struct Target {
  Pack<Real> *packs;
  int bit_count;
  Mask &alive;
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
