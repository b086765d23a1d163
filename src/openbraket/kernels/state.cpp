#include "state.hpp"

#include "plan.hpp"
#include "steps.hpp"
#include "threads.hpp"

#include <algorithm>
#include <barrier>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

namespace openbraket {
namespace {

// 2^14 amplitudes in double precision are 256 KiB: a block and the memory it came from fit in a
// level-2 cache of 1 MiB. States up to in_place_bits are one block.
template <typename Real> constexpr int block_bits = sizeof(Real) == 8 ? 14 : 15;
template <typename Real> constexpr int in_place_bits = sizeof(Real) == 8 ? 15 : 16;
// The shortest contiguous runs that a block is gathered from: 256 bytes.
template <typename Real> constexpr int run_bits = sizeof(Real) == 8 ? 4 : 5;

int padded_bits(int qubit_count, int lane_bits) {
  if (qubit_count < 1 || qubit_count > qubit_count_max)
    throw std::invalid_argument("qubit_count must be 1 to " + std::to_string(qubit_count_max) +
                                ", got " + std::to_string(qubit_count));
  return std::max(qubit_count, lane_bits);
}

// Where the runs of one sweep's blocks lie in memory, in packs.
struct BlockRuns {
  std::size_t run_packs;            // length of a contiguous run
  std::vector<std::size_t> offsets; // of each run within a block
  Mask outside;                     // bits that tell blocks apart
  std::size_t block_count;

