// A density matrix as its Pauli coefficients: storage, gates and channels.
#pragma once

#include "buffer.hpp"
#include "pauli_plan.hpp"
#include "state.hpp"

namespace openbraket {

inline constexpr int pauli_qubit_count_max = 20;

// The index of a string has a digit for each qubit, I X Y Z = 0 1 2 3; qubit 0 is the most
// significant one. States of few qubits have unused low digits, whose other coefficients stay zero.
class PauliState {
public:
  // |0...0><0...0|. Throws std::invalid_argument for a qubit count outside 1 to the maximum.
  explicit PauliState(int qubit_count);

  int qubit_count() const { return qubit_count_; }
  std::size_t coefficient_count() const { return std::size_t(1) << (2 * qubit_count_); }
  // Coefficient k is at k * stride().
  std::size_t stride() const { return std::size_t(1) << (2 * (digit_count_ - qubit_count_)); }
  double *coefficients() { return coefficients_.data(); }

  // Apply all operations and channels; false if cancelled half-way, which leaves the state
  // undefined.
  bool apply(const OperationColumns &operations, const ChannelColumns &channels, int thread_count,
             Monitor &monitor);

private:
  bool run_stage(const PauliStage &stage, int thread_count, Monitor &monitor);

  int qubit_count_, digit_count_;
  Buffer<double> coefficients_;
};

} // namespace openbraket
