// Real linear maps of Pauli coefficients: what gates and channels do to a density matrix.
//
// rho = 2^-n sum_P c_P P with real c_P = tr(P rho), where P runs over the 4^n Pauli strings; c of
// the identity is the trace. A map on one qubit is a real 4x4 matrix over the letters I, X, Y, Z in
// this order, one on two qubits a 16x16 matrix whose index is 4 * (first letter) + (second letter).
// The first row of a trace-preserving map is (1, 0, 0, ...).
#pragma once

#include "operators.hpp"

#include <array>
#include <vector>

namespace openbraket {

using Map4 = std::array<double, 16>;   // row-major
using Map16 = std::array<double, 256>; // row-major

// Entries smaller than this are rounding and become zero, so that structure shows.
inline constexpr double map_zero_max = 1e-15;

Map4 identity_map4();
Map16 identity_map16();

// Return the map rho -> U rho U^+.
Map4 map_of(const Matrix2 &u);
Map16 map_of(const Matrix &u); // 4x4

Map4 product(const Map4 &a, const Map4 &b);
Map16 product(const Map16 &a, const Map16 &b);
// The map `first` on the first and `second` on the second letter.
Map16 tensor_product(const Map4 &first, const Map4 &second);
// The same map with its two letters exchanged.
Map16 exchanged(const Map16 &map);

int nonzero_count(const Map16 &map);

} // namespace openbraket
