#include "rydberg_chain.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace openbraket {
namespace {

// Eigenvalues of a Gram matrix below this share of its trace are rounding.
constexpr double gram_noise = 4e-16;

} // namespace

ChainState::ChainState(std::span<const double> interactions, int atom_count, int reach,
                       ChainTruncation truncation)
    : atom_count_(atom_count), reach_(std::min(reach, atom_count - 1)), truncation_(truncation),
      interactions_(interactions.begin(), interactions.end()) {
  if (atom_count < 1 || atom_count > chain_atom_count_max)
    throw std::invalid_argument("the atom count is " + std::to_string(atom_count) + "; 1 to " +
                                std::to_string(chain_atom_count_max) + " are possible");
  if (interactions.size() != std::size_t(atom_count) * std::size_t(atom_count))
    throw std::invalid_argument("the interactions do not fit the atom count");
  if (reach < 1 || reach > chain_reach_max)
    throw std::invalid_argument("the reach is " + std::to_string(reach) + "; 1 to " +
                                std::to_string(chain_reach_max) + " are possible");
  if (truncation.max_bond < 1 || !(truncation.cutoff >= 0.0 && truncation.cutoff < 1.0))
    throw std::invalid_argument("max_bond must be at least 1, and cutoff from 0 to below 1");
  tensors_.resize(std::size_t(atom_count));
  for (Tensor &tensor : tensors_) {
    tensor.planes.reserve(16);
    std::fill_n(tensor.planes.re(), 16, 0.0);
    std::fill_n(tensor.planes.im(), 16, 0.0);
    tensor.planes.re()[0] = 1.0;
  }
}

bool ChainState::apply(std::span<const Complex> matrices, std::span<const double> betas,
                       Monitor &monitor) {
  const std::size_t row = std::size_t(atom_count_) * 4;
  if (matrices.size() != betas.size() * row)
    throw std::invalid_argument("matrices and betas do not fit together");
  monitor.done = 0;
  monitor.total = std::max<std::size_t>(1, betas.size());
  for (std::size_t stage = 0; stage < betas.size(); ++stage) {
    apply_matrices(matrices.data() + stage * row);
    if (betas[stage] != 0.0 && atom_count_ > 1 && !sweep(betas[stage], monitor))
      return false;
    monitor.done.fetch_add(1, std::memory_order_relaxed);
  }
  return !monitor.is_cancelled.load();
}

void ChainState::apply_matrices(const Complex *matrices) {
  for (std::size_t k = 0; k < tensors_.size(); ++k) {
    Tensor &tensor = tensors_[k];
    const Complex *const u = matrices + 4 * k;
    const int wide = padded_to_line(tensor.right);
    for (int a = 0; a < tensor.left; ++a) {
      double *const gr = tensor.planes.re() + 2 * a * wide, *const rr = gr + wide;
      double *const gi = tensor.planes.im() + 2 * a * wide, *const ri = gi + wide;
      for (int b = 0; b < wide; ++b) {
        const Complex g(gr[b], gi[b]), r(rr[b], ri[b]);
        const Complex x = multiply(u[0], g) + multiply(u[1], r);
        const Complex y = multiply(u[2], g) + multiply(u[3], r);
        gr[b] = x.real(), gi[b] = x.imag();
        rr[b] = y.real(), ri[b] = y.imag();
      }
    }
  }
}

bool ChainState::sweep(double beta, Monitor &monitor) {
  Tensor &first = tensors_[site_index(0)];
  left_ = 1;
  right_ = first.right;
  block_.swap(first.planes);
  int count = 1; // atoms in the block
  for (int position = 0; position < atom_count_ - 1; ++position) {
    if (monitor.is_cancelled.load(std::memory_order_relaxed))
      return false;
    for (; count <= reach_ && position + count < atom_count_; ++count)
      extend(position + count, count);
    multiply_phases(position, count, beta);
    split(position, count);
    --count;
  }
  // What is left is the centre, on the last atom; right_ is 1.
  Tensor &last = tensors_[site_index(atom_count_ - 1)];
  const int wide = padded_to_line(left_);
  last.planes.reserve(std::size_t(2 * wide));
  std::fill_n(last.planes.re(), 2 * wide, 0.0);
  std::fill_n(last.planes.im(), 2 * wide, 0.0);
  for (int a = 0; a < left_; ++a)
    for (int s = 0; s < 2; ++s) {
      last.planes.re()[s * wide + a] = block_.re()[(2 * a + s) * 8];
      last.planes.im()[s * wide + a] = block_.im()[(2 * a + s) * 8];
    }
  last.left = 1;
  last.right = left_;
  is_forward_ = !is_forward_;
  return true;
}

// Take the atom at `position` into the block, which has `count` atoms so far.
void ChainState::extend(int position, int count) {
  Tensor &tensor = tensors_[site_index(position)];
  const int rows = left_ << count, columns = 2 * padded_to_line(tensor.right);
  next_.reserve(std::size_t(rows) * std::size_t(columns));
  multiply(block_.view(padded_to_line(right_)), tensor.planes.view(columns), next_.view(columns),
           rows, right_, columns);
  block_.swap(next_);
  right_ = tensor.right;
}

