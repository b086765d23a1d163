#include "small_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace openbraket {
namespace {

using L = Lanes<double>;
constexpr int width = lane_count<double>;

inline L load(const double *from) {
  L out;
  std::memcpy(&out, __builtin_assume_aligned(from, group_bytes), sizeof(L));
  return out;
}

inline void store(double *to, const L &value) {
  std::memcpy(__builtin_assume_aligned(to, group_bytes), &value, sizeof(L));
}

inline L spread(double value) {
  L out;
  for (auto &part : out.part)
    part = value - typename L::Native{}; // adding zero would cost an instruction
  return out;
}

// Tiles that the registers hold.
constexpr int tile_rows = native_bytes == 64 ? 4 : 2, tile_lanes = native_bytes == 64 ? 2 : 1;

template <int Rows, int Vectors>
inline void multiply_tile(const PlanesView &a, const PlanesView &b, const PlanesView &c,
                          int inner) {
  L re[Rows][Vectors], im[Rows][Vectors];
  for (int r = 0; r < Rows; ++r)
    for (int v = 0; v < Vectors; ++v)
      re[r][v] = im[r][v] = spread(0.0);
  for (int k = 0; k < inner; ++k) {
    L br[Vectors], bi[Vectors];
    for (int v = 0; v < Vectors; ++v) {
      br[v] = load(b.re + k * b.stride + v * width);
      bi[v] = load(b.im + k * b.stride + v * width);
    }
    for (int r = 0; r < Rows; ++r) {
      const L x = spread(a.re[r * a.stride + k]), y = spread(a.im[r * a.stride + k]);
      for (int v = 0; v < Vectors; ++v) {
        re[r][v] = re[r][v] + x * br[v];
        im[r][v] = im[r][v] + x * bi[v];
        re[r][v] = re[r][v] - y * bi[v];
        im[r][v] = im[r][v] + y * br[v];
      }
    }
  }
  for (int r = 0; r < Rows; ++r)
    for (int v = 0; v < Vectors; ++v) {
      store(c.re + r * c.stride + v * width, re[r][v]);
      store(c.im + r * c.stride + v * width, im[r][v]);
    }
}

template <int Rows>
void multiply_rows(const PlanesView &a, const PlanesView &b, const PlanesView &c, int inner,
                   int columns) {
  const auto right = [](const PlanesView &m, int by) {
    return PlanesView{m.re + by, m.im + by, m.stride};
  };
  int column = 0;
  for (; column + tile_lanes * width <= columns; column += tile_lanes * width)
    multiply_tile<Rows, tile_lanes>(a, right(b, column), right(c, column), inner);
  for (; column < columns; column += width)
    multiply_tile<Rows, 1>(a, right(b, column), right(c, column), inner);
}

inline PlanesView below(const PlanesView &m, int rows) {
  return {m.re + rows * m.stride, m.im + rows * m.stride, m.stride};
}

// g[i][j] = sum over columns of m[i] conj(m[j]) for a tile of i and j.
template <int Rows, int Columns>
inline void gram_tile(const PlanesView &a, const PlanesView &b, int columns, double *re,
                      double *im) {
  L sum_re[Rows][Columns], sum_im[Rows][Columns];
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < Columns; ++j)
      sum_re[i][j] = sum_im[i][j] = spread(0.0);
  for (int k = 0; k < columns; k += width) {
    L br[Columns], bi[Columns];
    for (int j = 0; j < Columns; ++j) {
      br[j] = load(b.re + j * b.stride + k);
      bi[j] = load(b.im + j * b.stride + k);
    }
    for (int i = 0; i < Rows; ++i) {
      const L ar = load(a.re + i * a.stride + k), ai = load(a.im + i * a.stride + k);
      for (int j = 0; j < Columns; ++j) {
        sum_re[i][j] = sum_re[i][j] + ar * br[j];
        sum_im[i][j] = sum_im[i][j] + ai * br[j];
        sum_re[i][j] = sum_re[i][j] + ai * bi[j];
        sum_im[i][j] = sum_im[i][j] - ar * bi[j];
      }
    }
  }
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < Columns; ++j) {
      re[i * Columns + j] = sum_re[i][j].sum();
      im[i * Columns + j] = sum_im[i][j].sum();
    }
}

} // namespace

void multiply(const PlanesView &a, const PlanesView &b, const PlanesView &c, int rows, int inner,
              int columns) {
  int row = 0;
  for (; row + tile_rows <= rows; row += tile_rows)
    multiply_rows<tile_rows>(below(a, row), b, below(c, row), inner, columns);
  for (; row < rows; ++row)
    multiply_rows<1>(below(a, row), b, below(c, row), inner, columns);
}

