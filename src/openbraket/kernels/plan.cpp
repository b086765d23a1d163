#include "plan.hpp"

#include <algorithm>
#include <utility>

namespace openbraket {
namespace {

// How many waiting operators one sweep looks at; bounds the quadratic search.
constexpr std::size_t window_max = 4096;
// Entries of the matrices of one sweep, if it has more than one operator; made ready, each takes up
// to 128 bytes.
constexpr std::size_t entries_max = std::size_t(1) << 15;

// Bits that operators left for later sweeps act on. An operator may pass another one where, on
// every common bit, both are diagonal.
struct Blocked {
  Mask moved = 0, kept = 0;

  bool stops(const Operator &op) const {
    return (op.moved_mask() & (moved | kept)) != 0 || (op.kept_mask() & moved) != 0;
  }
  void add(const Operator &op) {
    moved |= op.moved_mask();
    kept |= op.kept_mask();
  }
};

class Planner {
public:
  Planner(const Vector<Operator> &operators, Vector<std::size_t> &&waiting, const BlockShape &shape)
      : operators_(operators), shape_(shape), waiting_(std::move(waiting)) {}

  Vector<Sweep> run(Monitor &monitor) {
    Vector<Sweep> out;
    while (begin_ < waiting_.size()) {
      monitor.look();
      out.push_back(next());
    }
    return out;
  }

private:
  bool is_wide(const Operator &op) const {
    return std::popcount(op.moved_mask()) >= shape_.wide_targets;
  }

  Sweep next() {
    Sweep sweep;
    if (is_wide(operators_[waiting_[begin_]])) {
      sweep.is_wide = true;
      sweep.operators.push_back(waiting_[begin_++]);
      return sweep;
    }
    sweep.active = shape_.run;
    const Mask all = shape_.all;
    const std::size_t end = std::min(waiting_.size(), begin_ + window_max);
    Blocked blocked;
    Vector<std::size_t> left;
    std::size_t i = begin_, entries = 0;
    for (; i < end && (blocked.moved & all) != all; ++i) {
      const Operator &op = operators_[waiting_[i]];
      const Mask active = sweep.active | op.moved_mask();
      const bool fits = std::popcount(active) <= shape_.block_bits &&
                        (sweep.operators.empty() || entries + op.values.size() <= entries_max);
      if (is_wide(op) || blocked.stops(op) || !fits) {
        blocked.add(op);
        left.push_back(waiting_[i]);
      } else {
        sweep.active = active;
        entries += op.values.size();
        sweep.operators.push_back(waiting_[i]);
      }
    }
    begin_ = i - left.size();
    std::copy(left.begin(), left.end(), waiting_.begin() + std::ptrdiff_t(begin_));
    for (Mask rest = all & ~sweep.active; std::popcount(sweep.active) < shape_.block_bits;
         rest &= rest - 1)
      sweep.active |= rest & (~rest + 1);
    return sweep;
  }

  const Vector<Operator> &operators_;
  const BlockShape shape_;
  Vector<std::size_t> waiting_;
  std::size_t begin_ = 0;
};

} // namespace

Vector<Sweep> plan_sweeps(const Vector<Operator> &operators, Vector<std::size_t> waiting,
                          const BlockShape &shape, Monitor &monitor) {
  return Planner(operators, std::move(waiting), shape).run(monitor);
}

} // namespace openbraket
