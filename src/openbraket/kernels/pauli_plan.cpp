#include "pauli_plan.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

namespace openbraket {
namespace {

// Costs in multiply-adds for each coefficient: a 4x4 map, and a pass of its own.
constexpr double single_cost = 3, pass_cost = 2;
// Steps that a choice of active digits looks at.
constexpr std::size_t lookahead_max = 256;

double cost_of(const Map16 &map) { return nonzero_count(map) / 16.0; }

bool is_monomial(const Map16 &map) {
  unsigned columns = 0;
  for (unsigned r = 0; r < 16; ++r) {
    int count = 0;
    for (unsigned c = 0; c < 16; ++c)
      if (map[16 * r + c] != 0) {
        columns |= 1u << c;
        ++count;
      }
    if (count != 1)
      return false;
  }
  return columns == 0xffff;
}

class MapFuser {
public:
  explicit MapFuser(int digit_count)
      : waiting_(std::size_t(digit_count)), last_(std::size_t(digit_count), none) {}

  void add(int digit, const Map4 &map) {
    auto &own = waiting_[std::size_t(digit)];
    own = own ? product(map, *own) : map;
  }

  void add(int first, int second, const Map16 &map) {
    auto &a = waiting_[std::size_t(first)], &b = waiting_[std::size_t(second)];
    const std::size_t last = last_[std::size_t(first)];
    if (last != none && last == last_[std::size_t(second)] && merge(steps_[last], first, map)) {
      a.reset();
      b.reset();
      return;
    }
    PairStep step{first,
                  second,
                  a.has_value(),
                  b.has_value(),
                  a.value_or(identity_map4()),
                  b.value_or(identity_map4()),
                  false,
                  map};
    a.reset();
    b.reset();
    if (step.has_a || step.has_b) {
      const Map16 whole = product(map, tensor_product(step.a, step.b));
      if (cost_of(whole) <= cost_of(map) + single_cost * (step.has_a + step.has_b)) {
        step.map = whole;
        step.has_a = step.has_b = false;
      }
    }
    last_[std::size_t(first)] = last_[std::size_t(second)] = steps_.size();
    steps_.push_back(step);
  }

  std::vector<PairStep> finish() {
    std::vector<int> rest;
    for (std::size_t k = 0; k < waiting_.size(); ++k)
      if (waiting_[k])
        rest.push_back(int(k));
    for (std::size_t k = 0; k < rest.size(); k += 2) {
      const int first = rest[k], other = first == 0 ? 1 : 0;
      const int second = k + 1 < rest.size() ? rest[k + 1] : other;
      const auto &a = waiting_[std::size_t(first)];
      const auto b =
          second == other && k + 1 >= rest.size() ? std::nullopt : waiting_[std::size_t(second)];
      steps_.push_back({first, second, true, b.has_value(), *a, b.value_or(identity_map4()), false,
                        identity_map16()});
    }
    for (PairStep &step : steps_)
      step.is_monomial = is_monomial(step.map);
    return std::move(steps_);
  }

private:
  static constexpr std::size_t none = std::size_t(-1);

  // Multiply a map on the digits of a step, and what waits on them, into the step where that pays.
  bool merge(PairStep &step, int first, const Map16 &map) {
    const auto &a = waiting_[std::size_t(step.first)], &b = waiting_[std::size_t(step.second)];
    const Map16 turned = first == step.first ? map : exchanged(map);
    Map16 whole = turned;
    if (a || b)
      whole =
          product(whole, tensor_product(a.value_or(identity_map4()), b.value_or(identity_map4())));
    whole = product(whole, step.map);
    const double apart = cost_of(step.map) + cost_of(map) + pass_cost +
                         single_cost * (a.has_value() + b.has_value());
    if (cost_of(whole) > apart)
      return false;
    step.map = whole;
    return true;
  }

