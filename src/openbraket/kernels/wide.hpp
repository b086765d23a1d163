// An operator on more bits than a tile takes: a product of its matrix with columns of amplitudes.
#pragma once

#include "lanes.hpp"
#include "operators.hpp"

#include <algorithm>
#include <vector>

namespace openbraket {

// Groups of amplitudes are multiplied lane_count at a time, one group in each lane; the tasks are
// independent. In double precision throughout.
template <typename Real> class WideOperator {
public:
  WideOperator(const Operator &op, int bit_count, Mask alive) : op_(op) {
    const Mask targets = op.target_mask();
    const Mask all = bit(bit_count) - 1;
    const Mask below = bit(lane_bits<Real>) - 1;
    free_ = all & ~targets & ~op.control_mask & (alive | below);
    group_count_ = std::size_t(1) << std::popcount(free_);
    offsets_.assign(std::size_t(1) << op.targets.size(), op.control_value);
    for (std::size_t j = 0; j < offsets_.size(); ++j)
      for (std::size_t k = 0; k < op.targets.size(); ++k)
        if ((j >> k) & 1)
          offsets_[j] |= bit(op.targets[k]);
  }

  std::size_t task_count() const { return (group_count_ + width - 1) / width; }
  double flops() const {
    return 8.0 * double(group_count_) * double(offsets_.size()) * double(offsets_.size());
  }
  double bytes() const {
    return 4.0 * double(sizeof(Real)) * double(group_count_) * double(offsets_.size());
  }

  // Asks must_stop() before each row of the matrix, and wherever memory may be touched first.
  template <typename MustStop>
  void run_task(std::size_t task, Pack<Real> *packs, const MustStop &must_stop) const {
    const std::size_t size = offsets_.size();
    const std::size_t first = task * width, count = std::min(width, group_count_ - first);
    std::vector<Pack<double>> in(size), out(size);
    Mask bases[width];
    for (std::size_t g = 0; g < count; ++g)
      bases[g] = deposit(first + g, free_);
    for (std::size_t j = 0; j < size; ++j) {
      if (must_stop())
        return;
      for (std::size_t g = 0; g < count; ++g) {
        const Mask x = bases[g] | offsets_[j];
        in[j].set(int(g), Complex(packs[x >> lane_bits<Real>].get(int(x % lane_count<Real>))));
      }
    }
    for (std::size_t i = 0; i < size; ++i) {
      if (must_stop())
        return;
      Pack<double> sum{Lanes<double>::zero(), Lanes<double>::zero()};
      const Complex *row = op_.values.data() + i * size;
      for (std::size_t j = 0; j < size; ++j) {
        const auto re = Lanes<double>::splat(row[j].real()),
                   im = Lanes<double>::splat(row[j].imag());
        sum.re = sum.re + re * in[j].re - im * in[j].im;
        sum.im = sum.im + re * in[j].im + im * in[j].re;
      }
      out[i] = sum;
    }
    for (std::size_t i = 0; i < size; ++i) {
      if (must_stop())
        return;
      for (std::size_t g = 0; g < count; ++g) {
        const Mask x = bases[g] | offsets_[i];
        packs[x >> lane_bits<Real>].set(int(x % lane_count<Real>),
                                        std::complex<Real>(out[i].get(int(g))));
      }
    }
  }

private:
  static constexpr std::size_t width = lane_count<double>;

  const Operator &op_;
  Mask free_ = 0;
  std::size_t group_count_ = 0;
  std::vector<std::size_t> offsets_;
};

} // namespace openbraket
