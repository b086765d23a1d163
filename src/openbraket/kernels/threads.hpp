// Threads for the length of one call. Nothing outlives the call, so a process that forks between
// calls is safe; starting a thread costs some 20 µs, which is why small states stay serial.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace openbraket {

// States with fewer amplitudes than this are handled by the calling thread alone.
inline constexpr std::size_t serial_amplitudes_max = std::size_t(1) << 16;

// Run body(thread_index) on `thread_count` threads, the caller's included.
template <typename Body> void on_threads(int thread_count, const Body &body) {
  std::vector<std::thread> others;
  others.reserve(std::max(0, thread_count - 1));
  for (int i = 1; i < thread_count; ++i)
    others.emplace_back([&body, i] { body(i); });
  body(0);
  for (auto &other : others)
    other.join();
}

// Run body(task) for every task; tasks are handed out in order, one at a time.
template <typename Body>
void for_each_task(int thread_count, std::size_t task_count, const Body &body) {
  if (thread_count <= 1 || task_count <= 1) {
    for (std::size_t task = 0; task < task_count; ++task)
      body(task);
    return;
  }
  std::atomic<std::size_t> next{0};
  on_threads(int(std::min<std::size_t>(thread_count, task_count)), [&](int) {
    for (std::size_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < task_count;)
      body(task);
  });
}

} // namespace openbraket
