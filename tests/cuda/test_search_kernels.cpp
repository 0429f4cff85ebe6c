// SPDX-License-Identifier: MIT
// Sums over elements before, and pairs so many that 32 bits do not count them.
#include <limits>
#include <numeric>

#include "check.hpp"
#include "device_search.hpp"
#include "numeric.hpp"
#include "orders.hpp"

using namespace mdbench;
using check::Random;
using cuda::Array;

namespace {

/// Sums before each of `values` and of all.
std::vector<std::int64_t> scanned(const std::vector<int>& values) {
  const Array<int> in(values);
  Array<std::int64_t> out(values.size() + 1);
  Array<std::int64_t> sums(cuda::scan_blocks(static_cast<std::int64_t>(values.size())));
  cuda::scan({in.data(), out.data(), sums.data(), static_cast<std::int64_t>(values.size())},
             nullptr);
  cuda::check_launch("scanning");
  return out.download();
}

void check_scan(int count) {
  Random random(count);
  std::vector<int> values(count);
  for (int& v : values) v = random.below(std::numeric_limits<int>::max());
  const auto found = scanned(values);
  std::int64_t sum = 0;
  int wrong = 0;
  for (int i = 0; i < count; ++i) {
    wrong += found[i] != sum;
    sum += values[i];
  }
  CHECK(wrong == 0 && found[count] == sum);
}

}  // namespace

TEST(scan_of_any_size) {
  check::for_orders([] {
    for (const int count : {0, 1, 2, 7, 8, 31, 33, 255, 2047, 2048, 2049, 4096, 12345})
      check_scan(count);
  });
  // more blocks than one block scans at once
  check_scan(2048 * 256);
  check_scan(2048 * 256 + 1);
  check_scan(1'100'003);
}

/// Places of pairs are beyond 32 bits where there are 10^7 atoms.
TEST(search_writes_beyond_32_bits) {
  constexpr double kRadius = 2.5;
  std::vector<double> x(3 * 20);
  Random(18).fill(x, 0.0, 2.0);
  std::vector<std::int32_t> species(20, 0), owner(20);
  std::iota(owner.begin(), owner.end(), 0);
  const AtomsView atoms{20, x, species, owner};
  const cuda::Stream stream;
  cuda::AtomNodes nodes;
  nodes.number(atoms, kRadius);
  const Array<int> kind(std::vector<int>(20, 0)), receivers(std::vector<int>{4, 11});
  cuda::DeviceSearch pairs;
  pairs.place(atoms, nodes, kind.data(), kRadius, stream);
  const cuda::DeviceSearch::Receivers of{2, receivers.data(), 1, 1};
  Array<std::int64_t> first_pair, first_tile;
  pairs.count(of, first_pair, first_tile, stream);
  auto first = first_pair.download();
  Array<int> sender(first[2]), sender_atom(first[2]);
  pairs.write(of, first_pair, sender, sender_atom, stream);
  const auto expected = sender_atom.download();
  cuda::FindPairs find = pairs.find(of);
  const std::int64_t offset = 5'000'000'000;
  for (auto& f : first) f += offset;
  first_pair.upload(first);
  const auto shifted = [&](Array<int>& array) {
    array.set_bytes(0xff, stream);
    return reinterpret_cast<int*>(reinterpret_cast<std::uintptr_t>(array.data()) -
                                  sizeof(int) * offset);
  };
  find.first_pair = first_pair.data();
  find.sender = shifted(sender);
  find.sender_atom = shifted(sender_atom);
  write_pairs(find, stream);
  CHECK(sender_atom.download() == expected);
}
