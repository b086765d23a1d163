// The state vector: storage and gates.
#pragma once

#include "buffer.hpp"
#include "lanes.hpp"
#include "monitor.hpp"
#include "operators.hpp"
#include "reductions.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>

namespace openbraket {

inline constexpr int qubit_count_max = 40;

template <typename Real> class State {
public:
  // |0...0>. Throws std::invalid_argument for a qubit count outside 1 to qubit_count_max.
  explicit State(int qubit_count);

  int qubit_count() const { return qubit_count_; }
  std::size_t amplitude_count() const { return std::size_t(1) << qubit_count_; }

  // Apply all operations; false if cancelled half-way, which leaves the state undefined.
  bool apply(const OperationColumns &columns, int thread_count, Monitor &monitor);
  // Apply some of them, in the order of `rows`.
  bool apply_rows(const OperationColumns &columns, std::span<const std::uint32_t> rows,
                  int thread_count, Monitor &monitor);

  // Throws std::invalid_argument for an index past the end.
  std::complex<Real> amplitude(std::uint64_t index) const;
  void copy_amplitudes(std::complex<Real> *out, int thread_count) const;

  // The amplitudes themselves, for passes that change them.
  Pack<Real> *packs() {
    if (alive_ != ~Mask(0)) { // so that threads may ask again at the same time
      clear_rest();
      alive_ = ~Mask(0);
    }
    return packs_.data();
  }

  View<Real> view(int thread_count) const {
    clear_rest();
    return {packs_.data(), qubit_count_, bit_count_, threads_for(thread_count)};
  }

private:
  int threads_for(int thread_count) const;
  // Before anything but sweeps reads or writes amplitudes.
  void clear_rest() const;

  int qubit_count_;
  int bit_count_; // qubit_count_, or lane_bits for the smallest states, whose other lanes stay zero
  mutable Mask alive_; // as those of Target
  mutable Buffer<Pack<Real>> packs_;
  mutable std::atomic<bool> is_rest_zero_;
  mutable std::mutex clearing_; // several threads may read a state for the first time
};

extern template class State<double>;
extern template class State<float>;

} // namespace openbraket
