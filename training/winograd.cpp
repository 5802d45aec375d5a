// 3x3 convolutions and their gradients by Winograd's F(4x4, 3x3): see winograd.py.
//
// A tile of 6x6 values gives 4x4 results by 36 products instead of 144: A^T [(G w G^T) (B^T d B)] A,
// with the matrices of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR
// 2016, https://arxiv.org/abs/1509.09308, section 4.3. A few rows of tiles at a time go through all
// steps, so that what lies between them stays in the cache.
//
// Features are float32, channels last, height and width multiples of 4, channels multiples of 16,
// stride and padding 1. Weights come transformed and packed: (36, outside / 16, inside, 16).

#include <ATen/Parallel.h>
#include <torch/extension.h>

#include <algorithm>
#include <vector>

namespace {

#ifdef __AVX512F__
constexpr int64_t kLanes = 16;
#else
constexpr int64_t kLanes = 8;
#endif
constexpr int64_t kPanel = 16, kProducts = 36, kTile = 4, kTilesTogether = 64;
// Sums that stay in registers in a product of matrices: kRows rows of kVectors.
constexpr int kVectors = kPanel / kLanes, kRows = kVectors == 1 ? 16 : 6;
typedef float Vector __attribute__((vector_size(4 * kLanes), aligned(4)));

inline Vector load(const float* p) { return *reinterpret_cast<const Vector*>(p); }
inline void store(float* p, Vector v) { *reinterpret_cast<Vector*>(p) = v; }

// The four matrices, each applied to values that lie `s` apart, with results `t` apart.
inline void by_bt(const Vector* d, int s, Vector* o, int t) {
  Vector a = d[4 * s] - 4.f * d[2 * s], b = d[3 * s] - 4.f * d[s];
  Vector c = d[4 * s] - d[2 * s], e = 2.f * (d[3 * s] - d[s]);
  o[0] = 4.f * d[0] - 5.f * d[2 * s] + d[4 * s];
  o[t] = a + b;
  o[2 * t] = a - b;
  o[3 * t] = c + e;
  o[4 * t] = c - e;
  o[5 * t] = 4.f * d[s] - 5.f * d[3 * s] + d[5 * s];
}

inline void by_b(const Vector* d, int s, Vector* o, int t) {
  Vector p = d[s] + d[2 * s], m = d[s] - d[2 * s];
  Vector q = d[3 * s] + d[4 * s], n = d[3 * s] - d[4 * s];
  o[0] = 4.f * d[0];
  o[t] = -4.f * m - 2.f * n + 4.f * d[5 * s];
  o[2 * t] = -5.f * d[0] - 4.f * p - q;
  o[3 * t] = m + 2.f * n - 5.f * d[5 * s];
  o[4 * t] = d[0] + p + q;
  o[5 * t] = d[5 * s];
}

inline void by_at(const Vector* d, int s, Vector* o, int t) {
  Vector p = d[s] + d[2 * s], m = d[s] - d[2 * s];
  Vector q = d[3 * s] + d[4 * s], n = d[3 * s] - d[4 * s];
  o[0] = d[0] + p + q;
  o[t] = m + 2.f * n;
  o[2 * t] = p + 4.f * q;
  o[3 * t] = m + 8.f * n + d[5 * s];
}

inline void by_a(const Vector* d, int s, Vector* o, int t) {
  Vector e = d[0] + d[2 * s], f = d[s] + d[3 * s];
  Vector g = d[0] + 4.f * d[2 * s], h = 2.f * d[s] + 8.f * d[3 * s];
  o[0] = d[0];
  o[t] = e + f;
  o[2 * t] = e - f;
  o[3 * t] = g + h;
  o[4 * t] = g - h;
  o[5 * t] = d[3 * s];
}

// d (N, N) -> o (M, M): a matrix from the left, its transpose from the right.
template <int N, int M, void (*by_matrix)(const Vector*, int, Vector*, int)>
inline void both_ways(const Vector* d, Vector* o) {
  Vector e[M * N];
  for (int b = 0; b < N; b++) by_matrix(d + b, N, e + b, N);
  for (int a = 0; a < M; a++) by_matrix(e + N * a, 1, o + M * a, 1);
}

// Zeros that begin at a line of the cache: a vector of 64 bytes across two lines costs twice.
struct Lines {
  at::Tensor zeros;
  float* data;
  explicit Lines(int64_t size = 0) : zeros(at::zeros({size})), data(zeros.data_ptr<float>()) {}
};

struct Shape {
  int64_t height, width, channels, rows, columns;
  explicit Shape(const at::Tensor& x)
      : height(x.size(2)), width(x.size(3)), channels(x.size(1)), rows(height / kTile),
        columns(width / kTile) {}
  int64_t size() const { return height * width * channels; }
  // Row `row` of tiles, counted through all images.
  const float* image(const float* images, int64_t row) const {
    return images ? images + row / rows * size() : nullptr;
  }
  float* image(float* images, int64_t row) const { return images + row / rows * size(); }
};

// Room for the 36 products of some tiles, (36, tiles, channels). A line between the products: at
// multiples of a large power of two they would all fall into the same few lines of the cache.
struct Products {
  int64_t channels, step;
  Lines values;
  Products(int64_t tiles, int64_t channels)
      : channels(channels), step(tiles * channels + kPanel), values(kProducts * step) {}
  float* at(int64_t product) { return values.data + product * step; }
  void load_tile(int64_t tile, int64_t channel, Vector* d) const {
    const float* p = values.data + tile * channels + channel;
    for (int64_t k = 0; k < kProducts; k++) d[k] = load(p + k * step);
  }
  void store_tile(int64_t tile, int64_t channel, const Vector* o) {
    float* p = values.data + tile * channels + channel;
    for (int64_t k = 0; k < kProducts; k++) store(p + k * step, o[k]);
  }
};

// Tile row i of values (height, width, channels) -> B^T d B
void transform_input(const Shape& s, const float* x, int64_t i, Products& v, int64_t tile) {
  for (int64_t j = 0; j < s.columns; j++, tile++)
    for (int64_t c = 0; c < s.channels; c += kLanes) {
      Vector d[36], o[36];
      for (int64_t a = 0; a < 6; a++)
        for (int64_t b = 0; b < 6; b++) {
          int64_t y = kTile * i - 1 + a, z = kTile * j - 1 + b;
          bool inside = y >= 0 && y < s.height && z >= 0 && z < s.width;
          d[6 * a + b] = inside ? load(x + (y * s.width + z) * s.channels + c) : Vector{};
        }
      both_ways<6, 6, by_bt>(d, o);
      v.store_tile(tile, c, o);
    }
}

// Products -> tile row i of values: A^T m A + bias, [at least 0], [+ added]
void transform_output(const Shape& s, const Products& m, int64_t tile, int64_t i,
                      const float* bias, bool relu, const float* added, float* y) {
  for (int64_t j = 0; j < s.columns; j++, tile++)
    for (int64_t c = 0; c < s.channels; c += kLanes) {
      Vector d[36], o[16];
      m.load_tile(tile, c, d);
      both_ways<6, 4, by_at>(d, o);
      for (int64_t a = 0; a < 4; a++)
        for (int64_t b = 0; b < 4; b++) {
          int64_t at = ((kTile * i + a) * s.width + kTile * j + b) * s.channels + c;
          Vector value = o[4 * a + b] + load(bias + c);
          if (relu) value = value > 0.f ? value : Vector{};
          if (added) value += load(added + at);
          store(y + at, value);
        }
    }
}

// Tile row i of the gradient of the results -> A g A^T
void transform_output_back(const Shape& s, const float* g, int64_t i, Products& m, int64_t tile) {
  for (int64_t j = 0; j < s.columns; j++, tile++)
    for (int64_t c = 0; c < s.channels; c += kLanes) {
      Vector d[16], o[36];
      for (int64_t a = 0; a < 4; a++)
        for (int64_t b = 0; b < 4; b++)
          d[4 * a + b] = load(g + ((kTile * i + a) * s.width + kTile * j + b) * s.channels + c);
      both_ways<4, 6, by_a>(d, o);
      m.store_tile(tile, c, o);
    }
}

// Products -> gradient of the values: the overlapping sum of B v B^T, [where mask is above 0],
// [+ added]. Tile rows come in order; `sums` holds six rows of the image with a pixel on each side:
// what tile row i touches, 4i-1 to 4i+4, of which the last two get more from the next.
void transform_input_back(const Shape& s, const Products& v, int64_t tile, int64_t i,
                          const float* mask, const float* added, float* sums, float* g) {
  const int64_t row = (s.width + 2) * s.channels;
  if (i == 0) {
    std::fill(sums, sums + 6 * row, 0.f);
  } else {
    std::copy(sums + 4 * row, sums + 6 * row, sums);
    std::fill(sums + 2 * row, sums + 6 * row, 0.f);
  }
  for (int64_t j = 0; j < s.columns; j++, tile++)
    for (int64_t c = 0; c < s.channels; c += kLanes) {
      Vector d[36], o[36];
      v.load_tile(tile, c, d);
      both_ways<6, 6, by_b>(d, o);
      for (int64_t a = 0; a < 6; a++)
        for (int64_t b = 0; b < 6; b++) {
          float* p = sums + a * row + (kTile * j + b) * s.channels + c;
          store(p, load(p) + o[6 * a + b]);
        }
    }
  const int64_t done = i == s.rows - 1 ? 5 : 4;
  for (int64_t a = i == 0 ? 1 : 0; a < done; a++) {
    const int64_t base = (kTile * i - 1 + a) * s.width * s.channels;
    for (int64_t q = 0; q < s.width * s.channels; q += kLanes) {
      Vector value = load(sums + a * row + s.channels + q);
      if (mask) value = load(mask + base + q) > 0.f ? value : Vector{};
      if (added) value += load(added + base + q);
      store(g + base + q, value);
    }
  }
}

// c (R, 16) = [c +] sum over p of a[i * ai + p * ap] * b[p * bp + j]
template <int R>
inline void multiply_rows(const float* a, int64_t ai, int64_t ap, const float* b, int64_t bp,
                          int64_t terms, float* c, int64_t ci, bool add) {
  Vector sums[R][kVectors];
  for (int i = 0; i < R; i++)
    for (int v = 0; v < kVectors; v++)
      sums[i][v] = add ? load(c + i * ci + v * kLanes) : Vector{};
  for (int64_t p = 0; p < terms; p++) {
    Vector row[kVectors];
    for (int v = 0; v < kVectors; v++) row[v] = load(b + p * bp + v * kLanes);
    for (int i = 0; i < R; i++)
      for (int v = 0; v < kVectors; v++) sums[i][v] += a[i * ai + p * ap] * row[v];
  }
  for (int i = 0; i < R; i++)
    for (int v = 0; v < kVectors; v++) store(c + i * ci + v * kLanes, sums[i][v]);
}

inline void multiply(const float* a, int64_t ai, int64_t ap, const float* b, int64_t bp,
                     int64_t rows, int64_t terms, float* c, int64_t ci, bool add) {
  int64_t i = 0;
  for (; i + kRows <= rows; i += kRows) multiply_rows<kRows>(a + i * ai, ai, ap, b, bp, terms, c + i * ci, ci, add);
  for (; i + 2 <= rows; i += 2) multiply_rows<2>(a + i * ai, ai, ap, b, bp, terms, c + i * ci, ci, add);
  for (; i < rows; i++) multiply_rows<1>(a + i * ai, ai, ap, b, bp, terms, c + i * ci, ci, add);
}

// (36, tiles, inside) x packed (36, outside / 16, inside, 16) -> (36, tiles, outside)
void multiply_weights(Products& v, const float* u, int64_t tiles, Products& m) {
  const int64_t inside = v.channels, outside = m.channels;
  for (int64_t k = 0; k < kProducts; k++)
    for (int64_t j = 0; j < outside; j += kPanel)
      multiply(v.at(k), inside, 1, u + (k * outside + j) * inside, kPanel, tiles, inside,
               m.at(k) + j, outside, false);
}

// Rows of tiles that go through all steps together: enough for products with many rows, few enough
// for the cache. They may be of several images.
int64_t rows_together(const Shape& s) { return std::max<int64_t>(kTilesTogether / s.columns, 1); }

const float* data(const c10::optional<at::Tensor>& tensor) {
  return tensor ? tensor->const_data_ptr<float>() : nullptr;
}

}  // namespace

