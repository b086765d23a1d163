// Threads for the length of one call. Nothing outlives the call, so a process that forks between
// calls is safe; starting a thread costs some 20 µs, which is why small states stay serial.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace openbraket {

// States with fewer amplitudes than this are handled by the calling thread alone.
inline constexpr std::size_t serial_amplitudes_max = std::size_t(1) << 16;

inline constexpr int thread_count_max = 1024;

// Run prepare(count), then body(thread_index) on `count` threads, the caller's included. `count` is
// `thread_count`, or fewer where the system gives no more. `body` must not throw.
template <typename Prepare, typename Body>
void on_threads(int thread_count, const Prepare &prepare, const Body &body) {
  std::vector<std::thread> others;
  others.reserve(std::size_t(std::max(0, thread_count - 1)));
  std::atomic<bool> is_prepared{false};
  try {
    for (int i = 1; i < thread_count; ++i)
      others.emplace_back([&, i] {
        is_prepared.wait(false);
        body(i);
      });
  } catch (const std::system_error &) {
    // The threads that did start do the work.
  }
  prepare(int(others.size()) + 1);
  is_prepared = true;
  is_prepared.notify_all();
  body(0);
  for (auto &other : others)
    other.join();
}

// Run body(task) for every task; tasks are handed out in order, one at a time. What a task throws
// is thrown again once all threads have stopped.
template <typename Body>
void for_each_task(int thread_count, std::size_t task_count, const Body &body) {
  if (thread_count <= 1 || task_count <= 1) {
    for (std::size_t task = 0; task < task_count; ++task)
      body(task);
    return;
  }
  std::atomic<std::size_t> next{0};
  std::atomic<bool> has_failed{false};
  std::exception_ptr failure; // written by the one thread that sets has_failed
  const auto work = [&](int) {
    try {
      for (std::size_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < task_count;)
        body(task);
    } catch (...) {
      next = task_count;
      if (!has_failed.exchange(true))
        failure = std::current_exception();
    }
  };
  on_threads(int(std::min<std::size_t>(std::size_t(thread_count), task_count)), [](int) {}, work);
  if (failure)
    std::rethrow_exception(failure);
}

} // namespace openbraket
