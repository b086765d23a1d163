#include "rydberg_blockade.hpp"

#include "bits.hpp"
#include "lanes.hpp"
#include "threads.hpp"

#include <algorithm>
#include <barrier>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>

namespace openbraket {
namespace {

// Amplitudes that are worked on together in cache, and how many of them a thread more is worth.
constexpr std::size_t tile_bytes = std::size_t(1) << 18;
constexpr std::size_t thread_amplitudes = std::size_t(1) << 17;
// Sweeps that are applied to one block before the next.
constexpr std::size_t together_max = 8;

// Multiply (re, im) by exp(-i beta (first + second)). Written without branches so that it
// vectorizes; the absolute error is below 3e-16 for |beta energy| < 1e5.
template <typename Real>
void multiply_phases(Real *re, Real *im, const double *first, const double *second, double beta,
                     std::size_t count) {
  constexpr double per_quarter = 0.63661977236758134308, round = 6755399441055744.0;
  constexpr double quarter_1 = 1.57079632673412561417, quarter_2 = 6.07710050650619224932e-11;
  for (std::size_t i = 0; i < count; ++i) {
    const double x = -beta * (first[i] + second[i]);
    const double shifted = x * per_quarter + round, q = shifted - round;
    const double r = (x - q * quarter_1) - q * quarter_2, s = r * r;
    double sine = 1.58962301576546568060e-10;
    sine = sine * s - 2.50507477628578072866e-8;
    sine = sine * s + 2.75573136213857245213e-6;
    sine = sine * s - 1.98412698295895385996e-4;
    sine = sine * s + 8.33333333332211858878e-3;
    sine = sine * s - 1.66666666666666307295e-1;
    sine = r + r * s * sine;
    double cosine = -1.13585365213876817300e-11;
    cosine = cosine * s + 2.08757008419747316778e-9;
    cosine = cosine * s - 2.75573141792967388112e-7;
    cosine = cosine * s + 2.48015872888517045348e-5;
    cosine = cosine * s - 1.38888888888730564116e-3;
    cosine = cosine * s + 4.16666666666665929218e-2;
    cosine = 1.0 - 0.5 * s + s * s * cosine;
    // q mod 4 as two numbers that are 0 or 1, by arithmetic.
    const double half = q * 0.5, odd = (q - 2.0 * ((half - 0.25 + round) - round));
    const double second = (half - 0.5 * odd),
                 flip = second - 2.0 * ((second * 0.5 - 0.25 + round) - round);
    const double sign = 1.0 - 2.0 * flip;
    const double c = sign * (cosine + odd * (-sine - cosine));
    const double d = sign * (sine + odd * (cosine - sine));
    const double a = double(re[i]), b = double(im[i]);
    re[i] = Real(a * c - b * d);
    im[i] = Real(a * d + b * c);
  }
}

// Runs of fewer pairs are not worth a vector loop.
constexpr std::size_t short_run = native_bytes == 64 ? 6 : 4;

template <typename Real> struct AtomMatrix {
  Real r[4], i[4];
  explicit AtomMatrix(const Complex *entries) {
    for (int k = 0; k < 4; ++k) {
      r[k] = Real(entries[k].real());
      i[k] = Real(entries[k].imag());
    }
  }
};

template <typename Real>
inline void update(Real &lower_re, Real &lower_im, Real &upper_re, Real &upper_im,
                   const AtomMatrix<Real> &u) {
  const Real a = lower_re, b = lower_im, c = upper_re, d = upper_im;
  lower_re = u.r[0] * a - u.i[0] * b + u.r[1] * c - u.i[1] * d;
  lower_im = u.r[0] * b + u.i[0] * a + u.r[1] * d + u.i[1] * c;
  upper_re = u.r[2] * a - u.i[2] * b + u.r[3] * c - u.i[3] * d;
  upper_im = u.r[2] * b + u.i[2] * a + u.r[3] * d + u.i[3] * c;
}

template <typename Real>
void update_run(Real *__restrict lower_re, Real *__restrict lower_im, Real *__restrict upper_re,
                Real *__restrict upper_im, std::size_t length, const AtomMatrix<Real> &u) {
  for (std::size_t i = 0; i < length; ++i)
    update(lower_re[i], lower_im[i], upper_re[i], upper_im[i], u);
}

template <typename Real> struct Parts {
  Real *re, *im;
};

template <typename Real>
void update_runs(Parts<Real> lower, Parts<Real> upper, std::span<const PairRun> runs,
                 const AtomMatrix<Real> &matrix) {
  const AtomMatrix<Real> u = matrix; // in registers: what is written cannot change it
  for (const PairRun run : runs) {
    Real *const lr = lower.re + run.lower, *const li = lower.im + run.lower;
    Real *const ur = upper.re + run.upper, *const ui = upper.im + run.upper;
    if (run.length < short_run) {
      // The vector loop's entry and exit cost more than so few pairs.
      std::size_t i = 0;
      do
        update(lr[i], li[i], ur[i], ui[i], u);
      while (++i < run.length);
    } else {
      update_run(lr, li, ur, ui, run.length, u);
    }
  }
}

// One step of a sweep: the matrices of all low atoms, that of one high atom, or phases.
struct Operation {
  enum class What { low_atoms, high_atom, phases };
  What what;
  bool is_descending;
  int atom;
  double beta;
  const Complex *matrices; // of all atoms of the sweep, or that of the high atom
};

std::vector<Operation> operations_of(const SweepColumns &sweeps, int low_count, int atom_count) {
  using enum Operation::What;
  std::vector<Operation> out;
  const std::size_t count = sweeps.betas.size();
  out.reserve(count * std::size_t(atom_count - low_count + 2));
  for (std::size_t s = 0; s < count; ++s) {
    const bool is_descending = sweeps.is_descending[s] != 0;
    const Complex *const matrices = sweeps.matrices.data() + s * std::size_t(atom_count) * 4;
    if (!is_descending)
      out.push_back({low_atoms, false, 0, 0.0, matrices});
    for (int i = low_count; i < atom_count; ++i) {
      const int k = is_descending ? low_count + atom_count - 1 - i : i;
      out.push_back({high_atom, false, k, 0.0, matrices + 4 * k});
    }
    if (is_descending)
      out.push_back({low_atoms, true, 0, 0.0, matrices});
    if (sweeps.betas[s] != 0.0)
      out.push_back({phases, false, 0, sweeps.betas[s], nullptr});
  }
  return out;
}

// What one thread needs to apply operations.
template <typename Real> class Worker {
public:
  Worker(const BlockadeSubspace &subspace, Parts<Real> state)
      : subspace_(subspace), state_(state), fields_(BlockadeSubspace::low_parts_max) {
    matrices_.reserve(together_max * std::size_t(subspace.low_count()));
  }

  // Apply operations whose pairs lie within the blocks; stops where it is cancelled.
  void apply_within(std::size_t first, std::size_t last, std::span<const Operation> operations,
                    const std::atomic<bool> &is_cancelled) {
    for (std::size_t i = 0; i < operations.size();) {
      if (is_cancelled.load(std::memory_order_relaxed))
        return;
      if (operations[i].what == Operation::What::high_atom) {
        apply_high(first, last, operations[i++]);
        continue;
      }
      std::size_t end = i;
      while (end < operations.size() && end - i < together_max &&
             operations[end].what != Operation::What::high_atom)
        ++end;
      apply_low(first, last, operations.subspan(i, end - i));
      i = end;
    }
  }

  // Apply the matrix of a high atom to the pairs whose upper ones lie within the blocks.
  void apply_high(std::size_t first, std::size_t last, const Operation &operation) {
    const auto blocks = subspace_.blocks();
    const AtomMatrix<Real> u(operation.matrices);
    const Mask mine = bit(operation.atom);
    std::size_t lower = blocks.size();
    for (std::size_t upper = first; upper < last; ++upper) {
      if ((blocks[upper].high & mine) == 0)
        continue;
      const Mask partner = blocks[upper].high ^ mine;
      if (lower == blocks.size())
        lower = std::size_t(
            std::lower_bound(blocks.begin(), blocks.begin() + std::ptrdiff_t(upper), partner,
                             [](const auto &block, Mask value) { return block.high < value; }) -
            blocks.begin());
      while (blocks[lower].high != partner)
        ++lower;
      update_runs(at(blocks[lower]), at(blocks[upper]),
                  subspace_.embedding(blocks[lower], operation.atom), u);
    }
  }

private:
  using Block = BlockadeSubspace::Block;

  Parts<Real> at(const Block &block) const {
    return {state_.re + block.start, state_.im + block.start};
  }

  void apply_low(std::size_t first, std::size_t last, std::span<const Operation> operations) {
    const std::size_t low_count = std::size_t(subspace_.low_count());
    matrices_.clear();
    for (const Operation &operation : operations)
      for (std::size_t k = 0; operation.what == Operation::What::low_atoms && k < low_count; ++k)
        matrices_.emplace_back(operation.matrices + 4 * k);
    for (std::size_t i = first; i < last; ++i) {
      const Block &block = subspace_.blocks()[i];
      const BlockadeSubspace::Kind &kind = subspace_.kind(block);
      const Parts<Real> here = at(block);
      const AtomMatrix<Real> *matrices = matrices_.data();
      for (const Operation &operation : operations) {
        if (operation.what == Operation::What::phases) {
          find_fields(block, kind);
          multiply_phases(here.re, here.im, fields_.data(), kind.energies.data(), operation.beta,
                          kind.lows.size());
          continue;
        }
        for (std::size_t j = 0; j < low_count; ++j) {
          const std::size_t k = operation.is_descending ? low_count - 1 - j : j;
          const std::size_t from = kind.run_starts[k], to = kind.run_starts[k + 1];
          update_runs(here, here, std::span(kind.runs).subspan(from, to - from), matrices[k]);
        }
        matrices += low_count;
      }
    }
  }

  // The energies of a block's high part and between it and each low part: that of the low part
  // without its highest atom, which stands earlier, plus the highest atom's share.
  void find_fields(const Block &block, const BlockadeSubspace::Kind &kind) {
    if (block.high == 0) {
      std::fill_n(fields_.begin(), kind.lows.size(), 0.0);
      return;
    }
    fields_[0] = block.energy;
    for (int k = 0; k < subspace_.low_count(); ++k) {
      const double field = subspace_.field(block, k);
      for (std::size_t r = kind.run_starts[std::size_t(k)]; r < kind.run_starts[std::size_t(k) + 1];
           ++r) {
        const PairRun run = kind.runs[r];
        if (kind.lows[run.upper] >> (k + 1) != 0)
          break;
        for (std::size_t i = 0; i < run.length; ++i)
          fields_[run.upper + i] = fields_[run.lower + i] + field;
      }
    }
  }

  const BlockadeSubspace &subspace_;
  Parts<Real> state_;
  std::vector<double> fields_;
  std::vector<AtomMatrix<Real>> matrices_; // of the low atoms, for each sweep of some operations
};

} // namespace

template <typename Real>
BlockadeState<Real>::BlockadeState(std::span<const Mask> blocked,
                                   std::span<const double> interactions,
                                   std::size_t configuration_count_max)
    : subspace_(blocked, interactions, configuration_count_max),
      tile_atom_count_(subspace_.atoms_of(tile_bytes / (2 * sizeof(Real)))),
      tile_starts_(subspace_.tile_starts(tile_atom_count_)), re_(subspace_.configuration_count()),
      im_(subspace_.configuration_count()) {
  re_[0] = 1;
}

template <typename Real>
bool BlockadeState<Real>::apply(const SweepColumns &sweeps, int thread_count, Monitor &monitor) {
  const std::size_t count = sweeps.betas.size(), n = std::size_t(atom_count());
  if (sweeps.is_descending.size() != count || sweeps.matrices.size() != count * n * 4)
    throw std::invalid_argument("sweep columns differ in length");
  const std::vector<Operation> operations =
      operations_of(sweeps, subspace_.low_count(), atom_count());
  const std::size_t tile_count = tile_starts_.size() - 1;
  monitor.done = 0;
  monitor.total = std::max<std::size_t>(1, operations.size() * tile_count);
  const std::size_t worth = (configuration_count() + thread_amplitudes - 1) / thread_amplitudes;
  const int threads = int(
      std::min({std::size_t(std::clamp(thread_count, 1, thread_count_max)), worth, tile_count}));
  std::vector<Worker<Real>> workers(std::size_t(threads),
                                    Worker<Real>(subspace_, {re_.data(), im_.data()}));
  const auto is_global = [&](const Operation &operation) {
    return operation.what == Operation::What::high_atom && operation.atom >= tile_atom_count_;
  };
  std::atomic<std::size_t> next{0};
  std::optional<std::barrier<>> barrier;
  on_threads(
      threads, [&](int started) { barrier.emplace(started); },
      [&](int thread) {
        Worker<Real> &worker = workers[std::size_t(thread)];
        // Work through the tiles with the other threads.
        const auto for_each_tile = [&](const auto &body) {
          for (std::size_t tile;
               (tile = next.fetch_add(1, std::memory_order_relaxed)) < tile_count;)
            body(tile_starts_[tile], tile_starts_[tile + 1]);
          barrier->arrive_and_wait();
          if (thread == 0)
            next = 0;
          barrier->arrive_and_wait();
        };
        for (std::size_t i = 0; i < operations.size();) {
          // A high atom whose pairs lie in two tiles, or all operations up to the next such one.
          std::size_t end = i + 1;
          const bool is_alone = is_global(operations[i]);
          while (!is_alone && end < operations.size() && !is_global(operations[end]))
            ++end;
          const auto part = std::span(operations).subspan(i, end - i);
          for_each_tile([&](std::size_t first, std::size_t last) {
            if (monitor.is_cancelled.load(std::memory_order_relaxed))
              return;
            if (is_alone)
              worker.apply_high(first, last, part.front());
            else
              worker.apply_within(first, last, part, monitor.is_cancelled);
            monitor.done.fetch_add(part.size(), std::memory_order_relaxed);
          });
          i = end;
        }
      });
  return !monitor.is_cancelled.load();
}

template <typename Real> void BlockadeState<Real>::check_length(std::size_t length) const {
  if (length != configuration_count())
    throw std::invalid_argument("the subspace has " + std::to_string(configuration_count()) +
                                " amplitudes, not " + std::to_string(length));
}

template <typename Real> std::vector<std::complex<Real>> BlockadeState<Real>::amplitudes() const {
  std::vector<std::complex<Real>> out(configuration_count());
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = {re_[i], im_[i]};
  return out;
}

template <typename Real>
void BlockadeState<Real>::assign(std::span<const std::complex<Real>> amplitudes) {
  check_length(amplitudes.size());
  for (std::size_t i = 0; i < amplitudes.size(); ++i) {
    re_[i] = amplitudes[i].real();
    im_[i] = amplitudes[i].imag();
  }
}

template <typename Real>
void BlockadeState<Real>::exchange(std::span<std::complex<Real>> amplitudes) {
  check_length(amplitudes.size());
  for (std::size_t i = 0; i < amplitudes.size(); ++i) {
    const std::complex<Real> mine(re_[i], im_[i]);
    re_[i] = amplitudes[i].real();
    im_[i] = amplitudes[i].imag();
    amplitudes[i] = mine;
  }
}

template <typename Real>
double BlockadeState<Real>::distance(std::span<const std::complex<Real>> amplitudes) const {
  check_length(amplitudes.size());
  double sum = 0;
  for (std::size_t i = 0; i < amplitudes.size(); ++i) {
    const double x = double(re_[i] - amplitudes[i].real());
    const double y = double(im_[i] - amplitudes[i].imag());
    sum += x * x + y * y;
  }
  return std::sqrt(sum);
}

template <typename Real> double BlockadeState<Real>::norm() const {
  double sum = 0;
  for (std::size_t i = 0; i < configuration_count(); ++i)
    sum += double(re_[i]) * double(re_[i]) + double(im_[i]) * double(im_[i]);
  return sum;
}

template <typename Real>
std::vector<Mask> BlockadeState<Real>::sample(std::span<const double> draws) const {
  const double total = norm();
  std::vector<Mask> out(draws.size());
  std::size_t next = 0;
  double sum = 0;
  Mask last = 0; // index of the last configuration that can occur at all
  for (std::size_t i = 0; i < configuration_count() && next < draws.size(); ++i) {
    const double value = double(re_[i]) * double(re_[i]) + double(im_[i]) * double(im_[i]);
    if (value == 0)
      continue;
    sum += value;
    last = i;
    while (next < draws.size() && draws[next] * total < sum)
      out[next++] = last;
  }
  while (next < draws.size()) // what rounding left over
    out[next++] = last;
  for (Mask &index : out)
    index = subspace_.configuration(index);
  return out;
}

template class BlockadeState<double>;
template class BlockadeState<float>;

} // namespace openbraket
