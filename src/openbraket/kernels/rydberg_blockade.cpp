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

// Pairs, or configurations, that one task of a thread handles.
constexpr std::size_t task_size = std::size_t(1) << 15;

// Multiply (re, im) by exp(-i beta energy). Written without branches so that it vectorizes; the
// absolute error is below 3e-16 for |beta energy| < 1e5.
template <typename Real>
void multiply_phases(Real *re, Real *im, const Real *energies, double beta, std::size_t count) {
  constexpr double per_quarter = 0.63661977236758134308, round = 6755399441055744.0;
  constexpr double quarter_1 = 1.57079632673412561417, quarter_2 = 6.07710050650619224932e-11;
  for (std::size_t i = 0; i < count; ++i) {
    const double x = -beta * double(energies[i]);
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

} // namespace

std::vector<Mask> blockade_configurations(std::span<const Mask> blocked, std::size_t count_max) {
  if (blocked.empty() || blocked.size() > std::size_t(blockade_atom_count_max))
    throw std::invalid_argument("atom_count must be 1 to " +
                                std::to_string(blockade_atom_count_max) + ", got " +
                                std::to_string(blocked.size()));
  std::vector<Mask> out{0};
  for (std::size_t k = 0; k < blocked.size(); ++k) {
    const std::size_t before = out.size();
    for (std::size_t i = 0; i < before; ++i)
      if ((out[i] & blocked[k]) == 0) {
        if (out.size() >= count_max)
          throw std::length_error("the blockade subspace has more than " +
                                  std::to_string(count_max) + " configurations");
        out.push_back(out[i] | bit(int(k)));
      }
  }
  return out;
}

template <typename Real>
BlockadeState<Real>::BlockadeState(std::span<const Mask> blocked,
                                   std::span<const double> interactions,
                                   std::size_t configuration_count_max)
    : BlockadeState(blocked, interactions,
                    blockade_configurations(
                        blocked, std::min<std::size_t>(configuration_count_max, UINT32_MAX))) {}

template <typename Real>
BlockadeState<Real>::BlockadeState(std::span<const Mask> blocked,
                                   std::span<const double> interactions,
                                   const std::vector<Mask> &configurations)
    : blocked_(blocked.begin(), blocked.end()), atoms_(blocked.size()),
      energies_(configurations.size()), re_(configurations.size()), im_(configurations.size()) {
  if (interactions.size() != blocked.size() * blocked.size())
    throw std::invalid_argument("interactions must have atom_count^2 entries");
  re_[0] = 1;
  add_energies(configurations, interactions);
  find_pairs(configurations);
}

// V of a configuration: that of the configuration without its highest atom, which stands earlier,
// plus the highest atom's share.
template <typename Real>
void BlockadeState<Real>::add_energies(std::span<const Mask> configurations,
                                       std::span<const double> interactions) {
  const std::size_t n = blocked_.size();
  std::size_t start = 1;
  for (std::size_t k = 0; k < n; ++k) {
    const double *row = interactions.data() + k * n;
    std::size_t below = 0;
    for (; start < configurations.size() && configurations[start] < bit(int(k) + 1); ++start) {
      const Mask rest = configurations[start] ^ bit(int(k));
      while (configurations[below] != rest)
        ++below;
      double energy = double(energies_[below]);
      for (Mask m = rest; m != 0; m &= m - 1)
        energy += row[std::countr_zero(m)];
      energies_[start] = Real(energy);
    }
  }
}

template <typename Real> std::vector<Mask> BlockadeState<Real>::configurations() const {
  return blockade_configurations(blocked_, configuration_count());
}

template <typename Real>
void BlockadeState<Real>::find_pairs(std::span<const Mask> configurations) {
  for (std::size_t k = 0; k < atoms_.size(); ++k) {
    Atom &atom = atoms_[k];
    const Mask mine = bit(int(k));
    std::size_t lower = 0, in_task = task_size;
    for (std::size_t upper = 0; upper < configurations.size(); ++upper) {
      if (!(configurations[upper] & mine))
        continue;
      while (configurations[lower] != (configurations[upper] ^ mine))
        ++lower;
      if (in_task >= task_size) {
        atom.task_starts.push_back(std::uint32_t(atom.runs.size()));
        in_task = 0;
      }
      Run *last = atom.runs.size() > atom.task_starts.back() ? &atom.runs.back() : nullptr;
      if (last != nullptr && last->lower + last->length == lower &&
          last->upper + last->length == upper)
        ++last->length;
      else
        atom.runs.push_back({std::uint32_t(lower), std::uint32_t(upper), 1});
      ++in_task;
    }
    atom.task_starts.push_back(std::uint32_t(atom.runs.size()));
    atom.runs.shrink_to_fit();
  }
}

template <typename Real>
bool BlockadeState<Real>::apply(const SweepColumns &sweeps, int thread_count, Monitor &monitor) {
  const std::size_t count = sweeps.betas.size(), n = atoms_.size();
  if (sweeps.is_descending.size() != count || sweeps.matrices.size() != count * n * 4)
    throw std::invalid_argument("sweep columns differ in length");
  monitor.done = 0;
  monitor.total = std::max<std::size_t>(1, count * (n + 1));
  const std::size_t size = configuration_count(), phase_tasks = (size + task_size - 1) / task_size;
  const int threads = int(std::min<std::size_t>(
      std::size_t(std::clamp(thread_count, 1, thread_count_max)), (phase_tasks + 3) / 4));
  std::atomic<std::size_t> next{0};
  const auto run_task = [&](const Atom &atom, const AtomMatrix<Real> &u, std::size_t task) {
    for (std::size_t r = atom.task_starts[task]; r < atom.task_starts[task + 1]; ++r) {
      const Run run = atom.runs[r];
      Real *const lr = re_.data() + run.lower, *const li = im_.data() + run.lower;
      Real *const ur = re_.data() + run.upper, *const ui = im_.data() + run.upper;
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
  };
  std::optional<std::barrier<>> barrier;
  on_threads(
      threads, [&](int started) { barrier.emplace(started); },
      [&](int thread) {
        // Work through one operation's tasks with the other threads.
        const auto share = [&](std::size_t task_count, const auto &body) {
          if (threads == 1) {
            for (std::size_t task = 0; task < task_count; ++task)
              body(task);
          } else {
            for (std::size_t task;
                 (task = next.fetch_add(1, std::memory_order_relaxed)) < task_count;)
              body(task);
            barrier->arrive_and_wait();
            if (thread == 0)
              next = 0;
            barrier->arrive_and_wait();
          }
          if (thread == 0)
            monitor.done.fetch_add(1, std::memory_order_relaxed);
        };
        const auto is_cancelled = [&] {
          return monitor.is_cancelled.load(std::memory_order_relaxed);
        };
        for (std::size_t s = 0; s < count; ++s) {
          const Complex *matrices = sweeps.matrices.data() + s * n * 4;
          for (std::size_t i = 0; i < n; ++i) {
            const std::size_t k = sweeps.is_descending[s] ? n - 1 - i : i;
            const AtomMatrix<Real> u(matrices + 4 * k);
            share(is_cancelled() ? 0 : atoms_[k].task_starts.size() - 1,
                  [&](std::size_t task) { run_task(atoms_[k], u, task); });
          }
          const double beta = sweeps.betas[s];
          share(beta == 0.0 || is_cancelled() ? 0 : phase_tasks, [&](std::size_t task) {
            const std::size_t from = task * task_size;
            multiply_phases(re_.data() + from, im_.data() + from, energies_.data() + from, beta,
                            std::min(task_size, size - from));
          });
          if (threads == 1 && is_cancelled())
            return;
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
  const std::vector<Mask> known = configurations();
  for (Mask &index : out)
    index = known[index];
  return out;
}

template class BlockadeState<double>;
template class BlockadeState<float>;

} // namespace openbraket
