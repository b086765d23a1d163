#include "overlaps.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace openbraket {
namespace {

using P = Pack<double>;
using L = Lanes<double>;

// Which of the sums over X, Y and Z a chain needs.
constexpr unsigned needs_x = 1, needs_y = 2, needs_z = 4;

// K = i A is Hermitian, K = k_1 + k_x X + k_y Y + k_z Z; returns k_x, k_y, k_z. The identity's part
// belongs to a phase, which no expectation depends on.
std::array<double, 3> pauli_parts(const Vector<Complex> &a) {
  const auto k = [&](std::size_t i) { return Complex(-a[i].imag(), a[i].real()); };
  return {k(1).real(), -k(1).imag(), (k(0).real() - k(3).real()) / 2};
}

P splat(Complex value) { return {L::splat(value.real()), L::splat(value.imag())}; }

template <bool IsReal> inline P times(const P &coefficient, const P &x) {
  if constexpr (IsReal)
    return {coefficient.re * x.re, coefficient.re * x.im};
  else
    return coefficient * x;
}

template <bool IsReal> inline P combined(const P &a, const P &x, const P &b, const P &y) {
  P out = times<IsReal>(a, x);
  out.re = out.re + b.re * y.re;
  out.im = out.im + b.re * y.im;
  if constexpr (!IsReal) {
    out.re = out.re - b.im * y.im;
    out.im = out.im + b.im * y.re;
  }
  return out;
}

} // namespace

template <bool IsReal, bool Applies, unsigned Needs>
void Overlap::run_pack_chain(const Overlap &self, P *psi, P *lambda, Mask, P *sums) {
  const P m00 = self.coefficients_[0], m01 = self.coefficients_[1];
  const P m10 = self.coefficients_[2], m11 = self.coefficients_[3];
  const std::size_t stride = self.stride_;
  L x = sums[0].re, y = sums[0].im, z = sums[1].re;
  for (std::size_t first = 0; first < self.pack_count_; first += 2 * stride)
    for (std::size_t k = first; k < first + stride; ++k) {
      const P a0 = psi[k], a1 = psi[k + stride], l0 = lambda[k], l1 = lambda[k + stride];
      if constexpr ((Needs & needs_x) != 0) {
        x = x + l0.re * a1.im - l0.im * a1.re;
        x = x + l1.re * a0.im - l1.im * a0.re;
      }
      if constexpr ((Needs & needs_y) != 0) {
        y = y + l1.re * a0.re + l1.im * a0.im;
        y = y - l0.re * a1.re - l0.im * a1.im;
      }
      if constexpr ((Needs & needs_z) != 0) {
        z = z + l0.re * a0.im - l0.im * a0.re;
        z = z - l1.re * a1.im + l1.im * a1.re;
      }
      if constexpr (Applies) {
        psi[k] = combined<IsReal>(m00, a0, m01, a1);
        psi[k + stride] = combined<IsReal>(m10, a0, m11, a1);
        lambda[k] = combined<IsReal>(m00, l0, m01, l1);
        lambda[k + stride] = combined<IsReal>(m10, l0, m11, l1);
      }
    }
  sums[0].re = x, sums[0].im = y, sums[1].re = z;
}

// On a lane bit: x and z as they are, y with opposite signs for lanes with and without the bit.
template <bool IsReal, bool Applies, unsigned Needs, unsigned Pattern>
void Overlap::run_lane_chain(const Overlap &self, P *psi, P *lambda, Mask, P *sums) {
  const P own = self.coefficients_[0], other = self.coefficients_[1];
  L x = sums[0].re, y = sums[0].im, z = sums[1].re;
  for (std::size_t k = 0; k < self.pack_count_; ++k) {
    const P a = psi[k], l = lambda[k];
    const P b{exchange_lanes<Pattern>(a.re), exchange_lanes<Pattern>(a.im)};
    if constexpr ((Needs & needs_x) != 0)
      x = x + l.re * b.im - l.im * b.re;
    if constexpr ((Needs & needs_y) != 0)
      y = y + l.re * b.re + l.im * b.im;
    if constexpr ((Needs & needs_z) != 0)
      z = z + l.re * a.im - l.im * a.re;
    if constexpr (Applies) {
      const P m{exchange_lanes<Pattern>(l.re), exchange_lanes<Pattern>(l.im)};
      psi[k] = combined<IsReal>(own, a, other, b);
      lambda[k] = combined<IsReal>(own, l, other, m);
    }
  }
  sums[0].re = x, sums[0].im = y, sums[1].re = z;
}