void gram(const PlanesView &m, const PlanesView &g, int rows, int columns) {
  const auto put = [&](int i, int j, double re, double im) {
    g.re[i * g.stride + j] = g.re[j * g.stride + i] = re;
    g.im[i * g.stride + j] = im;
    g.im[j * g.stride + i] = -im;
  };
  constexpr int tile = 2, tall = native_bytes == 64 ? 4 : 2;
  double re[tile * tall], im[tile * tall];
  int i = 0;
  for (; i + tall <= rows; i += tall)
    for (int j = 0; j < i + tall && j + tile <= rows; j += tile) {
      gram_tile<tall, tile>(below(m, i), below(m, j), columns, re, im);
      for (int x = 0; x < tall; ++x)
        for (int y = 0; y < tile; ++y)
          put(i + x, j + y, re[x * tile + y], im[x * tile + y]);
    }
  for (; i < rows; ++i)
    for (int j = 0; j <= i; ++j) {
      gram_tile<1, 1>(below(m, i), below(m, j), columns, re, im);
      put(i, j, re[0], im[0]);
    }
  for (int k = 0; k < rows; ++k) {
    g.im[k * g.stride + k] = 0.0;
    for (std::ptrdiff_t j = rows; j < padded_to_line(rows); ++j)
      g.re[k * g.stride + j] = g.im[k * g.stride + j] = 0.0;
  }
}

void HermitianEigen::decompose(const PlanesView &matrix, int size) {
  matrix_ = matrix;
  size_ = size;
  const std::size_t n = std::size_t(size);
  diagonal_.assign(n, 0.0);
  off_diagonal_.assign(n, 0.0);
  scales_.assign(n, 0.0);
  phases_.assign(n, Complex(1.0));
  reduce();
  rotate_to_diagonal();
  order_.resize(n);
  std::iota(order_.begin(), order_.end(), 0);
  std::sort(order_.begin(), order_.end(),
            [&](int a, int b) { return diagonal_[std::size_t(a)] > diagonal_[std::size_t(b)]; });
  values_.resize(n);
  for (std::size_t i = 0; i < n; ++i)
    values_[i] = diagonal_[std::size_t(order_[i])];
}

// Reflect row after row: H = 1 - scale v v^dagger takes the row behind the diagonal to one entry.
// v replaces the row; phases_ makes the entries beside the diagonal real.
void HermitianEigen::reduce() {
  const int n = size_, wide = padded_to_line(n);
  reflected_.reserve(std::size_t(wide));
  double *const qr = reflected_.re(), *const qi = reflected_.im();
  for (int k = 0; k < n; ++k) {
    double *const vr = matrix_.re + k * matrix_.stride, *const vi = matrix_.im + k * matrix_.stride;
    diagonal_[std::size_t(k)] = vr[k];
    if (k == n - 1)
      break;
    const int from = (k + 1) & ~(width - 1);
    double rest = 0.0;
    for (int j = k + 1; j < n; ++j) {
      vi[j] = -vi[j]; // the column is the conjugate of the row
      rest += j > k + 1 ? vr[j] * vr[j] + vi[j] * vi[j] : 0.0;
    }
    for (int j = from; j <= k; ++j)
      vr[j] = vi[j] = 0.0;
    const Complex first(vr[k + 1], vi[k + 1]);
    const double size = std::abs(first);
    const Complex phase = size > 0.0 ? first / size : Complex(1.0);
    const std::size_t at = std::size_t(k);
    if (rest == 0.0) {
      off_diagonal_[at] = size;
      phases_[at + 1] = multiply(phases_[at], phase);
      continue;
    }
    const double norm = std::sqrt(rest + size * size);
    off_diagonal_[at] = norm;
    phases_[at + 1] = -multiply(phases_[at], phase);
    const Complex head = first + phase * norm;
    vr[k + 1] = head.real();
    vi[k + 1] = head.imag();
    const double scale = scales_[at] = 2.0 / (rest + std::norm(head));
    double overlap = 0.0;
    for (int j = from; j <= k; ++j)
      qr[j] = qi[j] = 0.0;
    for (int i = k + 1; i < n; ++i) {
      const double *const ar = matrix_.re + i * matrix_.stride;
      const double *const ai = matrix_.im + i * matrix_.stride;
      L x = spread(0.0), y = spread(0.0);
      for (int j = from; j < wide; j += width) {
        const L a = load(ar + j), b = load(ai + j), c = load(vr + j), d = load(vi + j);
        x = x + a * c;
        y = y + a * d;
        x = x - b * d;
        y = y + b * c;
      }
      qr[i] = scale * x.sum();
      qi[i] = scale * y.sum();
      overlap += qr[i] * vr[i] + qi[i] * vi[i];
    }
    for (int j = n; j < wide; ++j)
      qr[j] = qi[j] = 0.0;
    const double share = 0.5 * scale * overlap;
    for (int i = k + 1; i < n; ++i) {
      qr[i] -= share * vr[i];
      qi[i] -= share * vi[i];
    }
    // A - v q^dagger - q v^dagger
    for (int i = k + 1; i < n; ++i) {
      double *const ar = matrix_.re + i * matrix_.stride, *const ai =
                                                              matrix_.im + i * matrix_.stride;
      const L a = spread(vr[i]), b = spread(vi[i]), c = spread(qr[i]), d = spread(qi[i]);
      for (int j = from; j < wide; j += width) {
        const L x = load(vr + j), y = load(vi + j), z = load(qr + j), w = load(qi + j);
        L re = load(ar + j), im = load(ai + j);
        re = re - a * z;
        re = re - b * w;
        re = re - c * x;
        re = re - d * y;
        im = im - b * z;
        im = im + a * w;
        im = im - d * x;
        im = im + c * y;
        store(ar + j, re);
        store(ai + j, im);
      }
    }
  }
}