// Multiply the block by the fan of its first atom.
void ChainState::multiply_phases(int position, int count, double beta) {
  const std::size_t wide = std::size_t(padded_to_line(right_)), others = std::size_t(count) - 1;
  const double *const row = interactions_.data() + site(position) * atom_count_;
  for (std::size_t pattern = 1; pattern < std::size_t(1) << others; ++pattern) {
    double energy = 0.0;
    for (std::size_t t = 0; t < others; ++t)
      if ((pattern >> (others - 1 - t)) & 1)
        energy += row[site(position + 1 + int(t))];
    const double c = std::cos(beta * energy), s = -std::sin(beta * energy);
    for (std::size_t a = 0; a < std::size_t(left_); ++a) {
      const std::size_t from = ((((2 * a + 1) << others) | pattern)) * wide;
      double *const re = block_.re() + from, *const im = block_.im() + from;
      for (std::size_t b = 0; b < wide; ++b) {
        const double x = re[b], y = im[b];
        re[b] = c * x - s * y;
        im[b] = s * x + c * y;
      }
    }
  }
}

// Leave the first atom of the block behind, with the bond to the others cut down.
void ChainState::split(int position, int count) {
  const int rows = 2 * left_, columns = padded_to_line(right_) << (count - 1);
  const int wide = padded_to_line(rows);
  gram_.reserve(std::size_t(rows) * std::size_t(wide));
  gram(block_.view(columns), gram_.view(wide), rows, columns);
  eigen_.decompose(gram_.view(wide), rows);
  const std::span<const double> weights = eigen_.values();
  double total = 0.0, dropped = 0.0;
  for (const double weight : weights)
    total += std::max(0.0, weight);
  int keep = rows;
  while (keep > 1) {
    const double weight = std::max(0.0, weights[std::size_t(keep) - 1]);
    if (keep <= truncation_.max_bond && dropped + weight > truncation_.cutoff * total &&
        weight > gram_noise * total)
      break;
    dropped += weight;
    --keep;
  }
  discarded_weight_ += dropped / total;
  peak_bond_ = std::max(peak_bond_, keep);
  vectors_.reserve(std::size_t(keep) * std::size_t(wide));
  eigen_.conjugate_vectors(keep, vectors_.view(wide));
  next_.reserve(std::size_t(keep) * std::size_t(columns));
  multiply(vectors_.view(wide), block_.view(columns), next_.view(columns), keep, rows, columns);
  const double scale = std::sqrt(total / (total - dropped));
  for (std::size_t i = 0; i < std::size_t(keep) * std::size_t(columns); ++i) {
    next_.re()[i] *= scale;
    next_.im()[i] *= scale;
  }
  block_.swap(next_);
  // The next sweep comes from the other side: left and right change places.
  Tensor &tensor = tensors_[site_index(position)];
  const int width = padded_to_line(left_);
  tensor.left = keep;
  tensor.right = left_;
  tensor.planes.reserve(std::size_t(2 * keep * width));
  for (int c = 0; c < keep; ++c)
    for (int s = 0; s < 2; ++s) {
      double *const re = tensor.planes.re() + (2 * c + s) * width;
      double *const im = tensor.planes.im() + (2 * c + s) * width;
      for (int a = 0; a < left_; ++a) {
        re[a] = vectors_.re()[c * wide + 2 * a + s];
        im[a] = -vectors_.im()[c * wide + 2 * a + s];
      }
      for (int a = left_; a < width; ++a)
        re[a] = im[a] = 0.0;
    }
  left_ = keep;
}

double ChainState::norm() const {
  const Tensor &centre = tensors_[site_index(0)];
  double total = 0.0;
  for (int i = 0; i < 2 * padded_to_line(centre.right); ++i)
    total += centre.planes.re()[i] * centre.planes.re()[i] +
             centre.planes.im()[i] * centre.planes.im()[i];
  return total;
}

std::vector<int> ChainState::bonds() const {
  std::vector<int> out;
  for (int k = 0; k + 1 < atom_count_; ++k)
    out.push_back(is_forward_ ? tensors_[std::size_t(k)].right
                              : tensors_[std::size_t(k) + 1].right);
  return out;
}