void Overlap::run_entries(const Overlap &self, P *psi, P *lambda, Mask outside, P *sums) {
  if ((outside & self.outside_control_mask_) != self.outside_control_value_)
    return;
  const std::size_t set = extract(outside, self.outside_target_mask_);
  P *const own = sums + set * self.entries_.size();
  const int free_bits = std::countr_zero(self.pack_count_) - std::popcount(self.fixed_);
  const std::size_t loop_count = std::size_t(1) << free_bits;
  for (std::size_t e = 0; e < self.entries_.size(); ++e) {
    const Entry &entry = self.entries_[e];
    const P *const rows = lambda + (self.fixed_value_ | entry.row_offset);
    const P *const columns = psi + (self.fixed_value_ | entry.column_offset);
    P sum = own[e];
    Mask k = 0;
    for (std::size_t g = loop_count; g > 0; --g, k = next_with_zeros(k, self.fixed_)) {
      const P l = rows[k];
      const P a = entry.pattern == 0 ? columns[k] : exchange_lanes(columns[k], entry.pattern);
      sum.re = sum.re + l.re * a.re + l.im * a.im;
      sum.im = sum.im + l.re * a.im - l.im * a.re;
    }
    own[e] = sum;
  }
  if (self.stage_->is_undone) {
    self.undo_.kernel(psi, self.undo_, outside);
    self.undo_.kernel(lambda, self.undo_, outside);
  }
}

template <unsigned Pattern>
Overlap::Kernel Overlap::chain_kernel(unsigned needs, bool real, bool applies) {
  Kernel out = nullptr;
  const auto pick = [&]<bool IsReal, bool Applies, unsigned Needs>() -> Kernel {
    if constexpr (Pattern == 0)
      return run_pack_chain<IsReal, Applies, Needs>;
    else
      return run_lane_chain<IsReal, Applies, Needs, Pattern>;
  };
  [&]<std::size_t... N>(std::index_sequence<N...>) {
    ((needs == N ? void(out = !applies ? pick.template operator()<true, false, unsigned(N)>()
                              : real   ? pick.template operator()<true, true, unsigned(N)>()
                                       : pick.template operator()<false, true, unsigned(N)>())
                 : void()),
     ...);
  }(std::make_index_sequence<8>{});
  return out;
}

Overlap::Overlap(const Stage &stage, const TileMap &map)
    : stage_(&stage), map_(map), is_chain_(stage.op.targets.size() == 1 &&
                                           stage.op.control_mask == 0 && !stage.op.is_diagonal),
      pack_count_(std::size_t(1) << (std::popcount(map.active) - map.lane_bits)) {
  if (is_chain_)
    prepare_chain(map);
  else
    prepare_entries(map);
}

void Overlap::prepare_chain(const TileMap &map) {
  unsigned needs = 0;
  for (const Generator &generator : stage_->generators) {
    const std::array<double, 3> parts = pauli_parts(generator.values);
    for (unsigned axis = 0; axis < 3; ++axis)
      needs |= parts[axis] != 0 ? 1u << axis : 0;
  }
  const Vector<Complex> &u = stage_->op.values;
  const std::array<Complex, 4> inverse = {std::conj(u[0]), std::conj(u[2]), std::conj(u[1]),
                                          std::conj(u[3])};
  const bool is_real = std::ranges::all_of(inverse, [](Complex v) { return v.imag() == 0; });
  sum_count_ = 2;
  const int position = stage_->op.targets[0];
  if (map.is_pack(position)) {
    stride_ = std::size_t(1) << map.pack_bit(position);
    for (std::size_t k = 0; k < 4; ++k)
      coefficients_[k] = splat(inverse[k]);
    kernel_ = chain_kernel<0>(needs, is_real, stage_->is_undone);
    return;
  }
  const unsigned pattern = 1u << map.local(position);
  for (unsigned lane = 0; lane < unsigned(lane_count<double>); ++lane) {
    const bool is_one = (lane & pattern) != 0;
    coefficients_[0].set(int(lane), inverse[is_one ? 3 : 0]);
    coefficients_[1].set(int(lane), inverse[is_one ? 2 : 1]);
  }
  kernel_ = pattern == 1   ? chain_kernel<1>(needs, is_real, stage_->is_undone)
            : pattern == 2 ? chain_kernel<2>(needs, is_real, stage_->is_undone)
                           : chain_kernel<4>(needs, is_real, stage_->is_undone);
}

std::size_t Overlap::index(std::size_t pack_bits, unsigned lane, std::size_t outside_bits) const {
  std::size_t out = 0;
  for (std::size_t k = 0; k < pack_targets_.size(); ++k)
    out |= ((pack_bits >> k) & 1) << pack_targets_[k];
  for (std::size_t k = 0; k < outside_targets_.size(); ++k)
    out |= ((outside_bits >> k) & 1) << outside_targets_[k];
  for (int k : lane_targets_)
    out |= std::size_t((lane >> map_.local(stage_->op.targets[std::size_t(k)])) & 1) << k;
  return out;
}

