#include "rydberg_subspace.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

namespace openbraket {
namespace {

// Low parts of all kinds together: at most so many, or that share of the configurations. Ten low
// atoms have 3^10 at most, whatever is blocked, which is less.
constexpr std::size_t low_entries_min = std::size_t(1) << 16, low_entry_share = 32;
constexpr std::size_t low_entries_max = std::size_t(1) << 18;
constexpr int low_atoms_min = 10;

double energy_with(std::span<const double> interactions, std::size_t n, Mask others, int atom) {
  double energy = 0;
  const double *row = interactions.data() + std::size_t(atom) * n;
  for (Mask m = others; m != 0; m &= m - 1)
    energy += row[std::countr_zero(m)];
  return energy;
}

void append_pair(std::vector<PairRun> &runs, std::size_t first_run, std::size_t lower,
                 std::size_t upper) {
  PairRun *const last = runs.size() > first_run ? &runs.back() : nullptr;
  if (last != nullptr && std::size_t(last->lower) + last->length == lower &&
      std::size_t(last->upper) + last->length == upper)
    ++last->length;
  else
    runs.push_back({std::uint16_t(lower), std::uint16_t(upper), 1});
}

// Every set of the first atoms without a blocked pair, as far as there are few enough.
std::vector<Mask> few_low_parts(std::span<const Mask> blocked, int &atom_count) {
  std::vector<Mask> out{0};
  for (atom_count = 0; atom_count < int(blocked.size()); ++atom_count) {
    const std::size_t before = out.size();
    const Mask excluding = blocked[std::size_t(atom_count)];
    for (std::size_t i = 0; i < before; ++i)
      if ((out[i] & excluding) == 0)
        out.push_back(out[i] | bit(atom_count));
    if (out.size() > BlockadeSubspace::low_parts_max) {
      out.resize(before);
      break;
    }
  }
  return out;
}

} // namespace

BlockadeSubspace::BlockadeSubspace(std::span<const Mask> blocked,
                                   std::span<const double> interactions,
                                   std::size_t configuration_count_max)
    : blocked_(blocked.begin(), blocked.end()),
      interactions_(interactions.begin(), interactions.end()) {
  if (blocked.empty() || blocked.size() > std::size_t(blockade_atom_count_max))
    throw std::invalid_argument("atom_count must be 1 to " +
                                std::to_string(blockade_atom_count_max) + ", got " +
                                std::to_string(blocked.size()));
  if (interactions.size() != blocked.size() * blocked.size())
    throw std::invalid_argument("interactions must have atom_count^2 entries");
  configuration_count_max = std::min<std::size_t>(configuration_count_max, UINT32_MAX);
  std::vector<Mask> lows = few_low_parts(blocked, low_count_);
  while (!gather_blocks(lows, configuration_count_max)) {
    low_count_ = std::max(low_atoms_min, low_count_ - 2);
    lows.erase(std::lower_bound(lows.begin(), lows.end(), bit(low_count_)), lows.end());
  }
  for (Kind &kind : kinds_)
    fill_kind(kind, lows);
  embed_kinds();
}

// Find all blocks, and the size and start of each; false where there are too many kinds.
bool BlockadeSubspace::gather_blocks(std::span<const Mask> lows,
                                     std::size_t configuration_count_max) {
  const Mask low_mask = bit(low_count_) - 1;
  blocks_.clear();
  kinds_.clear();
  kind_sizes_.clear();
  kinds_by_excluded_.clear();
  configuration_count_ = low_entry_count_ = 0;
  if (!add_block(lows, 0, 0.0, 0, configuration_count_max))
    return false;
  for (int k = low_count_; k < atom_count(); ++k) {
    const Mask excluding = blocked_[std::size_t(k)];
    const std::size_t before = blocks_.size();
    for (std::size_t i = 0; i < before; ++i) {
      const Block rest = blocks_[i];
      if ((rest.high & excluding) != 0)
        continue;
      const double energy = rest.energy + energy_with(interactions_, blocked_.size(), rest.high, k);
      const Mask excluded = kinds_[rest.kind].excluded | (excluding & low_mask);
      if (!add_block(lows, rest.high | bit(k), energy, excluded, configuration_count_max))
        return false;
    }
  }
  return low_entry_count_ <= std::max(low_entries_min, configuration_count_ / low_entry_share);
}

bool BlockadeSubspace::add_block(std::span<const Mask> lows, Mask high, double energy,
                                 Mask excluded, std::size_t configuration_count_max) {
  const auto [found, is_new] =
      kinds_by_excluded_.try_emplace(excluded, std::uint32_t(kinds_.size()));
  const std::uint32_t kind = found->second;
  if (is_new) {
    const auto size =
        std::count_if(lows.begin(), lows.end(), [&](Mask low) { return (low & excluded) == 0; });
    low_entry_count_ += std::size_t(size);
    if (low_entry_count_ > low_entries_max)
      return false;
    kinds_.emplace_back().excluded = excluded;
    kind_sizes_.push_back(std::uint32_t(size));
  }
  if (configuration_count_ + kind_sizes_[kind] > configuration_count_max)
    throw std::length_error("the blockade subspace has more than " +
                            std::to_string(configuration_count_max) + " configurations");
  blocks_.push_back({high, energy, std::uint32_t(configuration_count_), kind});
  configuration_count_ += kind_sizes_[kind];
  return true;
}

void BlockadeSubspace::fill_kind(Kind &kind, std::span<const Mask> lows) const {
  for (const Mask low : lows)
    if ((low & kind.excluded) == 0) {
      double energy = 0;
      for (Mask m = low; m != 0; m &= m - 1)
        energy += energy_with(interactions_, blocked_.size(), m & (m - 1), std::countr_zero(m));
      kind.lows.push_back(low);
      kind.energies.push_back(energy);
    }
  for (int k = 0; k < low_count_; ++k) {
    kind.run_starts.push_back(std::uint32_t(kind.runs.size()));
    std::size_t lower = 0;
    for (std::size_t upper = 0; upper < kind.lows.size(); ++upper) {
      if ((kind.lows[upper] & bit(k)) == 0)
        continue;
      while (kind.lows[lower] != (kind.lows[upper] ^ bit(k)))
        ++lower;
      append_pair(kind.runs, kind.run_starts.back(), lower, upper);
    }
  }
  kind.run_starts.push_back(std::uint32_t(kind.runs.size()));
}

// With one more high atom excited a block has some of the low parts that it had before.
void BlockadeSubspace::embed_kinds() {
  const Mask low_mask = bit(low_count_) - 1;
  std::map<std::pair<std::size_t, std::size_t>, std::int32_t> known;
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind)
    for (int k = low_count_; k < atom_count(); ++k) {
      const auto found =
          kinds_by_excluded_.find(kinds_[kind].excluded | (blocked_[std::size_t(k)] & low_mask));
      if (found == kinds_by_excluded_.end()) {
        kinds_[kind].embeddings.push_back(-1);
        continue;
      }
      const auto [entry, is_new] =
          known.try_emplace({kind, found->second}, std::int32_t(embeddings_.size()));
      kinds_[kind].embeddings.push_back(entry->second);
      if (!is_new)
        continue;
      std::vector<PairRun> &runs = embeddings_.emplace_back();
      const std::vector<Mask> &lowers = kinds_[kind].lows, &uppers = kinds_[found->second].lows;
      std::size_t lower = 0;
      for (std::size_t upper = 0; upper < uppers.size(); ++upper, ++lower) {
        while (lowers[lower] != uppers[upper])
          ++lower;
        append_pair(runs, 0, lower, upper);
      }
      runs.shrink_to_fit();
    }
}

