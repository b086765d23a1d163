// Atoms with two levels as a matrix product state, in an order in which neighbours interact most.
//
// The interaction's flow exp(-i beta V) is a product of fans: atom j with the `reach` atoms behind
// it. One sweep applies them one after the other to a block of reach + 1 atoms that moves along
// with the orthogonality centre; when fan j is done, nothing else acts across the bond behind atom
// j, and the bond is cut down to the fewest states that hold all but `cutoff` of the weight. The
// next sweep goes the other way. Flows of the drive act on one atom each and need no sweep.
#pragma once

#include "small_matrix.hpp"
#include "state.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace openbraket {

inline constexpr int chain_atom_count_max = 1024, chain_reach_max = 12;
inline constexpr int chain_listed_atoms_max = 20;

struct ChainTruncation {
  int max_bond;  // largest bond dimension
  double cutoff; // share of the weight that one truncation may leave out
};

class ChainState {
public:
  // All atoms in the ground state. `interactions` is symmetric, row-major; of these only pairs at
  // most `reach` apart in the order of the atoms count. Throws std::invalid_argument for sizes or
  // truncations that do not fit.
  ChainState(std::span<const double> interactions, int atom_count, int reach,
             ChainTruncation truncation);

  int atom_count() const { return atom_count_; }

  // For every stage apply one 2x2 matrix per atom (rows of atom_count * 4 entries, row-major over
  // (g, r)), then exp(-i beta V). False if cancelled, which leaves the state undefined. Throws
  // std::invalid_argument for columns that do not fit together.
  bool apply(std::span<const Complex> matrices, std::span<const double> betas, Monitor &monitor);

  // <psi|psi>.
  double norm() const;
  // Sum of the weights left out by all truncations so far, and the largest bond so far.
  double discarded_weight() const { return discarded_weight_; }
  int peak_bond() const { return peak_bond_; }
  // Bond dimensions behind atoms 0 to n - 2.
  std::vector<int> bonds() const;
  // <n_k> of every atom.
  std::vector<double> densities() const;
  // All amplitudes; bit k of an index is atom k. Throws std::invalid_argument for more than
  // chain_listed_atoms_max atoms.
  std::vector<Complex> amplitudes() const;
  // Outcomes, 1 for |r>: rows are shots. `draws` has numbers in [0, 1), one per shot and atom.
  std::vector<std::uint8_t> sample(std::span<const double> draws) const;

private:
  // Of one atom: left x 2 x right, `right` padded; left is where the next sweep begins.
  struct Tensor {
    int left = 1, right = 1;
    Planes planes;
  };
  std::size_t site_index(int position) const { return std::size_t(site(position)); }
  int site(int position) const { return is_forward_ ? position : atom_count_ - 1 - position; }
  void apply_matrices(const Complex *matrices);
  bool sweep(double beta, Monitor &monitor);
  void extend(int position, int count);
  void multiply_phases(int position, int count, double beta);
  void split(int position, int count);

  int atom_count_, reach_;
  ChainTruncation truncation_;
  std::vector<double> interactions_;
  std::vector<Tensor> tensors_;
  bool is_forward_ = true;
  double discarded_weight_ = 0.0;
  int peak_bond_ = 1;

  // The block of a sweep: left x 2^count x right, and what it is made with.
  int left_ = 1, right_ = 1;
  Planes block_, next_, gram_, vectors_;
  HermitianEigen eigen_;
};

} // namespace openbraket
