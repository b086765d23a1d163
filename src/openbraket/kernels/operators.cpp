#include "operators.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
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

Matrix unitary_matrix(std::size_t operation, std::span<const double> parameters, std::size_t size) {
  if (parameters.size() != 2 * size * size)
    refuse(operation, "a matrix of " + std::to_string(2 * size * size) +
                          " numbers is needed, got " + std::to_string(parameters.size()));
  Matrix out(size * size);
  for (std::size_t k = 0; k < out.size(); ++k)
    out[k] = {parameters[2 * k], parameters[2 * k + 1]};
  return out;
}

Operator translate_one(const OperationColumns &columns, std::size_t index, int qubit_count) {
  const auto qubits =
      columns.targets.subspan(columns.target_starts[index],
                              columns.target_starts[index + 1] - columns.target_starts[index]);
  const auto parameters = columns.parameters.subspan(columns.parameter_starts[index],
                                                     columns.parameter_starts[index + 1] -
                                                         columns.parameter_starts[index]);
  const unsigned control_count = columns.control_counts[index];
  if (control_count > qubits.size() || control_count > control_count_max)
    refuse(index, "has more controls than qubits");
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
      if ((columns.control_values[index] >> (control_count - 1 - k)) & 1)
        out.control_value |= bit(position);
    } else {
      out.targets.insert(out.targets.begin(), position);
    }
  }
  if (out.targets.size() > unitary_qubits_max)
    refuse(index, "a matrix on " + std::to_string(out.targets.size()) + " qubits; at most " +
                      std::to_string(unitary_qubits_max) + " are allowed");
  const std::size_t size = std::size_t(1) << out.targets.size();
  const unsigned code = columns.codes[index];
  if (code == gate_names().size())
    out.values = unitary_matrix(index, parameters, size);
  else
    out.values = gate_matrix(code, parameters);
  if (out.values.size() != size * size)
    refuse(index, std::string("gate ") + gate_names()[code] + " got " +
                      std::to_string(out.targets.size()) + " targets");
  return out;
}

// --- Fusion -------------------------------------------------------------------------------------

// Largest operators that fusion looks into; larger ones stay as they are.
constexpr std::size_t dense_qubits_max = 3;
constexpr std::size_t diagonal_qubits_max = 6;
// Parts of products smaller than this are rounding and become zero, so that structure shows.
constexpr double zero_max = 3e-16;

// An operator over all its qubits, controls included; qubits ascend, the first is least
// significant.
struct Group {
  std::vector<int> qubits;
  bool is_diagonal = false;
  std::vector<Complex> values;
  double cost = 0;
  bool is_alive = true;
  bool is_fusable = true;
  Operator original; // used where not fusable

  std::size_t size() const { return std::size_t(1) << qubits.size(); }
};

double snap(double x) {
  if (std::abs(x) < zero_max)
    return 0;
  if (std::abs(x - 1) < zero_max)
    return 1;
  return std::abs(x + 1) < zero_max ? -1 : x;
}

bool is_diagonal_matrix(const std::vector<Complex> &values, std::size_t size) {
  for (std::size_t row = 0; row < size; ++row)
    for (std::size_t column = 0; column < size; ++column)
      if (row != column && values[row * size + column] != 0.0)
        return false;
  return true;
}

void reduce_to_diagonal(std::vector<Complex> &values, std::size_t size) {
  std::vector<Complex> entries(size);
  for (std::size_t k = 0; k < size; ++k)
    entries[k] = values[k * size + k];
  values = std::move(entries);
}

// The value that qubit k must have for the matrix to do anything, or -1.
int control_of(const Group &group, std::size_t k) {
  const std::size_t size = group.size();
  for (int wanted = 0; wanted < 2; ++wanted) {
    bool is_control = true;
    for (std::size_t row = 0; row < size && is_control; ++row)
      for (std::size_t column = 0; column < size && is_control; ++column)
        if (int((row >> k) & 1) != wanted || int((column >> k) & 1) != wanted)
          is_control = group.values[row * size + column] == (row == column ? 1.0 : 0.0);
    if (is_control)
      return wanted;
  }
  return -1;
}

// The qubits of a dense group that only control it, as bits of its matrix's index.
struct Controls {
  std::size_t mask = 0, value = 0;