std::vector<double> ChainState::densities() const {
  std::vector<double> out(static_cast<std::size_t>(atom_count_));
  // weight = sum over everything left of the atom of psi^T psi^*, between its left bonds.
  std::vector<Complex> weight{1.0}, next, half;
  for (int position = 0; position < atom_count_; ++position) {
    const Tensor &tensor = tensors_[site_index(position)];
    const std::size_t left = std::size_t(tensor.left), right = std::size_t(tensor.right);
    const std::size_t wide = std::size_t(padded_to_line(tensor.right));
    const auto entry = [&](std::size_t a, std::size_t s, std::size_t b) {
      const std::size_t at = (2 * a + s) * wide + b;
      return Complex(tensor.planes.re()[at], tensor.planes.im()[at]);
    };
    next.assign(right * right, 0.0);
    double shares[2] = {0.0, 0.0};
    for (std::size_t s = 0; s < 2; ++s) {
      half.assign(left * right, 0.0);
      for (std::size_t a = 0; a < left; ++a)
        for (std::size_t c = 0; c < left; ++c)
          for (std::size_t b = 0; b < right; ++b)
            half[c * right + b] += multiply(weight[a * left + c], entry(a, s, b));
      for (std::size_t c = 0; c < left; ++c)
        for (std::size_t b = 0; b < right; ++b) {
          shares[s] += multiply(half[c * right + b], std::conj(entry(c, s, b))).real();
          for (std::size_t d = 0; d < right; ++d)
            next[b * right + d] += multiply(half[c * right + b], std::conj(entry(c, s, d)));
        }
    }
    out[site_index(position)] = shares[1] / (shares[0] + shares[1]);
    weight.swap(next);
  }
  return out;
}

std::vector<Complex> ChainState::amplitudes() const {
  if (atom_count_ > chain_listed_atoms_max)
    throw std::invalid_argument("amplitudes are listed for at most " +
                                std::to_string(chain_listed_atoms_max) + " atoms");
  std::vector<Complex> rows{1.0}, next; // one row for each setting of the atoms so far
  std::vector<std::size_t> settings{0}, more;
  for (int position = 0; position < atom_count_; ++position) {
    const Tensor &tensor = tensors_[site_index(position)];
    const std::size_t left = std::size_t(tensor.left), right = std::size_t(tensor.right);
    const std::size_t wide = std::size_t(padded_to_line(tensor.right));
    next.assign(settings.size() * 2 * right, 0.0);
    more.clear();
    for (std::size_t i = 0; i < settings.size(); ++i)
      for (std::size_t s = 0; s < 2; ++s) {
        Complex *const out = next.data() + more.size() * right;
        more.push_back(settings[i] | s << site(position));
        for (std::size_t a = 0; a < left; ++a)
          for (std::size_t b = 0; b < right; ++b) {
            const std::size_t at = (2 * a + s) * wide + b;
            out[b] += multiply(rows[i * left + a],
                               Complex(tensor.planes.re()[at], tensor.planes.im()[at]));
          }
      }
    rows.swap(next);
    settings.swap(more);
  }
  std::vector<Complex> out(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    out[settings[i]] = rows[i];
  return out;
}

std::vector<std::uint8_t> ChainState::sample(std::span<const double> draws) const {
  const std::size_t atoms = std::size_t(atom_count_), shots = draws.size() / atoms;
  if (shots * atoms != draws.size())
    throw std::invalid_argument("draws must have one number per shot and atom");
  // Shots that go through the products of matrices together.
  constexpr std::size_t batch_max = 256;
  std::vector<std::uint8_t> out(draws.size());
  Planes rows, products;
  for (std::size_t first = 0; first < shots; first += batch_max) {
    const std::size_t batch = std::min(batch_max, shots - first);
    rows.reserve(batch * 8);
    for (std::size_t i = 0; i < batch; ++i) {
      rows.re()[i * 8] = 1.0;
      rows.im()[i * 8] = 0.0;
    }
    for (int position = 0; position < atom_count_; ++position) {
      const std::size_t k = site_index(position);
      const Tensor &tensor = tensors_[k];
      const std::size_t wide = std::size_t(padded_to_line(tensor.right));
      const PlanesView matrix{const_cast<double *>(tensor.planes.re()),
                              const_cast<double *>(tensor.planes.im()), std::ptrdiff_t(2 * wide)};
      products.reserve(batch * 2 * wide);
      multiply(rows.view(padded_to_line(tensor.left)), matrix,
               products.view(std::ptrdiff_t(2 * wide)), int(batch), tensor.left, int(2 * wide));
      rows.reserve(batch * wide);
      for (std::size_t i = 0; i < batch; ++i) {
        const double *const re = products.re() + i * 2 * wide;
        const double *const im = products.im() + i * 2 * wide;
        double shares[2];
        for (std::size_t s = 0; s < 2; ++s) {
          shares[s] = 0.0;
          for (std::size_t b = s * wide; b < (s + 1) * wide; ++b)
            shares[s] += re[b] * re[b] + im[b] * im[b];
        }
        const std::size_t shot = first + i;
        const std::size_t is_excited =
            draws[shot * atoms + k] * (shares[0] + shares[1]) >= shares[0] ? 1 : 0;
        out[shot * atoms + k] = std::uint8_t(is_excited);
        const double scale = 1.0 / std::sqrt(shares[is_excited]);
        for (std::size_t b = 0; b < wide; ++b) {
          rows.re()[i * wide + b] = scale * re[is_excited * wide + b];
          rows.im()[i * wide + b] = scale * im[is_excited * wide + b];
        }
      }
    }
  }
  return out;
}

} // namespace openbraket
