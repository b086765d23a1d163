// One search for a routing: SABRE with prices.
#pragma once

#include "routing_blocks.hpp"

#include <algorithm>
#include <limits>
#include <random>
#include <utility>
#include <vector>

namespace openbraket {

constexpr double kSwapCost = 3.0; // native gates of an exchange on its own

// What differs from one search to the next.
struct Heuristic {
  double lookahead = 0.25;   // weight of the first blocks behind the front
  double fading = 0.8;       // factor of each further level
  int lookahead_count = 100; // blocks looked at behind the front
  double thrift = 1.0;       // weight of what an exchange costs
  bool chooses_start = true; // whether qubits that nothing has touched may start elsewhere
  double decay = 0.2;        // penalty of a qubit for each exchange since the last block
};

// One search through one sequence.
class Search {
public:
  Search(const CouplingGraph &graph, const Sequence &sequence, const Heuristic &heuristic,
         std::vector<int> layout, std::uint64_t seed)
      : graph_(graph), sequence_(sequence), heuristic_(heuristic), layout_(std::move(layout)),
        start_(layout_), occupant_(graph.count, -1), random_(seed), last_(graph.count, -1),
        decay_(graph.count, 0), current_(sequence.logical_count, 0),
        remaining_(sequence.logical_count, 0), is_done_(sequence.cost.size(), 0),
        level_(sequence.cost.size(), -1), items_(sequence.logical_count),
        seen_(static_cast<std::size_t>(graph.count) * graph.count, 0) {
    for (int q = 0; q < sequence.logical_count; ++q)
      occupant_[layout_[q]] = q;
  }

  void run(bool is_recording) {
    is_recording_ = is_recording;
    for (int q = 0; q < sequence_.logical_count; ++q)
      if (!sequence_.members[q].empty())
        remaining_[q] = static_cast<int>(sequence_.members[q][0].size());
    for (int q = 0; q < sequence_.logical_count; ++q)
      enter_group(q);
    const int patience = 8 + 2 * longest();
    int idle_count = 0;
    settle();
    while (!front_.empty()) {
      if (idle_count == 0)
        look_ahead();
      if (idle_count >= patience) {
        force_nearest();
        idle_count = 0;
        continue;
      }
      const auto [p, r] = best_exchange();
      idle_count = exchange(p, r) ? 0 : idle_count + 1;
    }
  }

  double cost() const { return cost_; }
  const std::vector<int> &start() const { return start_; }
  const std::vector<int> &layout() const { return layout_; }
  std::vector<std::int32_t> take_events() { return std::move(events_); }

private:
  struct Event {
    double now, exchanged;
    bool is_swap;
  };
  struct Item {
    int other;
    double weight;
  };

  bool is_ready(int block) const {
    return current_[sequence_.qubit[0][block]] == sequence_.group[0][block] &&
           current_[sequence_.qubit[1][block]] == sequence_.group[1][block];
  }

  // Puts the blocks of a qubit's new group that are ready into the queue.
  void enter_group(int q) {
    const auto &groups = sequence_.members[q];
    if (static_cast<std::size_t>(current_[q]) >= groups.size())
      return;
    for (const int block : groups[current_[q]])
      if (!is_done_[block] && level_[block] != 0 && is_ready(block)) {
        level_[block] = 0;
        front_.push_back(block);
      }
  }

  bool is_adjacent(int block) const {
    return graph_.hops(layout_[sequence_.qubit[0][block]], layout_[sequence_.qubit[1][block]]) == 1;
  }

  // Runs the blocks of the front whose qubits are neighbours; returns whether there were any.
  bool settle() {
    bool has_run = false;
    for (std::size_t k = 0; k < front_.size();) {
      const int block = front_[k];
      if (!is_adjacent(block)) {
        ++k;
        continue;
      }
      front_[k] = front_.back();
      front_.pop_back();
      run_block(block);
      has_run = true;
    }
    if (has_run)
      std::fill(decay_.begin(), decay_.end(), 0.0);
    return has_run;
  }