  explicit Controls(const Group &group) {
    const std::size_t count = group.qubits.size();
    for (std::size_t k = 0; k < count; ++k) {
      // A matrix acting on nothing would be the identity, so one qubit is never a control.
      const bool is_last = k + 1 == count && std::size_t(std::popcount(mask)) == k;
      const int wanted = is_last ? -1 : control_of(group, k);
      if (wanted >= 0) {
        mask |= std::size_t(1) << k;
        value |= std::size_t(wanted) << k;
      }
    }
  }
  bool has(std::size_t k) const { return ((mask >> k) & 1) != 0; }
  bool allow(std::size_t index) const { return (index & mask) == value; }
};

// Return the group as an operator: controls recognised, diagonals as such.
Operator structured(const Group &group) {
  Operator out;
  if (group.is_diagonal) {
    out.targets = group.qubits;
    out.is_diagonal = true;
    out.values = group.values;
    return out;
  }
  const Controls controls(group);
  for (std::size_t k = 0; k < group.qubits.size(); ++k) {
    if (!controls.has(k)) {
      out.targets.push_back(group.qubits[k]);
      continue;
    }
    out.control_mask |= bit(group.qubits[k]);
    out.control_value |= (controls.value >> k) & 1 ? bit(group.qubits[k]) : 0;
  }
  for (std::size_t row = 0; row < group.size(); ++row)
    for (std::size_t column = 0; column < group.size(); ++column)
      if (controls.allow(row) && controls.allow(column))
        out.values.push_back(group.values[row * group.size() + column]);
  return out;
}

// Fused multiply-adds per amplitude of the state, with 4 for reading and writing it once.
double cost_of(const Group &group) {
  constexpr double pass = 4;
  const std::size_t size = group.size();
  if (group.is_diagonal) {
    std::size_t active = 0;
    for (Complex value : group.values)
      active += value != 1.0;
    return (pass + 4) * double(active) / double(size);
  }
  const Controls controls(group);
  bool is_real = true, is_monomial = true;
  for (std::size_t row = 0; row < size; ++row) {
    std::size_t count = 0;
    for (std::size_t column = 0; column < size; ++column) {
      const Complex value = group.values[row * size + column];
      count += value != 0.0;
      is_real = is_real && value.imag() == 0;
    }
    is_monomial = is_monomial && count == 1;
  }
  const double inner = double(size >> std::popcount(controls.mask));
  const double share = inner / double(size);
  if (is_monomial)
    return share * (pass + (is_real ? 0 : 4));
  return share * (pass + (is_real ? 2.0 : 4.0) * inner);
}

Group group_of(const Operator &op) {
  Group out;
  const Mask mask = op.target_mask() | op.control_mask;
  for (Mask rest = mask; rest != 0; rest &= rest - 1)
    out.qubits.push_back(std::countr_zero(rest));
  out.is_diagonal = op.is_diagonal;
  const std::size_t inner = std::size_t(1) << op.targets.size();
  if (!op.is_diagonal && is_diagonal_matrix(op.values, inner))
    out.is_diagonal = true;
  out.is_fusable = out.qubits.size() <= (out.is_diagonal ? diagonal_qubits_max : dense_qubits_max);
  if (!out.is_fusable) {
    out.original = op;
    if (out.is_diagonal && !op.is_diagonal) {
      out.original.is_diagonal = true;
      reduce_to_diagonal(out.original.values, inner);
    }
    return out;
  }
  const auto entry = [&](std::size_t row, std::size_t column) {
    return op.values[op.is_diagonal ? row : row * inner + column];
  };
  const auto spread = [&](std::size_t inner_index) {
    Mask out_index = 0;
    for (std::size_t k = 0; k < op.targets.size(); ++k)
      if ((inner_index >> k) & 1)
        out_index |= bit(op.targets[k]);
    return std::size_t(extract(out_index, mask));
  };
  const std::size_t control_value = extract(op.control_value, mask);
  const std::size_t size = out.size();
  out.values.assign(out.is_diagonal ? size : size * size, 0);
  for (std::size_t x = 0; x < size; ++x)
    out.values[out.is_diagonal ? x : x * size + x] = 1;
  for (std::size_t row = 0; row < inner; ++row)
    for (std::size_t column = 0; column < inner; ++column) {
      if (out.is_diagonal && row != column)
        continue;
      const std::size_t r = spread(row) | control_value, c = spread(column) | control_value;
      out.values[out.is_diagonal ? r : r * size + c] = entry(row, column);
    }
  out.cost = cost_of(out);
  return out;
}

