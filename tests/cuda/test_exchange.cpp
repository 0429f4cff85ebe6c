// SPDX-License-Identifier: MIT
// Rows of features and gradients on their way to other ranks and back.
#include <cmath>

#include "check.hpp"
#include "error.hpp"
#include "feature_exchange.hpp"
#include "numeric.hpp"

using namespace mdbench;
using check::Random;
using check::Worst;
using cuda::Array;
using cuda::Fixed;

namespace {

constexpr double kExact = 1e-300;
constexpr int kNodes = 11, kLocal = 7, kCopies = kNodes - kLocal;
const std::vector<std::int32_t> kShared = {1, 2, 6};

/// Owners have copies in turns; what arrives differs from what was sent by a factor.
class MirrorHalo final : public Halo {
 public:
  std::span<const std::int32_t> shared() const override { return kShared; }
  void forward(std::span<double> rows, int width) override {
    take(rows, width);
    for (int copy = 0; copy < kCopies; ++copy)
      for (int i = 0; i < width; ++i)
        rows[(kShared.size() + copy) * width + i] = factor * rows[owner(copy) * width + i];
  }
  void reverse(std::span<double> rows, int width) override {
    take(rows, width);
    std::fill_n(rows.begin(), kShared.size() * width, 0.0);
    for (int copy = 0; copy < kCopies; ++copy)
      for (int i = 0; i < width; ++i)
        rows[owner(copy) * width + i] += factor * rows[(kShared.size() + copy) * width + i];
  }
  static std::size_t owner(int copy) { return copy % kShared.size(); }
  double factor = 0.5;
  std::size_t numbers = 0;  ///< that travelled last

 private:
  void take(std::span<double> rows, int width) {
    numbers = rows.size();
    CHECK(rows.size() == (kShared.size() + kCopies) * width);
  }
};

/// Features and gradients of a layer on the device, and their exchange.
template <class Real>
struct Case {
  using Exchange = cuda::FeatureExchange<Real>;

  Case(int components, int channels, int width, bool fixed, double size)
      : components(components), channels(channels), width(width) {
    Random random(7);
    values.resize(std::size_t(kNodes) * components * channels);
    random.fill(values, -size, size);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = int(i) % channels < width ? double(Real(values[i])) : 0.0;
    real.upload(std::vector<Real>(values.begin(), values.end()));
    if (fixed) {
      std::vector<Fixed> integers;
      for (const double x : values)
        integers.push_back(static_cast<Fixed>(std::llround(x * cuda::kFixedUnit)));
      integer.upload(integers);
    }
    exchange.fit(kShared, kLocal, kCopies, components * width, stream);
    flags.upload(std::vector<unsigned>{0});
  }

  void run(bool gradients, cuda::FeatureExchange<Real>& with) {
    const typename Exchange::Layer layer{
        components, channels, width, real.data(), integer.empty() ? nullptr : integer.data(),
        real.data()};
    with.take(layer, gradients, stream);
    stream.synchronize();
    with.travel(layer, gradients, halo);
    with.give(layer, gradients, flags.data(), stream);
    stream.synchronize();
  }
  void run(bool gradients) { run(gradients, exchange); }

  std::vector<double> result() const {
    std::vector<double> out;
    if (integer.empty())
      for (const Real x : real.download()) out.push_back(x);
    else
      for (const Fixed x : integer.download()) out.push_back(cuda::from_fixed(x));
    return out;
  }
  /// Largest difference to `values` after expected(row of numbers, copy) has been applied to them.
  template <class Apply>
  Worst error(Apply&& apply) const {
    auto expected = values;
    const int row = components * channels;
    for (int copy = 0; copy < kCopies; ++copy)
      for (int i = 0; i < row; ++i)
        apply(expected[kShared[MirrorHalo::owner(copy)] * row + i],
              expected[(kLocal + copy) * row + i]);
    Worst worst;
    const auto found = result();
    for (std::size_t i = 0; i < found.size(); ++i) worst.add(found[i], expected[i]);
    return worst;
  }

  int components, channels, width;
  std::vector<double> values;
  Array<Real> real;
  Array<Fixed> integer;
  Array<unsigned> flags;
  cuda::Stream stream;
  Exchange exchange;
  MirrorHalo halo;
};

}  // namespace

