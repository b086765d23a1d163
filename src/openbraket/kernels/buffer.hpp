// Memory for amplitudes: aligned, on huge pages where the system has them.
#pragma once

#include "kept_memory.hpp"

#include <cstddef>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <utility>

namespace openbraket {

// What a buffer holds at first. What other buffers left behind may be anything, and is there at
// once; zeros may have to come from the system.
enum class Contents { zeros, anything };

template <typename T> class Buffer {
public:
  explicit Buffer(std::size_t count, Contents contents = Contents::zeros)
      : count_(count), bytes_(rounded(count * sizeof(T))) {
    if (is_small()) {
      data_ = static_cast<T *>(::operator new(bytes_, std::align_val_t(line)));
      std::memset(static_cast<void *>(data_), 0, bytes_);
      return;
    }
    is_kept_ = contents == Contents::anything;
    if (is_kept_) {
      data_ = static_cast<T *>(KeptMemory::of_process().take(bytes_));
      is_zero_ = data_ == nullptr;
      if (data_ != nullptr)
        return;
    }
    void *memory =
        mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
      throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    if (bytes_ >= huge_page)
      madvise(memory, bytes_, MADV_HUGEPAGE);
#endif
    data_ = static_cast<T *>(memory);
  }
  ~Buffer() {
    if (data_ == nullptr)
      return;
    if (is_small())
      ::operator delete(data_, std::align_val_t(line));
    else if (is_kept_)
      KeptMemory::of_process().leave(data_, bytes_);
    else
      munmap(data_, bytes_);
  }
  Buffer(Buffer &&other) noexcept
      : data_(std::exchange(other.data_, nullptr)), count_(other.count_), bytes_(other.bytes_),
        is_kept_(other.is_kept_), is_zero_(other.is_zero_) {}
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  Buffer &operator=(Buffer &&) = delete;

  // Whether it held zeros at first.
  bool is_zero() const { return is_zero_; }

  T *data() { return data_; }
  const T *data() const { return data_; }
  std::size_t size() const { return count_; }
  T &operator[](std::size_t i) { return data_[i]; }
  const T &operator[](std::size_t i) const { return data_[i]; }

private:
  static constexpr std::size_t line = 64, page = 4096, huge_page = std::size_t(1) << 21;
  // Below this the system calls would cost more than the work on a state.
  static constexpr std::size_t mapped_min = std::size_t(1) << 17;

  bool is_small() const { return bytes_ < mapped_min; }
  static std::size_t rounded(std::size_t bytes) {
    const std::size_t unit = bytes >= huge_page ? huge_page : page;
    return (bytes + unit - 1) / unit * unit;
  }

  T *data_ = nullptr;
  std::size_t count_, bytes_;
  bool is_kept_ = false, is_zero_ = true;
};

} // namespace openbraket
