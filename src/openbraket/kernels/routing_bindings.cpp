// The Python face of placement and routing; kernels/_routing.pyi has types and documentation.
#include "bindings.hpp"
#include "routing.hpp"

#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <tuple>

namespace nb = nanobind;

namespace openbraket {
namespace {

void check(const BlockColumns &blocks, int logical_count, int physical_count) {
  const std::size_t count = blocks.costs.size();
  if (blocks.qubits.size() != 2 * count || blocks.groups.size() != 2 * count ||
      blocks.exchanged_costs.size() != count)
    throw std::invalid_argument("the columns of the blocks differ in length");
  if (logical_count < 0 || logical_count > physical_count)
    throw std::invalid_argument("there are " + std::to_string(logical_count) + " qubits for " +
                                std::to_string(physical_count) + " physical ones");
  for (std::size_t k = 0; k < count; ++k)
    if (blocks.qubits[2 * k] == blocks.qubits[2 * k + 1])
      throw std::invalid_argument("a block acts on one qubit twice");
  for (std::size_t k = 0; k < 2 * count; ++k)
    if (blocks.qubits[k] >= static_cast<std::uint32_t>(logical_count) || blocks.groups[k] >= count)
      throw std::invalid_argument("a block's qubit or group is out of range");
}

} // namespace

} // namespace openbraket

NB_MODULE(_routing, m) {
  using namespace openbraket;
  m.def(
      "route_blocks",
      [](int physical_count, Column<std::uint32_t> pairs, Column<double> weights, int logical_count,
         Column<std::uint32_t> qubits, Column<std::uint32_t> groups, Column<double> costs,
         Column<double> exchanged_costs, Column<std::int32_t> layout, int trial_count,
         int round_count, int thread_count, std::uint64_t seed) {
        const BlockColumns blocks{span_of(qubits), span_of(groups), span_of(costs),
                                  span_of(exchanged_costs)};
        check(blocks, logical_count, physical_count);
        if (trial_count < 1 || round_count < 0)
          throw std::invalid_argument("a search needs at least one trial");
        std::vector<char> is_taken(physical_count, 0);
        for (const std::int32_t p : span_of(layout)) {
          if (p < 0 || p >= physical_count || is_taken[p])
            throw std::invalid_argument("the layout is not one physical qubit for each qubit");
          is_taken[p] = 1;
        }
        if (layout.size() != 0 && static_cast<int>(layout.size()) != logical_count)
          throw std::invalid_argument("the layout is not one physical qubit for each qubit");
        const nb::gil_scoped_release release;
        const CouplingGraph graph(physical_count, span_of(pairs), span_of(weights));
        Routed out = route_blocks(graph, blocks, span_of(layout),
                                  {logical_count, trial_count, round_count, thread_count, seed});
        return std::make_tuple(out.cost, std::move(out.layout), std::move(out.events));
      },
      nb::arg("physical_count"), nb::arg("pairs"), nb::arg("weights"), nb::arg("logical_count"),
      nb::arg("qubits"), nb::arg("groups"), nb::arg("costs"), nb::arg("exchanged_costs"),
      nb::arg("layout"), nb::kw_only(), nb::arg("trial_count"), nb::arg("round_count"),
      nb::arg("thread_count"), nb::arg("seed"));
  m.def(
      "embed_blocks",
      [](int physical_count, Column<std::uint32_t> pairs, Column<double> weights, int logical_count,
         Column<std::uint32_t> qubits, Column<std::uint32_t> groups, Column<double> costs,
         Column<double> qubit_costs, std::int64_t step_count_max) {
        const BlockColumns blocks{span_of(qubits), span_of(groups), span_of(costs), span_of(costs)};
        check(blocks, logical_count, physical_count);
        if (static_cast<int>(qubit_costs.size()) != physical_count)
          throw std::invalid_argument("an embedding needs one cost per physical qubit");
        const nb::gil_scoped_release release;
        const CouplingGraph graph(physical_count, span_of(pairs), span_of(weights));
        return embed_blocks(graph, blocks, span_of(qubit_costs), logical_count, step_count_max);
      },
      nb::arg("physical_count"), nb::arg("pairs"), nb::arg("weights"), nb::arg("logical_count"),
      nb::arg("qubits"), nb::arg("groups"), nb::arg("costs"), nb::arg("qubit_costs"), nb::kw_only(),
      nb::arg("step_count_max"));
}
