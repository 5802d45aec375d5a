// 3x3 convolutions and their gradients by Winograd's F(4x4, 3x3): see winograd.py.
//
// A tile of 6x6 values gives 4x4 results by 36 products instead of 144: A^T [(G w G^T) (B^T d B)] A,
// with the matrices of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR
// 2016, https://arxiv.org/abs/1509.09308, section 4.3. A few images at a time go through all steps, so
// that what lies between them stays in the cache.
//
// Features are float32, channels last, height and width multiples of 4, channels multiples of 16,
// stride and padding 1. Weights come transformed and packed: (36, outside / 16, inside, 16).

#include <ATen/Parallel.h>
#include <torch/extension.h>

#include <algorithm>
#include <vector>

namespace {

typedef float Vector __attribute__((vector_size(32), aligned(4)));
constexpr int64_t kLanes = 8, kPanel = 16, kProducts = 36, kTile = 4, kTilesTogether = 128;

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

struct Shape {
  int64_t height, width, channels, rows, columns, tiles;
  explicit Shape(const at::Tensor& x)
      : height(x.size(2)), width(x.size(3)), channels(x.size(1)), rows(height / kTile),
        columns(width / kTile), tiles(rows * columns) {}
  int64_t size() const { return height * width * channels; }
};

// The 36 products of a tile, for some channels; `m` is (36, tiles, channels) from these on.
inline void load_products(const float* m, int64_t step, Vector* d) {
  for (int64_t k = 0; k < kProducts; k++) d[k] = load(m + k * step);
}

inline void store_products(const Vector* o, int64_t step, float* m) {
  for (int64_t k = 0; k < kProducts; k++) store(m + k * step, o[k]);
}

// values (height, width, channels) -> (36, tiles, channels): B^T d B
void transform_input(const Shape& s, const float* x, float* v, int64_t tiles, int64_t tile) {
  for (int64_t i = 0; i < s.rows; i++)
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
        store_products(o, tiles * s.channels, v + tile * s.channels + c);
      }
}

