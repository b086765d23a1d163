// Fusion. A one-qubit gate is U = D1 R D2 with diagonals D1, D2 and a rotation R of the real plane.
// Gates of one qubit are multiplied together until something else needs the qubit; diagonals move
// on through controls and permutations and are multiplied together until a rotation or a dense
// matrix needs one of their qubits; a flip moves on through controls and diagonals. What is left
// are rotations, which run several at a time, few diagonals of several qubits, permutations, and
// dense matrices that took in what was beside them.
#include "terms.hpp"

#include <stdexcept>
#include <string>

namespace openbraket {
namespace {

// Qubits of diagonals that are multiplied together, for large states and for small ones, where
// making the table costs more than it saves.
constexpr int diagonal_qubits_max = 8, small_diagonal_qubits_max = 4, small_qubit_count = 12;
// Dense matrices up to this many qubits take in their neighbours.
constexpr std::size_t dense_qubits_max = 3;
// Diagonals that wait at the same time; bounds the search among them.
constexpr std::size_t pool_max = 256;

class Fuser {
public:
  Fuser(int bit_count, Mask alive)
      : diagonal_max_(bit_count <= small_qubit_count ? small_diagonal_qubits_max
                                                     : diagonal_qubits_max),
        zero_((bit(bit_count) - 1) & ~alive), waiting_(std::size_t(bit_count), identity2),
        last_(std::size_t(bit_count), none) {}

  void add(Operator &&op) {
    if (op.targets.empty() && op.control_mask == 0) {
      phase_ = multiply(phase_, op.values[0]);
      return;
    }
    if (op.control_mask == 0 && op.targets.size() == 1 && !op.is_diagonal) {
      add(op.targets[0], {op.values[0], op.values[1], op.values[2], op.values[3]});
      return;
    }
    const Structure structure(op);
    if (structure.is_diagonal)
      add_diagonal(op);
    else if (structure.is_flip)
      add_flip(op);
    else if (op.control_mask == 0 && op.targets.size() <= dense_qubits_max)
      add_dense(op, structure.is_swap);
    else
      add_as_it_is(std::move(op));
  }

  // Add a one-qubit gate.
  void add(int position, const Matrix2 &gate) {
    Matrix2 &u = waiting_[std::size_t(position)];
    // A product of a decay diag(1, w), |w| < 1, and a rotation would be a dense matrix.
    if ((is_decay(gate) && !is_diagonal(u)) || (is_decay(u) && !is_diagonal(gate)))
      settle(position);
    u = u == identity2 ? gate : product(gate, u);
  }

  Vector<Operator> finish() {
    for (std::size_t k = 0; k < waiting_.size(); ++k)
      settle(int(k));
    emit_terms(~Mask(0));
    for (std::size_t k = 0; k < waiting_.size(); ++k)
      if (waiting_[k] != identity2)
        emit({{int(k)}, 0, 0, false, {0, 1, 1, 0}});
    if (phase_ != 1.0)
      give_phase();
    return std::move(out_);
  }

private:
  static constexpr std::size_t none = std::size_t(-1);

  static bool is_diagonal(const Matrix2 &u) { return u[1] == 0.0 && u[2] == 0.0; }
  static bool is_decay(const Matrix2 &u) {
    return is_diagonal(u) && std::abs(std::norm(u[0]) - std::norm(u[3])) > residual_max;
  }

  struct Structure {
    bool is_diagonal, is_flip = false, is_swap = false;

    explicit Structure(const Operator &op) : is_diagonal(op.is_diagonal) {
      if (is_diagonal)
        return;
      const std::size_t size = std::size_t(1) << op.targets.size();
      is_diagonal = true;
      for (std::size_t k = 0; k < op.values.size() && is_diagonal; ++k)
        is_diagonal = k % (size + 1) == 0 || op.values[k] == 0.0;
      const auto &v = op.values;
      if (op.targets.size() == 1)
        is_flip = v[0] == 0.0 && v[1] == 1.0 && v[2] == 1.0 && v[3] == 0.0;
      else if (op.targets.size() == 2)
        is_swap = v[0] == 1.0 && v[6] == 1.0 && v[9] == 1.0 && v[15] == 1.0 &&
                  std::count(v.begin(), v.end(), Complex(0)) == 12;
    }
  };

