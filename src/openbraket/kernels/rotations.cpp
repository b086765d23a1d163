// Rotations of several qubits in one pass, and the order of steps that brings them together.
#include "loops.hpp"

namespace openbraket {
namespace {

// Pack targets of one run of rotations; 2^3 packs fill half of the registers.
constexpr int rotations_max = 3;

template <unsigned Pattern, typename Real>
inline void rotate_lanes(Lanes<Real> &x, const Lanes<Real> &tangent) {
  x = x + tangent * exchange_lanes<Pattern>(x);
}

// coefficients[k].re holds the tangents: H of pack targets, those of the lane targets with the
// lanes' signs, and last the factor of all.
template <typename Real, int H, unsigned LaneMask, bool IsScaled>
void run_rotations(Pack<Real> *tile, const Step<Real> &step, Mask) {
  constexpr unsigned rows = 1u << H, lane_targets = std::popcount(LaneMask);
  using L = Lanes<Real>;
  L tangents[H + lane_targets + 1];
  for (unsigned k = 0; k < H + lane_targets + 1; ++k)
    tangents[k] = step.coefficients[k].re;
  std::size_t offsets[rows];
  for (unsigned j = 0; j < rows; ++j)
    offsets[j] = step.offsets[j];
  const auto turn = [&](L *x) {
#pragma GCC unroll 3
    for (int k = 0; k < H; ++k)
#pragma GCC unroll 8
      for (unsigned j = 0; j < rows; ++j)
        if (!((j >> k) & 1)) {
          const L a = x[j], b = x[j | 1u << k];
          x[j] = a - tangents[k] * b;
          x[j | 1u << k] = b + tangents[k] * a;
        }
#pragma GCC unroll 8
    for (unsigned j = 0; j < rows; ++j) {
      [&]<std::size_t... B>(std::index_sequence<B...>) {
        (rotate_lanes<pattern_of<LaneMask, 1u << B>>(x[j], tangents[H + B]), ...);
      }(std::make_index_sequence<lane_targets>{});
      if constexpr (IsScaled)
        x[j] = x[j] * tangents[H + lane_targets];
    }
  };
  for_each_pack(tile, step, [&](Pack<Real> *base) {
    L re[rows], im[rows];
#pragma GCC unroll 8
    for (unsigned j = 0; j < rows; ++j) {
      re[j] = base[offsets[j]].re;
      im[j] = base[offsets[j]].im;
    }
    turn(re);
    turn(im);
#pragma GCC unroll 8
    for (unsigned j = 0; j < rows; ++j)
      base[offsets[j]] = {re[j], im[j]};
  });
}

// Smaller cosines would make tangents that overflow when many are multiplied.
constexpr double cosine_min = 1.0 / 1024;
// Factors are collected down to this size before they are multiplied in.
constexpr double scale_min = 1e-6;

bool is_rotation(const Operator &op) {
  const auto &v = op.values;
  return op.targets.size() == 1 && !op.is_diagonal && op.control_mask == 0 && v[0].imag() == 0 &&
         v[1].imag() == 0 && v[0] == v[3] && v[1] == -v[2] && std::abs(v[0].real()) >= cosine_min;
}

template <typename Real, bool IsScaled>
typename Step<Real>::Kernel rotations_kernel(int h, unsigned lanes) {
  typename Step<Real>::Kernel out = nullptr;
  const auto pick = [&]<int H>() {
    [&]<std::size_t... M>(std::index_sequence<M...>) {
      ((lanes == unsigned(M) ? void(out = run_rotations<Real, H, unsigned(M), IsScaled>) : void()),
       ...);
    }(std::make_index_sequence<lane_count<Real>>{});
  };
  switch (h) {
  case 0: pick.template operator()<0>(); break;
  case 1: pick.template operator()<1>(); break;
  case 2: pick.template operator()<2>(); break;
  default: pick.template operator()<3>(); break;
  }
  return out;
}

// Rotations of different qubits that run together.
template <typename Real> class Rotations {
public:
  explicit Rotations(const TileMap &map) : map_(map) {}

  bool is_empty() const { return targets_ == 0; }
  bool has_room_for(const Operator &op) const {
    return (targets_ & bit(op.targets[0])) == 0 &&
           (map_.is_lane(op.targets[0]) || int(pack_bits_.size()) < rotations_max);
  }
  void add(const Operator &op) {
    const int position = op.targets[0];
    const double cosine = op.values[0].real(), tangent = op.values[2].real() / cosine;
    targets_ |= bit(position);
    scale_ *= cosine;
    if (map_.is_pack(position)) {
      pack_bits_.push_back(map_.pack_bit(position));
      pack_tangents_.push_back(tangent);
    } else {
      lane_mask_ |= 1u << map_.local(position);
      lane_tangents_[map_.local(position)] = tangent;
    }
  }

  // Return the step; `scale` comes from steps before, and goes on unless it is multiplied in.
  Step<Real> finish(double &scale, bool is_last) const {
    Step<Real> step;
    set_offsets(step, pack_bits_, map_.padding);
    step.padding = map_.padding;
    step.loop = map_.pack_mask();
    for (int pack_bit : pack_bits_)
      step.loop &= ~bit(pack_bit);
    for (double tangent : pack_tangents_)
      step.coefficients.push_back({Lanes<Real>::splat(Real(tangent)), Lanes<Real>::zero()});
    for (unsigned rest = lane_mask_; rest != 0; rest &= rest - 1) {
      const int lane_bit = std::countr_zero(rest);
      Lanes<Real> tangents;
      for (int lane = 0; lane < lane_count<Real>; ++lane)
        tangents.set(lane, Real(((lane >> lane_bit) & 1 ? 1 : -1) * lane_tangents_[lane_bit]));
      step.coefficients.push_back({tangents, Lanes<Real>::zero()});
    }
    scale *= scale_;
    const bool is_scaled = is_last || std::abs(scale) < scale_min;
    step.coefficients.push_back({Lanes<Real>::splat(Real(scale)), Lanes<Real>::zero()});
    if (is_scaled)
      scale = 1;
    const int h = int(pack_bits_.size());
    step.kernel = is_scaled ? rotations_kernel<Real, true>(h, lane_mask_)
                            : rotations_kernel<Real, false>(h, lane_mask_);
    const int levels = h + std::popcount(lane_mask_);
    step.flops = double(bit(std::popcount(map_.pack_mask()))) * lane_count<Real> *
                 (4.0 * levels + (is_scaled ? 2 : 0));
    return step;
  }

private:
  const TileMap &map_;
  Mask targets_ = 0;
  double scale_ = 1;
  Vector<int> pack_bits_;
  Vector<double> pack_tangents_;
  unsigned lane_mask_ = 0;
  double lane_tangents_[lane_count<Real>] = {};
};

// The order in which the operators run: rotations move together where nothing between touches
// their qubits.
struct Batch {
  Vector<const Operator *> members; // one operator, or several rotations
};

template <typename Real>
Vector<Batch> batches(const Vector<Operator> &operators, const Vector<std::size_t> &chosen,
                      const TileMap &map) {
  Vector<Batch> out;
  Vector<Mask> touched; // by everything after the batch
  std::size_t open = 0; // the first batch that may still take rotations
  for (std::size_t index : chosen) {
    const Operator &op = operators[index];
    const Mask mask = op.moved_mask() | op.kept_mask();
    bool is_placed = false;
    if (is_rotation(op)) {
      // The earliest batch with room that nothing in between keeps the rotation from.
      std::size_t best = out.size();
      for (std::size_t b = out.size(); b > open; --b) {
        if (!is_rotation(*out[b - 1].members.front())) {
          if ((touched[b - 1] & mask) != 0)
            break;
          continue;
        }
        Rotations<Real> trial(map);
        for (const Operator *member : out[b - 1].members)
          trial.add(*member);
        if (trial.has_room_for(op))
          best = b - 1;
        if ((touched[b - 1] & mask) != 0)
          break;
      }
      if (best < out.size()) {
        out[best].members.push_back(&op);
        touched[best] |= mask;
        is_placed = true;
      }
    }
    if (!is_placed) {
      out.push_back({{&op}});
      touched.push_back(mask);
    }
    constexpr std::size_t window = 16; // bounds the quadratic search
    open = out.size() > window ? out.size() - window : 0;
  }
  return out;
}

} // namespace

template <typename Real>
Vector<Step<Real>> prepare(const Vector<Operator> &operators, const Vector<std::size_t> &chosen,
                           const TileMap &map, Monitor &monitor) {
  const Vector<Batch> order = batches<Real>(operators, chosen, map);
  std::size_t last_rotations = order.size();
  for (std::size_t b = 0; b < order.size(); ++b)
    if (is_rotation(*order[b].members.front()))
      last_rotations = b;
  Vector<Step<Real>> out;
  out.reserve(order.size());
  double scale = 1;
  for (std::size_t b = 0; b < order.size(); ++b) {
    monitor.look();
    const Operator &op = *order[b].members.front();
    if (is_rotation(op)) {
      Rotations<Real> rotations(map);
      for (const Operator *member : order[b].members)
        rotations.add(*member);
      out.push_back(rotations.finish(scale, b == last_rotations));
    } else {
      out.push_back(prepare_alone<Real>(op, map));
    }
  }
  return out;
}

template Vector<Step<double>> prepare<double>(const Vector<Operator> &, const Vector<std::size_t> &,
                                              const TileMap &, Monitor &);
template Vector<Step<float>> prepare<float>(const Vector<Operator> &, const Vector<std::size_t> &,
                                            const TileMap &, Monitor &);

} // namespace openbraket
