#include "steps.hpp"
#include "loops.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

namespace openbraket {
namespace {

// --- Loops --------------------------------------------------------------------------------------

// out += coefficient * in, real or complex coefficient.
template <bool IsReal, typename Real>
inline void accumulate(Pack<Real> &out, const Pack<Real> &coefficient, const Pack<Real> &in) {
  out.re = out.re + coefficient.re * in.re;
  out.im = out.im + coefficient.re * in.im;
  if constexpr (!IsReal) {
    out.re = out.re - coefficient.im * in.im;
    out.im = out.im + coefficient.im * in.re;
  }
}

template <typename Real, int H, unsigned LaneMask, bool IsReal>
void run_dense(Pack<Real> *tile, const Step<Real> &step, Mask) {
  constexpr unsigned rows = 1u << H, patterns = 1u << std::popcount(LaneMask);
  const Pack<Real> *coefficients = step.coefficients.data();
  std::size_t offsets[rows];
  for (unsigned j = 0; j < rows; ++j)
    offsets[j] = step.offsets[j];
  for_each_pack(tile, step, [&](Pack<Real> *base) {
    Pack<Real> in[rows * patterns];
    [&]<std::size_t... P>(std::index_sequence<P...>) {
      for (unsigned j = 0; j < rows; ++j) {
        const Pack<Real> x = base[offsets[j]];
        ((in[j * patterns + P] = {exchange_lanes<pattern_of<LaneMask, P>>(x.re),
                                  exchange_lanes<pattern_of<LaneMask, P>>(x.im)}),
         ...);
      }
    }(std::make_index_sequence<patterns>{});
#pragma GCC unroll 4
    for (unsigned i = 0; i < rows; ++i) {
      Pack<Real> out{Lanes<Real>::zero(), Lanes<Real>::zero()};
#pragma GCC unroll 4
      for (unsigned m = 0; m < rows * patterns; ++m)
        accumulate<IsReal>(out, coefficients[i * rows * patterns + m], in[m]);
      base[offsets[i]] = out;
    }
  });
}

// Any number of targets up to block_targets_max; zero coefficients are left out.
template <typename Real> void run_any(Pack<Real> *tile, const Step<Real> &step, Mask) {
  const std::size_t rows = step.offsets.size(), patterns = step.patterns.size();
  const std::size_t columns = rows * patterns;
  for_each_pack(tile, step, [&](Pack<Real> *base) {
    Pack<Real> in[std::size_t(1) << block_targets_max];
    for (std::size_t j = 0; j < rows; ++j)
      for (std::size_t p = 0; p < patterns; ++p)
        in[j * patterns + p] = exchange_lanes(base[step.offsets[j]], step.patterns[p]);
    for (std::size_t i = 0; i < rows; ++i) {
      Pack<Real> out{Lanes<Real>::zero(), Lanes<Real>::zero()};
      for (std::size_t m = 0; m < columns; ++m)
        if (!step.is_skipped[i * columns + m])
          accumulate<false>(out, step.coefficients[i * columns + m], in[m]);
      base[step.offsets[i]] = out;
    }
  });
}

// out[0] = c[0] * in[1], out[1] = c[1] * in[0].
template <typename Real, bool HasPhase>
void run_exchange(Pack<Real> *tile, const Step<Real> &step, Mask) {
  const std::size_t first = step.offsets[0], second = step.offsets[1];
  for_each_pack(tile, step, [&](Pack<Real> *base) {
    const Pack<Real> a = base[first], b = base[second];
    if constexpr (HasPhase) {
      base[first] = step.coefficients[0] * b;
      base[second] = step.coefficients[1] * a;
    } else {
      base[first] = b;
      base[second] = a;
    }
  });
}

// A diagonal's factors from number `first` on.
template <typename Real, bool IsSameInLanes> class Factors {
public:
  Factors(const Step<Real> &step, std::size_t first) {
    if constexpr (IsSameInLanes)
      start_ = step.factors.data() + first;
    else
      start_ = step.coefficients.data() + first;
  }
  Pack<Real> operator[](std::size_t k) const {
    if constexpr (IsSameInLanes)
      return {Lanes<Real>::splat(start_[k].real()), Lanes<Real>::splat(start_[k].imag())};
    else
      return start_[k];
  }

private:
  std::conditional_t<IsSameInLanes, const std::complex<Real> *, const Pack<Real> *> start_;
};

// One factor after the other, for those that many packs share and where many are 1.
template <typename Real, bool IsSameInLanes>
void run_diagonal_by_factor(Pack<Real> *tile, const Step<Real> &step, Mask outside) {
  const std::size_t patterns = step.offsets.size();
  const std::size_t first = extract(outside, step.outside_target_mask) * patterns;
  const Factors<Real, IsSameInLanes> factors(step, first);
  for (std::size_t p = 0; p < patterns; ++p) {
    if (step.is_skipped[first + p])
      continue;
    const Pack<Real> factor = factors[p];
    for_each_pack(tile + step.offsets[p], step, [&](Pack<Real> *base) { *base = factor * *base; });
  }
}

// One pack after the other.
template <typename Real, bool IsSameInLanes>
void run_diagonal(Pack<Real> *tile, const Step<Real> &step, Mask outside) {
  const std::size_t first = extract(outside, step.outside_target_mask) * step.offsets.size();
  const Factors<Real, IsSameInLanes> factors(step, first);
  const unsigned *number = step.factor_of.data();
  for_each_pack(tile, step, [&](Pack<Real> *base) { *base = factors[*number++] * *base; });
}

// --- Preparation --------------------------------------------------------------------------------

template <typename Real>
typename Step<Real>::Kernel dense_kernel(int h, unsigned lanes, bool real) {
  const auto pick = [&]<int H, unsigned LaneMask>() -> typename Step<Real>::Kernel {
    return real ? run_dense<Real, H, LaneMask, true> : run_dense<Real, H, LaneMask, false>;
  };
  if (lanes == 0)
    return h == 1   ? pick.template operator()<1, 0>()
           : h == 2 ? pick.template operator()<2, 0>()
                    : nullptr;
  typename Step<Real>::Kernel out = nullptr;
  const auto try_mask = [&]<unsigned LaneMask>() {
    if (lanes != LaneMask)
      return;
    if constexpr (std::popcount(LaneMask) == 1)
      out = h == 0   ? pick.template operator()<0, LaneMask>()
            : h == 1 ? pick.template operator()<1, LaneMask>()
                     : nullptr;
    else if constexpr (std::popcount(LaneMask) == 2)
      out = h == 0 ? pick.template operator()<0, LaneMask>() : nullptr;
  };
  [&]<std::size_t... M>(std::index_sequence<M...>) {
    (try_mask.template operator()<unsigned(M + 1)>(), ...);
  }(std::make_index_sequence<lane_count<Real> - 1>{});
  return out;
}

template <typename Real> Pack<Real> splat(Complex value) {
  return {Lanes<Real>::splat(Real(value.real())), Lanes<Real>::splat(Real(value.imag()))};
}

// An operator's targets and controls by where they lie.
template <typename Real> struct Placement {
  Vector<int> pack_targets, lane_targets, outside_targets; // indices into op.targets
  unsigned lane_mask = 0, lane_control_mask = 0, lane_control_value = 0;
  std::array<std::size_t, lane_count<Real>> lane_index{}; // a lane's share of index()

  Placement(const Operator &op, const TileMap &map) {
    for (int k = 0; k < int(op.targets.size()); ++k) {
      const int position = op.targets[std::size_t(k)];
      if (map.is_lane(position)) {
        lane_targets.push_back(k);
        const int lane_bit = map.local(position);
        lane_mask |= unsigned(bit(lane_bit));
        for (std::size_t lane = 0; lane < lane_index.size(); ++lane)
          lane_index[lane] |= ((lane >> lane_bit) & 1) << k;
      } else {
        (map.has(position) ? pack_targets : outside_targets).push_back(k);
      }
    }
    for (Mask rest = op.control_mask; rest != 0; rest &= rest - 1) {
      const int position = std::countr_zero(rest);
      if (!map.is_lane(position))
        continue;
      lane_control_mask |= unsigned(bit(map.local(position)));
      if (op.control_value & bit(position))
        lane_control_value |= unsigned(bit(map.local(position)));
    }
  }

  bool is_active(unsigned lane) const { return (lane & lane_control_mask) == lane_control_value; }
  bool is_same_in_all_lanes() const { return lane_mask == 0 && lane_control_mask == 0; }

  // The index into the operator's values, from the pack targets' bits and those outside.
  std::size_t index(std::size_t pack_bits, std::size_t outside_bits = 0) const {
    std::size_t out = 0;
    for (std::size_t k = 0; k < pack_targets.size(); ++k)
      out |= ((pack_bits >> k) & 1) << pack_targets[k];
    for (std::size_t k = 0; k < outside_targets.size(); ++k)
      out |= ((outside_bits >> k) & 1) << outside_targets[k];
    return out;
  }

  // A coefficient with entry(lane) in each lane; lanes that controls exclude get `other`.
  template <typename Entry> Pack<Real> coefficient(Complex other, const Entry &entry) const {
    if (is_same_in_all_lanes())
      return splat<Real>(entry(0));
    Real re[lane_count<Real>], im[lane_count<Real>];
    for (unsigned lane = 0; lane < unsigned(lane_count<Real>); ++lane) {
      const Complex value = is_active(lane) ? entry(lane) : other;
      re[lane] = Real(value.real());
      im[lane] = Real(value.imag());
    }
    Pack<Real> out;
    static_assert(sizeof out.re == sizeof re);
    std::memcpy(&out.re, re, sizeof re);
    std::memcpy(&out.im, im, sizeof im);
    return out;
  }
};

template <typename Real>
void prepare_loop(Step<Real> &step, const Operator &op, const TileMap &map,
                  const Vector<int> &pack_targets) {
  Mask fixed = 0;
  for (int k : pack_targets)
    fixed |= bit(map.pack_bit(op.targets[std::size_t(k)]));
  for (Mask rest = op.control_mask; rest != 0; rest &= rest - 1) {
    const int position = std::countr_zero(rest);
    const bool is_one = (op.control_value & bit(position)) != 0;
    if (!map.has(position)) {
      step.outside_control_mask |= bit(position);
      step.outside_control_value |= is_one ? bit(position) : 0;
    } else if (map.is_pack(position)) {
      fixed |= bit(map.pack_bit(position));
      if (is_one)
        step.start += std::size_t(padded(bit(map.pack_bit(position)), map.padding));
    }
  }
  Vector<int> pack_bits;
  for (int k : pack_targets)
    pack_bits.push_back(map.pack_bit(op.targets[std::size_t(k)]));
  set_offsets(step, pack_bits, map.padding);
  step.loop = map.pack_mask() & ~fixed;
  step.padding = map.padding;
}

// X-like and swap-like operators on pack bits only move packs.
template <typename Real> bool prepare_exchange(Step<Real> &step, const Operator &op) {
  const auto &v = op.values;
  Complex upper, lower;
  if (step.offsets.size() == 2) {
    if (v[0] != 0.0 || v[3] != 0.0)
      return false;
    upper = v[1], lower = v[2];
  } else if (step.offsets.size() == 4) {
    static constexpr std::array<Complex, 16> form = {1, 0, 0, 0, 0, 0, 2, 0,
                                                     0, 2, 0, 0, 0, 0, 0, 1};
    for (std::size_t k = 0; k < form.size(); ++k)
      if (form[k] != 2.0 && v[k] != form[k])
        return false;
    upper = v[6], lower = v[9];
    // Values are indexed by targets, offsets by pack targets: both in the same order here.
    step.offsets = {step.offsets[1], step.offsets[2]};
  } else {
    return false;
  }
  step.coefficients = {splat<Real>(upper), splat<Real>(lower)};
  const bool is_plain = upper == 1.0 && lower == 1.0;
  step.kernel = is_plain ? run_exchange<Real, false> : run_exchange<Real, true>;
  return true;
}

// Diagonals run by factor where 2^3 packs of a tile share one, or where fewer than this differ
// from 1.
constexpr int shared_bits_min = 3;
constexpr double sparse_share = 0.7;

// Let the loop run over the pack targets, too, and note the factor of each pack.
template <typename Real>
void loop_over_targets(Step<Real> &step, const Operator &op, const TileMap &map,
                       const Placement<Real> &place) {
  for (int k : place.pack_targets)
    step.loop |= bit(map.pack_bit(op.targets[std::size_t(k)]));
  Mask index = 0;
  do {
    unsigned factor = 0;
    for (std::size_t k = 0; k < place.pack_targets.size(); ++k)
      if (index & bit(map.pack_bit(op.targets[std::size_t(place.pack_targets[k])])))
        factor |= 1u << k;
    step.factor_of.push_back(factor);
    index = (index - step.loop) & step.loop;
  } while (index != 0);
}

template <typename Real> Step<Real> prepare_diagonal(const Operator &op, const TileMap &map) {
  Step<Real> step;
  Placement<Real> place(op, map);
  prepare_loop(step, op, map, place.pack_targets);
  for (int k : place.outside_targets)
    step.outside_target_mask |= bit(op.targets[std::size_t(k)]);
  // extract() reads outside bits lowest first; targets need not ascend, so sort their indices.
  std::sort(place.outside_targets.begin(), place.outside_targets.end(),
            [&](int a, int b) { return op.targets[std::size_t(a)] < op.targets[std::size_t(b)]; });
  const std::size_t outside_count = std::size_t(1) << place.outside_targets.size();
  for (std::size_t outside = 0; outside < outside_count; ++outside)
    for (std::size_t p = 0; p < step.offsets.size(); ++p) {
      const std::size_t base = place.index(p, outside);
      bool is_identity = true;
      const auto entry = [&](unsigned lane) {
        const Complex value = op.values[base | place.lane_index[lane]];
        is_identity = is_identity && value == 1.0;
        return value;
      };
      if (place.is_same_in_all_lanes())
        step.factors.push_back(std::complex<Real>(entry(0)));
      else
        step.coefficients.push_back(place.coefficient(1, entry));
      step.is_skipped.push_back(is_identity);
    }
  const auto used = std::size_t(std::count(step.is_skipped.begin(), step.is_skipped.end(), 0));
  step.flops = 6.0 * lane_count<Real> * double(bit(std::popcount(step.loop))) *
               double(step.offsets.size()) * double(used) / double(step.is_skipped.size());
  const bool is_same = place.is_same_in_all_lanes();
  if (std::popcount(step.loop) >= shared_bits_min ||
      double(used) < sparse_share * double(step.is_skipped.size())) {
    step.kernel =
        is_same ? run_diagonal_by_factor<Real, true> : run_diagonal_by_factor<Real, false>;
    return step;
  }
  step.kernel = is_same ? run_diagonal<Real, true> : run_diagonal<Real, false>;
  loop_over_targets(step, op, map, place);
  return step;
}

template <typename Real> Step<Real> prepare_dense(const Operator &op, const TileMap &map) {
  Step<Real> step;
  const Placement<Real> place(op, map);
  prepare_loop(step, op, map, place.pack_targets);
  if (place.lane_targets.empty() && place.lane_control_mask == 0 && prepare_exchange(step, op))
    return step;
  const std::size_t size = std::size_t(1) << op.targets.size(), rows = step.offsets.size();
  const std::size_t patterns = std::size_t(1) << place.lane_targets.size();
  for (std::size_t p = 0; p < patterns; ++p)
    step.patterns.push_back(unsigned(deposit(p, place.lane_mask)));
  bool is_real = true;
  step.coefficients.reserve(rows * rows * patterns);
  step.is_skipped.reserve(rows * rows * patterns);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < rows; ++j)
      for (std::size_t p = 0; p < patterns; ++p) {
        const std::size_t row = place.index(i), column = place.index(j);
        const Complex other = i == j && p == 0 ? 1 : 0;
        bool is_zero = other == 0.0 || place.lane_control_mask == 0;
        step.coefficients.push_back(place.coefficient(other, [&](unsigned lane) {
          const Complex value = op.values[(row | place.lane_index[lane]) * size +
                                          (column | place.lane_index[lane ^ step.patterns[p]])];
          is_zero = is_zero && value == 0.0;
          is_real = is_real && value.imag() == 0;
          return value;
        }));
        step.is_skipped.push_back(is_zero);
      }
  step.kernel = dense_kernel<Real>(int(place.pack_targets.size()), place.lane_mask, is_real);
  if (step.kernel == nullptr)
    step.kernel = run_any<Real>;
  step.flops = (is_real ? 4.0 : 8.0) * lane_count<Real> * double(bit(std::popcount(step.loop))) *
               double(rows * rows * patterns);
  return step;
}

} // namespace

template <typename Real> Step<Real> prepare_alone(const Operator &op, const TileMap &map) {
  if (op.is_diagonal)
    return prepare_diagonal<Real>(op, map);
  if (int(op.targets.size()) > block_targets_max)
    throw std::logic_error("a wide operator reached a tile");
  return prepare_dense<Real>(op, map);
}

template Step<double> prepare_alone<double>(const Operator &, const TileMap &);
template Step<float> prepare_alone<float>(const Operator &, const TileMap &);

} // namespace openbraket
