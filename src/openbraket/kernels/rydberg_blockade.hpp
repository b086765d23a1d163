// Atoms with two levels in the blockade subspace: the configurations in which no two atoms of a
// blocked pair are excited together.
//
// Within the subspace the flow of one atom acts on disjoint pairs of configurations, (c, c with the
// atom excited), so that it is exact and in place; the energies of the pairs that are not blocked
// are phases. Configurations are sorted, and pairs are kept as runs of neighbours; the list of the
// configurations itself is made anew where it is asked for.
#pragma once

#include "buffer.hpp"
#include "operators.hpp"
#include "state.hpp"

#include <complex>
#include <cstdint>
#include <span>
#include <vector>

namespace openbraket {

inline constexpr int blockade_atom_count_max = 63;

// Sweeps in columns: every sweep applies one 2x2 matrix per atom, in ascending order of the atoms
// or descending, then multiplies configuration c by exp(-i beta V(c)).
struct SweepColumns {
  std::span<const Complex> matrices; // rows of atom_count * 4 entries, each row-major (g, r)
  std::span<const std::uint8_t> is_descending;
  std::span<const double> betas;
};

template <typename Real> class BlockadeState {
public:
  // All atoms in the ground state. `blocked[k]` has the bits of the atoms that cannot be excited
  // with atom k; `interactions` is symmetric, row-major. Throws std::invalid_argument for sizes
  // that do not fit, std::length_error for more than `configuration_count_max` configurations.
  BlockadeState(std::span<const Mask> blocked, std::span<const double> interactions,
                std::size_t configuration_count_max);

  int atom_count() const { return int(atoms_.size()); }
  std::size_t configuration_count() const { return re_.size(); }
  std::vector<Mask> configurations() const;

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
  struct Run {
    std::uint32_t lower, upper, length;
  };
  // The pairs of one atom, cut into tasks of like size.
  struct Atom {
    std::vector<Run> runs;
    std::vector<std::uint32_t> task_starts; // into runs; one entry more than tasks
  };
  BlockadeState(std::span<const Mask> blocked, std::span<const double> interactions,
                const std::vector<Mask> &configurations);
  void add_energies(std::span<const Mask> configurations, std::span<const double> interactions);
  void find_pairs(std::span<const Mask> configurations);
  void check_length(std::size_t length) const;

  std::vector<Mask> blocked_;
  std::vector<Atom> atoms_;
  std::vector<Real> energies_;
  Buffer<Real> re_, im_;
};

// Every set of atoms without a blocked pair, ascending. Throws std::invalid_argument for no atoms
// or too many, std::length_error beyond `count_max`.
std::vector<Mask> blockade_configurations(std::span<const Mask> blocked, std::size_t count_max);

extern template class BlockadeState<double>;
extern template class BlockadeState<float>;

} // namespace openbraket