  std::vector<std::optional<Map4>> waiting_;
  std::vector<std::size_t> last_; // the last step on each digit
  std::vector<PairStep> steps_;
};

// Return an operation on one or two qubits with its controls as one matrix; bits[k] is the bit of a
// basis state that bit k of a row is.
Matrix whole_matrix(const Operator &op, const std::vector<int> &bits) {
  const std::size_t size = std::size_t(1) << bits.size();
  const std::size_t inner_size = std::size_t(1) << op.targets.size();
  const auto spread = [&](std::size_t row) {
    Mask state = 0;
    for (std::size_t k = 0; k < bits.size(); ++k)
      state |= row >> k & 1 ? bit(bits[k]) : 0;
    return state;
  };
  const auto inner = [&](Mask state) {
    std::size_t value = 0;
    for (std::size_t k = 0; k < op.targets.size(); ++k)
      value |= state & bit(op.targets[k]) ? std::size_t(1) << k : 0;
    return value;
  };
  Matrix out(size * size, 0);
  for (std::size_t row = 0; row < size; ++row)
    for (std::size_t column = 0; column < size; ++column) {
      const Mask to = spread(row), from = spread(column);
      const Mask wrong = ((to ^ op.control_value) | (from ^ op.control_value)) & op.control_mask;
      if (wrong != 0)
        out[row * size + column] = row == column;
      else
        out[row * size + column] = op.values[inner(to) * inner_size + inner(from)];
    }
  return out;
}

// Adds operations in order, with the maps of gates without parameters kept.
class OperationMaps {
public:
  OperationMaps(MapFuser &fuser, int qubit_count, int padding)
      : fuser_(fuser), qubit_count_(qubit_count), padding_(padding) {}

  void add(const OperationColumns &columns, std::size_t index, Monitor &monitor) {
    const Operator op = translate_one(columns, index, qubit_count_, monitor);
    const auto start = columns.target_starts[index], stop = columns.target_starts[index + 1];
    std::vector<int> bits; // the last target first
    for (auto k = stop; k-- > start;)
      bits.push_back(qubit_count_ - 1 - int(columns.targets[k]));
    if (bits.size() > 2)
      throw std::invalid_argument("operation " + std::to_string(index) + " acts on " +
                                  std::to_string(bits.size()) + " qubits, at most 2 are allowed");
    const bool is_fixed = columns.parameter_starts[index] == columns.parameter_starts[index + 1] &&
                          columns.control_counts[index] == 0;
    const unsigned code = columns.codes[index];
    if (bits.size() == 1) {
      const Matrix u = whole_matrix(op, bits);
      fuser_.add(bits[0] + padding_, map_of(Matrix2{u[0], u[1], u[2], u[3]}));
    } else if (bits.size() == 2 && is_fixed) {
      auto found = fixed_.find(code);
      if (found == fixed_.end())
        found = fixed_.emplace(code, map_of(whole_matrix(op, bits))).first;
      fuser_.add(bits[1] + padding_, bits[0] + padding_, found->second);
    } else if (bits.size() == 2) {
      fuser_.add(bits[1] + padding_, bits[0] + padding_, map_of(whole_matrix(op, bits)));
    } // else a global phase
  }

private:
  MapFuser &fuser_;
  int qubit_count_, padding_;
  std::map<unsigned, Map16> fixed_;
};

void check_channels(const ChannelColumns &c, std::size_t operation_count) {
  const std::size_t count = c.indexes.size();
  const bool fits = c.maps.size() == count && c.target_starts.size() == count + 1 &&
                    !c.map_starts.empty() && c.target_starts[0] == 0 && c.map_starts[0] == 0 &&
                    std::is_sorted(c.indexes.begin(), c.indexes.end()) &&
                    std::is_sorted(c.target_starts.begin(), c.target_starts.end()) &&
                    std::is_sorted(c.map_starts.begin(), c.map_starts.end()) &&
                    c.target_starts[count] == c.targets.size() &&
                    c.map_starts.back() == c.entries.size() &&
                    (count == 0 || c.indexes[count - 1] <= operation_count);
  if (!fits)
    throw std::invalid_argument("the columns of channels do not fit together");
}

void check_trace(std::span<const double> map, std::size_t size, std::size_t index) {
  for (std::size_t c = 0; c < size; ++c)
    if (map[c] != double(c == 0))
      throw std::invalid_argument("channel " + std::to_string(index) +
                                  " does not preserve the trace: its first row must be 1, 0, 0, …");
}

void add_channel(MapFuser &fuser, const ChannelColumns &columns, std::size_t index, int qubit_count,
                 int padding) {
  if (columns.maps[index] + 1 >= columns.map_starts.size())
    throw std::invalid_argument("channel " + std::to_string(index) + " has no map");
  const auto start = columns.map_starts[columns.maps[index]];
  const auto map =
      columns.entries.subspan(start, columns.map_starts[columns.maps[index] + 1] - start);
  const auto targets =
      columns.targets.subspan(columns.target_starts[index],
                              columns.target_starts[index + 1] - columns.target_starts[index]);
  for (const auto target : targets)
    if (target >= unsigned(qubit_count))
      throw std::invalid_argument("qubit " + std::to_string(target) + " is not below " +
                                  std::to_string(qubit_count));
  const auto digit = [&](std::size_t k) { return qubit_count - 1 - int(targets[k]) + padding; };
  if (targets.size() == 1 && map.size() == 16) {
    Map4 own;
    std::copy(map.begin(), map.end(), own.begin());
    check_trace(map, 4, index);
    fuser.add(digit(0), own);
  } else if (targets.size() == 2 && targets[0] != targets[1] && map.size() == 256) {
    Map16 own;
    std::copy(map.begin(), map.end(), own.begin());
    check_trace(map, 16, index);
    fuser.add(digit(0), digit(1), own);
  } else {
    throw std::invalid_argument("channel " + std::to_string(index) + " has " +
                                std::to_string(targets.size()) + " targets and a map of " +
                                std::to_string(map.size()) + " entries");
  }
}

// Chooses the active digits of stages and the order of steps in them.
class StagePlanner {
public:
  StagePlanner(const std::vector<PairStep> &steps, int digit_count, int tile_digits)
      : digit_count_(digit_count), tile_digits_(tile_digits) {
    for (const PairStep &step : steps)
      left_.push_back(&step);
  }

