// From gates to few, structured operators. Everything here is small and in double precision.
#pragma once

#include "bits.hpp"
#include "monitor.hpp"
#include "vector.hpp"

#include <array>
#include <complex>
#include <cstddef>
#include <span>

namespace openbraket {

using Complex = std::complex<double>;
using Matrix = Vector<Complex>; // square, row-major
using Matrix2 = std::array<Complex, 4>;

// std::complex's product without its treatment of infinities, which costs a call.
inline Complex multiply(Complex a, Complex b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// Columns of openbraket.circuits.circuit.Operations.
struct OperationColumns {
  std::span<const std::uint16_t> codes;
  std::span<const std::uint32_t> target_starts, targets;
  std::span<const std::uint32_t> parameter_starts;
  std::span<const double> parameters;
  std::span<const std::uint8_t> control_counts;
  std::span<const std::uint64_t> control_values;
};

// What one pass over amplitudes does: a matrix on `targets`, where the bits of `control_mask` have
// the values `control_value`.
struct Operator {
  Vector<int> targets; // bits of the amplitude index; the first is least significant in values
  Mask control_mask = 0;
  Mask control_value = 0;
  bool is_diagonal = false;
  Vector<Complex> values; // 2^k diagonal entries, or a 2^k x 2^k matrix

  Mask target_mask() const {
    Mask mask = 0;
    for (int target : targets)
      mask |= bit(target);
    return mask;
  }
  // Bits on which the operator is not diagonal.
  Mask moved_mask() const { return is_diagonal ? 0 : target_mask(); }
  Mask kept_mask() const { return (is_diagonal ? target_mask() : 0) | control_mask; }
};

// Names of the gate table, in the order of the codes.
std::span<const char *const> gate_names();

// Return the matrix of a table gate; the first target is the most significant bit of an index.
Matrix gate_matrix(unsigned code, std::span<const double> parameters);

// Whether a table gate has one target; its matrix without an allocation.
bool is_one_qubit_gate(unsigned code);
Matrix2 one_qubit_matrix(unsigned code, std::span<const double> parameters);

// A table gate as another one with controls; control_count is 0 for all other gates.
struct ControlledGate {
  unsigned control_count, inner_code;
};
ControlledGate controlled_gate(unsigned code);

// All of the following look at the monitor before each operation and each row of a matrix, and
// throw Cancelled.

// Return one operator per operation. Throws std::invalid_argument for malformed columns.
Vector<Operator> translate(const OperationColumns &columns, int qubit_count, Monitor &monitor);

// Return few operators with the same product: rotations, diagonals, permutations, dense matrices.
// It is the same product on states whose amplitudes are zero unless all set bits are in `alive`.
// Throws std::invalid_argument for malformed columns.
Vector<Operator> fuse(const OperationColumns &columns, int qubit_count, Mask alive,
                      Monitor &monitor);
Vector<Operator> fuse(Vector<Operator> &&operators, int bit_count, Monitor &monitor);

// The same for some rows of the columns, in the order given; a row may be given several times.
Vector<Operator> fuse(const OperationColumns &columns, std::span<const std::uint32_t> rows,
                      int qubit_count, Mask alive, Monitor &monitor);

// For fuse: whether the columns fit together, and one operation.
void check_columns(const OperationColumns &columns);
Operator translate_one(const OperationColumns &columns, std::size_t index, int qubit_count,
                       Monitor &monitor);

} // namespace openbraket
