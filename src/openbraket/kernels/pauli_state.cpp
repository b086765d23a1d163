#include "pauli_state.hpp"

#include "pauli_tile.hpp"
#include "threads.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace openbraket {
namespace {

// Tiles of 8 digits have 520 KiB, which only larger level-2 caches hold beside everything else.
int tile_digits() {
  static const int digits = [] {
#ifdef _SC_LEVEL2_CACHE_SIZE
    return sysconf(_SC_LEVEL2_CACHE_SIZE) >= (1L << 20) ? tile_digits_max : tile_digits_max - 1;
#else
    return tile_digits_max - 1;
#endif
  }();
  return digits;
}

int checked(int qubit_count) {
  if (qubit_count < 1 || qubit_count > pauli_qubit_count_max)
    throw std::invalid_argument("qubit_count must be 1 to " +
                                std::to_string(pauli_qubit_count_max) + ", got " +
                                std::to_string(qubit_count));
  return qubit_count;
}

constexpr std::size_t lane_numbers = std::size_t(1) << (2 * lane_digits);

// Where each run of 16 numbers of a tile lies in the whole, if its slot k is digit digits[k].
std::vector<std::size_t> run_offsets(const std::vector<int> &digits) {
  std::vector<std::size_t> out{0};
  out.reserve(std::size_t(1) << (2 * (digits.size() - lane_digits)));
  for (std::size_t slot = lane_digits; slot < digits.size(); ++slot) {
    const std::size_t count = out.size(), stride = std::size_t(1) << (2 * digits[slot]);
    for (std::size_t value = 1; value < 4; ++value)
      for (std::size_t k = 0; k < count; ++k)
        out.push_back(out[k] + value * stride);
  }
  return out;
}

} // namespace

PauliState::PauliState(int qubit_count)
    : qubit_count_(checked(qubit_count)), digit_count_(std::max(qubit_count, digit_count_min)),
      coefficients_(std::size_t(1) << (2 * digit_count_)) {
  for (Mask bits = 0; bits < bit(qubit_count); ++bits) {
    std::size_t index = 0;
    for (int k = 0; k < qubit_count; ++k)
      index |= bits >> k & 1 ? std::size_t(3) << (2 * (k + digit_count_ - qubit_count)) : 0;
    coefficients_[index] = 1;
  }
}

bool PauliState::apply(const OperationColumns &operations, const ChannelColumns &channels,
                       int thread_count, Monitor &monitor) {
  monitor.start();
  return unless_cancelled([&] {
    const std::vector<PairStep> steps =
        fuse_maps(operations, channels, qubit_count_, digit_count_, monitor);
    const std::vector<PauliStage> stages = plan_stages(steps, digit_count_, tile_digits(), monitor);
    monitor.total = std::max<std::uint64_t>(1, stages.size() * coefficients_.size());
    monitor.byte_count = 2 * sizeof(double) * stages.size() * coefficients_.size();
    for (const PauliStage &stage : stages)
      if (!run_stage(stage, std::clamp(thread_count, 1, thread_count_max), monitor))
        return false;
    return !monitor.is_cancelled.load();
  });
}

bool PauliState::run_stage(const PauliStage &stage, int thread_count, Monitor &monitor) {
  const int active_count = int(stage.digits.size());
  const std::size_t size = std::size_t(1) << (2 * active_count);
  std::vector<int> last(stage.digits.size());
  for (std::size_t k = 0; k < last.size(); ++k)
    last[std::size_t(stage.last_slots[k])] = stage.digits[k];
  const std::vector<std::size_t> from = run_offsets(stage.digits), to = run_offsets(last);
  Mask active = 0;
  for (const int digit : stage.digits)
    active |= Mask(3) << (2 * digit);
  const Mask outer = (Mask(coefficients_.size()) - 1) & ~active;
  const std::size_t tile_count = coefficients_.size() / size;
  std::atomic<std::size_t> next{0};
  std::atomic<bool> has_failed{false};
  const auto work = [&](int) {
    try {
      Buffer<double> tile(tile_offset(size));
      for (std::size_t k; (k = next.fetch_add(1, std::memory_order_relaxed)) < tile_count;) {
        if (monitor.is_cancelled.load(std::memory_order_relaxed))
          return;
        double *const base = coefficients_.data() + deposit(k, outer);
        for (std::size_t run = 0; run < from.size(); ++run)
          std::memcpy(tile.data() + tile_offset(run * lane_numbers), base + from[run],
                      lane_numbers * sizeof(double));
        run_tile(tile.data(), active_count, stage.steps);
        for (std::size_t run = 0; run < to.size(); ++run)
          std::memcpy(base + to[run], tile.data() + tile_offset(run * lane_numbers),
                      lane_numbers * sizeof(double));
        monitor.done.fetch_add(size, std::memory_order_relaxed);
      }
    } catch (const std::bad_alloc &) {
      next = tile_count;
      has_failed = true;
    }
  };
  if (thread_count <= 1 || tile_count <= 1)
    work(0);
  else
    on_threads(int(std::min<std::size_t>(std::size_t(thread_count), tile_count)), [](int) {}, work);
  if (has_failed)
    throw std::bad_alloc();
  return !monitor.is_cancelled;
}

} // namespace openbraket