  void run_block(int block) {
    const int a = sequence_.qubit[0][block], b = sequence_.qubit[1][block];
    const int p = layout_[a], r = layout_[b];
    const double weight = graph_.weight_of(p, r);
    const double plain = sequence_.cost[block], exchanged = sequence_.exchanged[block];
    is_done_[block] = 1;
    if (last_[p] >= 0 && last_[p] == last_[r]) {
      Event &event = trail_[last_[p]];
      const Event before = event;
      if (event.is_swap)
        event = {before.now > 0 ? exchanged : plain, before.now > 0 ? plain : exchanged, false};
      else
        event = {std::min(kSwapCost, before.now + plain), kSwapCost, false};
      cost_ += weight * (event.now - before.now);
    } else {
      last_[p] = last_[r] = static_cast<int>(trail_.size());
      trail_.push_back({plain, exchanged, false});
      cost_ += weight * plain;
    }
    record(block, p, r);
    for (const int q : {a, b})
      if (--remaining_[q] == 0) {
        ++current_[q];
        const auto &groups = sequence_.members[q];
        if (static_cast<std::size_t>(current_[q]) < groups.size())
          remaining_[q] = static_cast<int>(groups[current_[q]].size());
        enter_group(q);
      }
  }

  void record(int block, int p, int r) {
    if (is_recording_)
      events_.insert(events_.end(), {block, p, r});
  }

  // Whether an exchange is but another start: nothing has touched these qubits.
  bool is_free(int p, int r) const {
    return heuristic_.chooses_start && last_[p] < 0 && last_[r] < 0;
  }

  // What an exchange adds to the cost.
  double price(int p, int r) const {
    if (is_free(p, r))
      return 0;
    if (last_[p] >= 0 && last_[p] == last_[r])
      return graph_.weight_of(p, r) * (trail_[last_[p]].exchanged - trail_[last_[p]].now);
    return graph_.weight_of(p, r) * kSwapCost;
  }

  // Exchanges two neighbours; returns whether blocks could run then.
  bool exchange(int p, int r) {
    const int a = occupant_[p], b = occupant_[r];
    cost_ += price(p, r);
    if (is_free(p, r)) {
      if (a >= 0)
        start_[a] = r;
      if (b >= 0)
        start_[b] = p;
    } else {
      if (last_[p] >= 0 && last_[p] == last_[r]) {
        std::swap(trail_[last_[p]].now, trail_[last_[p]].exchanged);
      } else {
        last_[p] = last_[r] = static_cast<int>(trail_.size());
        trail_.push_back({kSwapCost, 0, true});
      }
      record(-1, p, r);
    }
    std::swap(occupant_[p], occupant_[r]);
    if (a >= 0)
      layout_[a] = r;
    if (b >= 0)
      layout_[b] = p;
    decay_[p] += heuristic_.decay;
    decay_[r] += heuristic_.decay;
    return settle();
  }

  // Collects the blocks that decide about exchanges: for each qubit its partners and weights.
  void look_ahead() {
    for (auto &items : items_)
      items.clear();
    for (const int block : front_)
      add_items(block, 1.0);
    visited_ = front_;
    std::size_t level_start = 0;
    double weight = heuristic_.lookahead;
    int missing = heuristic_.lookahead_count;
    while (missing > 0 && level_start < visited_.size()) {
      const std::size_t level_stop = visited_.size();
      for (std::size_t k = level_start; k < level_stop && missing > 0; ++k)
        missing -= add_successors(visited_[k], weight, missing);
      level_start = level_stop;
      weight *= heuristic_.fading;
    }
    for (const int block : visited_)
      level_[block] = -1;
    for (const int block : front_)
      level_[block] = 0;
  }