// Return the group's matrix over more qubits (`is_diagonal` groups stay so on request).
std::vector<Complex> embed(const Group &group, const std::vector<int> &qubits, bool as_diagonal) {
  Mask all = 0, own = 0;
  for (int qubit : qubits)
    all |= bit(qubit);
  for (int qubit : group.qubits)
    own |= bit(qubit);
  const std::size_t mask = extract(own, all), size = std::size_t(1) << qubits.size();
  std::vector<Complex> out(as_diagonal ? size : size * size);
  for (std::size_t column = 0; column < size; ++column) {
    const std::size_t inner = extract(column, mask);
    if (as_diagonal)
      out[column] = group.values[inner];
    else if (group.is_diagonal)
      out[column * size + column] = group.values[inner];
    else
      for (std::size_t row = 0; row < group.size(); ++row)
        out[((column & ~mask) | deposit(row, mask)) * size + column] =
            group.values[row * group.size() + inner];
  }
  return out;
}

// Return later * earlier over the union of their qubits.
Group product(const Group &later, const Group &earlier) {
  Group out;
  std::set_union(later.qubits.begin(), later.qubits.end(), earlier.qubits.begin(),
                 earlier.qubits.end(), std::back_inserter(out.qubits));
  out.is_diagonal = later.is_diagonal && earlier.is_diagonal;
  std::vector<Complex> a_embedded, b_embedded;
  const auto over_union = [&](const Group &group,
                              std::vector<Complex> &embedded) -> const std::vector<Complex> & {
    if (group.is_diagonal == out.is_diagonal && group.qubits.size() == out.qubits.size())
      return group.values;
    return embedded = embed(group, out.qubits, out.is_diagonal);
  };
  const std::vector<Complex> &a = over_union(later, a_embedded);
  const std::vector<Complex> &b = over_union(earlier, b_embedded);
  const std::size_t size = out.size();
  out.values.resize(a.size());
  if (out.is_diagonal) {
    for (std::size_t k = 0; k < size; ++k)
      out.values[k] = multiply(a[k], b[k]);
  } else {
    for (std::size_t row = 0; row < size; ++row)
      for (std::size_t k = 0; k < size; ++k)
        if (a[row * size + k] != 0.0)
          for (std::size_t column = 0; column < size; ++column)
            out.values[row * size + column] += multiply(a[row * size + k], b[k * size + column]);
  }
  for (Complex &value : out.values)
    value = {snap(value.real()), snap(value.imag())};
  if (!out.is_diagonal && is_diagonal_matrix(out.values, size)) {
    reduce_to_diagonal(out.values, size);
    out.is_diagonal = true;
  }
  out.cost = cost_of(out);
  return out;
}

// The greedy fuser. `last_[q]` is the last group on qubit q; a group all of whose qubits it is last
// on commutes with everything after it and may move to the end.
class Fuser {
public:
  explicit Fuser(int qubit_count) : last_(std::size_t(qubit_count), none) {}

  void add(const Operator &op) {
    if (op.targets.empty() && op.control_mask == 0) {
      phase_ = multiply(phase_, op.values[0]);
      return;
    }
    Group group = group_of(op);
    if (group.is_fusable) {
      absorb_earlier(group);
      if (join_earlier(group))
        return;
    }
    for (int qubit : group.qubits)
      last_[std::size_t(qubit)] = groups_.size();
    groups_.push_back(std::move(group));
  }

  std::vector<Operator> finish() {
    std::vector<Operator> out;
    for (Group &group : groups_) {
      const bool is_identity = group.is_fusable && group.cost == 0;
      if (!group.is_alive || is_identity)
        continue;
      if (phase_ != 1.0 && group.is_fusable) {
        for (Complex &value : group.values)
          value = multiply(value, phase_);
        phase_ = 1;
      }
      out.push_back(group.is_fusable ? structured(group) : std::move(group.original));
    }
    if (phase_ != 1.0)
      out.push_back({{}, 0, 0, true, {phase_}});
    return out;
  }

private:
  static constexpr std::size_t none = std::size_t(-1);

