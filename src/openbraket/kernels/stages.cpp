#include "stages.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace openbraket {
namespace {

constexpr std::size_t diagonal_qubits_max = 6;
constexpr std::size_t generator_qubits_max = 6;
// A longer chain becomes a new stage: carrying generators through a chain is quadratic.
constexpr std::size_t generators_max = 32;
// Parts of generators smaller than this are rounding and become zero, so that structure shows.
constexpr double zero_max = 1e-15;
constexpr std::size_t none = std::size_t(-1);

std::size_t size_of(const Operator &op) { return std::size_t(1) << op.targets.size(); }

Matrix product(const Matrix &a, const Matrix &b, std::size_t size) {
  Matrix out(size * size);
  for (std::size_t row = 0; row < size; ++row)
    for (std::size_t k = 0; k < size; ++k)
      for (std::size_t column = 0; column < size; ++column)
        out[row * size + column] += multiply(a[row * size + k], b[k * size + column]);
  return out;
}

Matrix adjoint(const Matrix &a, std::size_t size) {
  Matrix out(a.size());
  for (std::size_t row = 0; row < size; ++row)
    for (std::size_t column = 0; column < size; ++column)
      out[column * size + row] = std::conj(a[row * size + column]);
  return out;
}

void snap(Matrix &matrix) {
  for (Complex &value : matrix)
    value = {std::abs(value.real()) < zero_max ? 0 : value.real(),
             std::abs(value.imag()) < zero_max ? 0 : value.imag()};
}

bool is_diagonal(const Matrix &matrix, std::size_t size) {
  for (std::size_t row = 0; row < size; ++row)
    for (std::size_t column = 0; column < size; ++column)
      if (row != column && matrix[row * size + column] != 0.0)
        return false;
  return true;
}

Vector<Complex> diagonal_of(const Matrix &matrix, std::size_t size) {
  Vector<Complex> out(size);
  for (std::size_t k = 0; k < size; ++k)
    out[k] = matrix[k * size + k];
  return out;
}

// Make operator and generators diagonal where all of them are.
void use_diagonal(Stage &stage) {
  const std::size_t size = size_of(stage.op);
  bool all = !stage.op.is_diagonal && is_diagonal(stage.op.values, size);
  for (const Generator &generator : stage.generators)
    all = all && is_diagonal(generator.values, size);
  if (!all)
    return;
  stage.op.is_diagonal = true;
  stage.op.values = diagonal_of(stage.op.values, size);
  for (Generator &generator : stage.generators)
    generator.values = diagonal_of(generator.values, size);
}

// Return diagonal entries over `targets`, which contain `own`.
Vector<Complex> spread(const Vector<Complex> &entries, const Vector<int> &own,
                       const Vector<int> &targets) {
  Vector<Complex> out(std::size_t(1) << targets.size());
  for (std::size_t x = 0; x < out.size(); ++x) {
    std::size_t inner = 0;
    for (std::size_t k = 0; k < own.size(); ++k) {
      const auto at = std::find(targets.begin(), targets.end(), own[k]) - targets.begin();
      inner |= ((x >> at) & 1) << k;
    }
    out[x] = entries[inner];
  }
  return out;
}

// Collects stages; `stages_` is always in an order in which they may run.
class Collector {
public:
  explicit Collector(int qubit_count) : bits_(std::size_t(qubit_count)) {}

  void add(Stage &&stage) {
    const bool is_free = stage.op.control_mask == 0;
    if (is_free && stage.op.targets.size() == 1 && join_chain(stage))
      return;
    use_diagonal(stage);
    const bool may_join = is_free && stage.op.is_diagonal;
    if (may_join && join_diagonal(stage))
      return;
    append(std::move(stage));
  }

  Vector<Stage> finish() {
    for (Stage &stage : stages_)
      use_diagonal(stage);
    return std::move(stages_);
  }

private:
  struct Bit {
    std::size_t last = none, last_moved = none; // stages on this bit; the latter not diagonal
  };

  static Mask mask_of(const Stage &stage) { return stage.op.target_mask() | stage.op.control_mask; }

  void append(Stage &&stage) {
    const std::size_t index = stages_.size();
    note(stage, index);
    stages_.push_back(std::move(stage));
  }

  void note(const Stage &stage, std::size_t index) {
    for (Mask rest = mask_of(stage); rest != 0; rest &= rest - 1) {
      Bit &b = bits_[std::size_t(std::countr_zero(rest))];
      b.last = b.last == none ? index : std::max(b.last, index);
      if (stage.op.moved_mask() & rest & (~rest + 1))
        b.last_moved = b.last_moved == none ? index : std::max(b.last_moved, index);
    }
  }