  std::vector<PauliStage> plan(Monitor &monitor) {
    std::vector<PauliStage> stages;
    while (!left_.empty()) {
      monitor.look();
      stages.push_back(stage(choose()));
    }
    return stages;
  }

private:
  static Mask mask_of(const PairStep &step) { return bit(step.first) | bit(step.second); }

  // How many steps can run where only these digits are active.
  std::size_t gain(Mask active) const {
    Mask blocked = 0;
    std::size_t count = 0;
    for (std::size_t k = 0; k < std::min(left_.size(), lookahead_max); ++k) {
      const Mask own = mask_of(*left_[k]);
      if ((own & blocked) == 0 && (own & ~active) == 0)
        ++count;
      else if (((blocked |= own) & active) == active)
        break;
    }
    return count;
  }

  Mask choose() const {
    const int count = std::min(digit_count_, tile_digits_);
    Mask active = bit(lane_digits) - 1; // runs of numbers side by side
    while (std::popcount(active) < count) {
      std::size_t best = 0;
      Mask added = 0;
      const auto consider = [&](Mask digits) {
        if (const std::size_t own = gain(active | digits); own > best || added == 0)
          best = own, added = digits;
      };
      for (int i = lane_digits; i < digit_count_; ++i)
        if (!(active & bit(i)))
          consider(bit(i));
      if (std::popcount(active) + 2 <= count)
        for (int i = lane_digits; i < digit_count_; ++i)
          for (int j = lane_digits; j < i; ++j)
            if (!(active & (bit(i) | bit(j))))
              consider(bit(i) | bit(j));
      active |= added;
    }
    return active;
  }

  PauliStage stage(Mask active) {
    PauliStage out;
    for (int digit = 0; digit < digit_count_; ++digit)
      if (active & bit(digit))
        out.digits.push_back(digit);
    std::vector<const PairStep *> own, others;
    Mask blocked = 0;
    for (const PairStep *step : left_)
      if ((mask_of(*step) & (blocked | ~active)) == 0) {
        own.push_back(step);
      } else {
        blocked |= mask_of(*step);
        others.push_back(step);
      }
    left_ = std::move(others);
    order(out, own);
    return out;
  }

