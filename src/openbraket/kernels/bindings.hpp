// What the binding files share: columns in, arrays out.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace openbraket {

template <typename T>
using Column =
    nanobind::ndarray<const T, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>;

template <typename T> std::span<const T> span_of(const Column<T> &column) {
  return {column.data(), column.size()};
}

// Written to in place, so never a converted copy.
template <typename T>
using MutableColumn =
    nanobind::ndarray<T, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>;

template <typename T, typename Allocator>
nanobind::ndarray<nanobind::numpy, T> numpy_array(std::vector<T, Allocator> &&values,
                                                  std::vector<std::size_t> shape) {
  using Values = std::vector<T, Allocator>;
  auto *owner = new Values(std::move(values));
  nanobind::capsule capsule(owner, [](void *p) noexcept { delete static_cast<Values *>(p); });
  return nanobind::ndarray<nanobind::numpy, T>(owner->data(), shape.size(), shape.data(), capsule);
}

void bind_pauli(nanobind::module_ &m);
void bind_rydberg(nanobind::module_ &m);

} // namespace openbraket
