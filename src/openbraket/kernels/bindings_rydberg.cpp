// The Python face of the neutral-atom kernels; kernels/_core.pyi has types and documentation.
#include "bindings.hpp"

#include "rydberg_blockade.hpp"
#include "rydberg_chain.hpp"
#include "rydberg_full.hpp"

#include <nanobind/stl/complex.h>

namespace nb = nanobind;

namespace openbraket {
namespace {

template <typename Real, typename State> void bind_amplitudes(nb::class_<State> &kind) {
  using Amplitude = std::complex<Real>;
  kind.def("amplitudes",
           [](const State &state) {
             std::vector<Amplitude> out;
             {
               const nb::gil_scoped_release release;
               out = state.amplitudes();
             }
             const std::size_t size = out.size();
             return numpy_array(std::move(out), {size});
           })
      .def(
          "assign",
          [](State &state, Column<Amplitude> amplitudes) { state.assign(span_of(amplitudes)); },
          nb::arg("amplitudes"))
      .def(
          "exchange",
          [](State &state, MutableColumn<Amplitude> amplitudes) {
            state.exchange({amplitudes.data(), amplitudes.size()});
          },
          nb::arg("amplitudes").noconvert())
      .def(
          "distance",
          [](const State &state, Column<Amplitude> amplitudes) {
            return state.distance(span_of(amplitudes));
          },
          nb::arg("amplitudes"))
      .def("norm", &State::norm, nb::call_guard<nb::gil_scoped_release>());
}

template <typename Real> void bind_full(nb::module_ &m, const char *name) {
  using S = RydbergState<Real>;
  nb::class_<S> kind(m, name);
  kind.def(
          "__init__",
          [](S *self, int atom_count, Column<double> interactions) {
            new (self) S(atom_count, span_of(interactions));
          },
          nb::arg("atom_count"), nb::arg("interactions"))
      .def_prop_ro("atom_count", &S::atom_count)
      .def(
          "apply",
          [](S &state, Column<double> mixings, Column<Complex> phases, Column<Complex> scales,
             Column<double> betas, int thread_count, Monitor *monitor) {
            const StageColumns stages{span_of(mixings), span_of(phases), span_of(scales),
                                      span_of(betas)};
            Monitor unwatched;
            const nb::gil_scoped_release release;
            return state.apply(stages, thread_count, monitor != nullptr ? *monitor : unwatched);
          },
          nb::arg("mixings"), nb::arg("phases"), nb::arg("scales"), nb::arg("betas"), nb::kw_only(),
          nb::arg("thread_count"), nb::arg("monitor").none() = nb::none())
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
  bind_amplitudes<Real>(kind);
}

template <typename Real> void bind_blockade(nb::module_ &m, const char *name) {
  using S = BlockadeState<Real>;
  nb::class_<S> kind(m, name);
  kind.def(
          "__init__",
          [](S *self, Column<std::uint64_t> blocked, Column<double> interactions,
             std::size_t configuration_count_max) {
            new (self) S(span_of(blocked), span_of(interactions), configuration_count_max);
          },
          nb::arg("blocked"), nb::arg("interactions"), nb::arg("configuration_count_max"))
      .def_prop_ro("atom_count", &S::atom_count)
      .def_prop_ro("configuration_count", &S::configuration_count)
      .def("configurations",
           [](const S &state) {
             std::vector<Mask> out = state.configurations();
             const std::size_t size = out.size();
             return numpy_array(std::move(out), {size});
           })
      .def(
          "apply",
          [](S &state, Column<Complex> matrices, Column<std::uint8_t> is_descending,
             Column<double> betas, int thread_count, Monitor *monitor) {
            const SweepColumns sweeps{span_of(matrices), span_of(is_descending), span_of(betas)};
            Monitor unwatched;
            const nb::gil_scoped_release release;
            return state.apply(sweeps, thread_count, monitor != nullptr ? *monitor : unwatched);
          },
          nb::arg("matrices"), nb::arg("is_descending"), nb::arg("betas"), nb::kw_only(),
          nb::arg("thread_count"), nb::arg("monitor").none() = nb::none())
      .def(
          "sample",
          [](const S &state, Column<double> draws) {
            std::vector<Mask> out;
            {
              const nb::gil_scoped_release release;
              out = state.sample(span_of(draws));
            }
            const std::size_t size = out.size();
            return numpy_array(std::move(out), {size});
          },
          nb::arg("draws"));
  bind_amplitudes<Real>(kind);
}

void bind_chain(nb::module_ &m) {
  nb::class_<ChainState>(m, "ChainState")
      .def(
          "__init__",
          [](ChainState *self, Column<double> interactions, int atom_count, int reach, int max_bond,
             double cutoff) {
            new (self) ChainState(span_of(interactions), atom_count, reach, {max_bond, cutoff});
          },
          nb::arg("interactions"), nb::kw_only(), nb::arg("atom_count"), nb::arg("reach"),
          nb::arg("max_bond"), nb::arg("cutoff"))
      .def_prop_ro("atom_count", &ChainState::atom_count)
      .def_prop_ro("norm", &ChainState::norm)
      .def_prop_ro("discarded_weight", &ChainState::discarded_weight)
      .def_prop_ro("peak_bond", &ChainState::peak_bond)
      .def("bonds",
           [](const ChainState &state) {
             std::vector<int> out = state.bonds();
             const std::size_t size = out.size();
             return numpy_array(std::move(out), {size});
           })
      .def("amplitudes",
           [](const ChainState &state) {
             std::vector<Complex> out = state.amplitudes();
             const std::size_t size = out.size();
             return numpy_array(std::move(out), {size});
           })
      .def("densities",
           [](const ChainState &state) {
             std::vector<double> out = state.densities();
             const std::size_t size = out.size();
             return numpy_array(std::move(out), {size});
           })
      .def(
          "apply",
          [](ChainState &state, Column<Complex> matrices, Column<double> betas, Monitor *monitor) {
            Monitor unwatched;
            const nb::gil_scoped_release release;
            return state.apply(span_of(matrices), span_of(betas),
                               monitor != nullptr ? *monitor : unwatched);
          },
          nb::arg("matrices"), nb::arg("betas"), nb::kw_only(),
          nb::arg("monitor").none() = nb::none())
      .def(
          "sample",
          [](const ChainState &state, Column<double> draws) {
            std::vector<std::uint8_t> out;
            {
              const nb::gil_scoped_release release;
              out = state.sample(span_of(draws));
            }
            const std::size_t atoms = std::size_t(state.atom_count()), shots = out.size() / atoms;
            return numpy_array(std::move(out), {shots, atoms});
          },
          nb::arg("draws"));
}

} // namespace

void bind_rydberg(nb::module_ &m) {
  bind_full<double>(m, "RydbergState");
  bind_full<float>(m, "RydbergStateSingle");
  bind_blockade<double>(m, "BlockadeState");
  bind_blockade<float>(m, "BlockadeStateSingle");
  bind_chain(m);
}

} // namespace openbraket