  // Move what can run while these slots are the lanes' from `steps` to the end of `out`.
  static std::size_t run(std::vector<const PairStep *> &steps, Mask lanes,
                         std::vector<const PairStep *> *out) {
    std::vector<const PairStep *> rest;
    std::size_t count = 0;
    Mask blocked = lanes;
    for (const PairStep *step : steps)
      if (mask_of(*step) & blocked) {
        blocked |= mask_of(*step);
        if (out != nullptr)
          rest.push_back(step);
      } else {
        ++count;
        if (out != nullptr)
          out->push_back(step);
      }
    if (out != nullptr)
      steps = std::move(rest);
    return count;
  }

  void order(PauliStage &out, std::vector<const PairStep *> steps) const {
    std::vector<int> slot_of(std::size_t(digit_count_), -1);
    std::vector<int> digit_in = out.digits;
    for (std::size_t k = 0; k < out.digits.size(); ++k)
      slot_of[std::size_t(out.digits[k])] = int(k);
    const auto lanes = [&] { return bit(digit_in[0]) | bit(digit_in[1]); };
    const auto exchange = [&](int i, int j) {
      out.steps.push_back({nullptr, i, j});
      std::swap(digit_in[0], digit_in[std::size_t(i)]);
      std::swap(digit_in[1], digit_in[std::size_t(j)]);
      for (const int slot : {0, 1, i, j})
        slot_of[std::size_t(digit_in[std::size_t(slot)])] = slot;
    };
    while (true) {
      std::vector<const PairStep *> ready;
      run(steps, lanes(), &ready);
      for (const PairStep *step : ready)
        out.steps.push_back(
            {step, slot_of[std::size_t(step->first)], slot_of[std::size_t(step->second)]});
      if (steps.empty())
        break;
      // The lowest digits leave the lanes together and come back together, so that one exchange
      // restores them.
      std::size_t best = 0;
      int best_i = 0, best_j = 0;
      for (int i = lane_digits; i < int(digit_in.size()); ++i)
        for (int j = lane_digits; j < int(digit_in.size()); ++j) {
          const int a = digit_in[std::size_t(i)], b = digit_in[std::size_t(j)];
          const bool is_home = a == out.digits[0] && b == out.digits[1];
          const bool has_home = a <= out.digits[1] || b <= out.digits[1];
          if (i == j || (has_home && !is_home))
            continue;
          if (const std::size_t count = run(steps, bit(a) | bit(b), nullptr); count > best)
            best = count, best_i = i, best_j = j;
        }
      exchange(best_i, best_j);
    }
    if (slot_of[std::size_t(out.digits[0])] != 0)
      exchange(slot_of[std::size_t(out.digits[0])], slot_of[std::size_t(out.digits[1])]);
    for (const int digit : out.digits)
      out.last_slots.push_back(slot_of[std::size_t(digit)]);
  }

  int digit_count_, tile_digits_;
  std::vector<const PairStep *> left_;
};

} // namespace

std::vector<PairStep> fuse_maps(const OperationColumns &operations, const ChannelColumns &channels,
                                int qubit_count, int digit_count, Monitor &monitor) {
  check_columns(operations);
  check_channels(channels, operations.codes.size());
  MapFuser fuser(digit_count);
  const int padding = digit_count - qubit_count;
  OperationMaps maps(fuser, qubit_count, padding);
  std::size_t next = 0;
  for (std::size_t index = 0; index <= operations.codes.size(); ++index) {
    for (; next < channels.indexes.size() && channels.indexes[next] == index; ++next) {
      monitor.look();
      add_channel(fuser, channels, next, qubit_count, padding);
    }
    if (index < operations.codes.size())
      maps.add(operations, index, monitor);
  }
  return fuser.finish();
}

std::vector<PauliStage> plan_stages(const std::vector<PairStep> &steps, int digit_count,
                                    int tile_digits, Monitor &monitor) {
  return StagePlanner(steps, digit_count, tile_digits).plan(monitor);
}

} // namespace openbraket
