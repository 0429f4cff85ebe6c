// SPDX-License-Identifier: MIT
#include "model_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>

#include "error.hpp"
#include "sha256.hpp"

namespace mdbench {
namespace {

/// Little-endian reads with bounds checks: the bytes come from a file that may be damaged.
class Bytes {
 public:
  explicit Bytes(std::string_view data) : data_(data) {}
  std::size_t size() const { return data_.size(); }
  std::uint64_t number(std::size_t at, int width) const {
    std::uint64_t value = 0;
    const std::string_view field = slice(at, width);
    for (int i = width - 1; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(field[i]);
    return value;
  }
  std::string_view slice(std::size_t at, std::size_t size) const {
    if (at > data_.size() || size > data_.size() - at) throw Error("an archive record is cut off");
    return data_.substr(at, size);
  }

 private:
  std::string_view data_;
};

// Offsets and signatures: PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16.
constexpr std::uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50;
constexpr std::uint32_t kEnd = 0x06054b50, kEnd64 = 0x06064b50;

struct Directory {
  std::size_t offset, count;
};

std::optional<Directory> find_directory(const Bytes& bytes) {
  if (bytes.size() < 22) return std::nullopt;
  const std::size_t lowest = bytes.size() > 65557 ? bytes.size() - 65557 : 0;
  for (std::size_t at = bytes.size() - 22;; --at) {
    if (bytes.number(at, 4) == kEnd) {
      if (bytes.number(at + 16, 4) != 0xffffffffU && bytes.number(at + 10, 2) != 0xffffU)
        return Directory{bytes.number(at + 16, 4), bytes.number(at + 10, 2)};
      const std::size_t end64 = bytes.number(at - 20 + 8, 8);
      if (bytes.number(end64, 4) != kEnd64) return std::nullopt;
      return Directory{bytes.number(end64 + 48, 8), bytes.number(end64 + 32, 8)};
    }
    if (at == lowest) return std::nullopt;
  }
}

struct Member {
  ArchiveEntry entry;
  std::string_view data;  ///< empty unless stored
};

Member read_member(const Bytes& bytes, std::size_t& at) {
  if (bytes.number(at, 4) != kCentralHeader) throw Error("its directory is damaged");
  const std::size_t name = bytes.number(at + 28, 2), extra = bytes.number(at + 30, 2),
                    comment = bytes.number(at + 32, 2), size = bytes.number(at + 20, 4),
                    local = bytes.number(at + 42, 4);
  Member member;
  member.entry.name = bytes.slice(at + 46, name);
  member.entry.crc = static_cast<std::uint32_t>(bytes.number(at + 16, 4));
  member.entry.stored = bytes.number(at + 10, 2) == 0;
  if (bytes.number(local, 4) != kLocalHeader) throw Error("its directory is damaged");
  if (member.entry.stored) {
    const std::size_t data = local + 30 + bytes.number(local + 26, 2) + bytes.number(local + 28, 2);
    member.data = bytes.slice(data, size);
    if (crc32(member.data.data(), size) != member.entry.crc)
      throw Error("the checksum of '" + member.entry.name + "' in it does not match");
  }
  at += 46 + name + extra + comment;
  return member;
}

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

ModelKind classify(const std::vector<Member>& members) {
  const auto find = [&](std::string_view end) {
    return std::find_if(members.begin(), members.end(),
                        [&](const Member& m) { return ends_with(m.entry.name, end); });
  };
  if (find("/constants.pkl") != members.end()) return ModelKind::torchscript;
  if (find("/archive_format") != members.end() || find("/model.json") != members.end())
    return ModelKind::exported;
  const auto pickle = find("/data.pkl");
  if (pickle == members.end()) return ModelKind::unknown;
  const bool module = pickle->data.find("mace.modules") != std::string_view::npos;
  return module ? ModelKind::eager : ModelKind::state_dict;
}

bool looks_like_safetensors(const Bytes& bytes) {
  if (bytes.size() < 10) return false;
  const std::uint64_t header = bytes.number(0, 8);
  return header >= 2 && header <= bytes.size() - 8 && bytes.slice(8, 1) == "{";
}

std::string read_file(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    throw Error("model file '" + path + "' is a folder: give the path of the file in it");
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) throw Error("cannot open model file '" + path + "': " + std::strerror(errno));
  std::string data(static_cast<std::size_t>(in.tellg()), '\0');
  in.seekg(0);
  in.read(data.data(), static_cast<std::streamsize>(data.size()));
  if (!in) throw Error("cannot read model file '" + path + "': " + std::strerror(errno));
  if (data.empty()) throw Error("model file '" + path + "' is empty: copy or convert it again");
  return data;
}

}  // namespace

std::uint32_t crc32(const void* data, std::size_t size) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      t[i] = i;
      for (int bit = 0; bit < 8; ++bit) t[i] = t[i] & 1 ? t[i] >> 1 ^ 0xedb88320U : t[i] >> 1;
    }
    return t;
  }();
  std::uint32_t crc = 0xffffffffU;
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < size; ++i) crc = table[(crc ^ bytes[i]) & 255] ^ crc >> 8;
  return ~crc;
}

ModelFile inspect_model_file(const std::string& path) {
  const std::string data = read_file(path);
  const Bytes bytes(data);
  ModelFile file;
  file.sha256 = sha256_hex(data.data(), data.size());
  if (data.compare(0, 2, "PK") == 0) {
    try {
      const auto directory = find_directory(bytes);
      if (!directory) throw Error("its end is missing");
      std::vector<Member> members;
      std::size_t at = directory->offset;
      for (std::size_t i = 0; i < directory->count; ++i) members.push_back(read_member(bytes, at));
      file.kind = classify(members);
      for (Member& member : members) file.entries.push_back(std::move(member.entry));
    } catch (const Error& damage) {
      throw Error("model file '" + path + "' is damaged or cut off (" + damage.what() +
                  "): copy or convert it again");
    }
  } else if (data.compare(0, 2, "\x80\x02") == 0) {
    file.kind = ModelKind::legacy_pickle;
  } else if (looks_like_safetensors(bytes)) {
    file.kind = ModelKind::safetensors;
  }
  return file;
}

std::string describe(ModelKind kind) {
  switch (kind) {
    case ModelKind::torchscript:
      return "a TorchScript archive (*-lammps.pt)";
    case ModelKind::eager:
      return "a pickled mace-torch model (*.model)";
    case ModelKind::state_dict:
      return "a dictionary of weights or training checkpoint";
    case ModelKind::exported:
      return "a torch.export archive (*.pt2)";
    case ModelKind::legacy_pickle:
      return "a pickle of torch < 1.6";
    case ModelKind::safetensors:
      return "a safetensors file";
    case ModelKind::unknown:
      break;
  }
  return "not a model file that mdbench knows";
}

void require_torchscript(const ModelFile& file, const std::string& path) {
  if (file.kind == ModelKind::torchscript) return;
  std::string text = "model file '" + path + "' is " + describe(file.kind) + ": ";
  if (file.kind == ModelKind::eager)
    text += "convert it first with 'mdbench convert " + path + "'";
  else if (file.kind == ModelKind::state_dict)
    text += "it holds no model; find the *.model file that training wrote and convert that";
  else if (file.kind == ModelKind::safetensors)
    text += "this build has no native evaluator; give a *-lammps.pt file from 'mdbench convert'";
  else
    text += "give a *.mace or *-lammps.pt file, made from a *.model file by 'mdbench convert'";
  throw Error(text);
}

}  // namespace mdbench
