#include "adjoint.hpp"

#include "overlaps.hpp"
#include "plan.hpp"
#include "stages.hpp"
#include "steps.hpp"
#include "threads.hpp"
#include "wide.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>

namespace openbraket {
namespace {

using P = Pack<double>;

// Blocks of two states: 2 * 2^13 amplitudes are 256 KiB. States up to in_place_bits are one block.
constexpr int block_bits = 13;
constexpr int in_place_bits = 14;
constexpr int run_bits = 4;
// Sums are kept for each of so many groups of blocks, so that they do not depend on the threads;
// fewer where a sweep has so many sums that they would take more than sum_bytes_max.
constexpr std::size_t tasks_max = 64;
constexpr std::size_t tasks_min = 2;
constexpr std::size_t sum_bytes_max = std::size_t(1) << 24;
constexpr int lanes_log = lane_bits<double>;

// One stage in the blocks of a sweep: undone alone, or with its sums taken first.
struct Action {
  std::optional<Overlap> overlap;
  Step<double> step;
  std::size_t first_sum = 0;
};

class Backward {
public:
  Backward(State<double> &psi, State<double> &lambda, Vector<Stage> &&stages, int thread_count,
           Monitor &monitor, std::span<double> derivatives)
      : psi_(psi), lambda_(lambda), threads_(psi.view(thread_count).thread_count),
        bit_count_(psi.view(1).bit_count), monitor_(monitor), derivatives_(derivatives) {
    for (std::size_t k = stages.size(); k-- > 0;)
      if (stages[k].is_undone || !stages[k].generators.empty()) {
        monitor.look();
        inverses_.push_back(inverse_of(stages[k].op));
        stages_.push_back(std::move(stages[k]));
      }
  }

  bool run() {
    const int block = bit_count_ <= in_place_bits ? bit_count_ : block_bits;
    Vector<std::size_t> all(inverses_.size());
    std::iota(all.begin(), all.end(), std::size_t(0));
    psi_.packs(), lambda_.packs(); // both may hold anything from now on
    const Vector<Sweep> sweeps = plan_sweeps(
        inverses_, std::move(all),
        {bit(bit_count_) - 1, block, bit(std::min(run_bits, block)) - 1, block_targets_max + 1},
        monitor_);
    block_count_ = std::size_t(1) << (bit_count_ - block);
    for (int thread = 0; thread < threads_ && block_count_ > 1; ++thread)
      scratch_.emplace_back(std::size_t(2) << (block - lanes_log));
    monitor_.total = std::max<std::size_t>(1, stages_.size() * block_count_);
    for (const Sweep &sweep : sweeps) {
      if (monitor_.is_cancelled)
        return false;
      if (sweep.is_wide)
        undo_wide(sweep.operators.front());
      else
        run_sweep(sweep);
    }
    return !monitor_.is_cancelled;
  }

private:
  void prepare_sweep(const Sweep &sweep) {
    const TileMap map{sweep.active, sweep.active, lanes_log, no_padding};
    actions_.clear();
    sum_count_ = 0;
    for (std::size_t index : sweep.operators) {
      monitor_.look();
      Action action;
      if (stages_[index].generators.empty()) {
        action.step = prepare_alone<double>(inverses_[index], map);
      } else {
        action.overlap.emplace(stages_[index], map);
        action.first_sum = sum_count_;
        sum_count_ += action.overlap->sum_count();
      }
      actions_.push_back(std::move(action));
    }
    task_count_ = tasks_max;
    while (task_count_ > tasks_min && task_count_ * sum_count_ * sizeof(P) > sum_bytes_max)
      task_count_ /= 2;
    task_count_ = std::min(task_count_, block_count_);
  }

  template <typename MustStop>
  void run_block(P *psi, P *lambda, Mask outside, P *sums, const MustStop &must_stop) const {
    for (const Action &action : actions_) {
      if (must_stop())
        return;
      if (action.overlap) {
        action.overlap->run(psi, lambda, outside, sums + action.first_sum);
      } else if ((outside & action.step.outside_control_mask) ==
                 action.step.outside_control_value) {
        action.step.kernel(psi, action.step, outside);
        action.step.kernel(lambda, action.step, outside);
      }
    }
  }