  // --- What arrives -----------------------------------------------------------------------------

  void add_diagonal(const Operator &op) {
    const Mask mask = op.target_mask() | op.control_mask;
    const std::size_t inner = std::size_t(1) << op.targets.size();
    const auto entry = [&](std::size_t k) { return op.values[op.is_diagonal ? k : k * inner + k]; };
    settle_all(mask);
    if (std::popcount(mask) > diagonal_max_) {
      Operator diagonal = op;
      diagonal.is_diagonal = true;
      diagonal.values.resize(inner);
      for (std::size_t k = 0; k < inner; ++k)
        diagonal.values[k] = entry(flipped(op, k));
      diagonal.control_value ^= op.control_mask & flips_;
      emit(std::move(diagonal));
      return;
    }
    Term term{mask, Vector<Complex>(std::size_t(1) << std::popcount(mask), 1)};
    for (std::size_t k = 0; k < inner; ++k) {
      Mask x = op.control_value;
      for (std::size_t t = 0; t < op.targets.size(); ++t)
        x |= (k >> t) & 1 ? bit(op.targets[t]) : 0;
      term.values[std::size_t(extract(x ^ (flips_ & mask), mask))] = snap(entry(k));
    }
    add_term(std::move(term));
  }

  // Cross out the flips that wait at the targets of a diagonal.
  std::size_t flipped(const Operator &op, std::size_t k) const {
    for (std::size_t t = 0; t < op.targets.size(); ++t)
      if (flips_ & bit(op.targets[t]))
        k ^= std::size_t(1) << t;
    return k;
  }

  // An x with controls.
  void add_flip(const Operator &op) {
    const int target = op.targets[0];
    settle_all(op.control_mask | bit(target));
    Operator flip = op;
    flip.control_value ^= op.control_mask & flips_;
    if ((flip.control_value & zero_) != 0)
      return; // a control that is never 1
    flip.control_mask &= ~zero_;
    Operator *const neighbour = dense_neighbour(flip.control_mask | bit(target));
    if (neighbour != nullptr) {
      absorb_later(*neighbour, matrix_of(flip), bits_of(flip.control_mask | bit(target)));
      return;
    }
    for (std::size_t k = 0; k < pool_.size();) {
      Term &term = pool_[k];
      const Mask mask = term.mask | flip.control_mask;
      if (!(term.mask & bit(target))) {
        ++k;
      } else if (std::popcount(mask) > diagonal_max_) {
        emit_term(k);
      } else {
        term.values = widened(term, mask);
        term.mask = mask;
        const std::size_t swap = std::size_t(extract(bit(target), mask));
        const std::size_t controls = std::size_t(extract(flip.control_mask, mask));
        const std::size_t wanted = std::size_t(extract(flip.control_value, mask));
        for (std::size_t x = 0; x < term.values.size(); ++x)
          if (!(x & swap) && (x & controls) == wanted)
            std::swap(term.values[x], term.values[x | swap]);
        ++k;
      }
    }
    emit(std::move(flip));
  }

