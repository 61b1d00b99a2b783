// Networks computed here: their weights as camloss/demo/browser_weights.py packs them, and the kernel that runs them.

/** @import { Features, Layer, NetworkHeader } from "./types.d.ts" */

const HEADER = "camloss"; // key of what browser_weights.py wrote in the header of a safetensors file

/**
 * The networks in a file of weights, of float32 or float16.
 *
 * @param {ArrayBuffer} file @param {WebAssembly.Module} kernel
 * @returns {Promise<Map<string, Network>>} by the names that the file gives them
 * @throws {Error} the file is damaged
 */
export async function networksIn(file, kernel) {
  const length = Number(new DataView(file).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, length)));
  /** @param {string} name */
  const tensor = (name) => {
    const { dtype, data_offsets } = header[name];
    const [start, end] = data_offsets;
    if (dtype === "F16") return widened(new Uint16Array(file, 8 + length + start, (end - start) / 2));
    return new Float32Array(file, 8 + length + start, (end - start) / 4);
  };
  /** @type {[string, NetworkHeader][]} */
  const described = Object.entries(JSON.parse(header.__metadata__[HEADER]).networks);
  const networks = described.map(async ([own, description]) => {
    const instance = await WebAssembly.instantiate(kernel);
    return /** @type {const} */ ([own, new Network(instance, description, (name) => tensor(`${own}.${name}`))]);
  });
  return new Map(await Promise.all(networks));
}

/** Finite numbers of float16, given as their bits. @param {Uint16Array} halves */
export function widened(halves) {
  return Float32Array.from(halves, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const [exponent, fraction] = [(half >> 10) & 31, half & 1023];
    return exponent ? sign * (1024 + fraction) * 2 ** (exponent - 25) : sign * fraction * 2 ** -24;
  });
}

export class Network {
  #kernel;
  #weights; // of each layer: addresses of its weights and biases
  #free; // address of the first byte after them

  /**
   * @param {WebAssembly.Instance} instance @param {NetworkHeader} description
   * @param {(name: string) => Float32Array} tensor
   */
  constructor(instance, description, tensor) {
    this.#kernel = /** @type {any} */ (instance.exports);
    this.description = description;
    this.headWeight = tensor("head.weight"); // [class][channel]
    this.headBias = tensor("head.bias");
    this.ood_score = description.ood_score && {
      weight: tensor("ood_score.weight"), // of the channels' means, the logits and their energy
      bias: tensor("ood_score.bias"),
    };
    this.#free = (this.#kernel.__heap_base.value + 15) & ~15;
    this.#weights = description.layers.map((_, i) => ({
      weight: this.#store(tensor(`${i}.weight`)),
      bias: this.#store(tensor(`${i}.bias`)),
    }));
  }

  /** @param {Float32Array} values @returns {number} their address */
  #store(values) {
    const address = this.#free;
    this.#free += values.byteLength;
    this.#reserve(this.#free);
    new Float32Array(this.#kernel.memory.buffer, address).set(values);
    return address;
  }

  /** @param {number} bytes that the memory must have */
  #reserve(bytes) {
    const missing = bytes - this.#kernel.memory.buffer.byteLength;
    if (missing > 0) this.#kernel.memory.grow(Math.ceil(missing / 65536));
  }

  /**
   * Classify a picture.
   *
   * @param {Float32Array} pixels in [0, 1], row by row @param {number} height @param {number} width
   * @returns {{logits: Float64Array, features: Features, middle: Float32Array | null}} the features are the caller's
   *   until the next call; `middle` is what the OOD score is computed from, one mean a channel
   */
  run(pixels, height, width) {
    const { layers, pooling, mean, std, classes, ood_score } = this.description;
    const shapes = shapesOf(layers, height, width);
    const largest = Math.max(...shapes.map(([h, w, channels]) => (h + 2) * (w + 2) * channels));
    const [one, other] = [this.#free, this.#free + 4 * largest];
    const pooled = other + 4 * largest;
    this.#reserve(pooled + 4 * Math.max(...shapes.map(([, , channels]) => channels)));
    const memory = new Float32Array(this.#kernel.memory.buffer);
    memory.fill(0, one / 4, one / 4 + (height + 2) * (width + 2));
    for (let y = 0; y < height; y++) {
      const row = one / 4 + (y + 1) * (width + 2) + 1;
      for (let x = 0; x < width; x++) memory[row + x] = (pixels[y * width + x] - mean) / std;
    }
    /** Of the output of some layer. @param {number} at @param {number} layer @param {"avg" | "max"} kind @returns {Float32Array} one value a channel */
    const pool = (at, layer, kind) => {
      const [h, w, channels] = shapes[layer];
      this.#kernel.pool(at, h, w, channels, kind === "max" ? 1 : 0, pooled);
      return memory.slice(pooled / 4, pooled / 4 + channels);
    };
    /** @type {Float32Array | null} */
    let middle = null;
    let [from, to] = [one, other];
    layers.forEach(({ inputs, outputs, stride }, i) => {
      const { weight, bias } = this.#weights[i];
      const [h, w] = shapes[i + 1];
      this.#kernel.convolve(from, shapes[i][1], inputs, weight, bias, to, h, w, outputs, stride);
      [from, to] = [to, from];
      if (ood_score?.after === i + 1) middle = pool(from, i + 1, "avg");
    });
    const [h, w, channels] = shapes[layers.length];
    const values = memory.subarray(from / 4, from / 4 + (h + 2) * (w + 2) * channels);
    const strengths = pool(from, layers.length, pooling);
    const logits = new Float64Array(classes);
    for (let k = 0; k < classes; k++) {
      let sum = this.headBias[k];
      for (let c = 0; c < channels; c++) sum += this.headWeight[k * channels + c] * strengths[c];
      logits[k] = sum;
    }
    return { logits, features: { values, height: h, width: w, channels }, middle };
  }
}

/** Height, width and channels of the input and of each layer's output. @param {Layer[]} layers @param {number} height @param {number} width */
function shapesOf(layers, height, width) {
  const shapes = [[height, width, layers[0].inputs]];
  for (const { outputs, stride } of layers) {
    const [h, w] = shapes[shapes.length - 1];
    shapes.push([Math.ceil(h / stride), Math.ceil(w / stride), outputs]);
  }
  return shapes;
}
