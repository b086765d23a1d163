#include "pauli_maps.hpp"

#include <cmath>

namespace openbraket {
namespace {

double snapped(double x) {
  if (std::abs(x) < map_zero_max)
    return 0;
  if (std::abs(x - 1) < map_zero_max)
    return 1;
  return std::abs(x + 1) < map_zero_max ? -1 : x;
}

// Row r of a string's matrix has one entry, in column r ^ flips, with this value.
struct PauliMatrix {
  unsigned flips = 0;
  Complex entries[4];
};

PauliMatrix pauli_matrix(unsigned letters, int qubit_count) {
  PauliMatrix out;
  for (Complex &entry : out.entries)
    entry = 1;
  for (int qubit = 0; qubit < qubit_count; ++qubit) {
    const unsigned letter = letters >> (2 * qubit) & 3;
    const unsigned own = 1u << qubit;
    if (letter == 1 || letter == 2)
      out.flips |= own;
    for (unsigned row = 0; row < 1u << qubit_count; ++row) {
      if (letter == 2)
        out.entries[row] *= row & own ? Complex(0, 1) : Complex(0, -1);
      if (letter == 3 && row & own)
        out.entries[row] = -out.entries[row];
    }
  }
  return out;
}

template <int QubitCount, typename Map> Map conjugation(const Complex *u) {
  constexpr unsigned size = 1u << QubitCount, count = size * size;
  static const auto paulis = [] {
    std::array<PauliMatrix, count> out;
    for (unsigned k = 0; k < count; ++k)
      out[k] = pauli_matrix(k, QubitCount);
    return out;
  }();
  Map map{};
  for (unsigned j = 0; j < count; ++j) {
    const PauliMatrix &p = paulis[j];
    Complex up[size][size], image[size][size]; // U P, U P U^+
    for (unsigned r = 0; r < size; ++r)
      for (unsigned k = 0; k < size; ++k)
        up[r][k ^ p.flips] = multiply(u[r * size + k], p.entries[k]);
    for (unsigned r = 0; r < size; ++r)
      for (unsigned c = 0; c < size; ++c) {
        Complex sum = 0;
        for (unsigned k = 0; k < size; ++k)
          sum += multiply(up[r][k], std::conj(u[c * size + k]));
        image[r][c] = sum;
      }
    for (unsigned i = 0; i < count; ++i) {
      double trace = 0;
      for (unsigned r = 0; r < size; ++r)
        trace += multiply(paulis[i].entries[r], image[r ^ paulis[i].flips][r]).real();
      map[i * count + j] = snapped(trace / size);
    }
  }
  // A unitary preserves the trace and the identity exactly.
  for (unsigned j = 0; j < count; ++j)
    map[j] = map[j * count] = j == 0;
  return map;
}

template <unsigned Size, typename Map> Map identity() {
  Map map{};
  for (unsigned k = 0; k < Size; ++k)
    map[k * Size + k] = 1;
  return map;
}

template <unsigned Size, typename Map> Map multiplied(const Map &a, const Map &b) {
  Map out{};
  for (unsigned r = 0; r < Size; ++r) {
    for (unsigned k = 0; k < Size; ++k)
      if (const double factor = a[r * Size + k]; factor != 0)
        for (unsigned c = 0; c < Size; ++c)
          out[r * Size + c] += factor * b[k * Size + c];
    for (unsigned c = 0; c < Size; ++c)
      out[r * Size + c] = snapped(out[r * Size + c]);
  }
  return out;
}

} // namespace

Map4 identity_map4() { return identity<4, Map4>(); }
Map16 identity_map16() { return identity<16, Map16>(); }
Map4 map_of(const Matrix2 &u) { return conjugation<1, Map4>(u.data()); }
Map16 map_of(const Matrix &u) { return conjugation<2, Map16>(u.data()); }
Map4 product(const Map4 &a, const Map4 &b) { return multiplied<4>(a, b); }
Map16 product(const Map16 &a, const Map16 &b) { return multiplied<16>(a, b); }

Map16 tensor_product(const Map4 &first, const Map4 &second) {
  Map16 out;
  for (unsigned r = 0; r < 16; ++r)
    for (unsigned c = 0; c < 16; ++c)
      out[16 * r + c] = first[4 * (r / 4) + c / 4] * second[4 * (r % 4) + c % 4];
  return out;
}

Map16 exchanged(const Map16 &map) {
  const auto turned = [](unsigned k) { return 4 * (k % 4) + k / 4; };
  Map16 out;
  for (unsigned r = 0; r < 16; ++r)
    for (unsigned c = 0; c < 16; ++c)
      out[16 * turned(r) + turned(c)] = map[16 * r + c];
  return out;
}

int nonzero_count(const Map16 &map) {
  int count = 0;
  for (double x : map)
    count += x != 0;
  return count;
}

} // namespace openbraket
