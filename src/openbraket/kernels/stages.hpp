// From gates with parameters to the stages of the adjoint method: few operators, each with what
// the derivatives by its parameters need. Everything here is small.
#pragma once

#include "adjoint.hpp"
#include "vector.hpp"

#include <cstddef>

namespace openbraket {

// One derivative is 2 Re <lambda|A|psi>, with A = (dU) U^+ for the stage's operator U.
struct Generator {
  std::size_t output;
  Vector<Complex> values; // over the operator's targets, diagonal where the operator is
};

struct Stage {
  Operator op;
  Vector<Generator> generators;
  bool is_undone = true; // whether an earlier stage with generators needs this one undone
};

// U^+ in the place of U.
Operator inverse_of(const Operator &op);

// Return the stages in the order of the circuit. Neighbouring operators are multiplied where that
// pays, and a generator that has others after it in its stage is carried through them. Looks at the
// monitor before each operation and each parameter.
Vector<Stage> make_stages(const OperationColumns &columns, const Differentiated &differentiated,
                          int qubit_count, Monitor &monitor);

} // namespace openbraket
