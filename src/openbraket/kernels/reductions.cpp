#include "reductions.hpp"

#include "threads.hpp"

#include <mutex>
#include <numeric>

namespace openbraket {
namespace {

constexpr int chunk_bits = 12; // packs summed into one number before sums are added up

template <typename Real> Lanes<Real> squared_magnitudes(const Pack<Real> &pack) {
  return pack.re * pack.re + pack.im * pack.im;
}

// A choice of index bits, split into lane bits and pack bits.
struct Selection {
  Mask lane_mask = 0, pack_mask = 0; // pack_mask in bits of the pack index
  std::vector<int> positions;        // most significant first

  Selection(std::span<const int> chosen, int lane_bits) : positions(chosen.begin(), chosen.end()) {
    for (int position : chosen) {
      if (position < lane_bits)
        lane_mask |= bit(position);
      else
        pack_mask |= bit(position - lane_bits);
    }
  }

  // The value of the chosen bits of an amplitude's index.
  std::size_t value(Mask index) const {
    std::size_t out = 0;
    for (int position : positions)
      out = out << 1 | ((index >> position) & 1);
    return out;
  }
};

// Visit the packs whose index has the bits `base` on `fixed`, chunk by chunk:
// body(first index, count); continue with next_with_zeros.
struct Chunks {
  Mask free_mask;
  std::size_t count, size;

  Chunks(std::size_t pack_count, Mask fixed) : free_mask((pack_count - 1) & ~fixed) {
    const int bits = std::popcount(free_mask);
    size = std::size_t(1) << std::min(bits, chunk_bits);
    count = (std::size_t(1) << bits) / size;
  }
  Mask first(std::size_t chunk) const { return deposit(chunk * size, free_mask); }
};

} // namespace

template <typename Real>
std::vector<double> probabilities(const View<Real> &view, std::span<const int> positions) {
  const Selection selection(positions, lane_bits<Real>);
  const Mask fixed = selection.pack_mask;
  const Chunks chunks(view.pack_count(), fixed);
  const std::size_t patterns = std::size_t(1) << std::popcount(fixed);
  std::vector<double> out(std::size_t(1) << positions.size(), 0.0);
  const auto add = [&](Mask pack_index, const Lanes<Real> &sums) {
    const std::size_t lanes = std::size_t(1) << std::min(view.qubit_count, lane_bits<Real>);
    for (std::size_t lane = 0; lane < lanes; ++lane)
      out[selection.value(pack_index << lane_bits<Real> | lane)] += double(sums.get(int(lane)));
  };
  const auto sum_chunk = [&](Mask base, std::size_t chunk) {
    Lanes<Real> sums = Lanes<Real>::zero();
    Mask index = chunks.first(chunk);
    for (std::size_t k = 0; k < chunks.size; ++k, index = next_with_zeros(index, fixed))
      sums = sums + squared_magnitudes(view.packs[base | index]);
    return sums;
  };
  if (chunks.count == 1) {
    // Many outputs: each belongs to one task.
    const std::size_t batch = std::min(patterns, std::size_t(1) << chunk_bits);
    for_each_task(view.thread_count, patterns / batch, [&](std::size_t task) {
      for (std::size_t p = task * batch; p < (task + 1) * batch; ++p) {
        const Mask base = deposit(p, fixed);
        add(base, sum_chunk(base, 0));
      }
    });
    return out;
  }
  std::vector<Lanes<Real>> sums(patterns * chunks.count);
  for_each_task(view.thread_count, sums.size(), [&](std::size_t task) {
    sums[task] = sum_chunk(deposit(task / chunks.count, fixed), task % chunks.count);
  });
  for (std::size_t task = 0; task < sums.size(); ++task)
    add(deposit(task / chunks.count, fixed), sums[task]);
  return out;
}

template <typename Real>
double pauli_expectation(const View<Real> &view, Mask x_mask, Mask z_mask) {
  const unsigned lane_exchange = unsigned(x_mask & (bit(lane_bits<Real>) - 1));
  const Mask pack_exchange = x_mask >> lane_bits<Real>;
  const int y_count = std::popcount(x_mask & z_mask);
  // (P psi)[x] = i^y (-1)^(popcount((x ^ X) & Z)) psi[x ^ X]; the sign splits into lane and pack.
  const auto sign = [&](Mask index) {
    return std::popcount((index ^ x_mask) & z_mask) & 1 ? Real(-1) : Real(1);
  };
  Lanes<Real> lane_signs;
  for (int lane = 0; lane < lane_count<Real>; ++lane)
    lane_signs.set(lane, sign(Mask(lane)));
  // x and x ^ X contribute conjugate numbers: visit one of the two packs.
  const Mask half = pack_exchange == 0 ? 0 : std::bit_floor(pack_exchange);
  const Chunks chunks(view.pack_count(), half);
  std::vector<double> sums(chunks.count);
  for_each_task(view.thread_count, chunks.count, [&](std::size_t task) {
    Lanes<Real> total = Lanes<Real>::zero();
    Mask index = chunks.first(task);
    for (std::size_t k = 0; k < chunks.size; ++k, index = next_with_zeros(index, half)) {
      const Pack<Real> a = view.packs[index];
      const Pack<Real> b = exchange_lanes(view.packs[index ^ pack_exchange], lane_exchange);
      const Lanes<Real> term = y_count & 1 ? a.im * b.re - a.re * b.im : a.re * b.re + a.im * b.im;
      const bool is_negative = std::popcount((index << lane_bits<Real>)&z_mask) & 1;
      total = is_negative ? total - term : total + term;
    }
    sums[task] = double((total * lane_signs).sum());
  });
  const double total = std::accumulate(sums.begin(), sums.end(), 0.0) * (half == 0 ? 1 : 2);
  // i^y times re for even y; i * (im part) = -im for y = 1, folded into `term` above.
  return y_count & 2 ? -total : total;
}

template <typename Real>
std::vector<Complex> density_matrix(const View<Real> &view, std::span<const int> positions) {
  const Selection selection(positions, lane_bits<Real>);
  const Mask fixed = selection.pack_mask;
  const Chunks chunks(view.pack_count(), fixed);
  const std::size_t rows = std::size_t(1) << std::popcount(fixed);
  const std::size_t patterns = std::size_t(1) << std::popcount(selection.lane_mask);
  const std::size_t size = std::size_t(1) << positions.size();
  std::vector<Complex> out(size * size);
  std::mutex mutex;
  for_each_task(view.thread_count, chunks.count, [&](std::size_t task) {
    std::vector<Pack<Real>> sums(rows * rows * patterns,
                                 {Lanes<Real>::zero(), Lanes<Real>::zero()});
    std::vector<Pack<Real>> in(rows);
    Mask index = chunks.first(task);
    for (std::size_t k = 0; k < chunks.size; ++k, index = next_with_zeros(index, fixed)) {
      for (std::size_t i = 0; i < rows; ++i)
        in[i] = view.packs[index | deposit(i, fixed)];
      for (std::size_t j = 0; j < rows; ++j)
        for (std::size_t p = 0; p < patterns; ++p) {
          const Pack<Real> b = exchange_lanes(in[j], unsigned(deposit(p, selection.lane_mask)));
          for (std::size_t i = 0; i < rows; ++i) {
            Pack<Real> &sum = sums[(i * rows + j) * patterns + p];
            sum.re = sum.re + in[i].re * b.re + in[i].im * b.im;
            sum.im = sum.im + in[i].im * b.re - in[i].re * b.im;
          }
        }
    }
    const std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < rows; ++j)
        for (std::size_t p = 0; p < patterns; ++p)
          for (int lane = 0; lane < lane_count<Real>; ++lane) {
            const Mask other = Mask(lane) ^ deposit(p, selection.lane_mask);
            const std::size_t row =
                selection.value(deposit(i, fixed) << lane_bits<Real> | Mask(lane));
            const std::size_t column =
                selection.value(deposit(j, fixed) << lane_bits<Real> | other);
            out[row * size + column] += Complex(sums[(i * rows + j) * patterns + p].get(lane));
          }
  });
  return out;
}

