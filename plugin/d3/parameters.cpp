// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cctype>
#include <span>
#include <string_view>

#include "error.hpp"
#include "nearest.hpp"
#include "settings.hpp"

namespace mdbench {
namespace {

struct Zero {
  std::string_view name;
  double rs6, s8, s6 = 1.0;
};

struct Rational {
  std::string_view name;
  double a1, s8, a2, s6 = 1.0;
};

struct ModifiedZero {
  std::string_view name;
  double rs6, s8, beta, s6 = 1.0;
};

// Sources stand before the rows that were published there. rs8 = 1 in all of them.

constexpr Zero kZero[] = {
    // Grimme, Antony, Ehrlich, Krieg, J. Chem. Phys. 132, 154104 (2010), 10.1063/1.3382344
    {"B3LYP", 1.261, 1.703},
    {"B97-D", 0.892, 0.909},
    {"BLYP", 1.094, 1.682},
    {"BP86", 1.139, 1.683},
    {"PBE", 1.217, 0.722},
    {"PBE0", 1.287, 0.928},
    {"PW6B95", 1.532, 0.862},
    {"revPBE", 0.923, 1.010},
    {"TPSS", 1.166, 1.105},
    {"TPSS0", 1.252, 1.242},
    // Goerigk, Grimme, J. Chem. Theory Comput. 7, 291 (2011), 10.1021/ct100466k
    {"B2PLYP", 1.427, 1.022, 0.64},
    {"PWPB95", 1.557, 0.705, 0.82},
    // Goerigk, Grimme, Phys. Chem. Chem. Phys. 13, 6670 (2011), 10.1039/c0cp02984j
    {"B1B95", 1.613, 1.868},
    {"B3PW91", 1.176, 1.775},
    {"BHLYP", 1.370, 1.442},
    {"BPBE", 1.087, 2.033},
    {"CAM-B3LYP", 1.378, 1.217},
    {"LC-wPBE", 1.355, 1.279},
    {"M06", 1.325, 0.0},
    {"M06-2X", 1.619, 0.0},
    {"M06-L", 1.581, 0.0},
    {"mPWLYP", 1.239, 1.098},
    {"OLYP", 0.806, 1.764},
    {"PBEsol", 1.345, 0.612},
    {"TPSSh", 1.223, 1.219},
    // Moellmann, Grimme, J. Phys. Chem. C 118, 7615 (2014), 10.1021/jp501237c
    {"HSE06", 1.129, 0.109},
    // Brandenburg, Bates, Sun, Perdew, Phys. Rev. B 94, 115144 (2016), 10.1103/PhysRevB.94.115144
    {"SCAN", 1.324, 0.0},
    // Goerigk, Hansen, Bauer, Ehrlich, Najibi, Grimme, Phys. Chem. Chem. Phys. 19, 32184 (2017),
    // 10.1039/c7cp04913g
    {"revTPSS", 1.3491, 1.3666},
    // the program dftd3 of Grimme's group, University of Bonn
    {"HF", 1.158, 1.746},
    {"revPBE0", 0.949, 0.792},
    {"RPBE", 0.872, 0.514},
    {"rPW86-PBE", 1.224, 0.901},
};

constexpr Rational kBj[] = {
    // Grimme, Ehrlich, Goerigk, J. Comput. Chem. 32, 1456 (2011), 10.1002/jcc.21759
    {"B3LYP", 0.3981, 1.9889, 4.4211},
    {"B97-D", 0.5545, 2.2609, 3.2297},
    {"BLYP", 0.4298, 2.6996, 4.2359},
    {"BP86", 0.3946, 3.2822, 4.8516},
    {"HF", 0.3385, 0.9171, 2.8830},
    {"PBE", 0.4289, 0.7875, 4.4407},
    {"PBE0", 0.4145, 1.2177, 4.8593},
    {"revPBE", 0.5238, 2.3550, 3.5016},
    {"rPW86-PBE", 0.4613, 1.3845, 4.5062},
    {"TPSS", 0.4535, 1.9435, 4.4752},
    {"TPSS0", 0.3768, 1.2576, 4.5865},
    // Goerigk, Grimme, Phys. Chem. Chem. Phys. 13, 6670 (2011), 10.1039/c0cp02984j
    {"B1B95", 0.2092, 1.4507, 5.5545},
    {"B2PLYP", 0.3065, 0.9147, 5.0570, 0.64},
    {"B3PW91", 0.4312, 2.8524, 4.4693},
    {"BHLYP", 0.2793, 1.0354, 4.9615},
    {"BPBE", 0.4567, 4.0728, 4.3908},
    {"CAM-B3LYP", 0.3708, 2.0674, 5.4743},
    {"LC-wPBE", 0.3919, 1.8541, 5.0897},
    {"mPWLYP", 0.4831, 2.0077, 4.5323},
    {"OLYP", 0.5299, 2.6205, 2.8065},
    {"OPBE", 0.5512, 3.3816, 2.9444},
    {"PBEsol", 0.4466, 2.9491, 6.1742},
    {"PW6B95", 0.2076, 0.7257, 6.3750},
    {"PWPB95", 0.0, 0.2904, 7.3141, 0.82},
    {"revPBE0", 0.4679, 1.7588, 3.7619},
    {"TPSSh", 0.4529, 2.2382, 4.6550},
    // Moellmann, Grimme, J. Phys. Chem. C 118, 7615 (2014), 10.1021/jp501237c
    {"HSE06", 0.383, 2.310, 5.685},
    // Brandenburg, Bates, Sun, Perdew, Phys. Rev. B 94, 115144 (2016), 10.1103/PhysRevB.94.115144
    {"SCAN", 0.538, 0.0, 5.42},
    // Goerigk, Hansen, Bauer, Ehrlich, Najibi, Grimme, Phys. Chem. Chem. Phys. 19, 32184 (2017),
    // 10.1039/c7cp04913g
    {"revTPSS", 0.4426, 1.4023, 4.4723},
    // Brandenburg, Bannwarth, Hansen, Grimme, J. Chem. Phys. 148, 064104 (2018),
    // 10.1063/1.5012601: with the three-body term and a short-range correction that is not here
    {"B97-3c", 0.37, 1.5, 4.1},
    // Najibi, Goerigk, J. Chem. Theory Comput. 14, 5725 (2018), 10.1021/acs.jctc.8b00842:
    // B97M-V, wB97M-V and wB97X-V with D3 in place of their nonlocal term
    {"B97M", -0.078, 0.1384, 5.5946},
    {"wB97M", 0.566, 0.3908, 3.128},
    {"wB97X", 0.0, 0.2641, 5.4959},
    // Ehlert et al., J. Chem. Phys. 154, 061101 (2021), 10.1063/5.0041008
    {"r2SCAN", 0.49484001, 0.78981345, 5.73083694},
    {"rSCAN", 0.47023427, 1.08859014, 5.73408312},
    // Bursch, Neugebauer, Ehlert, Grimme, J. Chem. Phys. 156, 134105 (2022), 10.1063/5.0086040
    {"r2SCAN0", 0.4534, 1.1846, 5.8972},
    {"r2SCANh", 0.4709, 1.1236, 5.9157},
    // the program dftd3 of Grimme's group, University of Bonn
    {"RPBE", 0.1820, 0.8318, 4.0094},
};

// Smith, Burns, Patkowski, Sherrill, J. Phys. Chem. Lett. 7, 2197 (2016),
// 10.1021/acs.jpclett.6b00780
constexpr ModifiedZero kZeroM[] = {
    {"B2PLYP", 1.313134, 0.717543, 0.016035, 0.64},
    {"B3LYP", 1.338153, 1.532981, 0.013988},
    {"B97-D", 1.151808, 1.020078, 0.035964},
    {"BLYP", 1.279637, 1.841686, 0.014370},
    {"BP86", 1.233460, 1.945174, 0.0},
    {"LC-wPBE", 1.366361, 1.280619, 0.003160},
    {"PBE", 2.340218, 0.0, 0.129434},
    {"PBE0", 2.077949, 0.000081, 0.116755},
};
constexpr Rational kBjM[] = {
    {"B2PLYP", 0.486434, 0.672820, 3.656466, 0.64}, {"B3LYP", 0.278672, 1.466677, 4.606311},
    {"B97-D", 0.240184, 1.206988, 3.864426},        {"BLYP", 0.448486, 1.875007, 3.610679},
    {"BP86", 0.821850, 3.140281, 2.728151},         {"LC-wPBE", 0.563761, 0.906564, 3.593680},
    {"PBE", 0.012092, 0.358940, 5.938951},          {"PBE0", 0.007912, 0.528823, 6.162326},
};

/// Other names of the same functionals.
constexpr std::pair<std::string_view, std::string_view> kAliases[] = {{"BP", "BP86"},
                                                                      {"HSE", "HSE06"}};

D3Damping damping(const Zero& p) {
  return {.kind = D3Damping::Kind::zero, .s6 = p.s6, .s8 = p.s8, .rs6 = p.rs6};
}

D3Damping damping(const Rational& p) {
  return {.kind = D3Damping::Kind::bj, .s6 = p.s6, .s8 = p.s8, .a1 = p.a1, .a2 = p.a2};
}

D3Damping damping(const ModifiedZero& p) {
  return {.kind = D3Damping::Kind::zerom, .s6 = p.s6, .s8 = p.s8, .rs6 = p.rs6, .beta = p.beta};
}

/// One of the tables, whatever its parameters are called.
struct Method {
  template <class Row, std::size_t size>
  Method(const char* method, const Row (&rows)[size]) : name(method) {
    for (const Row& row : rows) functionals.push_back({std::string(row.name), damping(row)});
    std::ranges::sort(functionals, {}, [](const auto& f) { return d3_name(f.first); });
  }
  const D3Damping* find(const std::string& functional) const {
    for (const auto& [known, parameters] : functionals)
      if (d3_name(known) == functional) return &parameters;
    return nullptr;
  }
  std::string name;
  std::vector<std::pair<std::string, D3Damping>> functionals;
};

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

[[noreturn]] void refuse(const std::vector<Method>& methods, const Method& method,
                         const std::string& functional) {
  std::vector<std::string> others, names, known;
  for (const Method& other : methods)
    if (other.find(d3_name(functional)) != nullptr) others.push_back(other.name);
  if (!others.empty())
    throw Error("d3: '" + functional + "' has no published parameters for the method '" +
                method.name + "': it has for " + joined(others));
  for (const auto& [name, unused] : method.functionals) names.push_back(name);
  for (const std::string& name : names) known.push_back(d3_name(name));
  const std::string near = nearest(d3_name(functional), known);
  throw Error("d3: the functional '" + functional + "' is not known: did you mean '" +
              names[std::ranges::find(known, near) - known.begin()] + "'? The method '" +
              method.name + "' has " + joined(names) +
              ", and 'custom' with the parameters after it");
}

const std::vector<Method>& all_methods() {
  static const std::vector<Method> methods{
      {"zero", kZero}, {"bj", kBj}, {"zerom", kZeroM}, {"bjm", kBjM}};
  return methods;
}

const Method& find_method(const std::string& method) {
  const auto& methods = all_methods();
  const auto found = std::ranges::find(methods, d3_name(method), &Method::name);
  if (found != methods.end()) return *found;
  std::vector<std::string> known;
  for (const Method& m : methods) known.push_back(m.name);
  throw Error("d3: '" + method + "' is not a method: did you mean '" +
              nearest(d3_name(method), known) + "'? There are " + joined(known));
}

}  // namespace

std::string d3_name(const std::string& text) {
  std::string name;
  for (const char c : text)
    if (c != '-' && c != '_' && c != '/')
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

D3Damping d3_damping(const std::string& method, const std::string& functional) {
  const Method& found = find_method(method);
  std::string name = d3_name(functional);
  for (const auto& [alias, meant] : kAliases)
    if (name == d3_name(std::string(alias))) name = d3_name(std::string(meant));
  if (const D3Damping* parameters = found.find(name)) return *parameters;
  refuse(all_methods(), found, functional);
}

std::vector<std::string> d3_functionals(const std::string& method) {
  std::vector<std::string> names;
  for (const auto& [name, unused] : find_method(method).functionals) names.push_back(name);
  return names;
}

}  // namespace mdbench
