// SPDX-License-Identifier: GPL-2.0-only
#include "halo.h"

#include <algorithm>

#include "comm.h"

using namespace LAMMPS_NS;

void PairHalo::find_shared(std::size_t num_local, std::span<const std::int32_t> owner) {
  atoms_ = owner.size();
  reserve(1);
  for (std::size_t i = 0; i < atoms_; ++i)
    rows_[i] = i >= num_local && owner[i] == static_cast<std::int32_t>(i) ? 1.0 : 0.0;
  comm_->reverse_comm(pair_, 1);
  has_copies_.resize(num_local);
  for (std::size_t i = 0; i < num_local; ++i) has_copies_[i] = rows_[i] > 0.0;
}

void PairHalo::set_nodes(std::span<const std::int32_t> node_atom, std::size_t num_local,
                         std::size_t atoms) {
  node_atom_ = node_atom;
  num_local_ = num_local;
  atoms_ = atoms;
  shared_.clear();
  for (std::size_t node = 0; node < num_local; ++node)
    if (has_copies_.empty() || has_copies_[node_atom[node]])
      shared_.push_back(static_cast<std::int32_t>(node));
}

void PairHalo::reserve(int width) {
  width_ = width;
  rows_.resize(std::max(rows_.size(), atoms_ * width_));
}

void PairHalo::forward(std::span<double> rows, int width) {
  reserve(width);
  double* at = rows.data();
  for (const auto node : shared_) {
    std::copy_n(at, width_, row(node_atom_[node]));
    at += width_;
  }
  comm_->forward_comm(pair_, width);
  for (std::size_t node = num_local_; node < node_atom_.size(); ++node)
    at = std::copy_n(row(node_atom_[node]), width_, at);
}

void PairHalo::reverse(std::span<double> rows, int width) {
  reserve(width);
  std::fill_n(rows_.begin(), atoms_ * width_, 0.0);
  double* at = rows.data() + shared_.size() * width_;
  for (std::size_t node = num_local_; node < node_atom_.size(); ++node) {
    std::copy_n(at, width_, row(node_atom_[node]));
    at += width_;
  }
  comm_->reverse_comm(pair_, width);
  at = rows.data();
  for (const auto node : shared_) at = std::copy_n(row(node_atom_[node]), width_, at);
}

int PairHalo::pack_forward(int n, const int* list, double* buffer) const {
  for (int i = 0; i < n; ++i) buffer = std::copy_n(row(list[i]), width_, buffer);
  return n * static_cast<int>(width_);
}

void PairHalo::unpack_forward(int n, int first, const double* buffer) {
  std::copy_n(buffer, n * width_, row(first));
}

int PairHalo::pack_reverse(int n, int first, double* buffer) const {
  std::copy_n(row(first), n * width_, buffer);
  return n * static_cast<int>(width_);
}

void PairHalo::unpack_reverse(int n, const int* list, const double* buffer) {
  for (int i = 0; i < n; ++i)
    for (double *out = row(list[i]), *end = out + width_; out < end; ++out) *out += *buffer++;
}
