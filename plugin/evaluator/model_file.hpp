// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mdbench {

enum class ModelKind {
  torchscript,    ///< archive with code: what `mdbench convert` and mace_create_lammps_model write
  eager,          ///< a pickled mace-torch module (*.model)
  state_dict,     ///< a pickled dictionary of weights (a checkpoint)
  exported,       ///< torch.export archive (*.pt2)
  legacy_pickle,  ///< torch.save of torch < 1.6
  safetensors,    ///< native *.mace or another safetensors file
  unknown,
};

/// One member of a zip archive.
struct ArchiveEntry {
  std::string name;
  std::uint32_t crc = 0;  ///< CRC-32 of the uncompressed data
  bool stored = true;     ///< false: compressed, so its CRC cannot be checked without inflating
};

/// A model file as found on disk.
struct ModelFile {
  ModelKind kind = ModelKind::unknown;
  std::string sha256;  ///< 64 lower-case hexadecimal digits
  std::vector<ArchiveEntry> entries;
};

/// Reads, hashes and classifies a file; checks the CRC of every uncompressed archive member.
/// @throws Error when it is missing, empty, truncated or damaged.
ModelFile inspect_model_file(const std::string& path);

/// @throws Error saying what the file is and how to get a usable one, unless it is TorchScript.
void require_torchscript(const ModelFile& file, const std::string& path);

/// "a pickled mace-torch model (*.model)" and the like.
std::string describe(ModelKind kind);

/// CRC-32 (ISO 3309, as in zip).
std::uint32_t crc32(const void* data, std::size_t size);

}  // namespace mdbench
