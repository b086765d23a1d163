#include "pauli_tile.hpp"

#include "lanes.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace openbraket {
namespace {

typedef double Vector __attribute__((vector_size(native_bytes), may_alias));
using Index = detail::NativeOf<double>::index;
constexpr std::size_t width = native_bytes / sizeof(double);

inline Vector load(const double *p) { return *reinterpret_cast<const Vector *>(p); }
inline void store(double *p, Vector v) { *reinterpret_cast<Vector *>(p) = v; }

// One row of an affine 4x4 map.
inline Vector row_of(const double *row, Vector x0, Vector x1, Vector x2, Vector x3) {
  return row[0] * x0 + row[1] * x1 + row[2] * x2 + row[3] * x3;
}

// A step made ready for a tile.
struct Ready {
  std::array<double, 16> a;                // rows of the first map
  std::array<std::array<double, 16>, 4> b; // of the second one, scaled for each first letter
  std::array<double, 16> scales;           // of rows where there is no second map
  std::array<std::size_t, 16> in, out;     // offsets of the rows
  std::array<int, 17> row_starts;          // nonzero entries of a map that is not monomial
  std::vector<int> columns;
  std::vector<double> entries;
};

Ready ready(const PairStep &step, std::size_t first_stride, std::size_t second_stride) {
  Ready out;
  out.a = step.a;
  out.scales.fill(1);
  for (std::size_t r = 0; r < 16; ++r)
    out.in[r] = out.out[r] = tile_offset(r / 4 * first_stride) + tile_offset(r % 4 * second_stride);
  out.row_starts[0] = 0;
  const std::array<std::size_t, 16> rows = out.in;
  for (std::size_t r = 0; r < 16; ++r) {
    for (std::size_t c = 0; c < 16; ++c)
      if (const double entry = step.map[16 * r + c]; entry != 0) {
        if (step.is_monomial) {
          out.scales[c] = entry;
          out.out[c] = rows[r];
        } else {
          out.columns.push_back(int(c));
          out.entries.push_back(entry);
        }
      }
    out.row_starts[r + 1] = int(out.columns.size());
  }
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 4; ++j)
      for (std::size_t k = 0; k < 4; ++k)
        out.b[i][4 * j + k] = step.b[4 * j + k] * out.scales[4 * i + j];
  return out;
}

template <bool HasA> inline void load_rows(const double *base, const Ready &r, Vector *x) {
#pragma GCC unroll 16
  for (std::size_t k = 0; k < 16; ++k)
    x[k] = load(base + r.in[k]);
  if constexpr (HasA) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < 4; ++j) {
      const Vector x0 = x[j], x1 = x[4 + j], x2 = x[8 + j], x3 = x[12 + j];
      x[4 + j] = row_of(&r.a[4], x0, x1, x2, x3);
      x[8 + j] = row_of(&r.a[8], x0, x1, x2, x3);
      x[12 + j] = row_of(&r.a[12], x0, x1, x2, x3);
    }
  }
}

// The map only moves and scales rows.
template <bool HasA, bool HasB> void run_monomial(double *base, std::size_t count, const Ready &r) {
  for (std::size_t k = 0; k < count; k += width, base += width) {
    Vector x[16];
    load_rows<HasA>(base, r, x);
#pragma GCC unroll 4
    for (std::size_t i = 0; i < 4; ++i) {
      Vector *const y = x + 4 * i;
      const double *const b = r.b[i].data();
      const std::size_t *const out = r.out.data() + 4 * i;
      if constexpr (HasB) {
        const Vector x0 = y[0], x1 = y[1], x2 = y[2], x3 = y[3];
        y[0] = b[0] * x0;
        y[1] = row_of(b + 4, x0, x1, x2, x3);
        y[2] = row_of(b + 8, x0, x1, x2, x3);
        y[3] = row_of(b + 12, x0, x1, x2, x3);
      } else {
#pragma GCC unroll 4
        for (std::size_t j = 0; j < 4; ++j)
          y[j] = r.scales[4 * i + j] * y[j];
      }
#pragma GCC unroll 4
      for (std::size_t j = 0; j < 4; ++j)
        store(base + out[j], y[j]);
    }
  }
}

template <bool HasA, bool HasB> void run_sparse(double *base, std::size_t count, const Ready &r) {
  for (std::size_t k = 0; k < count; k += width, base += width) {
    Vector x[16];
    load_rows<HasA>(base, r, x);
    if constexpr (HasB)
#pragma GCC unroll 4
      for (std::size_t i = 0; i < 4; ++i) {
        Vector *const y = x + 4 * i;
        const double *const b = r.b[i].data();
        const Vector x0 = y[0], x1 = y[1], x2 = y[2], x3 = y[3];
        y[1] = row_of(b + 4, x0, x1, x2, x3);
        y[2] = row_of(b + 8, x0, x1, x2, x3);
        y[3] = row_of(b + 12, x0, x1, x2, x3);
      }
    for (std::size_t row = 0; row < 16; ++row) {
      Vector sum{};
      for (int e = r.row_starts[row]; e < r.row_starts[row + 1]; ++e)
        sum += r.entries[std::size_t(e)] * x[r.columns[std::size_t(e)]];
      store(base + r.out[row], sum);
    }
  }
}

