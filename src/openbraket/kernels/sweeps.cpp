#include "sweeps.hpp"

#include "plan.hpp"
#include "steps.hpp"
#include "threads.hpp"
#include "wide.hpp"

#include <algorithm>
#include <barrier>
#include <cstring>
#include <exception>
#include <memory>
#include <numeric>
#include <optional>

namespace openbraket {
namespace {

// 2^14 amplitudes in double precision are 256 KiB: a block and the memory it came from fit in a
// level-2 cache of 1 MiB. A tile of 16 KiB leaves half of a level-1 cache of 32 KiB to tables.
template <typename Real> constexpr int block_bits_max = sizeof(Real) == 8 ? 14 : 15;
template <typename Real> constexpr int tile_bits_max = sizeof(Real) == 8 ? 10 : 11;
// The shortest contiguous runs that a block is gathered from: 256 bytes.
template <typename Real> constexpr int run_bits = sizeof(Real) == 8 ? 4 : 5;

constexpr Mask low_bits(int count) { return bit(count) - 1; }

// Operators of a sweep that run on one tile of a block after the other.
template <typename Real> struct Stage {
  struct Tile {
    std::size_t offset; // in the block, in packs
    Mask bits;          // its bits of the amplitude's index
  };
  Vector<Tile> tiles; // those that may hold anything but zero
  Vector<Step<Real>> steps;

  // Return false if before_step() did, which is called before each step on a tile.
  template <typename BeforeStep>
  bool run(Pack<Real> *block, Mask outside, const BeforeStep &before_step) const {
    for (const Tile &tile : tiles)
      for (const Step<Real> &step : steps) {
        if (!before_step())
          return false;
        const Mask bits = outside | tile.bits;
        if ((bits & step.outside_control_mask) == step.outside_control_value)
          step.kernel(block + tile.offset, step, bits);
      }
    return true;
  }
  std::size_t visit_count() const { return tiles.size() * steps.size(); }
};

// One sweep made ready: where its blocks lie in memory, and what runs on them.
template <typename Real> class ReadySweep {
public:
  ReadySweep(const Sweep &sweep, const Vector<Operator> &operators, int bit_count, Mask alive,
             Monitor &monitor)
      : active_(sweep.active), outside_(low_bits(bit_count) & ~sweep.active & alive) {
    alive |= low_bits(lane_bits<Real>); // what is stored together
    constexpr int lanes = lane_bits<Real>;
    const int low = std::countr_one(active_);
    is_in_place_ = active_ == low_bits(low);
    run_packs_ = std::size_t(1) << (std::min(low, lanes + padding_shift) - lanes);
    const int tile_bits = std::min(tile_bits_max<Real>, std::popcount(active_));
    // One tile, or blocks without gaps that are the whole state, need no padding.
    padding_ = is_in_place_ ? no_padding : padding_shift;
    const BlockShape shape{active_, tile_bits, low_bits(lanes), block_targets_max + 1};
    Mask alive_now = alive;
    for (const Sweep &part : plan_sweeps(operators, sweep.operators, shape, monitor))
      add_stage(part, operators, alive_now, monitor);
    alive_after_ = alive_now;
    find_runs(alive);
    std::size_t visits = 1;
    for (const Stage<Real> &stage : stages_)
      visits += stage.visit_count();
    fetched_at_once_ = stored_.size() / visits + 1;
  }

  std::size_t block_count() const { return std::size_t(1) << std::popcount(outside_); }
  Mask alive_after() const { return alive_after_; }
  double flops() const { return flops_; }
  double bytes() const {
    const double packs = double(loaded_ + stored_.size()) * double(run_packs_);
    return packs * double(sizeof(Pack<Real>)) * double(block_count());
  }
  static std::size_t scratch_packs() {
    return std::size_t(padded(bit(block_bits_max<Real> - lane_bits<Real>), padding_shift));
  }

  // Run on one block; `next_number` is the block that this thread is likely to run on next.
  // Where must_stop(), the block is left undefined.
  template <typename MustStop>
  void run_block(std::size_t number, std::size_t next_number, Pack<Real> *state,
                 Pack<Real> *scratch, const MustStop &must_stop) const {
    const Mask outside = deposit(number, outside_);
    Pack<Real> *base = state + (outside >> lane_bits<Real>);
    if (is_in_place_) {
      clear_new(base);
      run_stages(base, outside, [&] { return !must_stop(); });
      return;
    }
    std::size_t fetched = 0;
    const Pack<Real> *next = state;
    if (next_number < block_count())
      next += deposit(next_number, outside_) >> lane_bits<Real>;
    else
      fetched = stored_.size();
    const auto before_step = [&] {
      fetch(next, fetched);
      return !must_stop();
    };
    if (run_packs_ == 2) {
      load<2>(base, scratch, 1);
      run_stages(scratch, outside, before_step);
      store<2>(base, scratch, 1, must_stop);
    } else {
      load<1>(base, scratch, run_packs_);
      run_stages(scratch, outside, before_step);
      store<1>(base, scratch, run_packs_, must_stop);
    }
  }

private:
  struct Run {
    std::size_t in_state, in_block;
    bool is_loaded; // else all of it is zero before the sweep, whatever its memory holds
  };

  static void clear(Pack<Real> *packs, std::size_t count) {
    std::memset(static_cast<void *>(packs), 0, count * sizeof(Pack<Real>));
  }

  // Make packs zero that become alive in this sweep.
  void clear_new(Pack<Real> *base) const {
    if (loaded_ == stored_.size() && dead_in_run_ == 0)
      return;
    for (const Run &run : stored_) {
      if (!run.is_loaded)
        clear(base + run.in_state, run_packs_);
      else
        clear_dead(base + run.in_state);
    }
  }
  // Make packs of a loaded run zero that were not alive before.
  void clear_dead(Pack<Real> *run) const {
    for (std::size_t k = 1; k < run_packs_ && dead_in_run_ != 0; ++k)
      if ((k & dead_in_run_) != 0)
        clear(run + k, 1);
  }

  // Runs are `Packs` times `count` packs long; a constant length spares calls for short runs.
  template <std::size_t Packs>
  void load(const Pack<Real> *base, Pack<Real> *scratch, std::size_t count) const {
    constexpr std::size_t bytes = Packs * sizeof(Pack<Real>);
    for (const Run &run : stored_) {
      for (std::size_t k = 0; k < count; ++k) {
        void *const to = scratch + run.in_block + k * Packs;
        if (run.is_loaded)
          std::memcpy(to, base + run.in_state + k * Packs, bytes);
        else
          std::memset(to, 0, bytes);
      }
      if (run.is_loaded)
        clear_dead(scratch + run.in_block);
    }
  }
  // Memory that nobody has touched comes from the system here: for a large state many gigabytes
  // within one block, so this may stop between two runs.
  template <std::size_t Packs, typename MustStop>
  void store(Pack<Real> *base, const Pack<Real> *scratch, std::size_t count,
             const MustStop &must_stop) const {
    constexpr std::size_t bytes = Packs * sizeof(Pack<Real>);
    const bool is_fresh = loaded_ < stored_.size();
    for (const Run &run : stored_) {
      if (is_fresh && must_stop())
        return;
      for (std::size_t k = 0; k < count; ++k)
        std::memcpy(static_cast<void *>(base + run.in_state + k * Packs),
                    scratch + run.in_block + k * Packs, bytes);
    }
  }

  template <typename BeforeStep>
  void run_stages(Pack<Real> *block, Mask outside, const BeforeStep &before_step) const {
    for (const Stage<Real> &stage : stages_)
      if (!stage.run(block, outside, before_step))
        return;
  }

  // Bring the next block to the level-2 cache, a few runs at a time from number `fetched` on: its
  // runs are too short for the processor to foresee.
  void fetch(const Pack<Real> *next, std::size_t &fetched) const {
    const std::size_t end = std::min(fetched + fetched_at_once_, stored_.size());
    for (; fetched < end; ++fetched)
      if (stored_[fetched].is_loaded)
        for (std::size_t k = 0; k < run_packs_; ++k) {
          const Pack<Real> *pack = next + stored_[fetched].in_state + k;
          __builtin_prefetch(&pack->re, 0, 2);
          __builtin_prefetch(&pack->im, 0, 2);
        }
  }

  void add_stage(const Sweep &part, const Vector<Operator> &operators, Mask &alive,
                 Monitor &monitor) {
    constexpr int lanes = lane_bits<Real>;
    const TileMap map{part.active, active_, lanes, padding_};
    Stage<Real> stage;
    stage.steps = prepare<Real>(operators, part.operators, map, monitor);
    const Mask others = active_ & ~part.active & alive;
    for (Mask bits = 0;; bits = (bits - others) & others) {
      const Mask in_block = extract(bits, active_) >> lanes;
      stage.tiles.push_back({std::size_t(padded(in_block, padding_)), bits});
      if (bits == others)
        break;
    }
    for (std::size_t index : part.operators)
      alive |= operators[index].moved_mask();
    for (const Step<Real> &step : stage.steps)
      flops_ += step.flops * double(stage.tiles.size()) * double(block_count()) /
                double(bit(std::popcount(step.outside_control_mask)));
    stages_.push_back(std::move(stage));
  }

  void find_runs(Mask alive) {
    const int run_bit_count = lane_bits<Real> + std::countr_zero(run_packs_);
    const Mask high = active_ & ~low_bits(run_bit_count) & alive_after_;
    dead_in_run_ = std::size_t((low_bits(run_bit_count) & ~alive) >> lane_bits<Real>);
    for (Mask bits = 0;; bits = (bits - high) & high) {
      const Mask in_block = extract(bits, active_) >> lane_bits<Real>;
      const bool is_loaded = (bits & ~alive) == 0;
      stored_.push_back({std::size_t(bits >> lane_bits<Real>),
                         std::size_t(padded(in_block, padding_)), is_loaded});
      loaded_ += is_loaded;
      if (bits == high)
        break;
    }
  }

  Mask active_, outside_, alive_after_ = 0;
  bool is_in_place_;
  int padding_;
  std::size_t run_packs_, loaded_ = 0;
  std::size_t dead_in_run_ = 0; // bits of a pack's number in its run that are not alive before
  std::size_t fetched_at_once_; // runs
  Vector<Run> stored_;
  Vector<Stage<Real>> stages_;
  double flops_ = 0;
};

// What the threads share.
template <typename Real> class Team {
public:
  Team(const Target<Real> &target, const Vector<Operator> &operators, Monitor &monitor)
      : target_(target), operators_(operators), monitor_(monitor) {}

  // Make the next sweep ready; one thread's task.
  void lead(const Sweep &sweep) {
    next_ = 0;
    if (sweep.is_wide) {
      const Operator &op = operators_[sweep.operators.front()];
      target_.clear_rest();
      wide_.emplace(op, target_.bit_count, target_.alive);
      target_.alive |= op.moved_mask();
      part_count_ = wide_->task_count();
      flops_ += wide_->flops();
      bytes_ += wide_->bytes();
    } else {
      wide_.reset();
      ready_.emplace(sweep, operators_, target_.bit_count, target_.alive, monitor_);
      target_.alive = ready_->alive_after();
      part_count_ = ready_->block_count();
      flops_ += ready_->flops();
      bytes_ += ready_->bytes();
    }
    share_ = double(sweep.operators.size()) * double(progress_unit) / double(part_count_);
  }

  void work(Pack<Real> *scratch) {
    const Looks must_stop(monitor_);
    std::size_t after = claim();
    for (std::size_t k; (k = after) < part_count_;) {
      if (must_stop())
        break;
      after = claim();
      if (wide_)
        wide_->run_task(k, target_.packs, must_stop);
      else
        ready_->run_block(k, after, target_.packs, scratch, must_stop);
      const std::size_t done = std::size_t(double(k + 1) * share_);
      monitor_.done.fetch_add(done - std::size_t(double(k) * share_), std::memory_order_relaxed);
    }
  }

  bool is_cancelled() const { return monitor_.is_cancelled.load(std::memory_order_relaxed); }

  void publish_work() {
    monitor_.flop_count = std::uint64_t(flops_);
    monitor_.byte_count = std::uint64_t(bytes_);
  }

  // Of progress, for one operator.
  static constexpr std::uint64_t progress_unit = 1 << 16;

private:
  std::size_t claim() { return next_.fetch_add(1, std::memory_order_relaxed); }

  const Target<Real> &target_;
  const Vector<Operator> &operators_;
  Monitor &monitor_;
  std::optional<ReadySweep<Real>> ready_;
  std::optional<WideOperator<Real>> wide_;
  std::atomic<std::size_t> next_{0};
  std::size_t part_count_ = 0;
  double share_ = 0, flops_ = 0, bytes_ = 0;
};

template <typename Real>
void run_sweeps(Team<Real> &team, const Vector<Sweep> &sweeps, int thread_count,
                std::size_t scratch_packs) {
  if (thread_count <= 1) {
    std::optional<Buffer<Pack<Real>>> scratch;
    if (scratch_packs != 0)
      scratch.emplace(scratch_packs, Contents::anything);
    for (const Sweep &sweep : sweeps) {
      if (team.is_cancelled())
        return;
      team.lead(sweep);
      team.work(scratch ? scratch->data() : nullptr);
    }
    return;
  }
  Vector<Buffer<Pack<Real>>> scratch;
  for (int thread = 0; thread < thread_count; ++thread)
    scratch.emplace_back(scratch_packs, Contents::anything);
  std::optional<std::barrier<>> barrier;
  // Of thread 0; the others read them behind the barrier.
  std::exception_ptr failure;
  bool is_cancelled = false;
  on_threads(
      thread_count, [&](int count) { barrier.emplace(count); },
      [&](int thread) {
        for (const Sweep &sweep : sweeps) {
          if (thread == 0) {
            is_cancelled = team.is_cancelled();
            try {
              if (!is_cancelled)
                team.lead(sweep);
            } catch (...) {
              failure = std::current_exception();
            }
          }
          barrier->arrive_and_wait();
          if (failure || is_cancelled)
            return;
          team.work(scratch[std::size_t(thread)].data());
          barrier->arrive_and_wait();
        }
      });
  if (failure)
    std::rethrow_exception(failure);
}

} // namespace

template <typename Real>
bool run_operators(const Target<Real> &target, const Vector<Operator> &operators, int thread_count,
                   Monitor &monitor) {
  const int block_bits = std::min(target.bit_count, block_bits_max<Real>);
  const Mask run = low_bits(std::min(run_bits<Real>, block_bits));
  Vector<std::size_t> all(operators.size());
  std::iota(all.begin(), all.end(), std::size_t(0));
  const Vector<Sweep> sweeps =
      plan_sweeps(operators, std::move(all),
                  {low_bits(target.bit_count), block_bits, run, block_targets_max + 1}, monitor);
  monitor.total = std::max<std::uint64_t>(1, operators.size() * Team<Real>::progress_unit);
  Team<Real> team(target, operators, monitor);
  const bool is_one_block = block_bits == target.bit_count;
  run_sweeps(team, sweeps, is_one_block ? 1 : thread_count,
             is_one_block ? 0 : ReadySweep<Real>::scratch_packs());
  team.publish_work();
  return !monitor.is_cancelled;
}

template bool run_operators<double>(const Target<double> &, const Vector<Operator> &, int,
                                    Monitor &);
template bool run_operators<float>(const Target<float> &, const Vector<Operator> &, int, Monitor &);

} // namespace openbraket