void Overlap::prepare_entries(const TileMap &map) {
  const Operator &op = stage_->op;
  unsigned lane_mask = 0;
  for (int k = 0; k < int(op.targets.size()); ++k) {
    const int position = op.targets[std::size_t(k)];
    if (map.is_lane(position)) {
      lane_targets_.push_back(k);
      lane_mask |= 1u << map.local(position);
    } else if (map.has(position)) {
      pack_targets_.push_back(k);
      fixed_ |= bit(map.pack_bit(position));
    } else {
      outside_targets_.push_back(k);
      outside_target_mask_ |= bit(position);
    }
  }
  // The bits of a set number are those of the outside targets, lowest position first.
  std::ranges::sort(outside_targets_, {}, [&](int k) { return op.targets[std::size_t(k)]; });
  for (Mask rest = op.control_mask; rest != 0; rest &= rest - 1) {
    const int position = std::countr_zero(rest);
    const bool is_one = (op.control_value & bit(position)) != 0;
    if (map.is_lane(position)) {
      lane_control_mask_ |= 1u << map.local(position);
      lane_control_value_ |= is_one ? 1u << map.local(position) : 0;
    } else if (map.has(position)) {
      fixed_ |= bit(map.pack_bit(position));
      fixed_value_ |= is_one ? bit(map.pack_bit(position)) : 0;
    } else {
      outside_control_mask_ |= bit(position);
      outside_control_value_ |= is_one ? bit(position) : 0;
    }
  }
  const auto offset = [&](std::size_t pack_bits) {
    std::size_t out = 0;
    for (std::size_t k = 0; k < pack_targets_.size(); ++k)
      if ((pack_bits >> k) & 1)
        out |= bit(map.pack_bit(op.targets[std::size_t(pack_targets_[k])]));
    return out;
  };
  const std::size_t size = std::size_t(1) << op.targets.size();
  const std::size_t rows = std::size_t(1) << pack_targets_.size();
  const std::size_t sets = std::size_t(1) << outside_targets_.size();
  const auto is_needed = [&](std::size_t i, std::size_t j, unsigned pattern) {
    for (unsigned lane = 0; lane < unsigned(lane_count<double>); ++lane)
      for (std::size_t set = 0; set < sets; ++set)
        for (const Generator &generator : stage_->generators) {
          const std::size_t row = index(i, lane, set), column = index(j, lane ^ pattern, set);
          if (generator.values[op.is_diagonal ? row : row * size + column] != 0.0)
            return true;
        }
    return false;
  };
  const std::size_t patterns = op.is_diagonal ? 1 : std::size_t(1) << std::popcount(lane_mask);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < rows; ++j)
      for (std::size_t p = 0; p < patterns; ++p) {
        const unsigned pattern = unsigned(deposit(p, lane_mask));
        if ((op.is_diagonal && i != j) || !is_needed(i, j, pattern))
          continue;
        entries_.push_back({offset(i), offset(j), pattern, i, j});
      }
  sum_count_ = sets * entries_.size();
  kernel_ = run_entries;
  if (!stage_->is_undone)
    return;
  undo_ = prepare_alone<double>(inverse_of(op), map);
}

void Overlap::evaluate_chain(const P *sums, std::span<double> derivatives) const {
  const int position = stage_->op.targets[0];
  double x = 0, y = 0, z = 0;
  for (int lane = 0; lane < lane_count<double>; ++lane) {
    x += sums[0].re.get(lane);
    const bool is_one = map_.is_lane(position) && (lane >> map_.local(position) & 1) != 0;
    const bool is_zero = map_.is_lane(position) && !is_one;
    y += is_zero ? -sums[0].im.get(lane) : sums[0].im.get(lane);
    z += is_one ? -sums[1].re.get(lane) : sums[1].re.get(lane);
  }
  for (const Generator &generator : stage_->generators) {
    const auto [kx, ky, kz] = pauli_parts(generator.values);
    derivatives[generator.output] += 2 * (kx * x + ky * y + kz * z);
  }
}

void Overlap::evaluate_entries(const P *sums, std::span<double> derivatives) const {
  const std::size_t size = std::size_t(1) << stage_->op.targets.size();
  const std::size_t sets = std::size_t(1) << outside_targets_.size();
  for (const Generator &generator : stage_->generators) {
    double total = 0;
    for (std::size_t set = 0; set < sets; ++set)
      for (std::size_t e = 0; e < entries_.size(); ++e)
        for (unsigned lane = 0; lane < unsigned(lane_count<double>); ++lane) {
          if ((lane & lane_control_mask_) != lane_control_value_)
            continue;
          const Entry &entry = entries_[e];
          const std::size_t row = index(entry.row, lane, set);
          const std::size_t column = index(entry.column, lane ^ entry.pattern, set);
          const Complex a = generator.values[stage_->op.is_diagonal ? row : row * size + column];
          const Complex sum = sums[set * entries_.size() + e].get(int(lane));
          total += a.real() * sum.real() - a.imag() * sum.imag();
        }
    derivatives[generator.output] += 2 * total;
  }
}

void Overlap::evaluate(const P *sums, std::span<double> derivatives) const {
  if (is_chain_)
    evaluate_chain(sums, derivatives);
  else
    evaluate_entries(sums, derivatives);
}

} // namespace openbraket