  void add_dense(const Operator &op, bool is_swap) {
    const Mask mask = op.target_mask();
    if (is_swap) {
      settle_all(mask);
      const int a = op.targets[0], b = op.targets[1];
      std::swap(waiting_[std::size_t(a)], waiting_[std::size_t(b)]);
      const bool differ = ((flips_ >> a) ^ (flips_ >> b)) & 1;
      flips_ ^= differ ? mask : 0;
      for (Term &term : pool_)
        exchange_bits(term, a, b);
      emit({op.targets, 0, 0, false, op.values});
      return;
    }
    Operator dense{bits_of(mask), 0, 0, false, reordered(op)};
    for (int target : dense.targets) {
      Matrix2 &u = waiting_[std::size_t(target)];
      if (u != identity2)
        dense.values = times(dense.values, matrix_of(u), {target}, dense.targets, true);
      u = identity2;
      flips_ &= ~bit(target);
    }
    for (std::size_t k = 0; k < pool_.size();) {
      if ((pool_[k].mask & ~mask) != 0) {
        ++k;
        continue;
      }
      dense.values =
          times(dense.values, matrix_of(pool_[k]), bits_of(pool_[k].mask), dense.targets, true);
      drop_term(k);
    }
    Operator *const neighbour = dense_neighbour(mask);
    if (neighbour != nullptr) {
      absorb_later(*neighbour, dense.values, dense.targets);
      return;
    }
    emit_terms(mask);
    emit(std::move(dense));
    is_open_.back() = true;
  }

  void add_as_it_is(Operator &&op) {
    const Mask mask = op.target_mask();
    settle_all(mask | op.control_mask);
    for (Mask rest = mask & flips_; rest != 0; rest &= rest - 1) {
      emit_terms(rest & (~rest + 1));
      unflip(std::countr_zero(rest));
    }
    emit_terms(mask);
    op.control_value ^= op.control_mask & flips_;
    emit(std::move(op));
  }

  // --- One-qubit gates --------------------------------------------------------------------------

  void settle_all(Mask mask) {
    for (; mask != 0; mask &= mask - 1)
      settle(std::countr_zero(mask));
  }

  // Leave at most a flip waiting at the bit.
  void settle(int position) {
    Matrix2 &u = waiting_[std::size_t(position)];
    flips_ &= ~bit(position);
    if (u == identity2)
      return;
    if (u[1] == 0.0 && u[2] == 0.0) {
      const Matrix2 diagonal = u;
      u = identity2;
      add_term({bit(position), {diagonal[0], diagonal[3]}});
      return;
    }
    if (u[0] == 0.0 && u[3] == 0.0) { // a flip after a diagonal
      const Matrix2 flip = u;
      u = {0, 1, 1, 0};
      flips_ |= bit(position);
      add_term({bit(position), {flip[2], flip[1]}});
      return;
    }
    Operator *const neighbour = dense_neighbour(bit(position));
    const Matrix2 gate = u;
    u = identity2;
    if (neighbour != nullptr) {
      absorb_later(*neighbour, matrix_of(gate), {position});
      return;
    }
    const Rotation rotation(gate);
    if (!rotation.is_valid) {
      emit_terms(bit(position));
      emit({{position}, 0, 0, false, {gate.begin(), gate.end()}});
      return;
    }
    phase_ = multiply(phase_, rotation.phase);
    add_term({bit(position), {1, rotation.early}});
    emit_terms(bit(position));
    const Complex c = rotation.c, s = rotation.s;
    emit({{position}, 0, 0, false, {c, -s, s, c}});
    add_term({bit(position), {1, rotation.late}});
  }

  void unflip(int position) {
    if (!(flips_ & bit(position)))
      return;
    flips_ &= ~bit(position);
    waiting_[std::size_t(position)] = identity2;
    emit({{position}, 0, 0, false, {0, 1, 1, 0}});
  }

  // --- Diagonals --------------------------------------------------------------------------------

  void add_term(Term &&term) {
    if ((term.mask & zero_) != 0) {
      // Of a qubit that is |0> only the entries for 0 matter.
      const Mask mask = term.mask & ~zero_;
      Vector<Complex> values(std::size_t(1) << std::popcount(mask));
      for (std::size_t x = 0; x < values.size(); ++x)
        values[x] = term.values[std::size_t(extract(deposit(x, mask), term.mask))];
      term = {mask, std::move(values)};
    }
    if (term.mask == 0)
      phase_ = multiply(phase_, term.values[0]);
    if (term.mask == 0 || is_identity(term))
      return;
    for (Term &other : pool_)
      if ((term.mask & ~other.mask) == 0) {
        multiply_in(other, term);
        return;
      }
    if (pool_.size() >= pool_max)
      emit_terms(~Mask(0));
    pool_.push_back(std::move(term));
  }

