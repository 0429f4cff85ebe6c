// SPDX-License-Identifier: MIT
#include "feature_exchange.hpp"

#include <algorithm>

namespace mdbench::cuda {
namespace {

template <class Real>
std::size_t bytes(const ExchangeRows<Real>& p) {
  return std::size_t(p.count) * p.components * p.width * sizeof(double);
}

}  // namespace

template <class Real>
bool FeatureExchange<Real>::fit(std::span<const std::int32_t> shared, int num_local, int copies,
                                int widest, cudaStream_t stream) {
  const std::size_t size = (shared.size() + copies) * widest;
  if (std::ranges::equal(shared, shared_) && num_local == num_local_ && copies == copies_ &&
      size == host_rows_.size())
    return false;
  copies_ = -1;  // should the next lines fail, the next call must try again
  shared_.assign(shared.begin(), shared.end());
  num_local_ = num_local;
  d_shared_.upload(std::span<const int>(shared_), stream);
  rows_.resize(size);
  host_rows_.resize(size);
  copies_ = copies;
  return true;
}

template <class Real>
ExchangeRows<Real> FeatureExchange<Real>::rows(const Layer& layer, bool of_copies, bool gradients) {
  ExchangeRows<Real> p{};
  p.node = of_copies ? nullptr : d_shared_.data();
  p.first_node = num_local_;
  p.count = of_copies ? copies_ : static_cast<int>(shared_.size());
  p.components = layer.components;
  p.channels = layer.channels;
  p.width = layer.width;
  p.real = gradients ? layer.real_gradients : layer.features;
  p.fixed = gradients ? layer.gradients : nullptr;
  p.rows = rows_.data() + (of_copies ? shared_.size() * layer.row() : 0);
  return p;
}

template <class Real>
void FeatureExchange<Real>::take(const Layer& layer, bool gradients, cudaStream_t stream) {
  const auto p = rows(layer, gradients, gradients);
  if (p.count == 0) return;
  pack_rows(p, stream);
  copy_later(host_rows_.data() + (p.rows - rows_.data()), p.rows, bytes(p), cudaMemcpyDeviceToHost,
             stream);
}

template <class Real>
void FeatureExchange<Real>::travel(const Layer& layer, bool gradients, Halo& halo) {
  const auto all = host_rows_.span().first((shared_.size() + copies_) * layer.row());
  if (gradients)
    halo.reverse(all, layer.row());
  else
    halo.forward(all, layer.row());
}

template <class Real>
void FeatureExchange<Real>::give(const Layer& layer, bool gradients, unsigned* flags,
                                 cudaStream_t stream) {
  auto p = rows(layer, !gradients, gradients);
  if (p.count == 0) return;
  p.flags = flags;
  copy_later(p.rows, host_rows_.data() + (p.rows - rows_.data()), bytes(p), cudaMemcpyHostToDevice,
             stream);
  if (gradients)
    add_rows(p, stream);
  else
    set_rows(p, stream);
}

template <class Real>
std::size_t FeatureExchange<Real>::device_bytes() const {
  return rows_.capacity() * sizeof(double) + d_shared_.capacity() * sizeof(int);
}

template <class Real>
void FeatureExchange<Real>::add_to(std::vector<std::int64_t>& shape) const {
  const auto address = [](const void* p) { return reinterpret_cast<std::intptr_t>(p); };
  shape.insert(shape.end(),
               {address(d_shared_.data()), address(rows_.data()), address(host_rows_.data()),
                static_cast<std::int64_t>(shared_.size()), num_local_, copies_});
}

template class FeatureExchange<float>;
template class FeatureExchange<double>;

}  // namespace mdbench::cuda
