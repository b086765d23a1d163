// Compares the state vector with gates applied one by one to an array of amplitudes, without
// Python, so that it runs for another processor under an emulator. Prints the largest deviation.
#include "state.hpp"

#include <algorithm>
#include <complex>
#include <cstdio>
#include <random>
#include <stdexcept>
#include <vector>

using namespace openbraket;

namespace {

struct Circuit {
  std::vector<std::uint16_t> codes;
  std::vector<std::uint32_t> target_starts{0}, targets, parameter_starts{0};
  std::vector<double> parameters;
  std::vector<std::uint8_t> control_counts;
  std::vector<std::uint64_t> control_values;

  OperationColumns columns() const {
    return {codes,      target_starts,  targets,       parameter_starts,
            parameters, control_counts, control_values};
  }
};

// How many parameters a table gate takes, by trying.
std::vector<double> parameters_of(unsigned code, std::mt19937 &random) {
  std::uniform_real_distribution<double> angle(-3, 3);
  for (std::vector<double> out;; out.push_back(angle(random)))
    try {
      gate_matrix(code, out);
      return out;
    } catch (const std::invalid_argument &) {
      if (out.size() > 3)
        throw;
    }
}

Circuit random_circuit(int qubit_count, int gate_count, std::mt19937 &random) {
  Circuit out;
  for (int i = 0; i < gate_count; ++i) {
    const auto code = unsigned(random() % gate_names().size());
    const std::vector<double> parameters = parameters_of(code, random);
    std::size_t arity = 0;
    while ((std::size_t(1) << (2 * arity)) < gate_matrix(code, parameters).size())
      ++arity;
    std::vector<std::uint32_t> qubits(std::size_t(qubit_count), 0);
    for (std::size_t q = 0; q < qubits.size(); ++q)
      qubits[q] = std::uint32_t(q);
    std::shuffle(qubits.begin(), qubits.end(), random);
    out.codes.push_back(std::uint16_t(code));
    out.targets.insert(out.targets.end(), qubits.begin(), qubits.begin() + std::ptrdiff_t(arity));
    out.target_starts.push_back(std::uint32_t(out.targets.size()));
    out.parameters.insert(out.parameters.end(), parameters.begin(), parameters.end());
    out.parameter_starts.push_back(std::uint32_t(out.parameters.size()));
    out.control_counts.push_back(0);
    out.control_values.push_back(0);
  }
  return out;
}

std::vector<Complex> evolve(const Circuit &circuit, int qubit_count) {
  std::vector<Complex> state(std::size_t(1) << qubit_count), next;
  state[0] = 1;
  for (std::size_t i = 0; i < circuit.codes.size(); ++i) {
    const std::size_t first = circuit.parameter_starts[i];
    const Matrix matrix = gate_matrix(
        circuit.codes[i],
        std::span(circuit.parameters).subspan(first, circuit.parameter_starts[i + 1] - first));
    const std::size_t start = circuit.target_starts[i];
    const std::size_t arity = circuit.target_starts[i + 1] - start, size = std::size_t(1) << arity;
    next.assign(state.size(), 0);
    for (std::size_t x = 0; x < state.size(); ++x) {
      std::size_t row = 0, rest = x;
      for (std::size_t k = 0; k < arity; ++k) {
        const int position = qubit_count - 1 - int(circuit.targets[start + k]);
        row = row << 1 | ((x >> position) & 1);
        rest &= ~(std::size_t(1) << position);
      }
      for (std::size_t column = 0; column < size; ++column) {
        std::size_t from = rest;
        for (std::size_t k = 0; k < arity; ++k)
          if ((column >> (arity - 1 - k)) & 1)
            from |= std::size_t(1) << (qubit_count - 1 - int(circuit.targets[start + k]));
        next[x] += matrix[row * size + column] * state[from];
      }
    }
    state.swap(next);
  }
  return state;
}

template <typename Real> double deviation(int qubit_count, int gate_count, int seed) {
  std::mt19937 random{std::mt19937::result_type(seed)};
  const Circuit circuit = random_circuit(qubit_count, gate_count, random);
  State<Real> state(qubit_count);
  Monitor monitor;
  state.apply(circuit.columns(), 2, monitor);
  const std::vector<Complex> wanted = evolve(circuit, qubit_count);
  double largest = 0;
  for (std::size_t x = 0; x < wanted.size(); ++x)
    largest = std::max(largest, std::abs(Complex(state.amplitude(x)) - wanted[x]));
  return largest;
}

} // namespace

int main() {
  bool is_right = true;
  for (int qubit_count : {3, 5, 9, 12, 16, 17}) {
    double largest_double = 0, largest_single = 0;
    for (int seed = 1; seed <= (qubit_count < 12 ? 20 : 2); ++seed) {
      largest_double = std::max(largest_double, deviation<double>(qubit_count, 60, seed));
      largest_single = std::max(largest_single, deviation<float>(qubit_count, 60, seed));
    }
    is_right = is_right && largest_double < 1e-13 && largest_single < 1e-5;
    std::printf("%2d qubits: %.1e double, %.1e single\n", qubit_count, largest_double,
                largest_single);
  }
  return is_right ? 0 : 1;
}
