"use strict";
// The trained model in the browser: affine maps, convolutions and elementwise activations, products with their
// Jacobians, and the directions that they follow. Rows and codes are flat arrays. Nothing here touches the page.
const Model = (() => {
  // Numbers of 2 or 4 bytes each, little endian, from base64.
  function numbers(text, bytes = 2) {
    const raw = atob(text), view = new DataView(new ArrayBuffer(raw.length));
    for (let i = 0; i < raw.length; i++) view.setUint8(i, raw.charCodeAt(i));
    const read = bytes === 2 ? (at) => half(view.getUint16(at, true)) : (at) => view.getFloat32(at, true);
    return Float32Array.from({ length: raw.length / bytes }, (_, i) => read(bytes * i));
  }

  // IEEE 754 half precision: a sign, 5 bits of exponent, 10 of fraction.
  function half(bits) {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits >> 15 ? -1 : 1;
    return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
  }

  const sigmoid = (a) => 1 / (1 + Math.exp(-a));
  // Distribution function of the normal; erfc by Abramowitz and Stegun 7.1.26, to 2e-7.
  function normal(a) {
    const t = 1 / (1 + (0.3275911 * Math.abs(a)) / Math.SQRT2);
    const sum = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    const tail = 0.5 * sum * Math.exp((-a * a) / 2);
    return a > 0 ? 1 - tail : tail;
  }
  const bell = (a) => Math.exp((-a * a) / 2) / Math.sqrt(2 * Math.PI);

  const silu = [(a) => a * sigmoid(a), (a) => sigmoid(a) * (1 + a * (1 - sigmoid(a)))];

  // Of each activation its value at a, of unit i, and its slope there, which may use the value y.
  const ACTIVATIONS = {
    sigmoid: () => [sigmoid, (a, y) => y * (1 - y)],
    tanh: () => [Math.tanh, (a, y) => 1 - y * y],
    relu: () => [(a) => Math.max(a, 0), (a) => (a > 0 ? 1 : 0)],
    leaky_relu: ({ negative_slope: s }) => [(a) => (a > 0 ? a : s * a), (a) => (a > 0 ? 1 : s)],
    elu: ({ alpha }) => [(a) => (a > 0 ? a : alpha * Math.expm1(a)), (a, y) => (a > 0 ? 1 : y + alpha)],
    softplus: ({ beta, threshold }) => [
      (a) => (beta * a > threshold ? a : Math.log1p(Math.exp(beta * a)) / beta),
      (a) => sigmoid(beta * a),
    ],
    silu: () => silu,
    partly_linear: ({ num_linear: n }) => [
      (a, i) => (i < n ? a : silu[0](a)),
      (a, y, i) => (i < n ? 1 : silu[1](a)),
    ],
    gelu: () => [(a) => a * normal(a), (a) => normal(a) + a * bell(a)],
  };

  const size = (shape) => shape.reduce((product, n) => product * n, 1);

  // Every layer has apply(x), push(v, x, y) = J v and pull(g, x, y) = J' g, where y = apply(x).
  function activation({ kind, numbers: given }) {
    const [value, slope] = ACTIVATIONS[kind](given);
    const scaled = (v, x, y) => v.map((each, i) => each * slope(x[i], y[i], i));
    return { apply: (x) => x.map(value), push: scaled, pull: scaled };
  }

  function linear({ inputs, outputs }, weight, bias) {
    const columns = size(inputs), rows = size(outputs);
    function multiply(v, start) {
      const found = Float64Array.from(start);
      for (let o = 0, at = 0; o < rows; o++) {
        let sum = 0;
        for (let i = 0; i < columns; i++) sum += weight[at++] * v[i];
        found[o] += sum;
      }
      return found;
    }
    function pull(g) {
      const found = new Float64Array(columns);
      for (let o = 0, at = 0; o < rows; o++) {
        const by = g[o];
        for (let i = 0; i < columns; i++) found[i] += weight[at++] * by;
      }
      return found;
    }
    const zero = new Float64Array(rows);
    return { apply: (x) => multiply(x, bias), push: (v) => multiply(v, zero), pull };
  }

  function scale({ inputs }, weight, bias) {
    const each = size(inputs) / weight.length;
    const scaled = (v) => v.map((number, i) => number * weight[Math.floor(i / each)]);
    const apply = (x) => scaled(x).map((number, i) => number + bias[Math.floor(i / each)]);
    return { apply, push: scaled, pull: scaled };
  }

  function convolution({ kind, inputs, outputs, sizes }, weight, bias) {
    const transposed = kind === "transposed";
    const [wide, narrow] = transposed ? [outputs, inputs] : [inputs, outputs]; // a convolution maps wide to narrow
    const [, height, width] = wide, [planes, rows, columns] = narrow;
    const { kernel: [kh, kw], stride: [sy, sx], padding: [py, px], dilation: [dy, dx], groups: [groups] } = sizes;
    const each = wide[0] / groups;
    // Adds to `to` the products of weights and `from`: from wide to narrow, or back.
    function add(from, to, back) {
      for (let o = 0, at = 0; o < planes; o++) {
        const first = Math.floor(o / (planes / groups)) * each;
        for (let c = first; c < first + each; c++)
          for (let ky = 0; ky < kh; ky++)
            for (let kx = 0; kx < kw; kx++) {
              const by = weight[at++];
              for (let y = 0; y < rows; y++) {
                const wideY = y * sy - py + ky * dy;
                if (wideY < 0 || wideY >= height) continue;
                for (let x = 0; x < columns; x++) {
                  const wideX = x * sx - px + kx * dx;
                  if (wideX < 0 || wideX >= width) continue;
                  const i = (c * height + wideY) * width + wideX, j = (o * rows + y) * columns + x;
                  if (back) to[i] += by * from[j];
                  else to[j] += by * from[i];
                }
              }
            }
      }
      return to;
    }
    const count = size(outputs), plane = count / outputs[0];
    const biases = () => Float64Array.from({ length: count }, (_, i) => bias[Math.floor(i / plane)]);
    return {
      apply: (x) => add(x, biases(), transposed),
      push: (v) => add(v, new Float64Array(count), transposed),
      pull: (g) => add(g, new Float64Array(size(inputs)), !transposed),
    };
  }

  const LAYERS = { linear, scale, convolution, transposed: convolution };

  function chain(layers) {
    const apply = (x) => layers.reduce((h, layer) => layer.apply(h), Float64Array.from(x));
    function tape(x) {
      const held = [Float64Array.from(x)];
      for (const layer of layers) held.push(layer.apply(held.at(-1)));
      return held;
    }
    const push = (held, v) => layers.reduce((u, layer, i) => layer.push(u, held[i], held[i + 1]), Float64Array.from(v));
    const pull = (held, g) =>
      layers.reduceRight((u, layer, i) => layer.pull(u, held[i], held[i + 1]), Float64Array.from(g));
    return { apply, tape, push, pull };
  }

  // Two chains from their layers and all weights in half precision, one after another.
  function make({ encoder, decoder }, weights) {
    const all = numbers(weights);
    let at = 0;
    const take = (count) => all.subarray(at, (at += count));
    const build = (layers) =>
      chain(layers.map((layer) => {
        const kind = LAYERS[layer.kind];
        return kind ? kind(layer, take(layer.weight), take(layer.bias)) : activation(layer);
      }));
    return { encoder: build(encoder), decoder: build(decoder) };
  }

  const dot = (a, b) => a.reduce((sum, each, i) => sum + each * b[i], 0);

  function combined(vectors, factors) {
    const sum = new Float64Array(vectors[0].length);
    vectors.forEach((vector, i) => { for (let j = 0; j < sum.length; j++) sum[j] += factors[i] * vector[j]; });
    return sum;
  }

  // Eigenvalues and eigenvectors of a symmetric matrix (array of rows), largest first, by Jacobi's rotations.
  function eigen(matrix) {
    const n = matrix.length, a = matrix.map((row) => Float64Array.from(row));
    const v = a.map((_, i) => Float64Array.from({ length: n }, (__, j) => (i === j ? 1 : 0))); // rows are eigenvectors
    const whole = a.reduce((sum, row) => sum + dot(row, row), 0);
    for (let sweep = 0; sweep < 30; sweep++) {
      let off = 0;
      for (let p = 0; p < n; p++) for (let q = 0; q < p; q++) off += a[p][q] ** 2;
      if (off <= 1e-22 * whole) break;
      for (let p = 0; p < n - 1; p++)
        for (let q = p + 1; q < n; q++) {
          if (a[p][q] === 0) continue;
          const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
          const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
          const c = 1 / Math.sqrt(t * t + 1), s = t * c;
          for (let k = 0; k < n; k++) {
            const x = a[k][p], y = a[k][q];
            a[k][p] = c * x - s * y;
            a[k][q] = s * x + c * y;
          }
          for (const rows of [a, v]) {
            const x = rows[p], y = rows[q];
            for (let k = 0; k < n; k++) {
              const held = x[k];
              x[k] = c * held - s * y[k];
              y[k] = s * held + c * y[k];
            }
          }
        }
    }
    const order = [...a.keys()].sort((i, j) => a[j][j] - a[i][i]);
    return { values: order.map((i) => a[i][i]), vectors: order.map((i) => v[i]) };
  }

  const gram = (vectors) => vectors.map((a) => vectors.map((b) => dot(a, b)));

  // Singular values and right singular vectors of the reconstruction's Jacobian J = G F at x, largest first. With
  // F F' = U L U', the eigenvectors w of L^(1/2) U' G'G U L^(1/2) give the vectors F' U L^(-1/2) w.
  function tangents({ encoder, decoder }, x, count) {
    const first = encoder.tape(x), code = first.at(-1), second = decoder.tape(code);
    const unit = (n, at) => Float64Array.from({ length: n }, (_, i) => (i === at ? 1 : 0));
    if (x.length <= code.length) {
      const columns = Array.from(x, (_, at) => decoder.push(second, encoder.push(first, unit(x.length, at))));
      const { values, vectors } = eigen(gram(columns));
      return vectors.slice(0, count).map((vector, i) => ({ value: Math.sqrt(Math.max(values[i], 0)), vector }));
    }
    const f = Array.from(code, (_, at) => encoder.pull(first, unit(code.length, at)));
    const { values: l, vectors: u } = eigen(gram(f));
    const kept = l.map((_, i) => i).filter((i) => l[i] > 1e-12 * l[0]);
    const pushed = kept.map((i) => decoder.push(second, u[i].map((each) => each * Math.sqrt(l[i]))));
    const { values, vectors } = eigen(gram(pushed));
    return vectors.slice(0, count).map((w, i) => {
      const inCode = combined(kept.map((at) => u[at]), kept.map((at, j) => w[j] / Math.sqrt(l[at])));
      return { value: Math.sqrt(Math.max(values[i], 0)), vector: combined(f, inCode) };
    });
  }

  // Of the directions from x to other rows, those that move the reconstruction least: orthonormal, least first.
  function leastSensitive({ encoder, decoder }, x, others, count) {
    const basis = [];
    for (const other of others) {
      let left = Float64Array.from(other, (each, i) => each - x[i]);
      const length = Math.sqrt(dot(left, left));
      for (let twice = 0; twice < 2; twice++)
        for (const each of basis) {
          const by = dot(left, each);
          left = left.map((number, i) => number - by * each[i]);
        }
      const rest = Math.sqrt(dot(left, left));
      if (rest > 1e-6 * length) basis.push(left.map((number) => number / rest));
    }
    if (!basis.length) return [];
    const first = encoder.tape(x), second = decoder.tape(first.at(-1));
    const pushed = basis.map((each) => decoder.push(second, encoder.push(first, each)));
    const { values, vectors } = eigen(gram(pushed));
    return vectors
      .map((w, i) => ({ value: Math.sqrt(Math.max(values[i], 0)), vector: combined(basis, w) }))
      .reverse()
      .slice(0, count);
  }

  return { numbers, make, tangents, leastSensitive, dot };
})();
