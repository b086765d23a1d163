#include "state.hpp"

#include "sweeps.hpp"
#include "threads.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace openbraket {
namespace {

int padded_bits(int qubit_count, int lane_bits) {
  if (qubit_count < 1 || qubit_count > qubit_count_max)
    throw std::invalid_argument("qubit_count must be 1 to " + std::to_string(qubit_count_max) +
                                ", got " + std::to_string(qubit_count));
  return std::max(qubit_count, lane_bits);
}

} // namespace

template <typename Real>
State<Real>::State(int qubit_count)
    : qubit_count_(qubit_count), bit_count_(padded_bits(qubit_count, lane_bits<Real>)), alive_(0),
      packs_(std::size_t(1) << (bit_count_ - lane_bits<Real>), Contents::anything),
      is_rest_zero_(packs_.is_zero()) {
  packs_[0] = {Lanes<Real>::zero(), Lanes<Real>::zero()};
  packs_[0].set(0, 1);
}

template <typename Real> void State<Real>::clear_rest() const {
  if (is_rest_zero_)
    return;
  const std::lock_guard lock(clearing_);
  Target<Real>{packs_.data(), bit_count_, alive_, is_rest_zero_}.clear_rest();
}

template <typename Real> int State<Real>::threads_for(int thread_count) const {
  return amplitude_count() < serial_amplitudes_max ? 1
                                                   : std::clamp(thread_count, 1, thread_count_max);
}

template <typename Real>
bool State<Real>::apply(const OperationColumns &columns, int thread_count, Monitor &monitor) {
  monitor.start();
  return unless_cancelled([&] {
    return run_operators(Target<Real>{packs_.data(), bit_count_, alive_, is_rest_zero_},
                         fuse(columns, qubit_count_, alive_, monitor), threads_for(thread_count),
                         monitor);
  });
}

template <typename Real>
bool State<Real>::apply_rows(const OperationColumns &columns, std::span<const std::uint32_t> rows,
                             int thread_count, Monitor &monitor) {
  monitor.start();
  return unless_cancelled([&] {
    return run_operators(Target<Real>{packs_.data(), bit_count_, alive_, is_rest_zero_},
                         fuse(columns, rows, qubit_count_, alive_, monitor),
                         threads_for(thread_count), monitor);
  });
}

template <typename Real> std::complex<Real> State<Real>::amplitude(std::uint64_t index) const {
  if (index >= amplitude_count())
    throw std::invalid_argument("basis state " + std::to_string(index) + " is not below " +
                                std::to_string(amplitude_count()));
  clear_rest();
  return packs_[index >> lane_bits<Real>].get(int(index % lane_count<Real>));
}

namespace {
constexpr std::size_t copy_packs = 4096; // per task
}

template <typename Real>
void State<Real>::copy_amplitudes(std::complex<Real> *out, int thread_count) const {
  clear_rest();
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