void HermitianEigen::rotate_to_diagonal() {
  constexpr int iterations_max = 60;
  const int n = size_, wide = padded_to_line(n);
  rotations_.reserve(std::size_t(n) * std::size_t(wide));
  double *const z = rotations_.re(), *const d = diagonal_.data(), *const e = off_diagonal_.data();
  std::fill_n(z, std::size_t(n) * std::size_t(wide), 0.0);
  double largest = 0.0;
  for (int i = 0; i < n; ++i) {
    z[i * wide + i] = 1.0;
    largest = std::max({largest, std::abs(d[i]), std::abs(e[i])});
  }
  constexpr double epsilon = std::numeric_limits<double>::epsilon();
  const double floor = 1e-17 * largest;
  for (int l = 0; l < n; ++l)
    for (int iteration = 0;; ++iteration) {
      int m = l;
      while (m < n - 1 && std::abs(e[m]) > epsilon * (std::abs(d[m]) + std::abs(d[m + 1])) + floor)
        ++m;
      if (m == l)
        break;
      if (iteration == iterations_max)
        throw std::runtime_error("eigenvalues of a Hermitian matrix did not converge");
      double g = (d[l + 1] - d[l]) / (2.0 * e[l]);
      g = d[m] - d[l] + e[l] / (g + std::copysign(std::sqrt(g * g + 1.0), g));
      double s = 1.0, c = 1.0, p = 0.0;
      int i = m - 1;
      for (; i >= l; --i) {
        const double f = s * e[i], b = c * e[i], r = std::sqrt(f * f + g * g);
        e[i + 1] = r;
        if (r == 0.0) {
          d[i + 1] -= p;
          e[m] = 0.0;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        const double t = (d[i] - g) * s + 2.0 * c * b;
        p = s * t;
        d[i + 1] = g + p;
        g = c * t - b;
        double *const low = z + i * wide, *const high = low + wide;
        const L sine = spread(s), cosine = spread(c);
        for (int j = 0; j < wide; j += width) {
          const L x = load(low + j), y = load(high + j);
          store(high + j, sine * x + cosine * y);
          store(low + j, cosine * x - sine * y);
        }
      }
      if (i >= l)
        continue;
      d[l] -= p;
      e[l] = g;
      e[m] = 0.0;
    }
}

void HermitianEigen::conjugate_vectors(int count, const PlanesView &out) {
  const int n = size_, wide = padded_to_line(n);
  for (int a = 0; a < count; ++a) {
    const double *const z = rotations_.re() + order_[std::size_t(a)] * wide;
    double *const yr = out.re + a * out.stride, *const yi = out.im + a * out.stride;
    for (int j = 0; j < n; ++j) {
      yr[j] = phases_[std::size_t(j)].real() * z[j];
      yi[j] = phases_[std::size_t(j)].imag() * z[j];
    }
    for (int j = n; j < wide; ++j)
      yr[j] = yi[j] = 0.0;
  }
  for (int k = n - 2; k >= 0; --k) {
    const double scale = scales_[std::size_t(k)];
    if (scale == 0.0)
      continue;
    const int from = (k + 1) & ~(width - 1);
    const double *const vr = matrix_.re + k * matrix_.stride;
    const double *const vi = matrix_.im + k * matrix_.stride;
    for (int a = 0; a < count; ++a) {
      double *const yr = out.re + a * out.stride, *const yi = out.im + a * out.stride;
      L x = spread(0.0), y = spread(0.0);
      for (int j = from; j < wide; j += width) {
        const L c = load(vr + j), d = load(vi + j), re = load(yr + j), im = load(yi + j);
        x = x + c * re;
        y = y + c * im;
        x = x + d * im;
        y = y - d * re;
      }
      const L s = spread(-scale * x.sum()), t = spread(-scale * y.sum());
      for (int j = from; j < wide; j += width) {
        const L c = load(vr + j), d = load(vi + j);
        L re = load(yr + j), im = load(yi + j);
        re = re + s * c;
        im = im + s * d;
        re = re - t * d;
        im = im + t * c;
        store(yr + j, re);
        store(yi + j, im);
      }
    }
  }
  for (int a = 0; a < count; ++a) {
    double *const yi = out.im + a * out.stride;
    for (int j = 0; j < n; ++j)
      yi[j] = -yi[j];
  }
}

} // namespace openbraket
