// The Python face of the core; kernels/_core.pyi has its types and documentation.
#include "bindings.hpp"
#include "adjoint_bindings.hpp"
#include "collapse.hpp"
#include "peaks.hpp"
#include "state.hpp"

#include <nanobind/stl/complex.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace nb = nanobind;

namespace openbraket {
namespace {

// Qubits of the caller (0 is most significant) to bits of the index.
std::vector<int> positions_of(const std::vector<int> &qubits, int qubit_count) {
  std::vector<int> out;
  Mask used = 0;
  for (int qubit : qubits) {
    if (qubit < 0 || qubit >= qubit_count)
      throw std::invalid_argument("qubit " + std::to_string(qubit) + " is not in 0 to " +
                                  std::to_string(qubit_count - 1));
    const int position = qubit_count - 1 - qubit;
    if (used & bit(position))
      throw std::invalid_argument("qubit " + std::to_string(qubit) + " is used twice");
    used |= bit(position);
    out.push_back(position);
  }
  return out;
}

PauliString pauli_string(const std::string &letters, const std::vector<int> &qubits,
                         int qubit_count) {
  const std::vector<int> positions = positions_of(qubits, qubit_count);
  if (letters.size() != positions.size())
    throw std::invalid_argument("a Pauli string needs one letter per qubit");
  PauliString out;
  for (std::size_t k = 0; k < letters.size(); ++k) {
    if (std::string("ixyz").find(letters[k]) == std::string::npos)
      throw std::invalid_argument("Pauli letters are i, x, y and z");
    out.x_mask |= letters[k] == 'x' || letters[k] == 'y' ? bit(positions[k]) : 0;
    out.z_mask |= letters[k] == 'z' || letters[k] == 'y' ? bit(positions[k]) : 0;
  }
  return out;
}

template <typename Real> void bind_state(nb::module_ &m, const char *name) {
  using S = State<Real>;
  nb::class_<S>(m, name)
      .def(nb::init<int>(), nb::arg("qubit_count"))
      .def_prop_ro("qubit_count", &S::qubit_count)
      .def(
          "apply",
          [](S &state, Column<std::uint16_t> codes, Column<std::uint32_t> target_starts,
             Column<std::uint32_t> targets, Column<std::uint32_t> parameter_starts,
             Column<double> parameters, Column<std::uint8_t> control_counts,
             Column<std::uint64_t> control_values, int thread_count, Monitor *monitor) {
            const OperationColumns columns{span_of(codes),         span_of(target_starts),
                                           span_of(targets),       span_of(parameter_starts),
                                           span_of(parameters),    span_of(control_counts),
                                           span_of(control_values)};
            Monitor unwatched;
            const nb::gil_scoped_release release;
            return state.apply(columns, thread_count, monitor != nullptr ? *monitor : unwatched);
          },
          nb::arg("codes"), nb::arg("target_starts"), nb::arg("targets"),
          nb::arg("parameter_starts"), nb::arg("parameters"), nb::arg("control_counts"),
          nb::arg("control_values"), nb::kw_only(), nb::arg("thread_count"),
          nb::arg("monitor").none() = nb::none())
      .def(
          "apply_rows",
          [](S &state, Column<std::uint16_t> codes, Column<std::uint32_t> target_starts,
             Column<std::uint32_t> targets, Column<std::uint32_t> parameter_starts,
             Column<double> parameters, Column<std::uint8_t> control_counts,
             Column<std::uint64_t> control_values, Column<std::uint32_t> rows, int thread_count) {
            const OperationColumns columns{span_of(codes),         span_of(target_starts),
                                           span_of(targets),       span_of(parameter_starts),
                                           span_of(parameters),    span_of(control_counts),
                                           span_of(control_values)};
            Monitor unwatched;
            const nb::gil_scoped_release release;
            state.apply_rows(columns, span_of(rows), thread_count, unwatched);
          },
          nb::arg("codes"), nb::arg("target_starts"), nb::arg("targets"),
          nb::arg("parameter_starts"), nb::arg("parameters"), nb::arg("control_counts"),
          nb::arg("control_values"), nb::arg("rows"), nb::kw_only(), nb::arg("thread_count"))
      .def(
          "amplitude",
          [](const S &state, std::uint64_t index) {
            return std::complex<double>(state.amplitude(index));
          },
          nb::arg("index"))
      .def(
          "amplitudes",
          [](const S &state, int thread_count) {
            std::vector<std::complex<Real>> out;
            {
              const nb::gil_scoped_release release;
              out.resize(state.amplitude_count());
              state.copy_amplitudes(out.data(), thread_count);
            }
            return numpy_array(std::move(out), {state.amplitude_count()});
          },
          nb::kw_only(), nb::arg("thread_count"))
      .def(
          "probabilities",
          [](const S &state, const std::vector<int> &qubits, int thread_count) {
            const std::vector<int> positions = positions_of(qubits, state.qubit_count());
            std::vector<double> out;
            {
              const nb::gil_scoped_release release;
              out = probabilities(state.view(thread_count), positions);
            }
            const std::size_t size = out.size();
            return numpy_array(std::move(out), {size});
          },
          nb::arg("qubits"), nb::kw_only(), nb::arg("thread_count"))
      .def(
          "pauli_expectations",
          [](const S &state, const std::vector<std::pair<std::string, std::vector<int>>> &strings,
             int thread_count) {
            std::vector<PauliString> masks;
            for (const auto &[letters, qubits] : strings)
              masks.push_back(pauli_string(letters, qubits, state.qubit_count()));
            std::vector<double> out;
            {
              const nb::gil_scoped_release release;
              out = pauli_expectations<Real>(state.view(thread_count), masks);
            }
            const std::size_t size = out.size();
            return numpy_array(std::move(out), {size});
          },
          nb::arg("strings"), nb::kw_only(), nb::arg("thread_count"))
      .def(
          "density_matrix",
          [](const S &state, const std::vector<int> &qubits, int thread_count) {
            const std::vector<int> positions = positions_of(qubits, state.qubit_count());
            if (int(positions.size()) > density_qubits_max)
              throw std::invalid_argument("a reduced density matrix has at most " +
                                          std::to_string(density_qubits_max) + " qubits, got " +
                                          std::to_string(positions.size()));
            std::vector<Complex> out;
            {
              const nb::gil_scoped_release release;
              out = density_matrix(state.view(thread_count), positions);
            }
            const std::size_t size = std::size_t(1) << positions.size();
            return numpy_array(std::move(out), {size, size});
          },
          nb::arg("qubits"), nb::kw_only(), nb::arg("thread_count"))
      .def(
          "sample",
          [](const S &state, Column<double> draws, int thread_count) {
            std::vector<std::uint64_t> out;
            {
              const nb::gil_scoped_release release;
              out = sample(state.view(thread_count), span_of(draws));
            }
            const std::size_t size = out.size();
            return numpy_array(std::move(out), {size});
          },
          nb::arg("draws"), nb::kw_only(), nb::arg("thread_count"));
}

} // namespace
} // namespace openbraket

