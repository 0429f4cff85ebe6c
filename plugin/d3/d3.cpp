// SPDX-License-Identifier: MIT
#include "d3.hpp"

#include "backend.hpp"

namespace mdbench {

std::unique_ptr<D3> make_d3(const D3Settings& settings, int threads) {
  const auto factory = reinterpret_cast<D3Factory>(
      backend_symbol("D3 dispersion", native_library(), kD3Symbol, "install mdbench again"));
  return std::unique_ptr<D3>(factory(settings, threads));
}

}  // namespace mdbench
