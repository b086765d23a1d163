// The configurations of atoms without a blocked pair, ascending, kept by their structure.
//
// The atoms are cut into low ones and high ones. Configurations with the same high atoms excited
// are neighbours, a block, and which low parts they have depends only on the low atoms that the
// high ones block: blocks are of few kinds. Low parts, their energies and their pairs are kept once
// for each kind, so that hardly any memory goes with a configuration.
#pragma once

#include "bits.hpp"

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace openbraket {

inline constexpr int blockade_atom_count_max = 63;

// Neighbours that pair up with neighbours: lower + i with upper + i, for i below length.
struct PairRun {
  std::uint16_t lower, upper, length;
};

class BlockadeSubspace {
public:
  // Low parts of one block, at most.
  static constexpr std::size_t low_parts_max = 2048;

  struct Kind {
    Mask excluded;                         // low atoms that are blocked
    std::vector<Mask> lows;                // ascending
    std::vector<double> energies;          // of the low parts alone
    std::vector<PairRun> runs;             // of low atom 0, of low atom 1, ...
    std::vector<std::uint32_t> run_starts; // one entry more than low atoms
    std::vector<std::int32_t> embeddings;  // into those of the subspace, for each high atom
  };
  struct Block {
    Mask high;
    double energy; // of the high part alone
    std::uint32_t start, kind;
  };

  // `blocked[k]` has the bits of the atoms that cannot be excited with atom k; `interactions` is
  // symmetric, row-major. Throws std::invalid_argument for sizes that do not fit,
  // std::length_error for more than `configuration_count_max` configurations.
  BlockadeSubspace(std::span<const Mask> blocked, std::span<const double> interactions,
                   std::size_t configuration_count_max);

  int atom_count() const { return int(blocked_.size()); }
  int low_count() const { return low_count_; }
  std::size_t configuration_count() const { return configuration_count_; }
  std::span<const Block> blocks() const { return blocks_; }
  const Kind &kind(const Block &block) const { return kinds_[block.kind]; }
  // Pairs of a block and of the block with one more atom excited, which must exist.
  std::span<const PairRun> embedding(const Block &lower, int high_atom) const {
    return embeddings_[std::size_t(kind(lower).embeddings[std::size_t(high_atom - low_count_)])];
  }
  // The interaction of a low atom with the excited high atoms.
  double field(const Block &block, int low_atom) const;

  Mask configuration(std::size_t index) const;
  std::vector<Mask> configurations() const;

  // Return the most atoms, from the first one on, that have at most `count_max` configurations;
  // no fewer than the low ones.
  int atoms_of(std::size_t count_max) const;
  // Return where blocks begin that differ beyond the first `atom_count` atoms, and their end.
  std::vector<std::uint32_t> tile_starts(int atom_count) const;

private:
  bool gather_blocks(std::span<const Mask> lows, std::size_t configuration_count_max);
  bool add_block(std::span<const Mask> lows, Mask high, double energy, Mask excluded,
                 std::size_t configuration_count_max);
  void fill_kind(Kind &kind, std::span<const Mask> lows) const;
  void embed_kinds();

  std::vector<Mask> blocked_;
  std::vector<double> interactions_;
  int low_count_ = 0;
  std::size_t configuration_count_ = 0, low_entry_count_ = 0;
  std::vector<Block> blocks_; // ascending
  std::vector<Kind> kinds_;
  std::vector<std::uint32_t> kind_sizes_;
  std::unordered_map<Mask, std::uint32_t> kinds_by_excluded_;
  std::vector<std::vector<PairRun>> embeddings_;
};

} // namespace openbraket