// (36, tiles, channels) -> values: A^T m A + bias, [at least 0], [+ added]
void transform_output(const Shape& s, const float* m, const float* bias, bool relu,
                      const float* added, float* y, int64_t tiles, int64_t tile) {
  for (int64_t i = 0; i < s.rows; i++)
    for (int64_t j = 0; j < s.columns; j++, tile++)
      for (int64_t c = 0; c < s.channels; c += kLanes) {
        Vector d[36], o[16];
        load_products(m + tile * s.channels + c, tiles * s.channels, d);
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

// gradient of the results -> (36, tiles, channels): A g A^T
void transform_output_back(const Shape& s, const float* g, float* m, int64_t tiles, int64_t tile) {
  for (int64_t i = 0; i < s.rows; i++)
    for (int64_t j = 0; j < s.columns; j++, tile++)
      for (int64_t c = 0; c < s.channels; c += kLanes) {
        Vector d[16], o[36];
        for (int64_t a = 0; a < 4; a++)
          for (int64_t b = 0; b < 4; b++)
            d[4 * a + b] = load(g + ((kTile * i + a) * s.width + kTile * j + b) * s.channels + c);
        both_ways<4, 6, by_a>(d, o);
        store_products(o, tiles * s.channels, m + tile * s.channels + c);
      }
}

// (36, tiles, channels) -> gradient of the values: the overlapping sum of B v B^T, [where mask is
// above 0], [+ added]. `rows` has room for six rows of the image and a pixel on each side.
void transform_input_back(const Shape& s, const float* v, const float* mask, const float* added,
                          float* rows, float* g, int64_t tiles, int64_t tile) {
  const int64_t row = (s.width + 2) * s.channels;
  std::fill(rows, rows + 6 * row, 0.f);
  for (int64_t i = 0; i < s.rows; i++) {
    for (int64_t j = 0; j < s.columns; j++, tile++)
      for (int64_t c = 0; c < s.channels; c += kLanes) {
        Vector d[36], o[36];
        load_products(v + tile * s.channels + c, tiles * s.channels, d);
        both_ways<6, 6, by_b>(d, o);
        for (int64_t a = 0; a < 6; a++)
          for (int64_t b = 0; b < 6; b++) {
            float* p = rows + a * row + (kTile * j + b) * s.channels + c;
            store(p, load(p) + o[6 * a + b]);
          }
      }
    // These are the image's rows 4i-1 to 4i+4; the last two get more from the next tiles.
    const int64_t done = i == s.rows - 1 ? 5 : 4;
    for (int64_t a = i == 0 ? 1 : 0; a < done; a++) {
      const int64_t base = (kTile * i - 1 + a) * s.width * s.channels;
      for (int64_t q = 0; q < s.width * s.channels; q += kLanes) {
        Vector value = load(rows + a * row + s.channels + q);
        if (mask) value = load(mask + base + q) > 0.f ? value : Vector{};
        if (added) value += load(added + base + q);
        store(g + base + q, value);
      }
    }
    std::copy(rows + 4 * row, rows + 6 * row, rows);
    std::fill(rows + 2 * row, rows + 6 * row, 0.f);
  }
}

// c (R, 16) = [c +] sum over p of a[i * ai + p * ap] * b[p * bp + j]
template <int R>
inline void multiply_rows(const float* a, int64_t ai, int64_t ap, const float* b, int64_t bp,
                          int64_t terms, float* c, int64_t ci, bool add) {
  Vector x[R], y[R];
  for (int i = 0; i < R; i++) {
    x[i] = add ? load(c + i * ci) : Vector{};
    y[i] = add ? load(c + i * ci + kLanes) : Vector{};
  }
  for (int64_t p = 0; p < terms; p++) {
    const Vector left = load(b + p * bp), right = load(b + p * bp + kLanes);
    for (int i = 0; i < R; i++) {
      x[i] += a[i * ai + p * ap] * left;
      y[i] += a[i * ai + p * ap] * right;
    }
  }
  for (int i = 0; i < R; i++) {
    store(c + i * ci, x[i]);
    store(c + i * ci + kLanes, y[i]);
  }
}

inline void multiply(const float* a, int64_t ai, int64_t ap, const float* b, int64_t bp,
                     int64_t rows, int64_t terms, float* c, int64_t ci, bool add) {
  int64_t i = 0;
  for (; i + 6 <= rows; i += 6) multiply_rows<6>(a + i * ai, ai, ap, b, bp, terms, c + i * ci, ci, add);
  for (; i + 2 <= rows; i += 2) multiply_rows<2>(a + i * ai, ai, ap, b, bp, terms, c + i * ci, ci, add);
  for (; i < rows; i++) multiply_rows<1>(a + i * ai, ai, ap, b, bp, terms, c + i * ci, ci, add);
}

// (36, tiles, inside) x packed (36, outside / 16, inside, 16) -> (36, tiles, outside)
void multiply_weights(const float* v, const float* u, int64_t tiles, int64_t inside,
                      int64_t outside, float* m) {
  for (int64_t k = 0; k < kProducts; k++)
    for (int64_t j = 0; j < outside; j += kPanel)
      multiply(v + k * tiles * inside, inside, 1, u + (k * outside + j) * inside, kPanel, tiles,
               inside, m + k * tiles * outside + j, outside, false);
}

// Images that go through all steps together: enough for products with many rows, few enough for the
// cache, and at least one group for each thread.
struct Groups {
  int64_t images, most, number;
  Groups(int64_t images, int64_t tiles)
      : images(images),
        most(std::clamp<int64_t>(kTilesTogether / tiles, 1,
                                 std::max<int64_t>(images / at::get_num_threads(), 1))),
        number((images + most - 1) / most) {}
  int64_t first(int64_t group) const { return group * most; }
  int64_t end(int64_t group) const { return std::min(images, (group + 1) * most); }
};

const float* data(const c10::optional<at::Tensor>& tensor) {
  return tensor ? tensor->const_data_ptr<float>() : nullptr;
}

const float* image(const float* images, int64_t number, const Shape& shape) {
  return images ? images + number * shape.size() : nullptr;
}

}  // namespace

// result = convolution(features) + bias, [at least 0], [+ added]
void forward(const at::Tensor& features, const at::Tensor& weights, const at::Tensor& bias,
             bool relu, const c10::optional<at::Tensor>& added, at::Tensor& result) {
  const Shape in(features), out(result);
  const Groups groups(features.size(0), in.tiles);
  const float *x = features.const_data_ptr<float>(), *plus = data(added);
  float* y = result.data_ptr<float>();
  at::parallel_for(0, groups.number, 1, [&](int64_t begin, int64_t stop) {
    std::vector<float> v(kProducts * groups.most * in.tiles * in.channels);
    std::vector<float> m(kProducts * groups.most * out.tiles * out.channels);
    for (int64_t g = begin; g < stop; g++) {
      const int64_t first = groups.first(g), end = groups.end(g);
      const int64_t tiles = (end - first) * in.tiles;
      for (int64_t n = first; n < end; n++)
        transform_input(in, x + n * in.size(), v.data(), tiles, (n - first) * in.tiles);
      multiply_weights(v.data(), weights.const_data_ptr<float>(), tiles, in.channels, out.channels,
                       m.data());
      for (int64_t n = first; n < end; n++)
        transform_output(out, m.data(), bias.const_data_ptr<float>(), relu, image(plus, n, out),
                         y + n * out.size(), tiles, (n - first) * in.tiles);
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
  const Groups groups(features.size(0), in.tiles);
  const float *x = features.const_data_ptr<float>(), *dy = gradient.const_data_ptr<float>();
  const float *where = data(mask), *plus = data(added);
  float* dx = features_gradient.data_ptr<float>();
  // One sum a thread, added in order: the same bits in every run.
  std::vector<std::vector<float>> sums(at::get_num_threads());
  at::parallel_for(0, groups.number, 1, [&](int64_t begin, int64_t stop) {
    std::vector<float> v(kProducts * groups.most * in.tiles * in.channels);
    std::vector<float> m(kProducts * groups.most * out.tiles * out.channels);
    std::vector<float> rows(6 * (in.width + 2) * in.channels);
    std::vector<float>& sum = sums[at::get_thread_num()];
    sum.resize(weights_gradient.numel());
    for (int64_t g = begin; g < stop; g++) {
      const int64_t first = groups.first(g), end = groups.end(g);
      const int64_t tiles = (end - first) * in.tiles;
      for (int64_t n = first; n < end; n++) {
        transform_input(in, x + n * in.size(), v.data(), tiles, (n - first) * in.tiles);
        transform_output_back(out, dy + n * out.size(), m.data(), tiles, (n - first) * in.tiles);
      }
      for (int64_t k = 0; k < kProducts; k++)
        for (int64_t j = 0; j < out.channels; j += kPanel)
          multiply(v.data() + k * tiles * in.channels, 1, in.channels,
                   m.data() + k * tiles * out.channels + j, out.channels, in.channels, tiles,
                   sum.data() + k * in.channels * out.channels + j, out.channels, true);
      multiply_weights(m.data(), weights.const_data_ptr<float>(), tiles, out.channels, in.channels,
                       v.data());
      for (int64_t n = first; n < end; n++)
        transform_input_back(in, v.data(), image(where, n, in), image(plus, n, in), rows.data(),
                             dx + n * in.size(), tiles, (n - first) * in.tiles);
    }
  });
  weights_gradient.zero_();
  float* total = weights_gradient.data_ptr<float>();
  for (const auto& sum : sums)
    for (size_t q = 0; q < sum.size(); q++) total[q] += sum[q];
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
  module.def("forward", &forward);
  module.def("backward", &backward);
}