  int add_successors(int block, double weight, int count_max) {
    int count = 0;
    for (int side = 0; side < 2; ++side) {
      const int q = sequence_.qubit[side][block];
      const auto &groups = sequence_.members[q];
      const std::size_t next = sequence_.group[side][block] + 1;
      if (next >= groups.size())
        continue;
      for (const int follower : groups[next]) {
        if (level_[follower] >= 0)
          continue;
        level_[follower] = 1;
        visited_.push_back(follower);
        add_items(follower, weight);
        if (++count == count_max)
          return count;
      }
    }
    return count;
  }

  void add_items(int block, double weight) {
    const int a = sequence_.qubit[0][block], b = sequence_.qubit[1][block];
    items_[a].push_back({b, weight});
    items_[b].push_back({a, weight});
  }

  // How much farther the blocks of qubit `a` are if it moves from p to r, where `b` is.
  double detour(int a, int b, int p, int r) const {
    if (a < 0)
      return 0;
    double sum = 0;
    for (const Item &item : items_[a])
      if (item.other != b)
        sum += item.weight *
               (graph_.hops(r, layout_[item.other]) - graph_.hops(p, layout_[item.other]));
    return sum;
  }

  std::pair<int, int> best_exchange() {
    ++stamp_;
    double best = std::numeric_limits<double>::infinity();
    std::pair<int, int> found{-1, -1};
    int tie_count = 0;
    for (const int block : front_)
      for (int side = 0; side < 2; ++side) {
        const int p = layout_[sequence_.qubit[side][block]];
        for (const int r : graph_.neighbours[p]) {
          auto &seen =
              seen_[static_cast<std::size_t>(std::min(p, r)) * graph_.count + std::max(p, r)];
          if (seen == stamp_)
            continue;
          seen = stamp_;
          const int a = occupant_[p], b = occupant_[r];
          const double score = detour(a, b, p, r) + detour(b, a, r, p) +
                               heuristic_.thrift * price(p, r) / kSwapCost + decay_[p] + decay_[r];
          if (score < best - 1e-9) {
            best = score;
            found = {p, r};
            tie_count = 1;
          } else if (score < best + 1e-9 && random_() % ++tie_count == 0) {
            found = {p, r};
          }
        }
      }
    return found;
  }

  // Brings the qubits of the nearest block of the front together, so that every search ends.
  void force_nearest() {
    const auto hops = [this](int block) {
      return graph_.hops(layout_[sequence_.qubit[0][block]], layout_[sequence_.qubit[1][block]]);
    };
    const int block = *std::min_element(front_.begin(), front_.end(),
                                        [&](int x, int y) { return hops(x) < hops(y); });
    const int goal = sequence_.qubit[1][block];
    while (!is_done_[block]) {
      const int p = layout_[sequence_.qubit[0][block]];
      for (const int r : graph_.neighbours[p])
        if (graph_.hops(r, layout_[goal]) < graph_.hops(p, layout_[goal])) {
          exchange(p, r);
          break;
        }
    }
  }

  int longest() const { return *std::max_element(graph_.distance.begin(), graph_.distance.end()); }

  const CouplingGraph &graph_;
  const Sequence &sequence_;
  const Heuristic heuristic_;
  std::vector<int> layout_, start_, occupant_;
  std::mt19937_64 random_;
  std::vector<int> last_; // of each physical qubit: index into trail_, -1 before its first block
  std::vector<Event> trail_;
  std::vector<double> decay_;
  std::vector<int> current_, remaining_; // of each logical qubit: group, and blocks left in it
  std::vector<char> is_done_;
  std::vector<int> level_; // 0 in the front, 1 looked at, -1 otherwise
  std::vector<int> front_, visited_;
  std::vector<std::vector<Item>> items_;
  std::vector<std::uint32_t> seen_;
  std::uint32_t stamp_ = 0;
  double cost_ = 0;
  bool is_recording_ = false;
  std::vector<std::int32_t> events_;
};

} // namespace openbraket