// result = convolution(features) + bias, [at least 0], [+ added]
void forward(const at::Tensor& features, const at::Tensor& weights, const at::Tensor& bias,
             bool relu, const c10::optional<at::Tensor>& added, at::Tensor& result) {
  const Shape in(features), out(result);
  const float *x = features.const_data_ptr<float>(), *plus = data(added);
  float* y = result.data_ptr<float>();
  const int64_t together = rows_together(in);
  at::parallel_for(0, features.size(0), 1, [&](int64_t begin, int64_t stop) {
    Products v(together * in.columns, in.channels), m(together * in.columns, out.channels);
    for (int64_t first = begin * in.rows; first < stop * in.rows; first += together) {
      const int64_t end = std::min(first + together, stop * in.rows);
      for (int64_t r = first; r < end; r++)
        transform_input(in, in.image(x, r), r % in.rows, v, (r - first) * in.columns);
      multiply_weights(v, weights.const_data_ptr<float>(), (end - first) * in.columns, m);
      for (int64_t r = first; r < end; r++)
        transform_output(out, m, (r - first) * in.columns, r % in.rows,
                         bias.const_data_ptr<float>(), relu, out.image(plus, r), out.image(y, r));
    }
  });
}

// From the gradient of a convolution's result, those of its features ([where mask is above 0],
// [+ added]) and of its transformed weights (36, inside, outside). `weights` are packed the other
// way round, from outside to inside.
void backward(const at::Tensor& features, const at::Tensor& gradient, const at::Tensor& weights,
              const c10::optional<at::Tensor>& mask, const c10::optional<at::Tensor>& added,
              at::Tensor& features_gradient, at::Tensor& weights_gradient) {
  const Shape in(features), out(gradient);
  const float *x = features.const_data_ptr<float>(), *dy = gradient.const_data_ptr<float>();
  const float *where = data(mask), *plus = data(added);
  float* dx = features_gradient.data_ptr<float>();
  const int64_t together = rows_together(in);
  // One sum a thread, added in order: the same bits in every run.
  std::vector<Lines> sums(at::get_num_threads());
  at::parallel_for(0, features.size(0), 1, [&](int64_t begin, int64_t stop) {
    Products v(together * in.columns, in.channels), m(together * in.columns, out.channels);
    Lines rows(6 * (in.width + 2) * in.channels);
    Lines& sum = sums[at::get_thread_num()];
    if (sum.zeros.numel() == 0) sum = Lines(weights_gradient.numel());
    for (int64_t first = begin * in.rows; first < stop * in.rows; first += together) {
      const int64_t end = std::min(first + together, stop * in.rows);
      const int64_t tiles = (end - first) * in.columns;
      for (int64_t r = first; r < end; r++) {
        const int64_t tile = (r - first) * in.columns;
        transform_input(in, in.image(x, r), r % in.rows, v, tile);
        transform_output_back(out, out.image(dy, r), r % in.rows, m, tile);
      }
      for (int64_t k = 0; k < kProducts; k++)
        for (int64_t j = 0; j < out.channels; j += kPanel)
          multiply(v.at(k), 1, in.channels, m.at(k) + j, out.channels, in.channels, tiles,
                   sum.data + k * in.channels * out.channels + j, out.channels, true);
      multiply_weights(m, weights.const_data_ptr<float>(), tiles, v);
      for (int64_t r = first; r < end; r++)
        transform_input_back(in, v, (r - first) * in.columns, r % in.rows, in.image(where, r),
                             in.image(plus, r), rows.data, in.image(dx, r));
    }
  });
  weights_gradient.zero_();
  float* total = weights_gradient.data_ptr<float>();
  for (const auto& sum : sums)
    for (int64_t q = 0; q < sum.zeros.numel(); q++) total[q] += sum.data[q];
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
  module.def("forward", &forward);
  module.def("backward", &backward);
}
