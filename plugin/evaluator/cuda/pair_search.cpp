// SPDX-License-Identifier: MIT
#include "pair_search.hpp"

#include <algorithm>

namespace mdbench::cuda {
namespace {

/// Cells are half as wide as the search reaches; where atoms are sparse, wider, so that there are
/// at most two for each.
constexpr double kCellsOfAtom = 2.0, kCellsBesides = 64.0;

}  // namespace

void PairSearch::lay_out(const AtomNodes& nodes) {
  const CellLayout layout(
      nodes.bounds(), 0.5 * radius_,
      kCellsOfAtom * static_cast<double>(nodes.members().size()) + kCellsBesides);
  std::copy(layout.low.begin(), layout.low.end(), cells_.low);
  std::copy(layout.shape.begin(), layout.shape.end(), cells_.shape);
  cells_.size = layout.size;
  count_.resize(layout.cells());
  first_in_cell_.resize(layout.cells() + 1);
}

void PairSearch::place(const AtomsView& atoms, const AtomNodes& nodes, const int* kind,
                       double radius, cudaStream_t stream) {
  radius_ = radius;
  lay_out(nodes);
  const auto members = nodes.members();
  position_.upload(atoms.positions, stream);
  node_.upload(nodes.node(), stream);
  member_.upload(members, stream);
  unordered_.resize(members.size());
  sorted_.resize(members.size());
  count_.clear(stream);
  // for the scans of receivers as well, before kernels are at work on it
  block_sums_.resize(scan_blocks(std::max<std::int64_t>(count_.size(), nodes.num_local())));
  SortAtoms sort{};
  sort.cells = cells_;
  sort.members = static_cast<int>(members.size());
  sort.position = position_.data();
  sort.member = member_.data();
  sort.node = node_.data();
  sort.kind = kind;
  sort.count = count_.data();
  sort.unordered = unordered_.data();
  sort.sorted = sorted_.data();
  sort.scan = {count_.data(), first_in_cell_.data(), block_sums_.data(),
               static_cast<std::int64_t>(count_.size())};
  sort_atoms(sort, stream);
  check_launch("sorting atoms by cell");
}

FindPairs PairSearch::find(const Receivers& receivers) const {
  FindPairs find{};
  find.cells = cells_;
  find.sorted = sorted_.data();
  find.first_in_cell = first_in_cell_.data();
  find.position = position_.data();
  find.node = node_.data();
  find.receiver_atom = receivers.atom;
  find.radius = radius_;
  find.receivers = receivers.count;
  find.kinds = receivers.kinds;
  find.segments = receivers.segments;
  return find;
}

void PairSearch::scan_into(const Array<int>& counts, Array<std::int64_t>& out,
                           cudaStream_t stream) {
  const auto count = static_cast<std::int64_t>(counts.size());
  out.resize(count + 1);
  scan({counts.data(), out.data(), block_sums_.data(), count}, stream);
}

void PairSearch::count(const Receivers& receivers, Array<std::int64_t>& first_pair,
                       Array<std::int64_t>& first_tile, cudaStream_t stream) {
  pairs_.resize(receivers.count);
  tiles_.resize(receivers.count);
  of_sender_.resize(receivers.nodes);
  of_sender_.clear(stream);
  most_.resize(1);
  most_.clear(stream);
  FindPairs counting = find(receivers);
  counting.pairs = pairs_.data();
  counting.tiles = tiles_.data();
  counting.of_sender = of_sender_.data();
  counting.most = most_.data();
  count_pairs(counting, stream);
  scan_into(pairs_, first_pair, stream);
  scan_into(tiles_, first_tile, stream);
  check_launch("counting pairs");
}

void PairSearch::write(const Receivers& receivers, const Array<std::int64_t>& first_pair,
                       Array<int>& sender, Array<int>& sender_atom, cudaStream_t stream) {
  FindPairs writing = find(receivers);
  writing.first_pair = first_pair.data();
  writing.sender = sender.data();
  writing.sender_atom = sender_atom.data();
  write_pairs(writing, stream);
  check_launch("writing pairs");
}

std::size_t PairSearch::device_bytes() const {
  std::size_t bytes = 0;
  const auto add = [&bytes](const auto&... arrays) {
    ((bytes += arrays.capacity() * sizeof(*arrays.data())), ...);
  };
  add(position_, node_, member_, count_, unordered_, pairs_, tiles_, of_sender_, sorted_,
      first_in_cell_, block_sums_);
  return bytes;
}

}  // namespace mdbench::cuda