  // Multiply a one-qubit operator into the one-qubit operator just before it.
  bool join_chain(const Stage &later) {
    const std::size_t index = bits_[std::size_t(later.op.targets[0])].last;
    if (index == none)
      return false;
    Stage &chain = stages_[index];
    if (chain.op.targets.size() != 1 || chain.op.control_mask != 0 ||
        chain.generators.size() + later.generators.size() > generators_max)
      return false;
    if (chain.op.is_diagonal) {
      const auto dense = [](Vector<Complex> &v) { v = {v[0], 0, 0, v[1]}; };
      chain.op.is_diagonal = false;
      dense(chain.op.values);
      for (Generator &generator : chain.generators)
        dense(generator.values);
    }
    const Matrix inverse = adjoint(later.op.values, 2);
    chain.op.values = product(later.op.values, chain.op.values, 2);
    snap(chain.op.values);
    for (Generator &generator : chain.generators) {
      generator.values = product(product(later.op.values, generator.values, 2), inverse, 2);
      snap(generator.values);
    }
    chain.generators.insert(chain.generators.end(), later.generators.begin(),
                            later.generators.end());
    use_diagonal(chain);
    note(chain, index);
    return true;
  }

  // Multiply a diagonal into an earlier one; between the two there are only diagonals on its bits.
  bool join_diagonal(const Stage &later) {
    std::size_t newest = none; // the last stage on these bits that is not diagonal
    Vector<std::size_t> candidates;
    for (int position : later.op.targets) {
      const Bit &b = bits_[std::size_t(position)];
      if (b.last_moved != none)
        newest = newest == none ? b.last_moved : std::max(newest, b.last_moved);
      if (b.last != none)
        candidates.push_back(b.last);
    }
    for (std::size_t index : candidates) {
      Stage &earlier = stages_[index];
      if (!earlier.op.is_diagonal || earlier.op.control_mask != 0 ||
          earlier.generators.size() + later.generators.size() > generators_max)
        continue;
      if (newest != none && index < newest)
        continue;
      Vector<int> targets = earlier.op.targets;
      for (int position : later.op.targets)
        if (std::find(targets.begin(), targets.end(), position) == targets.end())
          targets.push_back(position);
      if (targets.size() > diagonal_qubits_max)
        continue;
      merge(earlier, later, targets);
      note(earlier, index);
      return true;
    }
    return false;
  }

  static void merge(Stage &earlier, const Stage &later, const Vector<int> &targets) {
    const Vector<int> own = earlier.op.targets;
    earlier.op.values = spread(earlier.op.values, own, targets);
    const Vector<Complex> factors = spread(later.op.values, later.op.targets, targets);
    for (std::size_t k = 0; k < factors.size(); ++k)
      earlier.op.values[k] = multiply(earlier.op.values[k], factors[k]);
    if (targets.size() != own.size())
      for (Generator &generator : earlier.generators)
        generator.values = spread(generator.values, own, targets);
    for (const Generator &generator : later.generators)
      earlier.generators.push_back(
          {generator.output, spread(generator.values, later.op.targets, targets)});
    earlier.op.targets = targets;
  }

  Vector<Stage> stages_;
  Vector<Bit> bits_;
};

// Bring stages with generators together, and those without, and fuse the latter. Levels ascend
// along every bit, so sorting by level keeps the order of what does not commute.
Vector<Stage> fused(Vector<Stage> &&stages, int qubit_count, Monitor &monitor) {
  Vector<std::size_t> level_of_bit(std::size_t(qubit_count), 0), levels(stages.size());
  Vector<std::size_t> order(stages.size());
  for (std::size_t i = 0; i < stages.size(); ++i) {
    order[i] = i;
    const Mask mask = stages[i].op.target_mask() | stages[i].op.control_mask;
    std::size_t level = 0;
    for (Mask rest = mask; rest != 0; rest &= rest - 1)
      level = std::max(level, level_of_bit[std::size_t(std::countr_zero(rest))]);
    level += (level & 1) != (stages[i].generators.empty() ? 0 : 1);
    levels[i] = level;
    for (Mask rest = mask; rest != 0; rest &= rest - 1)
      level_of_bit[std::size_t(std::countr_zero(rest))] = level;
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return levels[a] < levels[b]; });
  Vector<Stage> out;
  Vector<Operator> plain;
  const auto flush = [&] {
    for (Operator &op : fuse(std::move(plain), qubit_count, monitor))
      if (!op.targets.empty() || op.control_mask != 0)
        out.push_back({std::move(op), {}});
    plain.clear();
  };
  for (std::size_t i : order) {
    if (stages[i].generators.empty()) {
      plain.push_back(std::move(stages[i].op));
      continue;
    }
    flush();
    out.push_back(std::move(stages[i]));
  }
  flush();
  return out;
}

// An operator is undone for the sake of generators that lie before it and share qubits with it,
// or with what lies between.
void mark_undone(Vector<Stage> &stages) {
  Mask reached = 0;
  for (Stage &stage : stages) {
    const Mask mask = stage.op.target_mask() | stage.op.control_mask;
    stage.is_undone = (mask & reached) != 0;
    if (stage.is_undone || !stage.generators.empty())
      reached |= mask;
  }
}

