// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime.hpp"

namespace mdbench::cuda {

/// Device memory of this process, in bytes: what its arrays hold, and the most they held.
std::size_t allocated_bytes();
std::size_t peak_bytes();

/// Memory of the device, or the host's that the device copies from and to while others compute.
enum class Memory { device, pinned };
void* allocate(Memory kind, std::size_t bytes);
void release(Memory kind, void* pointer, std::size_t bytes) noexcept;

/// Owns memory for `size()` values; a larger size takes new memory, and loses the values.
template <class T, Memory kind>
class Allocation {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Allocation() = default;
  explicit Allocation(std::size_t size) { resize(size); }
  ~Allocation() { release(kind, data_, capacity_ * sizeof(T)); }
  Allocation(Allocation&& other) noexcept { swap(other); }
  Allocation& operator=(Allocation&& other) noexcept {
    Allocation(std::move(other)).swap(*this);
    return *this;
  }
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  /// Whether there is new memory: what knows the old address, a graph, must learn the new one.
  bool reserve(std::size_t capacity) {
    if (capacity <= capacity_) return false;
    release(kind, data_, capacity_ * sizeof(T));  // first: there need not be room for both
    data_ = nullptr;
    size_ = capacity_ = 0;
    data_ = static_cast<T*>(allocate(kind, capacity * sizeof(T)));
    capacity_ = capacity;
    return true;
  }
  /// The capacity after resize(size): a tenth more than asked for where it grows, so that it seldom
  /// does.
  std::size_t capacity_for(std::size_t size) const {
    if (size <= capacity_) return capacity_;
    return capacity_ == 0 ? size : size + std::max(size / 10, size_t{16});
  }
  bool resize(std::size_t size) {
    const bool moved = reserve(capacity_for(size));
    size_ = size;
    return moved;
  }

 protected:
  using size_t = std::size_t;
  void swap(Allocation& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }
  T* data_ = nullptr;
  size_t size_ = 0, capacity_ = 0;
};

/// Host memory for copies that do not keep the host waiting.
template <class T>
class PinnedArray : public Allocation<T, Memory::pinned> {
 public:
  using Allocation<T, Memory::pinned>::Allocation;
  T& operator[](std::size_t i) { return this->data_[i]; }
  const T& operator[](std::size_t i) const { return this->data_[i]; }
  T* begin() { return this->data_; }
  T* end() { return this->data_ + this->size_; }
  const T* begin() const { return this->data_; }
  const T* end() const { return this->data_ + this->size_; }
  std::span<T> span() { return {this->data_, this->size_}; }
  std::span<const T> span() const { return {this->data_, this->size_}; }
};

/// Device memory. Calls without a stream wait for all work on the device, before and after.
template <class T>
class Array : public Allocation<T, Memory::device> {
 public:
  Array() = default;
  explicit Array(std::size_t size) : Allocation<T, Memory::device>(size) {}
  explicit Array(std::span<const T> values) { upload(values); }
  explicit Array(const std::vector<T>& values) { upload(values); }

  /// Takes the size of `values`.
  bool upload(std::span<const T> values) {
    const bool moved = this->resize(values.size());
    copy_and_wait(this->data_, values.data(), values.size_bytes(), cudaMemcpyHostToDevice);
    return moved;
  }
  bool upload(const std::vector<T>& values) { return upload(std::span<const T>(values)); }
  std::vector<T> download() const {
    std::vector<T> values(this->size_);
    copy_and_wait(values.data(), this->data_, this->size_ * sizeof(T), cudaMemcpyDeviceToHost);
    return values;
  }

  /// In the order of the stream; `values` must stay until it has come to this.
  bool upload(std::span<const T> values, cudaStream_t stream) {
    const bool moved = this->resize(values.size());
    copy_later(this->data_, values.data(), values.size_bytes(), cudaMemcpyHostToDevice, stream);
    return moved;
  }
  bool upload(const PinnedArray<T>& values, cudaStream_t stream) {
    return upload(values.span(), stream);
  }
  /// The first values, as many as `values` holds.
  void download(std::span<T> values, cudaStream_t stream) const {
    copy_later(values.data(), this->data_, values.size_bytes(), cudaMemcpyDeviceToHost, stream);
  }
  void download(PinnedArray<T>& values, cudaStream_t stream) const {
    values.resize(this->size_);
    download(values.span(), stream);
  }
  void clear(cudaStream_t stream) { set_bytes(0, stream); }
  void set_bytes(int byte, cudaStream_t stream) {
    if (this->size_ == 0) return;
    check(cudaMemsetAsync(this->data_, byte, this->size_ * sizeof(T), stream),
          "setting the GPU's memory");
  }
};

}  // namespace mdbench::cuda
