// The Python face of the density matrix; kernels/_core.pyi has types and documentation.
#include "bindings.hpp"

#include "pauli_state.hpp"

namespace nb = nanobind;

namespace openbraket {

void bind_pauli(nb::module_ &m) {
  using S = PauliState;
  nb::class_<S>(m, "PauliState")
      .def(nb::init<int>(), nb::arg("qubit_count"))
      .def_prop_ro("qubit_count", &S::qubit_count)
      .def(
          "apply",
          [](S &state, Column<std::uint16_t> codes, Column<std::uint32_t> target_starts,
             Column<std::uint32_t> targets, Column<std::uint32_t> parameter_starts,
             Column<double> parameters, Column<std::uint8_t> control_counts,
             Column<std::uint64_t> control_values, Column<std::uint32_t> channel_indexes,
             Column<std::uint32_t> channel_target_starts, Column<std::uint32_t> channel_targets,
             Column<std::uint32_t> channel_maps, Column<std::uint32_t> map_starts,
             Column<double> map_entries, int thread_count, Monitor *monitor) {
            const OperationColumns operations{span_of(codes),         span_of(target_starts),
                                              span_of(targets),       span_of(parameter_starts),
                                              span_of(parameters),    span_of(control_counts),
                                              span_of(control_values)};
            const ChannelColumns channels{span_of(channel_indexes), span_of(channel_target_starts),
                                          span_of(channel_targets), span_of(channel_maps),
                                          span_of(map_starts),      span_of(map_entries)};
            Monitor unwatched;
            const nb::gil_scoped_release release;
            return state.apply(operations, channels, thread_count,
                               monitor != nullptr ? *monitor : unwatched);
          },
          nb::arg("codes"), nb::arg("target_starts"), nb::arg("targets"),
          nb::arg("parameter_starts"), nb::arg("parameters"), nb::arg("control_counts"),
          nb::arg("control_values"), nb::arg("channel_indexes"), nb::arg("channel_target_starts"),
          nb::arg("channel_targets"), nb::arg("channel_maps"), nb::arg("map_starts"),
          nb::arg("map_entries"), nb::kw_only(), nb::arg("thread_count"),
          nb::arg("monitor").none() = nb::none())
      .def("coefficients", [](nb::handle self) {
        S &state = nb::cast<S &>(self);
        const std::size_t shape[] = {state.coefficient_count()};
        const std::int64_t strides[] = {std::int64_t(state.stride())};
        return nb::ndarray<nb::numpy, double>(state.coefficients(), 1, shape, self, strides);
      });
}

} // namespace openbraket
