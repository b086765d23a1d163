// Complex matrices of tens of rows: products and eigenvectors, without the start-up costs of a
// general library.
//
// Real and imaginary parts lie in planes of their own. Rows begin on lines of 64 bytes; what a row
// is padded with stays zero, so that loops need no remainder.
#pragma once

#include "lanes.hpp"
#include "operators.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace openbraket {

constexpr int padded_to_line(int count) { return (count + 7) & ~7; }

// Rows of reals in two planes, `stride` apart.
struct PlanesView {
  double *re, *im;
  std::ptrdiff_t stride;
};

// Two planes that keep their memory when they shrink.
class Planes {
public:
  // Make room for `count` reals in each plane; contents are undefined afterwards.
  void reserve(std::size_t count) {
    const std::size_t lanes = (count + lane_count<double> - 1) / lane_count<double>;
    if (lanes > re_.size()) {
      re_.assign(lanes + lanes / 2, Lanes<double>::zero());
      im_.assign(lanes + lanes / 2, Lanes<double>::zero());
    }
  }
  double *re() { return reinterpret_cast<double *>(re_.data()); }
  double *im() { return reinterpret_cast<double *>(im_.data()); }
  const double *re() const { return reinterpret_cast<const double *>(re_.data()); }
  const double *im() const { return reinterpret_cast<const double *>(im_.data()); }
  PlanesView view(std::ptrdiff_t stride) { return {re(), im(), stride}; }
  void swap(Planes &other) {
    re_.swap(other.re_);
    im_.swap(other.im_);
  }

private:
  std::vector<Lanes<double>> re_, im_;
};

// c = a b with a of rows x inner, b of inner x columns; `columns` is a multiple of 8.
void multiply(const PlanesView &a, const PlanesView &b, const PlanesView &c, int rows, int inner,
              int columns);

// g = m m^dagger with m of rows x columns; `columns` is a multiple of 8.
void gram(const PlanesView &m, const PlanesView &g, int rows, int columns);

// Eigenvalues and eigenvectors of Hermitian matrices: Householder reflections to tridiagonal form,
// then implicit QL (Golub, Van Loan, Matrix Computations, sections 8.3.1 and 8.3.5).
class HermitianEigen {
public:
  // Decompose a matrix of `size` rows, which is destroyed; its padding must be zero. Eigenvalues
  // below 1e-17 of the largest entry are not resolved. Throws std::runtime_error if QL does not
  // converge, which has not been seen.
  void decompose(const PlanesView &matrix, int size);

  // All eigenvalues, descending.
  std::span<const double> values() const { return values_; }

  // Write the conjugates of the first `count` eigenvectors as rows.
  void conjugate_vectors(int count, const PlanesView &out);

private:
  void reduce();
  void rotate_to_diagonal();

  int size_ = 0;
  PlanesView matrix_{nullptr, nullptr, 0};
  std::vector<double> diagonal_, off_diagonal_, values_, scales_;
  std::vector<Complex> phases_;
  std::vector<int> order_;
  Planes reflected_; // A v of a reflection v
  Planes rotations_; // in its first plane the eigenvectors of the tridiagonal matrix, as rows
};

} // namespace openbraket