TEST(features_travel_to_copies) {
  check::for_precisions([]<class Real>() {
    for (const int width : {16, 32, 96})
      for (const int components : {1, 4, 9}) {
        Case<Real> at(components, (width + 31) / 32 * 32, width, false, 100.0);
        auto poisoned = at.real.download();
        std::fill(poisoned.begin() + kLocal * components * at.channels, poisoned.end(), Real(NAN));
        at.real.upload(poisoned);
        at.run(false);
        CHECK_BELOW(at.error([](double owner, double& copy) { copy = 0.5 * owner; }), kExact);
        CHECK(at.halo.numbers == 7u * components * width);
      }
  });
}

TEST(gradients_travel_to_owners) {
  check::for_precisions([]<class Real>() {
    for (const bool fixed : {false, true})
      for (const int components : {1, 4}) {
        Case<Real> at(components, 64, 48, fixed, 100.0);
        at.run(true);
        CHECK_BELOW(at.error([](double& owner, double copy) { owner += 0.5 * copy; }),
                    200.0 * check::kEpsilon<Real> + 2.0 / cuda::kFixedUnit);
        CHECK(at.flags.download()[0] == 0);
      }
  });
}

TEST(gradients_beyond_the_integers_are_noticed) {
  for (const double factor : {0.4, 1.0, 1e4}) {
    Case<double> at(1, 32, 32, true, 5e6);
    at.halo.factor = factor;
    at.run(true);
    const auto found = at.result();
    int left = 0;
    for (std::size_t i = 0; i < kShared.size() * 32; ++i) {
      const double before = at.values[kShared[i / 32] * 32 + i % 32];
      double more = 0.0;
      for (std::size_t copy = i / 32; copy < kCopies; copy += kShared.size())
        more += factor * at.values[(kLocal + copy) * 32 + i % 32];
      const double most = std::max(std::abs(more), std::abs(before + more));
      if (std::abs(most - cuda::kFixedRange) < 2.0) continue;
      const bool fits = most < cuda::kFixedRange;
      left += !fits;
      CHECK_BELOW(std::abs(found[kShared[i / 32] * 32 + i % 32] - before - (fits ? more : 0.0)),
                  1e-8);
    }
    CHECK((left > 0) == (factor > 0.5));
    CHECK(at.flags.download()[0] == (left > 0 ? cuda::kNotFinite : 0u));
  }
}

TEST(nothing_travels_to_or_from_a_rank_alone) {
  Case<float> at(4, 32, 32, false, 1.0);
  cuda::FeatureExchange<float> none;
  none.fit({}, kNodes, 0, 128, at.stream);
  class Silent final : public Halo {
    std::span<const std::int32_t> shared() const override { return {}; }
    void forward(std::span<double> rows, int) override { CHECK(rows.empty()); }
    void reverse(std::span<double> rows, int) override { CHECK(rows.empty()); }
  } halo;
  const cuda::FeatureExchange<float>::Layer layer{
      4, 32, 32, at.real.data(), nullptr, at.real.data()};
  for (const bool gradients : {false, true}) {
    none.take(layer, gradients, at.stream);
    none.travel(layer, gradients, halo);
    none.give(layer, gradients, at.flags.data(), at.stream);
  }
  at.stream.synchronize();
  CHECK_BELOW(at.error([](double, double) {}), kExact);
}

TEST(an_exchange_notices_what_is_new) {
  cuda::FeatureExchange<float> exchange;
  const std::vector<std::int32_t> other = {0, 2, 6};
  CHECK(exchange.fit(kShared, kLocal, kCopies, 64, nullptr));
  CHECK(!exchange.fit(kShared, kLocal, kCopies, 64, nullptr));
  CHECK(exchange.fit(other, kLocal, kCopies, 64, nullptr));
  CHECK(exchange.fit(other, kLocal, kCopies + 1, 64, nullptr));
  CHECK(exchange.fit(other, kLocal, kCopies + 1, 128, nullptr));
  CHECK(exchange.fit(other, kLocal + 1, kCopies + 1, 128, nullptr));
}

#ifdef MDBENCH_EMULATE_CUDA
/// As many rows as before, of which others are shared.
TEST(an_exchange_without_memory_tries_again) {
  cuda::FeatureExchange<float> exchange;
  CHECK(exchange.fit(std::span(kShared).first(1), kLocal, kCopies, 64, nullptr));
  emulation::set_device_memory(cuda::allocated_bytes());
  const auto fit = [&] { return exchange.fit(kShared, kLocal, kCopies - 2, 64, nullptr); };
  CHECK(!check::thrown<Error>(fit).empty());
  CHECK(!check::thrown<Error>(fit).empty());
  emulation::set_device_memory(std::size_t{8} << 30);
  CHECK(fit());
  CHECK(!fit());
}
#endif
