// What fusion is made of: one-qubit matrices, diagonals over some bits, and products of matrices
// over different bits. Bits ascend, the lowest is least significant in an index.
#pragma once

#include "operators.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace openbraket {

// Parts of products smaller than this are rounding and become zero, so that structure shows.
inline constexpr double zero_max = 3e-16;
// Deviation up to which D1 R D2 counts as the gate; more means that the gate is not unitary.
inline constexpr double residual_max = 4e-15;
// Rotations with smaller cosines run as dense matrices.
inline constexpr double cosine_min = 1.0 / 512;
inline constexpr Matrix2 identity2 = {1, 0, 0, 1};

inline double snap(double x) {
  if (std::abs(x) < zero_max)
    return 0;
  if (std::abs(x - 1) < zero_max)
    return 1;
  return std::abs(x + 1) < zero_max ? -1 : x;
}
// Without std::abs's care for squares that overflow, which costs a call.
inline double magnitude(Complex x) { return std::sqrt(x.real() * x.real() + x.imag() * x.imag()); }
inline Complex snap(Complex x) { return {snap(x.real()), snap(x.imag())}; }

inline Matrix2 product(const Matrix2 &a, const Matrix2 &b) {
  Matrix2 out;
  for (int row = 0; row < 2; ++row)
    for (int column = 0; column < 2; ++column)
      out[std::size_t(2 * row + column)] =
          snap(multiply(a[std::size_t(2 * row)], b[std::size_t(column)]) +
               multiply(a[std::size_t(2 * row + 1)], b[std::size_t(2 + column)]));
  return out;
}

// U = phase * diag(1, late) * [[c, -s], [s, c]] * diag(1, early).
struct Rotation {
  Complex phase, late, early;
  double c, s;
  bool is_valid;

  explicit Rotation(const Matrix2 &u) : c(magnitude(u[0])), s(magnitude(u[2])) {
    is_valid = c >= cosine_min && s > 0;
    if (!is_valid)
      return;
    phase = u[0] / c;
    late = multiply(u[2] / s, std::conj(phase));
    early = multiply(-u[1] / s, std::conj(phase));
    // A late diagonal has more to be multiplied with than an early one.
    if (early.real() < -0.5 || (early.real() < 0.5 && late.real() < -0.5)) {
      late = -late;
      early = -early;
      s = -s;
    }
    phase = snap(phase), late = snap(late), early = snap(early);
    const Complex corner = multiply(multiply(phase, late), early) * c;
    is_valid = magnitude(corner - u[3]) <= residual_max &&
               std::abs(c * c + s * s - 1) <= residual_max &&
               magnitude(multiply(phase, early) * -s - u[1]) <= residual_max;
  }
};

// A diagonal over the bits of `mask`, the lowest least significant.
struct Term {
  Mask mask = 0;
  Vector<Complex> values;
};

// Return the term over the bits of `mask`, which include its own.
inline Vector<Complex> widened(const Term &term, Mask mask) {
  const Mask inner = extract(term.mask, mask);
  Vector<Complex> out(std::size_t(1) << std::popcount(mask));
  for (std::size_t x = 0; x < out.size(); ++x)
    out[x] = term.values[std::size_t(extract(x, inner))];
  return out;
}

// Multiply `term` into `into`, whose mask includes the term's.
inline void multiply_in(Term &into, const Term &term) {
  const Mask inner = extract(term.mask, into.mask);
  for (std::size_t x = 0; x < into.values.size(); ++x)
    into.values[x] = snap(multiply(into.values[x], term.values[std::size_t(extract(x, inner))]));
}

inline bool is_identity(const Term &term) {
  return std::all_of(term.values.begin(), term.values.end(), [](Complex x) { return x == 1.0; });
}

inline Vector<int> bits_of(Mask mask) {
  Vector<int> out;
  for (; mask != 0; mask &= mask - 1)
    out.push_back(std::countr_zero(mask));
  return out;
}

inline void exchange_bits(Term &term, int a, int b) {
  const bool has_a = term.mask & bit(a), has_b = term.mask & bit(b);
  if (!has_a && !has_b)
    return;
  const Mask mask = has_a == has_b ? term.mask : term.mask ^ (bit(a) | bit(b));
  Vector<Complex> values(term.values.size());
  for (std::size_t x = 0; x < values.size(); ++x) {
    Mask full = deposit(x, term.mask);
    if (((full >> a) ^ (full >> b)) & 1)
      full ^= bit(a) | bit(b);
    values[std::size_t(extract(full, mask))] = term.values[x];
  }
  term = {mask, std::move(values)};
}

inline Matrix matrix_of(const Matrix2 &u) { return {u.begin(), u.end()}; }

inline Matrix matrix_of(const Term &term) {
  const std::size_t size = term.values.size();
  Matrix out(size * size);
  for (std::size_t k = 0; k < size; ++k)
    out[k * size + k] = term.values[k];
  return out;
}

// The matrix of an x with controls over all its bits, ascending.
inline Matrix matrix_of(const Operator &flip) {
  const Mask mask = flip.control_mask | bit(flip.targets[0]);
  const std::size_t size = std::size_t(1) << std::popcount(mask);
  Matrix out(size * size);
  for (std::size_t column = 0; column < size; ++column) {
    Mask x = deposit(column, mask);
    if ((x & flip.control_mask) == flip.control_value)
      x ^= bit(flip.targets[0]);
    out[std::size_t(extract(x, mask)) * size + column] = 1;
  }
  return out;
}

// The matrix over the targets in ascending order.
inline Matrix reordered(const Operator &op) {
  const Mask mask = op.target_mask();
  const std::size_t size = std::size_t(1) << op.targets.size();
  Vector<std::size_t> place(size);
  for (std::size_t k = 0; k < size; ++k) {
    Mask x = 0;
    for (std::size_t t = 0; t < op.targets.size(); ++t)
      x |= (k >> t) & 1 ? bit(op.targets[t]) : 0;
    place[k] = std::size_t(extract(x, mask));
  }
  Matrix out(size * size);
  for (std::size_t row = 0; row < size; ++row)
    for (std::size_t column = 0; column < size; ++column)
      out[place[row] * size + place[column]] = op.values[row * size + column];
  return out;
}

// Return big * small (or small * big): `small` acts on some of big's bits; both ascend.
inline Matrix times(const Matrix &big, const Matrix &small, const Vector<int> &small_bits,
                    const Vector<int> &big_bits, bool is_earlier) {
  Mask all = 0, own = 0;
  for (int position : big_bits)
    all |= bit(position);
  for (int position : small_bits)
    own |= bit(position);
  const Mask inner = extract(own, all);
  const std::size_t size = std::size_t(1) << big_bits.size();
  const std::size_t small_size = std::size_t(1) << small_bits.size();
  Matrix out(size * size);
  for (std::size_t row = 0; row < size; ++row)
    for (std::size_t column = 0; column < size; ++column) {
      const std::size_t moved = is_earlier ? column : row;
      const std::size_t own_index = std::size_t(extract(moved, inner));
      Complex sum = 0;
      for (std::size_t k = 0; k < small_size; ++k) {
        const std::size_t other = (moved & ~std::size_t(inner)) | std::size_t(deposit(k, inner));
        sum += is_earlier ? multiply(big[row * size + other], small[k * small_size + own_index])
                          : multiply(small[own_index * small_size + k], big[other * size + column]);
      }
      out[row * size + column] = snap(sum);
    }
  return out;
}

} // namespace openbraket