NB_MODULE(OPENBRAKET_MODULE, m) {
  using namespace openbraket;
  m.doc() = "OpenBraket's numerical core.";
  m.attr("lane_bytes") = native_bytes;
  m.def("gate_names", [] {
    const auto names = gate_names();
    return std::vector<std::string>(names.begin(), names.end());
  });
  m.def(
      "gate_matrix",
      [](unsigned code, Column<double> parameters) {
        Matrix out = gate_matrix(code, span_of(parameters));
        std::size_t size = 1;
        while (size * size < out.size())
          size *= 2;
        return numpy_array(std::move(out), {size, size});
      },
      nb::arg("code"), nb::arg("parameters"));
  m.def(
      "measure_peaks",
      [](int thread_count) {
        Peaks peaks{};
        {
          const nb::gil_scoped_release release;
          peaks = measure_peaks(thread_count);
        }
        nb::dict out;
        out["double"] = peaks.double_flops;
        out["single"] = peaks.single_flops;
        out["bytes"] = peaks.bytes;
        return out;
      },
      nb::kw_only(), nb::arg("thread_count"));
  nb::class_<Monitor>(m, "Monitor")
      .def(nb::init<>())
      .def("cancel", [](Monitor &monitor) { monitor.is_cancelled = true; })
      .def_prop_ro("flop_count", [](const Monitor &monitor) { return monitor.flop_count.load(); })
      .def_prop_ro("look_count", [](const Monitor &monitor) { return monitor.look_count.load(); })
      .def_prop_ro("preparation_look_count",
                   [](const Monitor &monitor) { return monitor.preparation_look_count.load(); })
      .def_prop_ro("byte_count", [](const Monitor &monitor) { return monitor.byte_count.load(); })
      .def_prop_ro("fraction", [](const Monitor &monitor) {
        return std::min(1.0, double(monitor.done.load()) / double(monitor.total.load()));
      });
  bind_state<double>(m, "StateVector");
  bind_state<float>(m, "StateVectorSingle");
  bind_adjoint(m);
  bind_pauli(m);
  bind_rydberg(m);
  bind_collapse(m);
}