  void run_sweep(const Sweep &sweep) {
    prepare_sweep(sweep);
    const int low = std::countr_one(sweep.active);
    const std::size_t run_packs = std::size_t(1) << (low - lanes_log);
    const Mask high = sweep.active & ~(bit(low) - 1);
    Vector<std::size_t> offsets(std::size_t(1) << std::popcount(high));
    for (std::size_t r = 0; r < offsets.size(); ++r)
      offsets[r] = std::size_t(deposit(r, high) >> lanes_log);
    const Mask outside_mask = (bit(bit_count_) - 1) & ~sweep.active;
    const std::size_t bytes = run_packs * sizeof(P);
    std::vector<P> sums(task_count_ * sum_count_, P{Lanes<double>::zero(), Lanes<double>::zero()});
    const std::size_t batch = block_count_ / task_count_;
    std::atomic<std::size_t> next{0};
    const auto work = [&](int thread) {
      P *const scratch = scratch_.empty() ? nullptr : scratch_[std::size_t(thread)].data();
      const Looks must_stop(monitor_);
      for (std::size_t task; (task = next.fetch_add(1)) < task_count_;)
        for (std::size_t k = task * batch; k < (task + 1) * batch; ++k) {
          if (must_stop())
            return;
          const Mask outside = deposit(k, outside_mask);
          P *const psi = psi_.packs() + (outside >> lanes_log);
          P *const lambda = lambda_.packs() + (outside >> lanes_log);
          P *const own = sums.data() + task * sum_count_;
          if (offsets.size() == 1) {
            run_block(psi, lambda, outside, own, must_stop);
          } else {
            P *const second = scratch + offsets.size() * run_packs;
            for (std::size_t i = 0; i < offsets.size(); ++i) {
              std::memcpy(scratch + i * run_packs, psi + offsets[i], bytes);
              std::memcpy(second + i * run_packs, lambda + offsets[i], bytes);
            }
            run_block(scratch, second, outside, own, must_stop);
            for (std::size_t i = 0; i < offsets.size(); ++i) {
              std::memcpy(psi + offsets[i], scratch + i * run_packs, bytes);
              std::memcpy(lambda + offsets[i], second + i * run_packs, bytes);
            }
          }
          monitor_.done.fetch_add(actions_.size(), std::memory_order_relaxed);
        }
    };
    const int threads = int(std::min(std::size_t(threads_), task_count_));
    on_threads(threads, [](int) {}, work);
    const Looks must_stop(monitor_);
    for (std::size_t task = 0; task < task_count_; ++task)
      for (const Action &action : actions_) {
        if (must_stop())
          return;
        if (action.overlap)
          action.overlap->evaluate(sums.data() + task * sum_count_ + action.first_sum,
                                   derivatives_);
      }
  }

  // An operator on too many qubits for a block.
  void undo_wide(std::size_t index) {
    if (!stages_[index].generators.empty())
      throw std::logic_error("a wide operator with parameters reached the adjoint method");
    const WideOperator<double> wide(inverses_[index], bit_count_, ~Mask(0));
    const std::size_t count = wide.task_count();
    const double share = double(block_count_) / double(2 * count); // of progress
    for_each_task(threads_, 2 * count, [&](std::size_t task) {
      const Looks must_stop(monitor_);
      if (must_stop())
        return;
      wide.run_task(task % count, (task < count ? psi_ : lambda_).packs(), must_stop);
      const std::size_t done = std::size_t(double(task + 1) * share);
      monitor_.done.fetch_add(done - std::size_t(double(task) * share), std::memory_order_relaxed);
    });
  }

  State<double> &psi_, &lambda_;
  const int threads_, bit_count_;
  Monitor &monitor_;
  const std::span<double> derivatives_;
  Vector<Stage> stages_; // last of the circuit first
  Vector<Operator> inverses_;
  Vector<Action> actions_;
  std::size_t block_count_ = 0, task_count_ = 0, sum_count_ = 0;
  std::vector<Buffer<P>> scratch_;
};

} // namespace

std::vector<double> adjoint_derivatives(State<double> &psi, State<double> &lambda,
                                        const OperationColumns &columns,
                                        const Differentiated &differentiated, int thread_count,
                                        Monitor &monitor) {
  if (&psi == &lambda || psi.qubit_count() != lambda.qubit_count())
    throw std::invalid_argument("the adjoint method needs two states of equal size");
  std::vector<double> out(differentiated.parameters.size() + differentiated.operations.size());
  monitor.start();
  const bool is_done = unless_cancelled([&] {
    Vector<Stage> stages = make_stages(columns, differentiated, psi.qubit_count(), monitor);
    return Backward(psi, lambda, std::move(stages), thread_count, monitor, out).run();
  });
  if (!is_done)
    out.clear();
  return out;
}

} // namespace openbraket
