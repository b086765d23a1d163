#include "reductions.hpp"

#include "threads.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>
#include <numeric>
#include <utility>

namespace openbraket {
namespace {

constexpr int chunk_bits = 12; // packs summed into one number before sums are added up

template <typename Real> Lanes<Real> squared_magnitudes(const Pack<Real> &pack) {
  return pack.re * pack.re + pack.im * pack.im;
}

// Packs whose terms are added up in the state's precision: 2^12 equal numbers added up one by one
// in single precision are off by up to 1e-4 of their sum, 2^5 by up to 1e-6.
constexpr std::size_t own_precision_packs = 32;

// Sums of many terms, one for each lane.
template <typename Real> struct LaneTotals {
  double of_lane[lane_count<Real>] = {};

  void add(const Lanes<Real> &term, double sign = 1) {
    for (int lane = 0; lane < lane_count<Real>; ++lane)
      of_lane[lane] += sign * double(term.get(lane));
  }
  double sum() const { return std::accumulate(std::begin(of_lane), std::end(of_lane), 0.0); }
};

// Add up term() for `count` packs, called in order.
template <typename Real, typename Term>
LaneTotals<Real> totals_of(std::size_t count, const Term &term) {
  LaneTotals<Real> out;
  for (std::size_t k = 0; k < count;) {
    Lanes<Real> part = Lanes<Real>::zero();
    for (const std::size_t end = std::min(count, k + own_precision_packs); k < end; ++k)
      part = part + term();
    out.add(part);
  }
  return out;
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
  const std::size_t lanes = std::size_t(1) << std::min(view.qubit_count, lane_bits<Real>);
  std::size_t lane_values[lane_count<Real>];
  for (std::size_t lane = 0; lane < lanes; ++lane)
    lane_values[lane] = selection.value(lane);
  const auto add = [&](Mask pack_index, const LaneTotals<Real> &sums) {
    const std::size_t pack_value = selection.value(pack_index << lane_bits<Real>);
    for (std::size_t lane = 0; lane < lanes; ++lane)
      out[pack_value | lane_values[lane]] += sums.of_lane[lane];
  };
  const auto sum_chunk = [&](Mask base, std::size_t chunk) {
    Mask index = chunks.first(chunk);
    return totals_of<Real>(chunks.size, [&] {
      const Mask now = index;
      index = next_with_zeros(index, fixed);
      return squared_magnitudes(view.packs[base | now]);
    });
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
  std::vector<LaneTotals<Real>> sums(patterns * chunks.count);
  for_each_task(view.thread_count, sums.size(), [&](std::size_t task) {
    sums[task] = sum_chunk(deposit(task / chunks.count, fixed), task % chunks.count);
  });
  for (std::size_t task = 0; task < sums.size(); ++task)
    add(deposit(task / chunks.count, fixed), sums[task]);
  return out;
}

namespace {

// Packs whose terms are added up with all signs at once.
constexpr std::size_t sign_block = 64;
// Strings of one pass; bounds the memory of the chunks' sums.
constexpr std::size_t strings_per_pass = 256;

// Replace terms[v] by the sum over u of (-1)^popcount(u & v) * terms[u] (Walsh-Hadamard).
template <typename Real> void sign_transform(Lanes<Real> *terms, std::size_t count) {
  for (std::size_t step = 1; step < count; step *= 2)
    for (std::size_t first = 0; first < count; first += 2 * step)
      for (std::size_t k = first; k < first + step; ++k) {
        const Lanes<Real> a = terms[k], b = terms[k + step];
        terms[k] = a + b;
        terms[k + step] = a - b;
      }
}

// For each z mask the sum over visited packs and their lanes of (-1)^popcount(x & z) * term(pack),
// where x is the amplitude's index. The packs visited are those with zeros on `fixed`; z masks are
// zero there or their sign does not matter.
template <typename Real, typename Term>
std::vector<double> signed_sums(const View<Real> &view, Mask fixed, std::span<const Mask> z_masks,
                                const Term &term) {
  const Chunks chunks(view.pack_count(), fixed);
  const std::size_t block = std::min(sign_block, chunks.size);
  // The signs of packs by the number in which they are visited.
  std::vector<Mask> pack_masks;
  for (Mask z : z_masks)
    pack_masks.push_back(extract(z >> lane_bits<Real>, chunks.free_mask));
  // A transform costs log2(block) additions per pack, each string by itself one.
  const bool is_transformed = z_masks.size() > std::size_t(std::countr_zero(block));
  std::vector<double> sums(chunks.count * z_masks.size());
  for_each_task(view.thread_count, chunks.count, [&](std::size_t task) {
    std::vector<LaneTotals<Real>> totals(z_masks.size());
    Lanes<Real> terms[sign_block];
    Mask index = chunks.first(task);
    for (std::size_t start = 0; start < chunks.size; start += block) {
      for (std::size_t k = 0; k < block; ++k, index = next_with_zeros(index, fixed))
        terms[k] = term(index);
      if (is_transformed)
        sign_transform(terms, block);
      for (std::size_t s = 0; s < z_masks.size(); ++s) {
        const Mask outer = (task * chunks.size + start) & pack_masks[s];
        const Mask inner = pack_masks[s] & (block - 1);
        const double sign = std::popcount(outer) & 1 ? -1 : 1;
        if (is_transformed) {
          totals[s].add(terms[inner], sign);
          continue;
        }
        Lanes<Real> sum = Lanes<Real>::zero();
        for (std::size_t k = 0; k < block; ++k)
          sum = std::popcount(inner & k) & 1 ? sum - terms[k] : sum + terms[k];
        totals[s].add(sum, sign);
      }
    }
    for (std::size_t s = 0; s < z_masks.size(); ++s)
      for (int lane = 0; lane < lane_count<Real>; ++lane) {
        const double value = totals[s].of_lane[lane];
        sums[task * z_masks.size() + s] +=
            std::popcount(Mask(lane) & z_masks[s]) & 1 ? -value : value;
      }
  });
  std::vector<double> out(z_masks.size(), 0.0);
  for (std::size_t k = 0; k < sums.size(); ++k)
    out[k % out.size()] += sums[k];
  return out;
}

// Strings that agree in x_mask and in the parity of their y letters: one pass over the state.
template <typename Real>
std::vector<double> expectations_of_group(const View<Real> &view, Mask x_mask, bool is_odd,
                                          std::span<const Mask> z_masks) {
  const unsigned lane_exchange = unsigned(x_mask & (bit(lane_bits<Real>) - 1));
  const Mask pack_exchange = x_mask >> lane_bits<Real>;
  // x and x ^ X contribute conjugate numbers: visit one of the two packs.
  const Mask half = pack_exchange == 0 ? 0 : std::bit_floor(pack_exchange);
  // (P psi)[x] = i^y (-1)^(popcount((x ^ X) & Z)) psi[x ^ X]; for odd y, i times the imaginary part
  // of conj(psi[x]) psi[x ^ X] is what is real.
  std::vector<double> out = signed_sums<Real>(view, half, z_masks, [&](Mask index) {
    const Pack<Real> a = view.packs[index];
    const Pack<Real> b = exchange_lanes(view.packs[index ^ pack_exchange], lane_exchange);
    return is_odd ? a.im * b.re - a.re * b.im : a.re * b.re + a.im * b.im;
  });
  for (std::size_t s = 0; s < out.size(); ++s) {
    const int y_count = std::popcount(x_mask & z_masks[s]);
    const bool is_negative = ((y_count & 1) ^ ((y_count >> 1) & 1)) != 0;
    out[s] *= (half == 0 ? 1 : 2) * (is_negative ? -1 : 1);
  }
  return out;
}

} // namespace

template <typename Real>
std::vector<double> pauli_expectations(const View<Real> &view,
                                       std::span<const PauliString> strings) {
  std::map<std::pair<Mask, bool>, std::vector<std::size_t>> groups;
  for (std::size_t s = 0; s < strings.size(); ++s) {
    const bool is_odd = std::popcount(strings[s].x_mask & strings[s].z_mask) & 1;
    groups[{strings[s].x_mask, is_odd}].push_back(s);
  }
  std::vector<double> out(strings.size());
  for (const auto &[key, members] : groups)
    for (std::size_t first = 0; first < members.size(); first += strings_per_pass) {
      const std::size_t count = std::min(strings_per_pass, members.size() - first);
      std::vector<Mask> z_masks;
      for (std::size_t k = first; k < first + count; ++k)
        z_masks.push_back(strings[members[k]].z_mask);
      const std::vector<double> values =
          expectations_of_group(view, key.first, key.second, z_masks);
      for (std::size_t k = 0; k < count; ++k)
        out[members[first + k]] = values[k];
    }
  return out;
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
    const Pack<Real> *next = view.packs + chunk * chunks.size;
    ends[chunk] = totals_of<Real>(chunks.size, [&] { return squared_magnitudes(*next++); }).sum();
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
  template std::vector<double> pauli_expectations(const View<Real> &,                              \
                                                  std::span<const PauliString>);                   \
  template std::vector<Complex> density_matrix(const View<Real> &, std::span<const int>);          \
  template std::vector<std::uint64_t> sample(const View<Real> &, std::span<const double>);

OPENBRAKET_REDUCTIONS(double)
OPENBRAKET_REDUCTIONS(float)

} // namespace openbraket
