// From gates and channels to few passes over Pauli coefficients.
//
// Maps of one qubit are multiplied together until a map of two qubits needs the qubit, and then run
// in the same pass as it: a pair step is (second o (a x b)) on two digits of the index. Digits are
// base 4, the lowest is least significant. Steps are then grouped into stages: a stage gathers the
// coefficients that differ in a few digits, its active ones, into a tile that a level-2 cache
// holds, runs all steps on them that the order of steps allows, and writes them back.
#pragma once

#include "operators.hpp"
#include "pauli_maps.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace openbraket {

// The two lowest digits of a tile are its vectors' own: 16 numbers lie side by side.
inline constexpr int lane_digits = 2;
// Smaller states are held with unused digits. With so many, two lanes' digits can always be found
// that are neither those of a step nor those that were the lanes' before.
inline constexpr int digit_count_min = 6;
inline constexpr int tile_digits_max = 8;

// Noise channels between operations, in columns.
struct ChannelColumns {
  std::span<const std::uint32_t> indexes; // before which operation each acts, ascending
  std::span<const std::uint32_t> target_starts, targets;
  std::span<const std::uint32_t> maps;       // which map each is
  std::span<const std::uint32_t> map_starts; // in `entries`, one more than maps
  std::span<const double> entries;           // 16 or 256 numbers for each map
};

struct PairStep {
  int first, second; // digits
  bool has_a, has_b; // whether a and b are not the identity
  Map4 a, b;         // before, on the first and on the second digit
  bool is_monomial;  // whether `map` has one entry in each row and column
  Map16 map;
};

// Return few steps with the same product. Throws std::invalid_argument for malformed columns, for
// an operation on more than two qubits, and for a map that does not preserve the trace. Looks at
// the monitor before each operation and channel.
std::vector<PairStep> fuse_maps(const OperationColumns &operations, const ChannelColumns &channels,
                                int qubit_count, int digit_count, Monitor &monitor);

struct TileStep {
  // A step on two slots, or an exchange of slots 0 and 1 with two others.
  const PairStep *step; // null for an exchange
  int first, second;    // slots
};

struct PauliStage {
  std::vector<int> digits; // active digits, ascending; slot k of a tile is digits[k] at first
  std::vector<TileStep> steps;
  std::vector<int> last_slots; // the slot in which digits[k] is at the end
};

// Group steps into stages of at most `tile_digits` active digits; the steps must outlive them.
// Looks at the monitor before each stage.
std::vector<PauliStage> plan_stages(const std::vector<PairStep> &steps, int digit_count,
                                    int tile_digits, Monitor &monitor);

} // namespace openbraket