double BlockadeSubspace::field(const Block &block, int low_atom) const {
  return energy_with(interactions_, blocked_.size(), block.high, low_atom);
}

Mask BlockadeSubspace::configuration(std::size_t index) const {
  const auto after =
      std::upper_bound(blocks_.begin(), blocks_.end(), index,
                       [](std::size_t value, const Block &block) { return value < block.start; });
  const Block &block = *(after - 1);
  return block.high | kind(block).lows[index - block.start];
}

std::vector<Mask> BlockadeSubspace::configurations() const {
  std::vector<Mask> out;
  out.reserve(configuration_count_);
  for (const Block &block : blocks_)
    for (const Mask low : kind(block).lows)
      out.push_back(block.high | low);
  return out;
}

int BlockadeSubspace::atoms_of(std::size_t count_max) const {
  if (configuration_count_ <= count_max)
    return atom_count();
  int atoms = low_count_;
  for (int k = low_count_ + 1; k < atom_count(); ++k) {
    // The first configuration with atom k has all those of the atoms before it in front.
    const auto first =
        std::lower_bound(blocks_.begin(), blocks_.end(), bit(k),
                         [](const Block &block, Mask value) { return block.high < value; });
    if (first->start > count_max)
      break;
    atoms = k;
  }
  return atoms;
}

std::vector<std::uint32_t> BlockadeSubspace::tile_starts(int atom_count) const {
  std::vector<std::uint32_t> out;
  for (std::size_t i = 0; i < blocks_.size(); ++i)
    if (i == 0 || blocks_[i].high >> atom_count != blocks_[i - 1].high >> atom_count)
      out.push_back(std::uint32_t(i));
  out.push_back(std::uint32_t(blocks_.size()));
  return out;
}

} // namespace openbraket