  void drop_term(std::size_t k) { pool_.erase(pool_.begin() + std::ptrdiff_t(k)); }

  void emit_term(std::size_t k) {
    Term term = std::move(pool_[k]);
    drop_term(k);
    emit_diagonal(std::move(term));
  }

  // Emit the terms on any bit of `mask`, with as many others as fit beside them.
  void emit_terms(Mask mask) {
    for (std::size_t k = 0; k < pool_.size();) {
      if ((pool_[k].mask & mask) == 0) {
        ++k;
        continue;
      }
      Term sum = std::move(pool_[k]);
      drop_term(k);
      for (std::size_t other; (other = next_beside(sum, mask)) != none;) {
        join(sum, pool_[other].mask);
        multiply_in(sum, pool_[other]);
        drop_term(other);
        k -= other < k;
      }
      release_early(sum);
      emit_diagonal(std::move(sum));
    }
  }

  static void join(Term &sum, Mask mask) {
    const Mask together = sum.mask | mask;
    if (together == sum.mask)
      return;
    sum.values = widened(sum, together);
    sum.mask = together;
  }

  // The waiting diagonal that fits beside `sum`: those on `mask` first, then those with few bits
  // of their own.
  std::size_t next_beside(const Term &sum, Mask mask) const {
    std::size_t best = none;
    int best_rank = 2 * diagonal_max_ + 2;
    for (std::size_t k = 0; k < pool_.size(); ++k) {
      const int together = std::popcount(sum.mask | pool_[k].mask);
      const int rank = 2 * together + ((pool_[k].mask & mask) == 0);
      if (together <= diagonal_max_ && rank < best_rank) {
        best = k;
        best_rank = rank;
      }
    }
    return best;
  }

  // Move the early diagonals of waiting gates into a diagonal that is about to be emitted; others
  // on their bits commute with them.
  void release_early(Term &sum) {
    const int bit_count = int(waiting_.size());
    for (const bool is_inside : {true, false})
      for (int position = 0; position < bit_count; ++position) {
        Matrix2 &u = waiting_[std::size_t(position)];
        const bool fits =
            is_inside ? (sum.mask & bit(position)) != 0 : std::popcount(sum.mask) < diagonal_max_;
        if (!fits || u[0] == 0.0 || u[1] == 0.0 || (zero_ & bit(position)) != 0)
          continue;
        const Rotation rotation(u);
        if (!rotation.is_valid || rotation.early == 1.0)
          continue;
        u = product(u, {1, 0, 0, std::conj(rotation.early)});
        join(sum, bit(position));
        multiply_in(sum, {bit(position), {1, rotation.early}});
      }
  }

  void emit_diagonal(Term &&term) {
    // With 1 for the first entry, and others like it, fewer amplitudes change.
    const Complex first = term.values[0];
    if (first != 1.0 && std::abs(std::norm(first) - 1) <= residual_max) {
      phase_ = multiply(phase_, first);
      for (Complex &value : term.values)
        value = snap(multiply(value, std::conj(first)));
    }
    if (is_identity(term))
      return;
    Operator *const neighbour = dense_neighbour(term.mask);
    if (neighbour != nullptr)
      absorb_later(*neighbour, matrix_of(term), bits_of(term.mask));
    else
      emit({bits_of(term.mask), 0, 0, true, std::move(term.values)});
  }

  // --- Dense matrices ---------------------------------------------------------------------------

