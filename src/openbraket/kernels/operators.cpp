#include "operators.hpp"

#include <stdexcept>
#include <string>

namespace openbraket {
namespace {

constexpr unsigned control_count_max = 63;
// Targets of one matrix; the count of its entries then never overflows.
constexpr std::size_t unitary_qubits_max = 16;

[[noreturn]] void refuse(std::size_t operation, const std::string &what) {
  throw std::invalid_argument("operation " + std::to_string(operation) + ": " + what);
}

Matrix unitary_matrix(std::size_t operation, std::span<const double> parameters, std::size_t size,
                      Monitor &monitor) {
  if (parameters.size() != 2 * size * size)
    refuse(operation, "a matrix of " + std::to_string(2 * size * size) +
                          " numbers is needed, got " + std::to_string(parameters.size()));
  Matrix out;
  out.reserve(size * size); // memory is touched row by row
  for (std::size_t row = 0; row < size; ++row) {
    monitor.look();
    for (std::size_t k = row * size; k < (row + 1) * size; ++k)
      out.emplace_back(parameters[2 * k], parameters[2 * k + 1]);
  }
  return out;
}

} // namespace

void check_columns(const OperationColumns &columns) {
  const std::size_t count = columns.codes.size();
  if (columns.target_starts.size() != count + 1 || columns.parameter_starts.size() != count + 1 ||
      columns.control_counts.size() != count || columns.control_values.size() != count)
    throw std::invalid_argument("the columns of the operations differ in length");
  for (std::size_t i = 0; i < count; ++i)
    if (columns.target_starts[i] > columns.target_starts[i + 1] ||
        columns.parameter_starts[i] > columns.parameter_starts[i + 1])
      refuse(i, "starts must not decrease");
  if (columns.target_starts[count] > columns.targets.size() ||
      columns.parameter_starts[count] > columns.parameters.size())
    throw std::invalid_argument("the starts of the operations point past the end");
}

Operator translate_one(const OperationColumns &columns, std::size_t index, int qubit_count,
                       Monitor &monitor) {
  monitor.look();
  const auto qubits =
      columns.targets.subspan(columns.target_starts[index],
                              columns.target_starts[index + 1] - columns.target_starts[index]);
  const auto parameters = columns.parameters.subspan(columns.parameter_starts[index],
                                                     columns.parameter_starts[index + 1] -
                                                         columns.parameter_starts[index]);
  const unsigned added_count = columns.control_counts[index];
  if (added_count > qubits.size() || added_count > control_count_max)
    refuse(index, "has more controls than qubits");
  const unsigned code = columns.codes[index];
  const ControlledGate own = controlled_gate(code);
  const unsigned control_count = added_count + own.control_count;
  Operator out;
  Mask used = 0;
  for (std::size_t k = 0; k < qubits.size(); ++k) {
    if (qubits[k] >= unsigned(qubit_count))
      refuse(index,
             "qubit " + std::to_string(qubits[k]) + " is not below " + std::to_string(qubit_count));
    const int position = qubit_count - 1 - int(qubits[k]);
    if (used & bit(position))
      refuse(index, "qubit " + std::to_string(qubits[k]) + " is used twice");
    used |= bit(position);
    if (k < control_count) {
      out.control_mask |= bit(position);
      if (k >= added_count || ((columns.control_values[index] >> (added_count - 1 - k)) & 1))
        out.control_value |= bit(position);
    } else {
      out.targets.insert(out.targets.begin(), position);
    }
  }
  if (out.targets.size() > unitary_qubits_max)
    refuse(index, "a matrix on " + std::to_string(out.targets.size()) + " qubits; at most " +
                      std::to_string(unitary_qubits_max) + " are allowed");
  const std::size_t size = std::size_t(1) << out.targets.size();
  if (code == gate_names().size())
    out.values = unitary_matrix(index, parameters, size, monitor);
  else
    out.values = gate_matrix(own.control_count == 0 ? code : own.inner_code, parameters);
  if (out.values.size() != size * size)
    refuse(index, std::string("gate ") + gate_names()[code] + " got " +
                      std::to_string(qubits.size() - added_count) + " targets");
  return out;
}

Vector<Operator> translate(const OperationColumns &columns, int qubit_count, Monitor &monitor) {
  check_columns(columns);
  Vector<Operator> out;
  out.reserve(columns.codes.size());
  for (std::size_t i = 0; i < columns.codes.size(); ++i)
    out.push_back(translate_one(columns, i, qubit_count, monitor));
  return out;
}

} // namespace openbraket
