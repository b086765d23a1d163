// The unit of storage and of arithmetic: 64 bytes of real numbers, and a pack of real and imaginary
// parts.
//
// A state of 2^n amplitudes is an array of packs; amplitude x is lane (x mod lane_count) of pack
// (x / lane_count). The layout is the same on every processor, because a group of lanes is always
// 64 bytes; only the number of machine vectors in it differs. Bits of x below lane_bits are called
// lane bits, the others pack bits.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace openbraket {

#if defined(__AVX512F__)
inline constexpr std::size_t native_bytes = 64;
#elif defined(__AVX__)
inline constexpr std::size_t native_bytes = 32;
#else
inline constexpr std::size_t native_bytes = 16;
#endif

inline constexpr std::size_t group_bytes = 64;

template <typename Real> inline constexpr int lane_bits = sizeof(Real) == 8 ? 3 : 4;
template <typename Real> inline constexpr int lane_count = 1 << lane_bits<Real>;

namespace detail {
template <typename Real> struct NativeOf;
template <> struct NativeOf<double> {
  typedef double type __attribute__((vector_size(native_bytes)));
  typedef std::int64_t index __attribute__((vector_size(native_bytes)));
};
template <> struct NativeOf<float> {
  typedef float type __attribute__((vector_size(native_bytes)));
  typedef std::int32_t index __attribute__((vector_size(native_bytes)));
};
} // namespace detail

// 64 bytes of real numbers, with elementwise arithmetic.
template <typename Real> struct Lanes {
  using Native = typename detail::NativeOf<Real>::type;
  static constexpr int part_count = group_bytes / native_bytes;
  static constexpr int part_lanes = native_bytes / sizeof(Real);
  Native part[part_count];

  static Lanes splat(Real value) {
    Lanes out;
    for (int i = 0; i < part_count; ++i)
      out.part[i] = Native{} + value;
    return out;
  }
  static Lanes zero() { return splat(Real(0)); }

  Real get(int lane) const { return part[lane / part_lanes][lane % part_lanes]; }
  void set(int lane, Real value) { part[lane / part_lanes][lane % part_lanes] = value; }

  Real sum() const {
    Real total = 0;
    for (int lane = 0; lane < lane_count<Real>; ++lane)
      total += get(lane);
    return total;
  }

  friend Lanes operator+(Lanes a, const Lanes &b) {
    for (int i = 0; i < part_count; ++i)
      a.part[i] += b.part[i];
    return a;
  }
  friend Lanes operator-(Lanes a, const Lanes &b) {
    for (int i = 0; i < part_count; ++i)
      a.part[i] -= b.part[i];
    return a;
  }
  friend Lanes operator*(Lanes a, const Lanes &b) {
    for (int i = 0; i < part_count; ++i)
      a.part[i] *= b.part[i];
    return a;
  }
};

// Return lanes with lane l of the result equal to lane (l xor Pattern) of the argument.
template <unsigned Pattern, typename Real> Lanes<Real> exchange_lanes(const Lanes<Real> &a) {
  if constexpr (Pattern == 0) {
    return a;
  } else {
    using L = Lanes<Real>;
    using Index = typename detail::NativeOf<Real>::index;
    constexpr unsigned outer = Pattern / L::part_lanes, inner = Pattern % L::part_lanes;
    L out;
    for (unsigned i = 0; i < unsigned(L::part_count); ++i) {
      if constexpr (inner == 0) {
        out.part[i] = a.part[i ^ outer];
      } else {
        constexpr auto index = []<std::size_t... I>(std::index_sequence<I...>) {
          return Index{(I ^ inner)...};
        }(std::make_index_sequence<L::part_lanes>{});
        out.part[i] = __builtin_shuffle(a.part[i ^ outer], index);
      }
    }
    return out;
  }
}

// The same for a pattern known only at run time.
template <typename Real> Lanes<Real> exchange_lanes(Lanes<Real> a, unsigned pattern) {
  if (pattern & 1u)
    a = exchange_lanes<1>(a);
  if (pattern & 2u)
    a = exchange_lanes<2>(a);
  if (pattern & 4u)
    a = exchange_lanes<4>(a);
  if constexpr (lane_bits<Real> == 4)
    if (pattern & 8u)
      a = exchange_lanes<8>(a);
  return a;
}

// lane_count amplitudes: real parts, then imaginary parts.
template <typename Real> struct Pack {
  Lanes<Real> re, im;

  std::complex<Real> get(int lane) const { return {re.get(lane), im.get(lane)}; }
  void set(int lane, std::complex<Real> value) {
    re.set(lane, value.real());
    im.set(lane, value.imag());
  }
  friend Pack operator*(const Pack &a, const Pack &b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  }
};

template <typename Real> Pack<Real> exchange_lanes(const Pack<Real> &a, unsigned pattern) {
  return {exchange_lanes(a.re, pattern), exchange_lanes(a.im, pattern)};
}

} // namespace openbraket