  // The operator that a matrix on the bits of `mask` may be multiplied into.
  Operator *dense_neighbour(Mask mask) {
    const std::size_t index = last_[std::size_t(std::countr_zero(mask))];
    if (index == none || !is_open_[index] || (mask & ~out_[index].target_mask()) != 0)
      return nullptr;
    for (Mask rest = mask; rest != 0; rest &= rest - 1)
      if (last_[std::size_t(std::countr_zero(rest))] != index)
        return nullptr;
    for (const Term &term : pool_)
      if ((term.mask & mask) != 0)
        return nullptr;
    return &out_[index];
  }

  void absorb_later(Operator &earlier, const Matrix &matrix, const Vector<int> &bits) {
    earlier.values = times(earlier.values, matrix, bits, earlier.targets, false);
  }

  // --- Output -----------------------------------------------------------------------------------

  void emit(Operator &&op) {
    zero_ &= ~op.moved_mask();
    for (Mask rest = op.moved_mask() | op.kept_mask(); rest != 0; rest &= rest - 1)
      last_[std::size_t(std::countr_zero(rest))] = out_.size();
    out_.push_back(std::move(op));
    is_open_.push_back(false);
  }

  // Multiply the common phase into an operator without controls, or add one.
  void give_phase() {
    for (std::size_t k = 0; k < out_.size(); ++k)
      if (is_open_[k] || (out_[k].is_diagonal && out_[k].control_mask == 0)) {
        for (Complex &value : out_[k].values)
          value = multiply(value, phase_);
        return;
      }
    out_.push_back({{}, 0, 0, true, {phase_}});
  }

  const int diagonal_max_;
  Mask zero_;               // bits that are 0 in every amplitude so far
  Vector<Matrix2> waiting_; // gates of each bit that nothing has needed yet
  Mask flips_ = 0;          // bits whose waiting gate is a settled x
  Vector<Term> pool_;       // diagonals that act before the waiting gates
  Vector<Operator> out_;
  Vector<char> is_open_;     // dense matrices that take in neighbours
  Vector<std::size_t> last_; // of `out_`, on each bit
  Complex phase_ = 1;
};

} // namespace

namespace {

void add_row(Fuser &fuser, const OperationColumns &columns, std::size_t k, int qubit_count,
             Monitor &monitor) {
  const std::size_t first = columns.target_starts[k];
  const bool is_alone = columns.target_starts[k + 1] - first == 1 && columns.control_counts[k] == 0;
  if (!is_alone || !is_one_qubit_gate(columns.codes[k]) ||
      columns.targets[first] >= unsigned(qubit_count)) {
    fuser.add(translate_one(columns, k, qubit_count, monitor));
    return;
  }
  monitor.look();
  const std::size_t start = columns.parameter_starts[k];
  fuser.add(
      qubit_count - 1 - int(columns.targets[first]),
      one_qubit_matrix(columns.codes[k],
                       columns.parameters.subspan(start, columns.parameter_starts[k + 1] - start)));
}

} // namespace

Vector<Operator> fuse(const OperationColumns &columns, int qubit_count, Mask alive,
                      Monitor &monitor) {
  check_columns(columns);
  Fuser fuser(qubit_count, alive);
  for (std::size_t k = 0; k < columns.codes.size(); ++k)
    add_row(fuser, columns, k, qubit_count, monitor);
  return fuser.finish();
}

Vector<Operator> fuse(const OperationColumns &columns, std::span<const std::uint32_t> rows,
                      int qubit_count, Mask alive, Monitor &monitor) {
  check_columns(columns);
  Fuser fuser(qubit_count, alive);
  for (const std::uint32_t row : rows) {
    if (row >= columns.codes.size())
      throw std::invalid_argument("row " + std::to_string(row) + " is not below " +
                                  std::to_string(columns.codes.size()));
    add_row(fuser, columns, row, qubit_count, monitor);
  }
  return fuser.finish();
}

Vector<Operator> fuse(Vector<Operator> &&operators, int bit_count, Monitor &monitor) {
  Fuser fuser(bit_count, ~Mask(0));
  for (Operator &op : operators) {
    monitor.look();
    fuser.add(std::move(op));
  }
  return fuser.finish();
}

} // namespace openbraket
