// Memory that buffers leave behind for later ones of the same size. The system clears whatever it
// hands out, which for a state of 20 qubits takes longer than a circuit like GHZ.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <sys/mman.h>

namespace openbraket {

class KeptMemory {
public:
  // All of it together, and how many pieces: a state or two and the threads' blocks.
  static constexpr std::size_t bytes_max = std::size_t(1) << 25;
  static constexpr std::size_t piece_count_max = 8;

  static KeptMemory &of_process() {
    static KeptMemory &kept = *new KeptMemory; // buffers may outlive everything else
    return kept;
  }

  KeptMemory() = default;
  KeptMemory(const KeptMemory &) = delete;
  KeptMemory &operator=(const KeptMemory &) = delete;

  // Return a piece of exactly this size, with anything in it, or nullptr. Who asks for more than
  // is ever kept needs the memory: then all is given back to the system.
  void *take(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes > bytes_max)
      drop_all();
    for (std::size_t k = count_; k-- > 0;)
      if (pieces_[k].bytes == bytes)
        return remove(k).memory;
    return nullptr;
  }

  // Keep a mapped piece, or give it back to the system; older ones make room for it.
  void leave(void *memory, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes > bytes_max) {
      munmap(memory, bytes);
      return;
    }
    while (count_ == piece_count_max || held_ + bytes > bytes_max)
      drop(0);
    pieces_[count_++] = {memory, bytes};
    held_ += bytes;
  }

private:
  struct Piece {
    void *memory;
    std::size_t bytes;
  };

  Piece remove(std::size_t k) {
    const Piece piece = pieces_[k];
    for (; k + 1 < count_; ++k)
      pieces_[k] = pieces_[k + 1];
    --count_;
    held_ -= piece.bytes;
    return piece;
  }
  void drop(std::size_t k) {
    const Piece piece = remove(k);
    munmap(piece.memory, piece.bytes);
  }
  void drop_all() {
    while (count_ > 0)
      drop(0);
  }

  std::mutex mutex_;
  std::array<Piece, piece_count_max> pieces_{}; // the oldest first
  std::size_t count_ = 0, held_ = 0;
};

} // namespace openbraket