using Kernel = void (*)(double *, std::size_t, const Ready &);

Kernel kernel_of(const PairStep &step) {
  static constexpr Kernel monomial[] = {run_monomial<false, false>, run_monomial<false, true>,
                                        run_monomial<true, false>, run_monomial<true, true>};
  static constexpr Kernel sparse[] = {run_sparse<false, false>, run_sparse<false, true>,
                                      run_sparse<true, false>, run_sparse<true, true>};
  return (step.is_monomial ? monomial : sparse)[2 * int(step.has_a) + int(step.has_b)];
}

// Call body(offset, count) for runs of numbers that cover all indexes with zero digits in two
// slots.
template <typename Body>
void for_each_run(int digit_count, int first, int second, const Body &body) {
  const int low = std::min(first, second), high = std::max(first, second);
  const int run_digits = std::min(low, tile_padding_shift / 2);
  const std::size_t run = std::size_t(1) << (2 * run_digits);
  const std::size_t run_count = std::size_t(1) << (2 * (digit_count - 2 - run_digits));
  const std::size_t below_low = (std::size_t(1) << (2 * low)) - 1;
  const std::size_t below_high = (std::size_t(1) << (2 * high)) - 1;
  for (std::size_t k = 0; k < run_count; ++k) {
    std::size_t index = k * run;
    index = (index & below_low) | (index & ~below_low) << 2;
    index = (index & below_high) | (index & ~below_high) << 2;
    body(tile_offset(index), run);
  }
}

template <std::size_t Distance> inline void exchange_halves(Vector &a, Vector &b) {
  // Lane l of the new a is lane l of a where l has not the bit, else lane l - Distance of b.
  constexpr auto low = []<std::size_t... I>(std::index_sequence<I...>) {
    return Index{std::int64_t(I & Distance ? width + (I ^ Distance) : I)...};
  }(std::make_index_sequence<width>{});
  constexpr auto high = []<std::size_t... I>(std::index_sequence<I...>) {
    return Index{std::int64_t(I & Distance ? width + I : I ^ Distance)...};
  }(std::make_index_sequence<width>{});
  const Vector old = a;
  a = __builtin_shuffle(old, b, low);
  b = __builtin_shuffle(old, b, high);
}

template <std::size_t Distance> inline void transpose_step(Vector *rows) {
  if constexpr (Distance < width) {
#pragma GCC unroll 8
    for (std::size_t k = 0; k < width; ++k)
      if ((k & Distance) == 0)
        exchange_halves<Distance>(rows[k], rows[k | Distance]);
    transpose_step<2 * Distance>(rows);
  }
}

// Transpose the 16x16 numbers of 16 rows, in blocks of one vector.
void transpose(double *base, const std::array<std::size_t, 16> &rows) {
  for (std::size_t i = 0; i < 16; i += width)
    for (std::size_t j = i; j < 16; j += width) {
      Vector upper[width], lower[width];
      for (std::size_t k = 0; k < width; ++k) {
        upper[k] = load(base + rows[i + k] + j);
        lower[k] = load(base + rows[j + k] + i);
      }
      transpose_step<1>(upper);
      transpose_step<1>(lower);
      for (std::size_t k = 0; k < width; ++k) {
        store(base + rows[i + k] + j, lower[k]);
        store(base + rows[j + k] + i, upper[k]);
      }
    }
}

// Exchange slot 0 with `first` and slot 1 with `second`.
void exchange_slots(double *tile, int digit_count, int first, int second) {
  std::array<std::size_t, 16> rows;
  for (std::size_t k = 0; k < 16; ++k)
    rows[k] = tile_offset((k & 3) << (2 * first)) + tile_offset((k >> 2) << (2 * second));
  for_each_run(digit_count, first, second, [&](std::size_t offset, std::size_t count) {
    for (std::size_t k = 0; k < count; k += 16)
      transpose(tile + offset + k, rows);
  });
}

} // namespace

void run_tile(double *tile, int digit_count, const std::vector<TileStep> &steps) {
  for (const TileStep &own : steps) {
    if (own.step == nullptr) {
      exchange_slots(tile, digit_count, own.first, own.second);
      continue;
    }
    const Ready r =
        ready(*own.step, std::size_t(1) << (2 * own.first), std::size_t(1) << (2 * own.second));
    const Kernel kernel = kernel_of(*own.step);
    for_each_run(digit_count, own.first, own.second,
                 [&](std::size_t offset, std::size_t count) { kernel(tile + offset, count, r); });
  }
}

} // namespace openbraket
