// Vectors whose memory goes from one to the next. Planning a circuit takes hundreds of short
// vectors, more than the allocator of the C library hands out fast, and for a small state that was
// a third of the whole time.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <new>
#include <vector>

namespace openbraket {

// Blocks of 64 to 4096 bytes, powers of two, that a thread has used and not yet used again.
class Recycler {
public:
  static constexpr std::size_t block_bytes_min = 64, block_bytes_max = 4096;

  Recycler() = default;
  Recycler(const Recycler &) = delete;
  Recycler &operator=(const Recycler &) = delete;
  ~Recycler() {
    for (Shelf &shelf : shelves_)
      while (shelf.first != nullptr)
        ::operator delete(take(shelf), alignment);
  }

  static Recycler &of_thread() {
    static thread_local Recycler recycler;
    return recycler;
  }

  static void *allocate_new(std::size_t bytes) { return ::operator new(bytes, alignment); }
  static void free_now(void *block) { ::operator delete(block, alignment); }

  void *allocate(std::size_t bytes) {
    Shelf &shelf = shelves_[shelf_of(bytes)];
    return shelf.first != nullptr ? take(shelf) : allocate_new(block_bytes_min << shelf_of(bytes));
  }
  void release(void *block, std::size_t bytes) noexcept {
    const std::size_t index = shelf_of(bytes);
    Shelf &shelf = shelves_[index];
    if ((shelf.count << index) * block_bytes_min >= shelf_bytes_max)
      return free_now(block);
    shelf.first = ::new (block) Free{shelf.first};
    ++shelf.count;
  }

private:
  static constexpr std::align_val_t alignment{block_bytes_min};
  static constexpr std::size_t shelf_bytes_max = std::size_t(1) << 17;
  static constexpr std::size_t shelf_count =
      std::bit_width(block_bytes_max) - std::bit_width(block_bytes_min) + 1;

  struct Free {
    Free *next;
  };
  struct Shelf {
    Free *first = nullptr;
    std::size_t count = 0;
  };

  static std::size_t shelf_of(std::size_t bytes) {
    return std::size_t(std::bit_width((bytes - 1) / block_bytes_min));
  }
  static void *take(Shelf &shelf) {
    Free *const block = shelf.first;
    shelf.first = block->next;
    --shelf.count;
    return block;
  }

  std::array<Shelf, shelf_count> shelves_;
};

// A block may be released by another thread than the one that allocated it.
template <typename T> struct RecyclingAllocator {
  using value_type = T;

  RecyclingAllocator() = default;
  template <typename U> RecyclingAllocator(const RecyclingAllocator<U> &) {}

  T *allocate(std::size_t count) {
    static_assert(alignof(T) <= Recycler::block_bytes_min);
    if (count > Recycler::block_bytes_max / sizeof(T)) {
      if (count > std::size_t(-1) / sizeof(T))
        throw std::bad_array_new_length();
      return static_cast<T *>(Recycler::allocate_new(count * sizeof(T)));
    }
    return static_cast<T *>(Recycler::of_thread().allocate(count * sizeof(T)));
  }
  void deallocate(T *block, std::size_t count) noexcept {
    if (count > Recycler::block_bytes_max / sizeof(T))
      Recycler::free_now(block);
    else
      Recycler::of_thread().release(block, count * sizeof(T));
  }
  friend bool operator==(RecyclingAllocator, RecyclingAllocator) { return true; }
};

template <typename T> using Vector = std::vector<T, RecyclingAllocator<T>>;

} // namespace openbraket