// Entries of these gates' matrices are trigonometric in half their parameter; of all other ones in
// the parameter itself.
bool is_half_angle(std::string_view name, std::size_t which) {
  constexpr std::array<std::string_view, 9> names = {"rx", "ry", "rz", "U", "prx",
                                                     "xy", "xx", "yy", "zz"};
  if (name == "ms")
    return which == 2;
  return which == 0 && std::find(names.begin(), names.end(), name) != names.end();
}

Generator generator_of(std::size_t output, const Matrix &derivative, const Operator &op) {
  const std::size_t size = size_of(op);
  Generator out{output, product(derivative, adjoint(op.values, size), size)};
  snap(out.values);
  return out;
}

// Add the generators of the parameters that are given by their place in the column.
void add_angles(Vector<Stage> &stages, const OperationColumns &columns,
                std::span<const std::uint32_t> parameters, Monitor &monitor) {
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    monitor.look();
    const auto &starts = columns.parameter_starts;
    const auto next = std::upper_bound(starts.begin(), starts.end(), parameters[k]);
    if (next == starts.begin() || next == starts.end())
      throw std::invalid_argument("parameter " + std::to_string(parameters[k]) +
                                  " belongs to no operation");
    const std::size_t index = std::size_t(next - starts.begin()) - 1;
    if (columns.codes[index] >= gate_names().size())
      throw std::invalid_argument("parameter " + std::to_string(parameters[k]) +
                                  " is part of a matrix");
    const auto own = columns.parameters.subspan(starts[index], starts[index + 1] - starts[index]);
    const Matrix derivative =
        gate_derivative(columns.codes[index], own, parameters[k] - starts[index]);
    stages[index].generators.push_back(generator_of(k, derivative, stages[index].op));
  }
}

// Add the generators of operations whose matrices come with their derivatives.
void add_matrices(Vector<Stage> &stages, const Differentiated &differentiated, Monitor &monitor) {
  std::size_t start = 0;
  for (std::size_t k = 0; k < differentiated.operations.size(); ++k) {
    monitor.look();
    const std::size_t index = differentiated.operations[k];
    if (index >= stages.size())
      throw std::invalid_argument("operation " + std::to_string(index) + " does not exist");
    const Operator &op = stages[index].op;
    const std::size_t count = op.values.size();
    if (op.targets.size() > generator_qubits_max)
      throw std::invalid_argument("a matrix on more than " + std::to_string(generator_qubits_max) +
                                  " qubits cannot be differentiated");
    if (start + 2 * count > differentiated.matrices.size())
      throw std::invalid_argument("the derivatives of the matrices are too few");
    Matrix derivative(count);
    for (std::size_t i = 0; i < count; ++i)
      derivative[i] = {differentiated.matrices[start + 2 * i],
                       differentiated.matrices[start + 2 * i + 1]};
    start += 2 * count;
    stages[index].generators.push_back(
        generator_of(differentiated.parameters.size() + k, derivative, op));
  }
}

} // namespace

Operator inverse_of(const Operator &op) {
  Operator out{op.targets, op.control_mask, op.control_value, op.is_diagonal, {}};
  if (op.is_diagonal) {
    out.values = op.values;
    for (Complex &value : out.values)
      value = std::conj(value);
  } else {
    out.values = adjoint(op.values, size_of(op));
  }
  return out;
}

Matrix gate_derivative(unsigned code, std::span<const double> parameters, std::size_t which) {
  if (code >= gate_names().size() || which >= parameters.size())
    throw std::invalid_argument("gate code " + std::to_string(code) + " has no parameter " +
                                std::to_string(which));
  // For a + b cos(wx) + c sin(wx), [f(x + s) - f(x - s)] / (2 sin(ws)) * w is the derivative; with
  // ws = pi / 2 it is exact up to rounding and keeps zeros.
  const double frequency = is_half_angle(gate_names()[code], which) ? 0.5 : 1.0;
  Vector<double> shifted(parameters.begin(), parameters.end());
  shifted[which] = parameters[which] + std::numbers::pi / (2 * frequency);
  Matrix out = gate_matrix(code, shifted);
  shifted[which] = parameters[which] - std::numbers::pi / (2 * frequency);
  const Matrix below = gate_matrix(code, shifted);
  for (std::size_t k = 0; k < out.size(); ++k)
    out[k] = (out[k] - below[k]) * (frequency / 2);
  return out;
}

Vector<Stage> make_stages(const OperationColumns &columns, const Differentiated &differentiated,
                          int qubit_count, Monitor &monitor) {
  Vector<Stage> stages;
  for (Operator &op : translate(columns, qubit_count, monitor))
    stages.push_back({std::move(op), {}});
  add_angles(stages, columns, differentiated.parameters, monitor);
  add_matrices(stages, differentiated, monitor);
  Collector collector(qubit_count);
  for (Stage &stage : stages) {
    monitor.look();
    if (!stage.op.targets.empty() || stage.op.control_mask != 0) // else a phase, common to both
      collector.add(std::move(stage));
  }
  Vector<Stage> out = fused(collector.finish(), qubit_count, monitor);
  mark_undone(out);
  return out;
}

} // namespace openbraket
