// SPDX-License-Identifier: GPL-2.0-only
#include "same_lammps.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "error.h"
#include "lammps.h"
#include "pair.h"

using namespace LAMMPS_NS;

namespace {

/// A pair style as these headers see it; the constructor of its base is the running LAMMPS's.
class Probe : public Pair {
 public:
  using Pair::Pair;
  void compute(int, int) override {}
  void settings(int, char**) override {}
  void coeff(int, char**) override {}
  virtual void after_those_of_pair() {}

  /// Whether the constructor has put LAMMPS's defaults (of pair_modify and others) where these
  /// headers look for them: updates of a release have moved members.
  bool has_defaults() const {
    const auto is_root_of_two = [](double x) { return x * x > 1.99 && x * x < 2.01; };
    return single_enable == 1 && restartinfo == 1 && reinitflag == 1 && trim_flag == 1 &&
           ncoultablebits == 12 && ndisptablebits == 12 && mixed_flag == 1 &&
           is_root_of_two(tabinner) && is_root_of_two(tabinner_disp);
  }
};

/// Virtual functions of Pair in these headers: in the Itanium ABI a pointer to a virtual member
/// function is its place in the table, in bytes, beside a flag in the last bit.
std::size_t functions_of_pair() {
  const auto member = &Probe::after_those_of_pair;
  std::uintptr_t place;
  std::memcpy(&place, &member, sizeof place);
  return (place & ~std::uintptr_t{1}) / sizeof(void*);
}

/// Whether LAMMPS's table of Pair's virtual functions has the length and the order of these
/// headers; functions that they define themselves are not compared.
bool same_functions(void* const* ours) {
  constexpr std::size_t kHead = 2;  // offset to the top, type information
  const auto* table = static_cast<void* const*>(dlsym(RTLD_DEFAULT, "_ZTVN9LAMMPS_NS4PairE"));
  Dl_info lammps{}, here{};
  ElfW(Sym)* symbol = nullptr;
  if (!table || !dladdr1(table, &lammps, reinterpret_cast<void**>(&symbol), RTLD_DL_SYMENT) ||
      !symbol || symbol->st_size != (functions_of_pair() + kHead) * sizeof(void*))
    return false;
  for (std::size_t i = 0; i < functions_of_pair(); ++i)
    if (dladdr(ours[i], &here) && here.dli_fbase == lammps.dli_fbase && ours[i] != table[i + kHead])
      return false;
  return true;
}

/// Whether LAMMPS's Pair is laid out as in these headers. The probe has room behind it for a larger
/// one, and is never destroyed: the destructor would trust the members.
bool same_pair(LAMMPS* lmp) {
  constexpr std::byte kUntouched{0xA5};
  constexpr int kRoom = 4096;
  std::vector<std::byte> memory(sizeof(Probe) + kRoom, kUntouched);
  const Probe* probe = new (memory.data()) Probe(lmp);
  void* const* functions;
  std::memcpy(&functions, memory.data(), sizeof functions);
  return same_functions(functions) && probe->has_defaults() &&
         std::ranges::count(memory.begin() + sizeof(Probe), memory.end(), kUntouched) == kRoom;
}

}  // namespace

void LAMMPS_NS::require_same_lammps(LAMMPS* lmp) {
  const std::string release = lmp->version;
  if (release == MDBENCH_LAMMPS_RELEASE && same_pair(lmp)) return;
  const std::string source = LAMMPS::has_git_info() ? LAMMPS::git_descriptor() : "other headers";
  lmp->error->all(FLERR, "mdbench's plugin was built for LAMMPS " MDBENCH_LAMMPS_VERSION
                         " and this is LAMMPS " +
                             release + " (" + source + "): build mdbench again for this LAMMPS");
}