  BlockRuns(Mask active, int bit_count, int lane_bits) {
    const int low = std::countr_one(active);
    run_packs = std::size_t(1) << (low - lane_bits);
    const Mask high = active & ~(bit(low) - 1);
    offsets.resize(std::size_t(1) << std::popcount(high));
    for (std::size_t r = 0; r < offsets.size(); ++r)
      offsets[r] = std::size_t(deposit(r, high) >> lane_bits);
    outside = (bit(bit_count) - 1) & ~active;
    block_count = std::size_t(1) << std::popcount(outside);
  }
};

template <typename Real>
void run_steps(Pack<Real> *block, const std::vector<Step<Real>> &steps, Mask outside) {
  for (const Step<Real> &step : steps)
    if ((outside & step.outside_control_mask) == step.outside_control_value)
      step.kernel(block, step, outside);
}

// Everything that the threads share while they work through the sweeps.
template <typename Real> struct SweepRun {
  std::unique_ptr<BlockRuns> runs;
  std::vector<Step<Real>> steps;
  std::atomic<std::size_t> next_block{0};

  void prepare_sweep(const Sweep &sweep, const std::vector<Operator> &operators, int bit_count) {
    runs = std::make_unique<BlockRuns>(sweep.active, bit_count, lane_bits<Real>);
    steps.clear();
    const BlockMap map{sweep.active, lane_bits<Real>};
    for (std::size_t index : sweep.operators)
      steps.push_back(prepare<Real>(operators[index], map));
    next_block = 0;
  }

  void work(Pack<Real> *state, Pack<Real> *scratch, Monitor &monitor) {
    const BlockRuns &r = *runs;
    for (std::size_t k; (k = next_block.fetch_add(1, std::memory_order_relaxed)) < r.block_count;) {
      if (monitor.is_cancelled.load(std::memory_order_relaxed))
        return;
      const Mask outside = deposit(k, r.outside);
      Pack<Real> *base = state + (outside >> lane_bits<Real>);
      if (r.offsets.size() == 1) {
        run_steps(base, steps, outside);
      } else {
        const std::size_t bytes = r.run_packs * sizeof(Pack<Real>);
        for (std::size_t i = 0; i < r.offsets.size(); ++i)
          std::memcpy(scratch + i * r.run_packs, base + r.offsets[i], bytes);
        run_steps(scratch, steps, outside);
        for (std::size_t i = 0; i < r.offsets.size(); ++i)
          std::memcpy(base + r.offsets[i], scratch + i * r.run_packs, bytes);
      }
      monitor.done.fetch_add(steps.size(), std::memory_order_relaxed);
    }
  }
};

} // namespace

template <typename Real>
State<Real>::State(int qubit_count)
    : qubit_count_(qubit_count), bit_count_(padded_bits(qubit_count, lane_bits<Real>)),
      packs_(std::size_t(1) << (bit_count_ - lane_bits<Real>)) {
  packs_[0].set(0, 1);
}

template <typename Real> int State<Real>::threads_for(int thread_count) const {
  return amplitude_count() < serial_amplitudes_max ? 1
                                                   : std::clamp(thread_count, 1, thread_count_max);
}

template <typename Real>
bool State<Real>::apply(const OperationColumns &columns, int thread_count, Monitor &monitor) {
  const std::vector<Operator> operators = fuse(translate(columns, qubit_count_), qubit_count_);
  const int block = bit_count_ <= in_place_bits<Real> ? bit_count_ : block_bits<Real>;
  const std::vector<Sweep> sweeps =
      plan_sweeps(operators, {bit_count_, block, run_bits<Real>, block_targets_max + 1});
  const std::size_t block_count = std::size_t(1) << (bit_count_ - block);
  monitor.done = 0;
  monitor.total = std::max<std::size_t>(1, operators.size() * block_count);
  const int threads = int(std::min(std::size_t(threads_for(thread_count)), block_count));
  SweepRun<Real> run;
  std::vector<Buffer<Pack<Real>>> scratch;
  for (int thread = 0; thread < threads && block_count > 1; ++thread)
    scratch.emplace_back(std::size_t(1) << (block - lane_bits<Real>));
  std::optional<std::barrier<>> barrier;
  std::exception_ptr failure; // of thread 0; the others read it behind the barrier
  // The first thread makes a sweep ready, or does it alone where it is wide.
  const auto lead = [&](const Sweep &sweep) {
    if (!sweep.is_wide) {
      run.prepare_sweep(sweep, operators, bit_count_);
      return;
    }
    if (!monitor.is_cancelled)
      apply_wide(operators[sweep.operators.front()]);
    monitor.done += block_count;
  };
  on_threads(
      threads, [&](int count) { barrier.emplace(count); },
      [&](int thread) {
        Pack<Real> *const own_scratch =
            scratch.empty() ? nullptr : scratch[std::size_t(thread)].data();
        for (const Sweep &sweep : sweeps) {
          if (thread == 0) {
            try {
              lead(sweep);
            } catch (...) {
              failure = std::current_exception();
            }
          }
          barrier->arrive_and_wait();
          if (failure)
            return;
          if (!sweep.is_wide)
            run.work(packs_.data(), own_scratch, monitor);
          barrier->arrive_and_wait();
        }
      });
  if (failure)
    std::rethrow_exception(failure);
  return !monitor.is_cancelled;
}

// One amplitude at a time: 4^k operations for 2^k amplitudes hide the addressing.
template <typename Real> void State<Real>::apply_wide(const Operator &op) {
  const std::size_t size = std::size_t(1) << op.targets.size();
  const Mask fixed = op.target_mask() | op.control_mask;
  std::vector<std::uint64_t> offsets(size, 0);
  for (std::size_t j = 0; j < size; ++j)
    for (std::size_t k = 0; k < op.targets.size(); ++k)
      if ((j >> k) & 1)
        offsets[j] |= bit(op.targets[k]);
  const std::size_t group_count = std::size_t(1) << (bit_count_ - std::popcount(fixed));
  std::vector<Complex> in(size);
  Mask index = 0;
  for (std::size_t g = 0; g < group_count; ++g, index = next_with_zeros(index, fixed)) {
    const auto at = [&](std::size_t j) { return index | op.control_value | offsets[j]; };
    for (std::size_t j = 0; j < size; ++j)
      in[j] = Complex(packs_[at(j) >> lane_bits<Real>].get(int(at(j) % lane_count<Real>)));
    for (std::size_t i = 0; i < size; ++i) {
      Complex out = 0;
      for (std::size_t j = 0; j < size; ++j)
        out += multiply(op.values[i * size + j], in[j]);
      packs_[at(i) >> lane_bits<Real>].set(int(at(i) % lane_count<Real>), std::complex<Real>(out));
    }
  }
}

template <typename Real> std::complex<Real> State<Real>::amplitude(std::uint64_t index) const {
  if (index >= amplitude_count())
    throw std::invalid_argument("basis state " + std::to_string(index) + " is not below " +
                                std::to_string(amplitude_count()));
  return packs_[index >> lane_bits<Real>].get(int(index % lane_count<Real>));
}

namespace {
constexpr std::size_t copy_packs = 4096; // per task
}

template <typename Real>
void State<Real>::copy_amplitudes(std::complex<Real> *out, int thread_count) const {
  const std::size_t tasks = (packs_.size() + copy_packs - 1) / copy_packs;
  for_each_task(threads_for(thread_count), tasks, [&](std::size_t task) {
    const std::size_t end = std::min(amplitude_count(), (task + 1) * copy_packs * lane_count<Real>);
    for (std::size_t x = task * copy_packs * lane_count<Real>; x < end; ++x)
      out[x] = packs_[x >> lane_bits<Real>].get(int(x % lane_count<Real>));
  });
}

template class State<double>;
template class State<float>;

} // namespace openbraket
