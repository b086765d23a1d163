#include "rydberg_full.hpp"

#include "bits.hpp"
#include "threads.hpp"

#include <algorithm>
#include <barrier>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>

namespace openbraket {
namespace {

// 2^14 amplitudes in double precision are 256 KiB, which a level-2 cache holds.
template <typename Real> constexpr int tile_bits = sizeof(Real) == 8 ? 14 : 15;
// Atoms whose phases are multiplied out at once: 2^8 amplitudes stay in the level-1 cache.
constexpr int low_bits_max = 8;
constexpr std::size_t cached_tables_max = 16;
// Atoms mixed in one pass: 2^3 packs fill the registers of the widest instruction set.
constexpr int pass_bits_max = native_bytes == 64 ? 3 : 2;

template <typename Real> Pack<Real> times(const Pack<Real> &a, Complex factor) {
  const auto re = Lanes<Real>::splat(Real(factor.real()));
  const auto im = Lanes<Real>::splat(Real(factor.imag()));
  return {a.re * re - a.im * im, a.re * im + a.im * re};
}

// (a, b) -> (a - i t b, b - i t a)
template <typename Real> void mix(Pack<Real> &a, Pack<Real> &b, const Lanes<Real> &t) {
  const Pack<Real> old = a;
  a.re = a.re + t * b.im;
  a.im = a.im - t * b.re;
  b.re = b.re + t * old.im;
  b.im = b.im - t * old.re;
}

template <unsigned Pattern, typename Real> void mix_lanes(Pack<Real> &a, const Lanes<Real> &t) {
  const Pack<Real> other{exchange_lanes<Pattern>(a.re), exchange_lanes<Pattern>(a.im)};
  a.re = a.re + t * other.im;
  a.im = a.im - t * other.re;
}

template <typename Real> void mix_all_lanes(Pack<Real> &a, const Lanes<Real> *t) {
  mix_lanes<1>(a, t[0]);
  mix_lanes<2>(a, t[1]);
  mix_lanes<4>(a, t[2]);
  if constexpr (lane_bits<Real> == 4)
    mix_lanes<8>(a, t[3]);
}

// Mix `Bits` neighbouring pack bits, the lowest of weight `stride`, in packs base + i * stride.
template <int Bits, bool HasLanes, typename Real>
void mix_group(Pack<Real> *base, std::size_t stride, const Lanes<Real> *t,
               const Lanes<Real> *lane_t) {
  constexpr int count = 1 << Bits;
  Pack<Real> a[count];
  for (int i = 0; i < count; ++i)
    a[i] = base[std::size_t(i) * stride];
  if constexpr (HasLanes)
    for (int i = 0; i < count; ++i)
      mix_all_lanes(a[i], lane_t);
#pragma GCC unroll 3
  for (int b = 0; b < Bits; ++b)
#pragma GCC unroll 8
    for (int i = 0; i < count; ++i)
      if ((i >> b & 1) == 0)
        mix(a[i], a[i | 1 << b], t[b]);
  for (int i = 0; i < count; ++i)
    base[std::size_t(i) * stride] = a[i];
}

template <int Bits, bool HasLanes, typename Real>
void mix_pass(Pack<Real> *tile, std::size_t pack_count, int first, const Lanes<Real> *t,
              const Lanes<Real> *lane_t) {
  const std::size_t stride = std::size_t(1) << first;
  for (std::size_t high = 0; high < pack_count; high += stride << Bits)
    for (std::size_t low = 0; low < stride; ++low)
      mix_group<Bits, HasLanes>(tile + high + low, stride, t, lane_t);
}

template <bool HasLanes, typename Real>
void mix_pass(int bits, Pack<Real> *tile, std::size_t pack_count, int first, const Lanes<Real> *t,
              const Lanes<Real> *lane_t) {
  switch (bits) {
  case 0: return mix_pass<0, HasLanes>(tile, pack_count, first, t, lane_t);
  case 1: return mix_pass<1, HasLanes>(tile, pack_count, first, t, lane_t);
  case 2: return mix_pass<2, HasLanes>(tile, pack_count, first, t, lane_t);
  default: return mix_pass<3, HasLanes>(tile, pack_count, first, t, lane_t);
  }
}

// Mix all inner bits of a tile from `mixed_from` on; `mixings` is indexed by configuration bit.
template <typename Real>
void mix_tile(Pack<Real> *tile, const std::vector<int> &inner, int mixed_from,
              const double *mixings, int atom_count) {
  constexpr int lanes = lane_bits<Real>;
  Lanes<Real> t[64];
  const int bits = int(inner.size());
  for (int k = 0; k < bits; ++k)
    t[k] = Lanes<Real>::splat(
        inner[std::size_t(k)] < atom_count ? Real(mixings[inner[std::size_t(k)]]) : Real(0));
  const std::size_t pack_count = std::size_t(1) << (bits - lanes);
  int k = std::max(mixed_from, lanes);
  if (mixed_from == 0) {
    const int count = std::min(pass_bits_max, bits - k);
    mix_pass<true>(count, tile, pack_count, 0, t + k, t);
    k += count;
  }
  // Passes of even width: seven bits are 3 + 2 + 2, not 3 + 3 + 1.
  while (k < bits) {
    const int left = bits - k, passes = (left + pass_bits_max - 1) / pass_bits_max;
    const int count = (left + passes - 1) / passes;
    mix_pass<false>(count, tile, pack_count, k - lanes, t + k, t);
    k += count;
  }
}

} // namespace

template <typename Real>
RydbergState<Real>::RydbergState(int atom_count, std::span<const double> interactions)
    : atom_count_(atom_count), bit_count_(std::max(atom_count, lane_bits<Real>)),
      interactions_(interactions.begin(), interactions.end()), packs_([&] {
        if (atom_count < 1 || atom_count > full_atom_count_max)
          throw std::invalid_argument("atom_count must be 1 to " +
                                      std::to_string(full_atom_count_max) + ", got " +
                                      std::to_string(atom_count));
        if (interactions.size() != std::size_t(atom_count) * std::size_t(atom_count))
          throw std::invalid_argument("interactions must have atom_count^2 entries");
        return std::size_t(1) << (std::max(atom_count, lane_bits<Real>) - lane_bits<Real>);
      }()) {
  packs_[0].set(0, 1);
  const int low = std::min(bit_count_, tile_bits<Real>), high = bit_count_ - low;
  const auto add_tile = [&](int run, int from, bool is_gathered) {
    Tile tile{{}, {}, 0, is_gathered ? run : 0, is_gathered, run};
    for (int k = 0; k < bit_count_; ++k)
      (k < run || k >= from ? tile.inner : tile.outer).push_back(k);
    tile.low_count = std::min(int(tile.inner.size()), low_bits_max);
    tiles_.push_back(std::move(tile));
  };
  add_tile(low, bit_count_, false);
  if (high > 0)
    add_tile(std::max(lane_bits<Real>, std::min(low, tile_bits<Real> - high)), low, true);
}

template <typename Real> void RydbergState<Real>::check_length(std::size_t length) const {
  if (length != amplitude_count())
    throw std::invalid_argument("a state of " + std::to_string(atom_count_) + " atoms has " +
                                std::to_string(amplitude_count()) + " amplitudes, not " +
                                std::to_string(length));
}

template <typename Real> std::vector<std::complex<Real>> RydbergState<Real>::amplitudes() const {
  std::vector<std::complex<Real>> out(amplitude_count());
  for (std::size_t c = 0; c < out.size(); ++c)
    out[c] = packs_[c >> lane_bits<Real>].get(int(c & (lane_count<Real> - 1)));
  return out;
}

template <typename Real>
void RydbergState<Real>::assign(std::span<const std::complex<Real>> amplitudes) {
  check_length(amplitudes.size());
  for (std::size_t c = 0; c < amplitudes.size(); ++c)
    packs_[c >> lane_bits<Real>].set(int(c & (lane_count<Real> - 1)), amplitudes[c]);
}

template <typename Real>
void RydbergState<Real>::exchange(std::span<std::complex<Real>> amplitudes) {
  check_length(amplitudes.size());
  for (std::size_t c = 0; c < amplitudes.size(); ++c) {
    Pack<Real> &pack = packs_[c >> lane_bits<Real>];
    const int lane = int(c & (lane_count<Real> - 1));
    const std::complex<Real> mine = pack.get(lane);
    pack.set(lane, amplitudes[c]);
    amplitudes[c] = mine;
  }
}

template <typename Real>
double RydbergState<Real>::distance(std::span<const std::complex<Real>> amplitudes) const {
  check_length(amplitudes.size());
  double sum = 0;
  for (std::size_t c = 0; c < amplitudes.size(); ++c)
    sum += std::norm(
        Complex(packs_[c >> lane_bits<Real>].get(int(c & (lane_count<Real> - 1))) - amplitudes[c]));
  return std::sqrt(sum);
}

template <typename Real> double RydbergState<Real>::norm() const {
  constexpr std::size_t block = 16; // sums of so many are taken in the state's precision
  const std::size_t count = std::size_t(1) << (bit_count_ - lane_bits<Real>);
  double total = 0;
  for (std::size_t from = 0; from < count; from += block) {
    Lanes<Real> sums = Lanes<Real>::zero();
    for (std::size_t k = from; k < std::min(count, from + block); ++k)
      sums = sums + packs_[k].re * packs_[k].re + packs_[k].im * packs_[k].im;
    total += double(sums.sum());
  }
  return total;
}

template <typename Real>
auto RydbergState<Real>::pair_phases(const Tile &tile, double beta) -> const PairPhases & {
  for (const PairPhases &entry : cache_)
    if (entry.tile == &tile && entry.beta == beta)
      return entry;
  if (cache_.size() >= cached_tables_max)
    cache_.pop_front();
  PairPhases out{&tile, beta, {}, {}, {}, {}};
  const auto n = std::size_t(atom_count_);
  // Bits beyond the atoms, in the smallest states, interact with nothing.
  const auto v = [&](int j, int k) {
    return j < atom_count_ && k < atom_count_ ? interactions_[std::size_t(j) * n + std::size_t(k)]
                                              : 0.0;
  };
  const auto energy = [&](std::span<const int> atoms, Mask configuration) {
    double sum = 0;
    for (std::size_t j = 0; j < atoms.size(); ++j)
      for (std::size_t k = j + 1; k < atoms.size(); ++k)
        if (configuration >> j & configuration >> k & 1)
          sum += v(atoms[j], atoms[k]);
    return sum;
  };
  const auto low_count = std::size_t(tile.low_count);
  const std::span<const int> inner(tile.inner);
  const auto low = inner.first(low_count), rest = inner.subspan(low_count);
  out.low.resize(std::size_t(1) << (tile.low_count - lane_bits<Real>));
  for (Mask c = 0; c < bit(tile.low_count); ++c)
    out.low[c >> lane_bits<Real>].set(int(c & Mask(lane_count<Real> - 1)),
                                      std::complex<Real>(std::polar(1.0, -beta * energy(low, c))));
  for (Mask r = 0; r < bit(int(rest.size())); ++r) {
    out.rest.push_back(std::polar(1.0, -beta * energy(rest, r)));
    for (int k : low) {
      double sum = 0;
      for (std::size_t j = 0; j < rest.size(); ++j)
        if (r >> j & 1)
          sum += v(rest[j], k);
      out.between.push_back(std::polar(1.0, -beta * sum));
    }
  }
  for (double value : interactions_)
    out.pairs.push_back(std::polar(1.0, -beta * value));
  cache_.push_back(std::move(out));
  return cache_.back();
}

template <typename Real>
void RydbergState<Real>::multiply(const Visit &visit, Mask outer, Pack<Real> *tile) const {
  const Tile &t = *visit.tile;
  const PairPhases &pairs = *visit.pair_phases;
  const auto n = std::size_t(atom_count_);
  // The phase of each inner atom and of the whole tile, given the configuration outside.
  Complex atoms[64], whole = visit.scale;
  for (std::size_t k = 0; k < t.inner.size(); ++k)
    atoms[k] = t.inner[k] < atom_count_ ? visit.phases[t.inner[k]] : Complex(1);
  for (int j : t.outer) {
    if (!(outer >> j & 1))
      continue;
    whole *= visit.phases[j];
    const Complex *row = pairs.pairs.data() + std::size_t(j) * n;
    for (std::size_t k = 0; k < t.inner.size(); ++k)
      atoms[k] *= row[t.inner[k]];
    for (int k : t.outer)
      if (k < j && (outer >> k & 1))
        whole *= row[k];
  }
  constexpr int lanes = lane_bits<Real>;
  constexpr std::size_t table_packs = std::size_t(1) << (low_bits_max - 3);
  Pack<Real> table[table_packs];
  const std::size_t low_packs = pairs.low.size(), rest_count = pairs.rest.size();
  const auto low = std::size_t(t.low_count);
  for (std::size_t r = 0; r < rest_count; ++r) {
    Complex first = whole * pairs.rest[r], own[64];
    for (std::size_t j = low; j < t.inner.size(); ++j)
      if (r >> (j - low) & 1)
        first *= atoms[j];
    for (std::size_t k = 0; k < low; ++k)
      own[k] = atoms[k] * pairs.between[r * low + k];
    Complex corner[lane_count<Real>];
    corner[0] = first;
    for (int k = 0; k < lanes; ++k)
      for (int c = 0; c < 1 << k; ++c)
        corner[c | 1 << k] = corner[c] * own[k];
    for (int c = 0; c < lane_count<Real>; ++c)
      table[0].set(c, std::complex<Real>(corner[c]));
    for (int k = lanes; k < t.low_count; ++k)
      for (std::size_t p = 0, half = std::size_t(1) << (k - lanes); p < half; ++p)
        table[half + p] = times(table[p], own[k]);
    Pack<Real> *const packs = tile + r * low_packs;
    for (std::size_t p = 0; p < low_packs; ++p)
      packs[p] = packs[p] * (table[p] * pairs.low[p]);
  }
}

template <typename Real>
void RydbergState<Real>::visit_tile(const Visit &visit, Mask outer, Pack<Real> *scratch) {
  const Tile &t = *visit.tile;
  Pack<Real> *const base = packs_.data() + (outer >> lane_bits<Real>);
  Pack<Real> *tile = base;
  std::size_t run_packs = 0, run_count = 0;
  const int from = t.run_bits;
  std::size_t stride = 0;
  if (t.is_gathered) {
    run_packs = std::size_t(1) << (from - lane_bits<Real>);
    run_count = std::size_t(1) << (int(t.inner.size()) - from);
    stride = std::size_t(1) << (t.inner[std::size_t(from)] - lane_bits<Real>);
    tile = scratch;
    for (std::size_t i = 0; i < run_count; ++i)
      std::memcpy(tile + i * run_packs, base + i * stride, run_packs * sizeof(Pack<Real>));
  }
  if (visit.mixings_before != nullptr)
    mix_tile(tile, t.inner, t.mixed_from, visit.mixings_before, atom_count_);
  if (visit.phases != nullptr)
    multiply(visit, outer, tile);
  if (visit.mixings_after != nullptr)
    mix_tile(tile, t.inner, t.mixed_from, visit.mixings_after, atom_count_);
  for (std::size_t i = 0; i < run_count; ++i)
    std::memcpy(base + i * stride, tile + i * run_packs, run_packs * sizeof(Pack<Real>));
}

template <typename Real>
bool RydbergState<Real>::apply(const StageColumns &stages, int thread_count, Monitor &monitor) {
  const std::size_t count = stages.betas.size(), n = std::size_t(atom_count_);
  if (stages.scales.size() != count || stages.mixings.size() != count * n ||
      stages.phases.size() != count * n)
    throw std::invalid_argument("stage columns differ in length");
  monitor.done = 0;
  monitor.total = std::max<std::size_t>(1, count);
  const bool is_split = tiles_.size() > 1;
  std::size_t tile_count_max = 1, scratch_packs = 0;
  for (const Tile &tile : tiles_) {
    tile_count_max = std::max(tile_count_max, std::size_t(1) << tile.outer.size());
    if (tile.is_gathered)
      scratch_packs = std::size_t(1) << (int(tile.inner.size()) - lane_bits<Real>);
  }
  const int threads =
      int(std::min(std::size_t(std::clamp(thread_count, 1, thread_count_max)), tile_count_max));
  std::vector<Buffer<Pack<Real>>> scratch;
  for (int thread = 0; thread < threads && scratch_packs > 0; ++thread)
    scratch.emplace_back(scratch_packs);
  // Stage s multiplies in the tile (s mod 2); a tile's visit mixes its own atoms for the stages
  // before and after, so that each stage is one pass over the state.
  Visit visit{};
  std::atomic<std::size_t> next{0};
  const std::size_t visit_count = count == 0 ? 0 : count + (is_split ? 1 : 0);
  const auto prepare = [&](std::size_t v) {
    const auto row = [&](std::size_t stage) { return stages.mixings.data() + stage * n; };
    visit = Visit{};
    next = 0;
    if (!is_split) {
      visit.tile = &tiles_[0];
      visit.mixings_before = row(v);
    } else {
      visit.tile = &tiles_[v % 2 == 0 ? 1 : 0];
      if (v > 0)
        visit.mixings_before = row(v - 1);
      if (v < count)
        visit.mixings_after = row(v);
    }
    const std::size_t stage = is_split ? v - 1 : v;
    if (!is_split || v > 0) {
      visit.phases = stages.phases.data() + stage * n;
      visit.scale = stages.scales[stage];
      visit.pair_phases = &pair_phases(*visit.tile, stages.betas[stage]);
      monitor.done = stage;
    }
  };
  std::optional<std::barrier<>> barrier;
  on_threads(
      threads, [&](int started) { barrier.emplace(started); },
      [&](int thread) {
        Pack<Real> *const own = scratch.empty() ? nullptr : scratch[std::size_t(thread)].data();
        for (std::size_t v = 0; v < visit_count; ++v) {
          if (thread == 0 && !monitor.is_cancelled.load(std::memory_order_relaxed))
            prepare(v);
          if (threads > 1)
            barrier->arrive_and_wait();
          const Visit current = visit;
          const Mask outer_mask = [&] {
            Mask mask = 0;
            for (int k : current.tile->outer)
              mask |= bit(k);
            return mask;
          }();
          const std::size_t tile_count = std::size_t(1) << current.tile->outer.size();
          for (std::size_t k; (k = next.fetch_add(1, std::memory_order_relaxed)) < tile_count;) {
            if (monitor.is_cancelled.load(std::memory_order_relaxed))
              break;
            visit_tile(current, deposit(k, outer_mask), own);
          }
          if (threads > 1)
            barrier->arrive_and_wait();
          if (threads == 1 && monitor.is_cancelled.load(std::memory_order_relaxed))
            return;
        }
      });
  monitor.done = count;
  return !monitor.is_cancelled.load();
}

template class RydbergState<double>;
template class RydbergState<float>;

} // namespace openbraket
