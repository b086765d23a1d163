// How a call is watched from other threads.
#pragma once

#include <atomic>
#include <cstdint>

namespace openbraket {

// Thrown by Monitor::look and caught by the call that prepares; never leaves the core.
struct Cancelled {};

// How far a running call is, and the wish to stop it; written and read from different threads.
struct Monitor {
  std::atomic<std::uint64_t> done{0}, total{1};
  std::atomic<bool> is_cancelled{false};
  // How often the last call looked whether it is cancelled: at work on amplitudes, and before that
  // in its preparations.
  std::atomic<std::uint64_t> look_count{0}, preparation_look_count{0};
  // Work of the last call: arithmetic on amplitudes, and bytes of the state read and written.
  std::atomic<std::uint64_t> flop_count{0}, byte_count{0};

  // A new call begins.
  void start() {
    done = 0;
    look_count = 0;
    preparation_look_count = 0;
  }

  // Throw Cancelled if the call is to stop. For preparations, which one thread at a time does.
  void look() {
    preparation_look_count.store(preparation_look_count.load(std::memory_order_relaxed) + 1,
                                 std::memory_order_relaxed);
    if (is_cancelled.load(std::memory_order_relaxed))
      throw Cancelled{};
  }
};

// Tells one thread at work on amplitudes whether it must stop; its looks are counted at the end.
class Looks {
public:
  explicit Looks(Monitor &monitor) : monitor_(monitor) {}
  Looks(const Looks &) = delete;
  Looks &operator=(const Looks &) = delete;
  ~Looks() { monitor_.look_count.fetch_add(count_, std::memory_order_relaxed); }

  bool operator()() const {
    ++count_;
    return monitor_.is_cancelled.load(std::memory_order_relaxed);
  }

private:
  Monitor &monitor_;
  mutable std::uint64_t count_ = 0;
};

// Return what `call` returns, or false where it stopped in its preparations.
template <typename Call> bool unless_cancelled(const Call &call) {
  try {
    return call();
  } catch (const Cancelled &) {
    return false;
  }
}

} // namespace openbraket