template <typename Real>
std::vector<std::uint64_t> sample(const View<Real> &view, std::span<const double> draws) {
  const Chunks chunks(view.pack_count(), 0);
  std::vector<double> ends(chunks.count); // cumulated probability at the end of each chunk
  for_each_task(view.thread_count, chunks.count, [&](std::size_t chunk) {
    Lanes<Real> sums = Lanes<Real>::zero();
    for (std::size_t k = chunk * chunks.size; k < (chunk + 1) * chunks.size; ++k)
      sums = sums + squared_magnitudes(view.packs[k]);
    ends[chunk] = double(sums.sum());
  });
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  const double total = ends.back();
  // starts[c] is the first draw in chunk c; draws that round up to `total` stay in the last chunk
  // with a positive probability.
  std::vector<std::size_t> starts(chunks.count + 1, draws.size());
  std::size_t draw = 0;
  for (std::size_t chunk = 0; chunk < chunks.count; ++chunk) {
    starts[chunk] = draw;
    const bool takes_rest = ends[chunk] == total;
    while (draw < draws.size() && (takes_rest || draws[draw] * total < ends[chunk]))
      ++draw;
  }
  std::vector<std::uint64_t> out(draws.size());
  for_each_task(view.thread_count, chunks.count, [&](std::size_t chunk) {
    std::size_t next = starts[chunk];
    const std::size_t stop = starts[chunk + 1];
    double sum = chunk == 0 ? 0 : ends[chunk - 1];
    Mask last = chunk * chunks.size << lane_bits<Real>; // the last state that can occur at all
    for (std::size_t k = chunk * chunks.size; next < stop && k < (chunk + 1) * chunks.size; ++k) {
      const Lanes<Real> values = squared_magnitudes(view.packs[k]);
      for (int lane = 0; lane < lane_count<Real>; ++lane) {
        const double value = double(values.get(lane));
        if (value == 0)
          continue;
        sum += value;
        last = Mask(k) << lane_bits<Real> | Mask(lane);
        while (next < stop && draws[next] * total < sum)
          out[next++] = last;
      }
    }
    while (next < stop) // what rounding left over
      out[next++] = last;
  });
  return out;
}

#define OPENBRAKET_REDUCTIONS(Real)                                                                \
  template std::vector<double> probabilities(const View<Real> &, std::span<const int>);            \
  template double pauli_expectation(const View<Real> &, Mask, Mask);                               \
  template std::vector<Complex> density_matrix(const View<Real> &, std::span<const int>);          \
  template std::vector<std::uint64_t> sample(const View<Real> &, std::span<const double>);

OPENBRAKET_REDUCTIONS(double)
OPENBRAKET_REDUCTIONS(float)

} // namespace openbraket
