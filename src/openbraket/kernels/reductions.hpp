// What is read from a state: probabilities, expectations, reduced density matrices, samples.
// Nothing here copies the state. Sums over packs are taken in double precision, of a few packs in
// the state's own: at most 2^6, for density matrices 2^12. They are the same for any number of
// threads, again but for density matrices.
#pragma once

#include "lanes.hpp"
#include "operators.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace openbraket {

// A state to be read; `bit_count` is `qubit_count`, or lane_bits for the smallest states.
template <typename Real> struct View {
  const Pack<Real> *packs;
  int qubit_count;
  int bit_count;
  int thread_count;

  std::size_t pack_count() const { return std::size_t(1) << (bit_count - lane_bits<Real>); }
};

inline constexpr int density_qubits_max = 8;

// Probabilities of the values of `positions` (bits of the index, most significant first).
template <typename Real>
std::vector<double> probabilities(const View<Real> &view, std::span<const int> positions);

// x on x_mask, z on z_mask, y on both.
struct PauliString {
  Mask x_mask = 0, z_mask = 0;
};

// <P> of each string; strings that agree in x_mask and in the parity of y share one pass.
template <typename Real>
std::vector<double> pauli_expectations(const View<Real> &view,
                                       std::span<const PauliString> strings);

// The reduced density matrix of at most density_qubits_max positions, row-major.
template <typename Real>
std::vector<Complex> density_matrix(const View<Real> &view, std::span<const int> positions);

// For each of the ascending numbers in [0, 1), the basis state that it falls on; ascending.
template <typename Real>
std::vector<std::uint64_t> sample(const View<Real> &view, std::span<const double> draws);

} // namespace openbraket
