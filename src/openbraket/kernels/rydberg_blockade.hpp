// Atoms with two levels in the blockade subspace: the configurations in which no two atoms of a
// blocked pair are excited together.
//
// Within the subspace the flow of one atom acts on disjoint pairs of configurations, (c, c with the
// atom excited), so that it is exact and in place; the energies of the pairs that are not blocked
// are phases. Pairs and energies follow from the structure of the subspace while they are worked
// on, so that a state takes little more than its amplitudes.
#pragma once

#include "buffer.hpp"
#include "operators.hpp"
#include "rydberg_subspace.hpp"
#include "state.hpp"

#include <complex>
#include <cstdint>
#include <span>
#include <vector>

namespace openbraket {

// Sweeps in columns: every sweep applies one 2x2 matrix per atom, in ascending order of the atoms
// or descending, then multiplies configuration c by exp(-i beta V(c)).
struct SweepColumns {
  std::span<const Complex> matrices; // rows of atom_count * 4 entries, each row-major (g, r)
  std::span<const std::uint8_t> is_descending;
  std::span<const double> betas;
};

template <typename Real> class BlockadeState {
public:
  // All atoms in the ground state. Arguments and what is thrown are those of BlockadeSubspace.
  BlockadeState(std::span<const Mask> blocked, std::span<const double> interactions,
                std::size_t configuration_count_max);

  int atom_count() const { return subspace_.atom_count(); }
  std::size_t configuration_count() const { return re_.size(); }
  std::vector<Mask> configurations() const { return subspace_.configurations(); }

  bool apply(const SweepColumns &sweeps, int thread_count, Monitor &monitor);
  std::vector<std::complex<Real>> amplitudes() const;
  // Set every amplitude. This and the next two throw std::invalid_argument for another length.
  void assign(std::span<const std::complex<Real>> amplitudes);
  // Give every amplitude for another.
  void exchange(std::span<std::complex<Real>> amplitudes);
  // The norm of the difference to other amplitudes.
  double distance(std::span<const std::complex<Real>> amplitudes) const;
  // <psi|psi>.
  double norm() const;
  // For each of the ascending numbers in [0, 1), the configuration that it falls on.
  std::vector<Mask> sample(std::span<const double> draws) const;

private:
  void check_length(std::size_t length) const;

  BlockadeSubspace subspace_;
  int tile_atom_count_;                    // those whose pairs lie within a tile
  std::vector<std::uint32_t> tile_starts_; // into the blocks; one entry more than tiles
  Buffer<Real> re_, im_;
};

extern template class BlockadeState<double>;
extern template class BlockadeState<float>;

} // namespace openbraket