  bool is_last_everywhere(std::size_t index) const {
    for (int qubit : groups_[index].qubits)
      if (last_[std::size_t(qubit)] != index)
        return false;
    return true;
  }

  static bool may_grow(const Group &later, const Group &earlier, const Group &joined) {
    if (joined.qubits.size() <= std::max(later.qubits.size(), earlier.qubits.size()))
      return true;
    return later.is_diagonal && earlier.is_diagonal && joined.qubits.size() <= diagonal_qubits_max;
  }

  std::vector<std::size_t> movable_neighbours(const Group &group) const {
    std::vector<std::size_t> out;
    for (int qubit : group.qubits) {
      const std::size_t index = last_[std::size_t(qubit)];
      if (index != none && groups_[index].is_fusable && is_last_everywhere(index) &&
          std::find(out.begin(), out.end(), index) == out.end())
        out.push_back(index);
    }
    return out;
  }

  // Multiply neighbours into `group`: all at once where that pays, else one by one.
  void absorb_earlier(Group &group) {
    for (bool has_changed = true; has_changed;) {
      has_changed = false;
      const std::vector<std::size_t> neighbours = movable_neighbours(group);
      if (neighbours.size() > 1)
        has_changed = try_absorb(group, neighbours);
      for (std::size_t k = 0; k < neighbours.size() && !has_changed; ++k)
        has_changed = try_absorb(group, {neighbours[k]});
    }
  }

  bool try_absorb(Group &group, const std::vector<std::size_t> &neighbours) {
    Group joined = group;
    double cost = group.cost;
    for (std::size_t index : neighbours) {
      const Group &earlier = groups_[index];
      std::vector<int> all;
      std::set_union(joined.qubits.begin(), joined.qubits.end(), earlier.qubits.begin(),
                     earlier.qubits.end(), std::back_inserter(all));
      if (all.size() >
          (joined.is_diagonal && earlier.is_diagonal ? diagonal_qubits_max : dense_qubits_max))
        return false;
      cost += earlier.cost;
      Group next = product(joined, earlier);
      if (!may_grow(joined, earlier, next))
        return false;
      joined = std::move(next);
    }
    if (joined.cost > cost)
      return false;
    for (std::size_t index : neighbours) {
      groups_[index].is_alive = false;
      for (int qubit : groups_[index].qubits)
        last_[std::size_t(qubit)] = none;
    }
    group = std::move(joined);
    return true;
  }

  // Multiply `group` into the one earlier group that is last on all its qubits.
  bool join_earlier(const Group &group) {
    const std::size_t index = last_[std::size_t(group.qubits.front())];
    for (int qubit : group.qubits)
      if (last_[std::size_t(qubit)] != index)
        return false;
    if (index == none || !groups_[index].is_fusable)
      return false;
    Group &earlier = groups_[index];
    if (!group.is_diagonal && earlier.qubits.size() > dense_qubits_max)
      return false;
    if (!earlier.is_diagonal && group.qubits.size() > dense_qubits_max)
      return false;
    Group joined = product(group, earlier);
    if (joined.cost > group.cost + earlier.cost || joined.qubits.size() != earlier.qubits.size())
      return false;
    earlier = std::move(joined);
    return true;
  }

  std::vector<Group> groups_;
  std::vector<std::size_t> last_;
  Complex phase_ = 1;
};

} // namespace

std::vector<Operator> translate(const OperationColumns &columns, int qubit_count) {
  check_columns(columns);
  std::vector<Operator> out;
  out.reserve(columns.codes.size());
  for (std::size_t i = 0; i < columns.codes.size(); ++i)
    out.push_back(translate_one(columns, i, qubit_count));
  return out;
}

std::vector<Operator> fuse(const std::vector<Operator> &operators, int qubit_count) {
  Fuser fuser(qubit_count);
  for (const Operator &op : operators)
    fuser.add(op);
  return fuser.finish();
}

} // namespace openbraket
