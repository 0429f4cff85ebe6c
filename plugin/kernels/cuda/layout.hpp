// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "device.hpp"
#include "fixed.hpp"
#include "host_device.hpp"

/// What the kernels read and write. A pass takes the receivers (local nodes, sorted by element)
/// `begin .. begin + count - 1` through a layer; its arrays hold `capacity` receivers and are
/// indexed by the place within the pass, so that memory stays fixed however many atoms there are.
/// Arrays "of all receivers" and "of all nodes" outlive a pass. "Kinds" are the elements in use.
/// Channels are padded to whole warps; K below. Every kernel is for Real = float and double.
namespace mdbench::cuda {

/// Edges of a receiver stand in tiles that share the sender's element and the segment of the radial
/// tables: what these need is loaded once for four edges. Empty places have U = U' = Y = 0, so they
/// add exact zeros.
inline constexpr int kTile = 4, kMaxLayers = 8;
inline constexpr int kComponents = 16;  ///< of the harmonics up to l = 3

/// What a kernel found; bits of `flags`.
/// `kNoRoom`: a receiver's tiles do not fit, `tile_room` was not heeded.
enum Flag : unsigned { kTooClose = 1, kNotFinite = 2, kNoRoom = 4 };

struct Pass {
  int begin, count, capacity;
};

/// Pairs within cutoff + skin, sorted by the sender's kind within each receiver; they stay until
/// the next rebuild.
struct Pairs {
  const int* node;                 ///< [receivers] node of each receiver
  const int* receiver_kind;        ///< [receivers]
  const int* receiver_atom;        ///< [receivers] row of the positions
  const std::int64_t* first_pair;  ///< [receivers + 1]
  const std::int64_t* first_tile;  ///< [receivers + 1]: room for the tiles of each receiver
  const int* sender;               ///< [pairs] node
  const int* sender_kind;          ///< [nodes] kind of each node
  const int* sender_atom;          ///< [pairs] row of the positions
};

/// Where the edges' vectors come from: positions, or the vectors themselves.
struct Coordinates {
  const double* position;  ///< [atoms][3] Angstrom, or null
  const double* vector;    ///< [pairs][3] x_sender - x_receiver, where there are no positions
};

/// The edges of a pass. A tile's index is that of `first_tile`, less the one of the pass's begin.
template <class Real>
struct Tiles {
  std::int64_t first;  ///< first_tile[begin]
  int* count;          ///< [capacity] tiles of each receiver
  int* run;            ///< [tile] sender kind * segments + segment
  int* sender;         ///< [tile][4] node; of empty places the receiver's own
  int* pair;           ///< [tile][4] pair less first_pair of the receiver; -1 in empty places
  double* distance;    ///< [tile][4] Angstrom; the cutoff in empty places
  Real* harmonics;     ///< [tile][components(max_ell)][4]
};

struct MakeTilesShape {
  int max_ell, kinds, segments;
  double cutoff;  ///< Angstrom; pairs at or beyond it have no place
};

template <class Real>
struct MakeTiles {
  Pass pass;
  Pairs pairs;
  Coordinates at;
  Tiles<Real> tiles;
  MakeTilesShape shape;
  int* edges;       ///< [receivers] of all: edges of each receiver at this step
  unsigned* flags;  ///< kTooClose below the tables; kNotFinite for coordinates that are not numbers
};

/// The radial table of a pair of elements: pieces of polynomials U_q, the density function last.
template <class Real>
struct Table {
  int pieces_per_segment;
  double inverse_length;     ///< pieces per Angstrom, from kShortest on
  const Real* coefficients;  ///< [piece][degree + 1][width]
};

/// Tables of a layer. Column q < rank is U_q; column rank = width - 1 is the density function.
template <class Real>
struct Tables {
  int kinds, segments, rank, width;
  const Table<Real>* table;
  const int* table_of_pair;  ///< [receiver kind * kinds + sender kind]
};

template <class Real>
struct RadialColumns {
  Pass pass;
  Pairs pairs;
  Tiles<Real> tiles;
  Tables<Real> tables;
  int tile_segments;  ///< segments that the tiles were made with; the layer's own may be 1
  Real* columns;      ///< [tile][2][width][4]: U, then dU/dr
  double* density;    ///< [capacity] 1 + sum of the density function; null without one
};

/// Layer 0: sum over the edges from senders of each kind of U_q Y_lm.
template <class Real>
struct Moments {
  Pass pass;
  Pairs pairs;
  Tiles<Real> tiles;
  int kinds, segments;  ///< of the tiles
  int components, rank, width;
  int row;  ///< rank, padded: rows of the moments
  const Real* columns;
  Real* moments;  ///< [kind][component][capacity][row], padding 0
};

/// A product of a dense map: out[place][columns] += in[place][inner] weight[inner][columns].
template <class Real>
struct DenseTerm {
  const Real* in;
  std::int64_t in_stride;    ///< elements between places
  bool of_all;               ///< `in` is of all receivers: the pass's begin is added
  const Real* weight;        ///< of kind 0
  std::int64_t kind_stride;  ///< elements between the matrices of kinds; 0: one for all
};

template <class Real>
struct DenseOutput {
  Real* out;
  std::int64_t out_stride;
  const Real* bias;  ///< [kind][columns] or null
  int first_term, last_term;
};

/// Receivers of one kind that a block takes together: places within the pass.
inline constexpr int kDenseRows = 64;
struct KindTile {
  int kind, begin, count;
  bool operator==(const KindTile&) const = default;
};

template <class Real>
struct Dense {
  Pass pass;
  int inner, columns;  ///< multiples of 4
  int num_outputs, num_tiles;
  const DenseOutput<Real>* outputs;
  const DenseTerm<Real>* terms;
  const KindTile* tiles;  ///< of the pass
  const int* row;  ///< [receivers] row of `out` for each receiver (its node); null: the place
  const double* divisor;  ///< [capacity] results are divided by it; null: by 1
  bool accumulate;        ///< add to what is there
};

/// MACE's symmetric contraction, made by `contraction_program.hpp`: steps
/// c_o += A_a A_b (w_0 A_c + w_1 A_d), dealt to the warps of a block in equal numbers. Components
/// number `inputs` and `inputs + 1` are constants, 1 and 0, for what has fewer factors or terms.
inline constexpr int kContractionWarps = 4, kStepsAtOnce = 4;
struct ContractionProgram {
  int inputs, outputs, num_coefficients;
  int num_forward, num_reverse;  ///< steps, multiples of kContractionWarps * kStepsAtOnce
  const uint2* steps;            ///< forward, sorted by o; then reverse, sorted by (a, b)
};

template <class Real>
struct Contract {
  Pass pass;
  const int* receiver_kind;
  ContractionProgram program;
  int channels;
  const Real* coefficients;  ///< [kind][coefficient][K]
  const Real* a;             ///< [input][capacity][K]
  Real* c;                   ///< [output][stride of outputs][K]
  std::int64_t c_stride;     ///< receivers between outputs of c
  bool c_of_all;             ///< c is of all receivers: the pass's begin is added
};

template <class Real>
struct ContractReverse {
  Pass pass;
  const int* receiver_kind;
  ContractionProgram program;
  int channels;
  const Real* coefficients;
  const Real* a;
  const Real* c_bar;  ///< [output][capacity][K]
  Real* a_bar;        ///< [input][capacity][K]: dE/dA, divided by the density where there is one
  const double* density;  ///< [capacity] or null
  double* density_bar;    ///< [capacity][K / 32] dE/d(density) of each warp's channels, or null
};

enum class Activation { linear, silu, tanh };

template <class Real>
struct ReadoutSource {
  const Real* c;  ///< l = 0 outputs of a layer: [place][K]
  bool of_all;
  const Real* weight;  ///< [kind][K][neurons]; null: this layer is not read
  std::int64_t kind_stride;
};

/// Energies of a layer's readout, and dE/d(pre-activation) of its neurons.
template <class Real>
struct Readout {
  Pass pass;
  const int* receiver_kind;
  int channels, neurons, num_sources;
  Activation activation;
  ReadoutSource<Real> source[kMaxLayers];
  const double* bias;      ///< [kind][neurons]
  const double* mid;       ///< [neurons][neurons] to a second hidden layer, or null
  const double* mid_bias;  ///< [neurons]
  const double* out;       ///< [neurons], the head's scale included
  const double* isolated;  ///< [kind]: the energy begins with it; null: it is added to
  double* energy;          ///< [receivers] of all, eV
  Real* neurons_bar;       ///< [receivers][neurons] of all
};

/// dE/dc (l = 0) from the neurons that read it; the other components are cleared.
template <class Real>
struct ReadoutReverse {
  Pass pass;
  const int* receiver_kind;
  int channels, outputs, num_readers;
  struct Reader {
    int neurons;
    const Real* neurons_bar;  ///< [receivers][neurons] of all
    const Real* weight;       ///< [kind][K][neurons]
    std::int64_t kind_stride;
  } reader[kMaxLayers];
  Real* c_bar;  ///< [output][capacity][K]
};

/// Paths of the edge product with the same l1 and l2, at most two, whose sums one warp holds in
/// registers. Slots are [path][m1][m2].
inline constexpr int kUnitPaths = 2;
struct EdgeUnit {
  int l1, l2, paths, first_path, first_slot;
  int first_coupling, last_coupling;  ///< in `by_row`
};

/// A Clebsch-Gordan coefficient between a slot and a row of the messages.
template <class Real>
struct SlotCoupling {
  int slot, row;
  Real value;
};

/// Rows of V are taken in twos: an odd one is followed by a row of zeros.
MDBENCH_HD constexpr int radial_rows(int rank) { return (rank + 1) / 2 * 2; }
inline constexpr int kMaxEdgeEll = 3, kMaxSenderL = 2, kMaxEdgeRank = 126;

/// The edge product of a layer after the first. Units are sorted by l2, then l1, and so are paths.
template <class Real>
struct EdgeProduct {
  int kinds, segments, rank, width, channels;
  int paths, slots, rows;  ///< rows of the messages
  int sender_components, max_ell, num_units;
  const EdgeUnit* units;
  const SlotCoupling<Real>* by_row;   ///< sorted by row within a unit
  const SlotCoupling<Real>* by_slot;  ///< sorted by slot: every slot of every unit
  int num_couplings;
  const int* table_of_pair;
  const int* run_rank;  ///< [table * segments + segment] rows of V in use, at most `rank`
  const Real* v;        ///< [table][segment][K / 32][path][radial_rows(rank)][32], padding 0
  int paths_of[kMaxEdgeEll + 1][kMaxSenderL + 1];  ///< paths of each [l2][l1]
};

template <class Real>
struct EdgeForward {
  Pass pass;
  Pairs pairs;
  Tiles<Real> tiles;
  EdgeProduct<Real> product;
  const Real* columns;
  const Real* sender;  ///< h: [node][component][K]
  Real* messages;      ///< [row][capacity][K]
  bool wide_sums;      ///< "mixed": the sums over tiles are in double
};

template <class Real>
struct EdgeReverse {
  Pass pass;
  Pairs pairs;
  Tiles<Real> tiles;
  EdgeProduct<Real> product;
  const Real* columns;
  const Real* sender;
  const Real* messages_bar;  ///< [row][capacity][K]
  Fixed* sender_bar;         ///< dE/dh: [node][component][K], added to; or null, and then
  Real* sender_bar_real;     ///< the same in Real: less memory, an order of additions by chance
  Real* edge_bar;            ///< [tile][K / 32][components(max_ell)][4]: dE/dr, then dE/dY_m, m > 0
  int splits;                ///< warps that share the tiles of a receiver
  Real limit;                ///< `fixed_limit` of the edges of a sender
  unsigned* flags;
};

/// Ziegler-Biersack-Littmark repulsion: `kernels/zbl.hpp`.
struct Zbl {
  int power;  ///< 0: none
  int terms;
  double c[8], d[8], exponent, prefactor, scale;
  const double* radius;      ///< [kind] Angstrom
  const int* atomic_number;  ///< [kind]
};

/// The edges' gradients of a layer: to forces and virials.
template <class Real>
struct EdgeGradients {
  Pass pass;
  Pairs pairs;
  Coordinates at;
  Tiles<Real> tiles;
  int max_ell, kinds, segments;
  // layers after the first
  const Real* edge_bar;  ///< as in EdgeReverse; null in layer 0
  int warps;             ///< E / 32
  // layer 0
  const Real* moments_bar;  ///< as the moments; null in later layers
  int rank, row;
  // density
  const Real* columns;  ///< [tile][2][width][4]
  int width;
  const double* density_bar;  ///< [capacity][density_warps] or null
  int density_warps;          ///< K / 32
  Zbl zbl;                    ///< power 0 but in layer 0
  double* energy;             ///< [receivers] of all: the repulsion is added
  Fixed* force;               ///< [nodes][3] eV/Angstrom, added to; null: not wanted
  double* virial;             ///< [receivers][9] of all: sums of -d (x) g, added to; or null
  Fixed* node_virial;         ///< [nodes][9], half an edge's to each end, added to; or null
  double* edge_gradient;      ///< [pairs][3] dE/d(edge vector), added to; or null
  double limit;               ///< `fixed_limit` of what is added to a node's force
  unsigned* flags;
};

/// dE/dh of the pass's receivers as floating-point numbers, for the reverse of the linear maps.
template <class Real>
struct TakeGradients {
  Pass pass;
  const int* node;
  int components, channels;
  const Fixed* fixed;  ///< [node][component][K], or null, and then
  const Real* real;
  Real* out;  ///< [component][capacity][K]
};

/// The end of a step: integers to numbers, and the total virial in a fixed order.
struct Finish {
  int nodes, receivers;
  const Fixed* force;
  double* force_out;         ///< [nodes][3]
  const double* virial;      ///< [receivers][9]
  double* total_virial;      ///< [9]
  const Fixed* node_virial;  ///< or null
  double* node_virial_out;   ///< [nodes][9]
};

// Launches, on `stream`; each in a file of its own.
template <class Real>
void make_tiles(const MakeTiles<Real>&, cudaStream_t stream);
template <class Real>
void radial_columns(const RadialColumns<Real>&, cudaStream_t stream);
template <class Real>
void moments(const Moments<Real>&, cudaStream_t stream);
template <class Real>
void dense(const Dense<Real>&, cudaStream_t stream);
template <class Real>
void contract(const Contract<Real>&, cudaStream_t stream);
template <class Real>
void contract_reverse(const ContractReverse<Real>&, cudaStream_t stream);
template <class Real>
void readout(const Readout<Real>&, cudaStream_t stream);
template <class Real>
void readout_reverse(const ReadoutReverse<Real>&, cudaStream_t stream);
template <class Real>
void edge_forward(const EdgeForward<Real>&, cudaStream_t stream);
template <class Real>
void edge_reverse(const EdgeReverse<Real>&, cudaStream_t stream);
template <class Real>
void edge_gradients(const EdgeGradients<Real>&, cudaStream_t stream);
template <class Real>
void take_gradients(const TakeGradients<Real>&, cudaStream_t stream);
void finish(const Finish&, cudaStream_t stream);

}  // namespace mdbench::cuda
