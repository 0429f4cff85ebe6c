// SPDX-License-Identifier: GPL-2.0-only
#include "halo.h"

#include <algorithm>

#include "comm.h"

using namespace LAMMPS_NS;

void PairHalo::set_nodes(std::span<const std::int32_t> node_atom, std::size_t num_local,
                         std::size_t atoms) {
  node_atom_ = node_atom;
  num_local_ = num_local;
  atoms_ = atoms;
}

void PairHalo::forward(std::span<double> features, int width) {
  width_ = width;
  rows_.resize(std::max(rows_.size(), atoms_ * width_));
  for (std::size_t node = 0; node < num_local_; ++node)
    std::copy_n(&features[node * width_], width_, row(node_atom_[node]));
  comm_->forward_comm(pair_, width);
  for (std::size_t node = num_local_; node < node_atom_.size(); ++node)
    std::copy_n(row(node_atom_[node]), width_, &features[node * width_]);
}

void PairHalo::reverse(std::span<double> gradients, int width) {
  width_ = width;
  rows_.resize(std::max(rows_.size(), atoms_ * width_));
  std::fill_n(rows_.begin(), atoms_ * width_, 0.0);
  for (std::size_t node = 0; node < node_atom_.size(); ++node)
    std::copy_n(&gradients[node * width_], width_, row(node_atom_[node]));
  comm_->reverse_comm(pair_, width);
  for (std::size_t node = 0; node < node_atom_.size(); ++node)
    if (node < num_local_)
      std::copy_n(row(node_atom_[node]), width_, &gradients[node * width_]);
    else
      std::fill_n(&gradients[node * width_], width_, 0.0);
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
