// Atoms with two levels in the full space of 2^n configurations, evolved by operator splitting.
//
// One stage is a product of two exact flows: first every atom k is mixed by [[1, -i t_k],
// [-i t_k, 1]], then configuration c is multiplied by
//   scale * prod_{k in c} phase_k * exp(-i beta V(c)),  V(c) = sum_{j<k in c} V_jk.
// Any one-atom unitary is a mixing between two diagonals, and neighbouring diagonals merge, so a
// stage is all that a splitting method with a drive needs. No table of V or of its phases is kept
// for the whole space: within a tile they follow from its atoms, given the configuration outside.
#pragma once

#include "buffer.hpp"
#include "lanes.hpp"
#include "reductions.hpp"
#include "state.hpp"

#include <complex>
#include <cstdint>
#include <list>
#include <span>
#include <vector>

namespace openbraket {

inline constexpr int full_atom_count_max = 30;

// Stages in columns. Atom k is bit k of a configuration.
struct StageColumns {
  std::span<const double> mixings; // t_k; a row of atom_count entries per stage
  std::span<const Complex> phases; // phase_k; a row of atom_count entries per stage
  std::span<const Complex> scales; // one per stage
  std::span<const double> betas;   // one per stage
};

template <typename Real> class RydbergState {
public:
  // All atoms in the ground state. `interactions` is symmetric, row-major, atom_count^2 entries.
  // Throws std::invalid_argument for sizes that do not fit.
  RydbergState(int atom_count, std::span<const double> interactions);

  int atom_count() const { return atom_count_; }
  std::size_t amplitude_count() const { return std::size_t(1) << atom_count_; }

  // Apply all stages in order; false if cancelled half-way, which leaves the state undefined.
  bool apply(const StageColumns &stages, int thread_count, Monitor &monitor);

  std::vector<std::complex<Real>> amplitudes() const;
  // Set every amplitude. This and the next two throw std::invalid_argument for another length.
  void assign(std::span<const std::complex<Real>> amplitudes);
  // Give every amplitude for another.
  void exchange(std::span<std::complex<Real>> amplitudes);
  // The norm of the difference to other amplitudes.
  double distance(std::span<const std::complex<Real>> amplitudes) const;
  // <psi|psi>.
  double norm() const;

  View<Real> view(int thread_count) const {
    return {packs_.data(), atom_count_, bit_count_, thread_count};
  }

private:
  // Atoms whose amplitudes, all others fixed, are worked on together in cache. The inner bits are
  // `low` (0 to low - 1), then `rest`; `mixed_from` is the first inner bit that the tile mixes.
  struct Tile {
    std::vector<int> inner, outer; // bits of the configuration, ascending
    int low_count, mixed_from;
    bool is_gathered;
    int run_bits; // of contiguous runs, where it is gathered
  };
  // exp(-i beta V) for parts of a tile: within low, within rest, and between the two.
  struct PairPhases {
    const Tile *tile;
    double beta;
    std::vector<Pack<Real>> low;
    std::vector<Complex> rest;
    std::vector<Complex> between; // [rest configuration][low atom]
    std::vector<Complex> pairs;   // exp(-i beta V_jk), atom_count^2
  };
  // What one visit of a tile does; a null row is left out.
  struct Visit {
    const Tile *tile;
    const double *mixings_before;
    const Complex *phases;
    Complex scale;
    const PairPhases *pair_phases;
    const double *mixings_after;
  };

  void check_length(std::size_t length) const;
  const PairPhases &pair_phases(const Tile &tile, double beta);
  void visit_tile(const Visit &visit, Mask outer, Pack<Real> *scratch);
  void multiply(const Visit &visit, Mask outer, Pack<Real> *tile) const;

  int atom_count_, bit_count_;
  std::vector<double> interactions_;
  Buffer<Pack<Real>> packs_;
  std::vector<Tile> tiles_; // one where the whole state is one tile, else two that take turns
  std::list<PairPhases> cache_;
};

extern template class RydbergState<double>;
extern template class RydbergState<float>;

} // namespace openbraket
