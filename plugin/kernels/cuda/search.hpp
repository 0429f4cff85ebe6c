// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "device.hpp"
#include "host_device.hpp"

/// The search for pairs: what its kernels read and write. Whatever counts pairs has 64 bits: a GPU
/// that holds 10^7 atoms has 10^9 of them.
namespace mdbench::cuda {

/// Sums over the elements before each one.
struct Scan {
  const int* in;             ///< [count]
  std::int64_t* out;         ///< [count + 1]; the last is the sum over all
  std::int64_t* block_sums;  ///< [scan_blocks(count)] scratch
  std::int64_t count;
};
inline constexpr int kScanThreads = 256, kScanItems = 8;  ///< of a block, of a thread
MDBENCH_HD constexpr std::int64_t scan_blocks(std::int64_t count) {
  constexpr int items = kScanThreads * kScanItems;
  return (count + items - 1) / items;
}

/// Cubic cells over the atoms, in rows along z: `CellLayout` on the device.
struct Cells {
  double low[3], size;  ///< Angstrom
  int shape[3];
};

/// What the search wants to know of an atom, in one sector of 32 bytes.
struct alignas(16) CellAtom {
  double x, y, z;  ///< Angstrom
  int atom, kind;  ///< row of the positions; kind of its node
};

/// Sorts atoms by cell, those of a cell by index.
struct SortAtoms {
  Cells cells;
  int members;
  const double* position;  ///< [atoms][3]
  const int* member;       ///< [members] row of the positions
  const int* node;         ///< [atoms]
  const int* kind;         ///< [nodes]
  int* count;              ///< [cells] scratch, zeros before and after
  int* unordered;          ///< [members] scratch
  CellAtom* sorted;        ///< [members]
  Scan scan;               ///< of `count`: where each cell begins
};

/// Pairs of each receiver with sorted atoms closer than `radius`: all but itself.
struct FindPairs {
  Cells cells;
  const CellAtom* sorted;
  const std::int64_t* first_in_cell;  ///< [cells + 1]
  const double* position;             ///< [atoms][3]
  const int* node;                    ///< [atoms]
  const int* receiver_atom;           ///< [receivers]
  double radius;                      ///< Angstrom
  int receivers, kinds, segments;
  // count_pairs
  int* pairs;      ///< [receivers]
  int* tiles;      ///< [receivers] room for tiles
  int* of_sender;  ///< [nodes] pairs of each sender, added to
  int* most;       ///< [1] the most pairs of a sender, raised to it
  // write_pairs: by the sender's kind within each receiver, else in the order of the sorted atoms
  const std::int64_t* first_pair;  ///< [receivers + 1]
  int* sender;                     ///< [pairs] node
  int* sender_atom;                ///< [pairs]
};

void scan(const Scan&, cudaStream_t stream);
void sort_atoms(const SortAtoms&, cudaStream_t stream);
void count_pairs(const FindPairs&, cudaStream_t stream);
void write_pairs(const FindPairs&, cudaStream_t stream);

}  // namespace mdbench::cuda
