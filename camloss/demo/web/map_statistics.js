// The maths of the maps: camloss/maps.py, metrics.py and explain.py, and what camloss/demo/inference.py makes of them.
// Python is the reference; a test compares the two. What the summary needs besides is computed here alone.

import { asMuch, byChance, fromTheMiddle, inkUnder, topPositions, without } from "./erase.js";
import { TOP, unpack } from "./heat.js";
import { INK, partAt, severalDigits } from "./stroke_topology.js";
import { ERASED, summaryOf } from "./summary_text.js";

/** @import { Answer, BuildUp, Features, Model, Peak, Question, Reading, ServerAnswer } from "./types.d.ts" */
/** @typedef {Pick<Question, "class_idx" | "other_idx"> & Partial<Pick<Question, "erase" | "corruption">>} Asked */
/** @import { Network } from "./network.js" */

const HALF = 0.5; // of the map's maximum
const SHARE = 0.05; // of the pixels that the top positions are: as many of each map, so that no map's size decides
const EPSILON = 2 ** -23; // of float32, in which the reference computes
const TINY = 2 ** -126;
const DRAWS = 5; // of what is erased at random

/** @param {Float64Array} logits @returns {number[]} probabilities */
export function softmax(logits) {
  const highest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - highest));
  const sum = powers.reduce((total, power) => total + power);
  return powers.map((power) => power / sum);
}

/**
 * Whether this may be none of the classes, in [0, 1]; null where the network was not fitted for it (camloss/ood.py).
 *
 * @param {Network} network @param {Float64Array} logits @param {Float32Array | null} middle means of channels
 */
export function oodScoreOf({ ood_score }, logits, middle) {
  if (!ood_score || !middle) return null;
  const top = Math.max(...logits);
  const energy = -top - Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
  const evidence = [...middle, ...logits, energy];
  const score = evidence.reduce((sum, value, i) => sum + value * ood_score.weight[i], ood_score.bias[0]);
  return 1 / (1 + Math.exp(-score));
}

/**
 * The sum of all channels, each with its weight: CAM with the weights of a class, CAAM with ones, the contrastive CAM
 * with the difference of two classes' weights.
 *
 * @param {Features} features @param {ArrayLike<number>} weights one a channel
 */
export function weightedMap({ values, height, width, channels }, weights) {
  const map = new Float64Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = cellAt(x, y, width, channels);
      let sum = 0;
      for (let c = 0; c < channels; c++) sum += values[at + c] * weights[c];
      map[y * width + x] = sum;
    }
  }
  return map;
}

/** Where a cell's channels begin in bordered features. @param {number} x @param {number} y @param {number} width @param {number} channels */
const cellAt = (x, y, width, channels) => ((y + 1) * (width + 2) + x + 1) * channels;

/** To [0, 1]; a constant map becomes zeros. @param {Float64Array} map */
export function minMaxNormalize(map) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of map) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const resolution = Math.max(Math.max(Math.abs(low), Math.abs(high)) * EPSILON, TINY);
  const span = high - low > resolution ? high - low : 1;
  return map.map((value) => (value - low) / span);
}

/** Over its largest absolute value, in [-1, 1]. @param {Float64Array} map */
function overLargest(map) {
  const largest = map.reduce((most, value) => Math.max(most, Math.abs(value)), TINY);
  return map.map((value) => value / largest);
}

/** Mean absolute difference. @param {Float64Array} one @param {Float64Array} other */
const distance = (one, other) => one.reduce((sum, value, i) => sum + Math.abs(value - other[i]), 0) / one.length;

/**
 * A map upsampled bilinearly to the size of a picture.
 *
 * @param {Float64Array} map @param {number} height @param {number} width of the map
 * @param {number} down height of the picture @param {number} across its width
 */
export function upsample(map, height, width, down, across) {
  const columns = Array.from({ length: across }, (_, x) => between(x, across, width));
  const large = new Float64Array(down * across);
  for (let y = 0; y < down; y++) {
    const [above, below, share] = between(y, down, height);
    for (let x = 0; x < across; x++) {
      const [left, right, part] = columns[x];
      const upper = map[above * width + left] * (1 - part) + map[above * width + right] * part;
      const lower = map[below * width + left] * (1 - part) + map[below * width + right] * part;
      large[y * across + x] = upper * (1 - share) + lower * share;
    }
  }
  return large;
}

/** The share of a map that lies on the strokes. @param {Float64Array} map of each pixel @param {Float32Array} pixels */
export function strokeEnergy(map, pixels) {
  let [onInk, all] = [0, 0];
  map.forEach((value, i) => {
    all += value;
    if (pixels[i] >= INK) onInk += value;
  });
  return onInk / Math.max(all, TINY);
}

/**
 * Where a map is high.
 *
 * @param {Float64Array} map of each pixel, at least 0 @param {number} most its maximum, before it was upsampled
 * @param {Float32Array} pixels @param {Float32Array} drawn what of them is the digit
 * @returns {{area_above_half: number, peak: Peak, top: Uint8Array}} the share of the pixels on which it reaches half of
 *   its maximum, where its highest point lies, and its top positions
 */
export function statisticsOf(map, most, pixels, drawn) {
  const highest = map.reduce((best, value, i) => (value > map[best] ? i : best), 0);
  const above = map.reduce((sum, value) => sum + (value > 0 && value >= HALF * most ? 1 : 0), 0);
  const peak = above > 0 ? partAt(highest, pixels, drawn) : "nowhere";
  return { area_above_half: above / map.length, peak, top: topPositions(map, SHARE) };
}

/** The share of each map's top positions that are top positions of all of them. @param {Uint8Array[]} tops */
export function overlapOf(tops) {
  const count = (/** @type {Uint8Array} */ mask) => mask.reduce((sum, cell) => sum + cell, 0);
  return count(tops[0].map((_, i) => Math.min(...tops.map((top) => top[i])))) / count(tops[0]);
}

/**
 * The server's answer with what the page says of it besides: the summary, and where each map has its peak.
 *
 * @param {ServerAnswer} answer @param {Model[]} models @returns {Answer}
 */
export function summarized(answer, models) {
  const pixels = new Float32Array(unpack(answer.seen)).map((value) => value / TOP);
  const side = Math.sqrt(pixels.length);
  const [height, width] = answer.map_size;
  const told = models.map(({ variant, title }) => {
    const reading = answer[variant];
    const map = Float64Array.from(unpack(reading.contrast ?? reading.cam), (value) => value / TOP);
    const speaking = reading.contrast ? map.map((value) => Math.max(2 * value - 1, 0)) : map;
    const upsampled = upsample(speaking, height, width, side, side);
    const { peak, top } = statisticsOf(upsampled, Math.max(...speaking), pixels, pixels);
    return { variant, top, reading: { ...reading, peak }, title };
  });
  const overlap = overlapOf(told.map(({ top }) => top));
  const reads = told.map(({ reading, title }) => ({ ...reading, title }));
  const readings = Object.fromEntries(told.map(({ variant, reading }) => [variant, reading]));
  const { headline: summary, detail } = summaryOf(reads, overlap, severalDigits(pixels, side), null);
  return /** @type {any} */ ({ ...answer, summary, detail, ...readings });
}

/** Two neighbouring cells, and how far towards the second a pixel lies. @param {number} pixel @param {number} pixels @param {number} cells */
function between(pixel, pixels, cells) {
  const at = Math.max(((pixel + 0.5) * cells) / pixels - 0.5, 0);
  const first = Math.floor(at);
  return [first, Math.min(first + 1, cells - 1), at - first];
}

/** Base64 of one byte a cell: 0 stands for `low`, 254 for 1. @param {ArrayLike<number>} map @param {number} low */
export function asBytes(map, low = 0) {
  return btoa(String.fromCharCode(...Array.from(map, (value) => Math.round(((value - low) * TOP) / (1 - low)))));
}

/** @param {number} value @param {number} digits */
export const rounded = (value, digits) => Number(value.toFixed(digits));

/** @param {ArrayLike<number>} values */
const highest = (values) => Array.from(values).reduce((best, value, i) => (value > values[best] ? i : best), 0);

/**
 * What `inference.answer` says of a picture, but for its frame and source, with maps as bytes; and the summary.
 *
 * @param {Map<string, Network>} networks by variant @param {(readonly [string, string])[]} titles of the variants to ask, each with its name
 * @param {Float32Array} pixels of a square picture @param {Asked} question
 * @param {Float32Array} drawn what of the picture is the digit, where it was corrupted
 * @param {Float32Array} clean the digit's own picture, 28 x 28
 * @throws {Error} one of the networks is not there
 */
export function answerFor(networks, titles, pixels, question, drawn = pixels, clean = pixels) {
  const changed = question.erase ? ERASED : (question.corruption?.kind ?? null);
  const told = titles.map(([variant, title]) => {
    const network = networks.get(variant);
    if (!network) throw new Error(`no weights for ${variant}`);
    const { reading, ...rest } = question.erase
      ? readErased(network, pixels, drawn, question, question.erase)
      : read(network, pixels, drawn, question);
    if (changed !== null) reading.before = digitIn(network, clean);
    return { variant, title, reading, ...rest };
  });
  const reads = told.map(({ title, reading }) => ({ ...reading, title }));
  const overlap = overlapOf(told.map(({ top }) => top));
  const { headline, detail } = summaryOf(reads, overlap, severalDigits(drawn, Math.sqrt(drawn.length)), changed);
  return {
    blank: false,
    summary: headline,
    detail,
    map_size: told[0].size,
    readings: Object.fromEntries(told.map(({ variant, reading }) => [variant, reading])),
    logits: Object.fromEntries(told.map(({ variant, logits }) => [variant, [...logits]])),
  };
}

/** What a network reads. @param {Network} network @param {Float32Array} pixels of a square picture */
export const digitIn = (network, pixels) => {
  const side = Math.sqrt(pixels.length);
  return highest(network.run(pixels, side, side).logits);
};

/**
 * What one network says once the top positions of its own map are erased, and whether the digit that it read before
 * would have outlived the loss of as much ink elsewhere: at random, and from the middle of the ink outwards.
 *
 * @param {Network} network @param {Float32Array} pixels @param {Float32Array} drawn what of them is the digit
 * @param {Asked} question @param {number} share of the pixels
 * @returns {ReturnType<typeof read>}
 */
function readErased(network, pixels, drawn, question, share) {
  const before = read(network, pixels, drawn, question);
  const { digit } = before.reading;
  const mask = topPositions(before.upsampled, share);
  const ink = inkUnder(pixels, mask);
  const side = Math.sqrt(pixels.length);
  /** @param {Uint8Array} erased */
  const survives = (erased) => {
    const probs = softmax(network.run(without(pixels, erased), side, side).logits);
    const now = highest(probs);
    return { digit: now, prob: rounded(probs[now], 6), kept: rounded(probs[digit], 6) };
  };
  const after = read(network, without(pixels, mask), without(drawn, mask), question);
  const draws = Array.from({ length: DRAWS }, (_, draw) => survives(asMuch(pixels, byChance(pixels, draw), ink)));
  const loss = {
    digit,
    mask: asBytes(mask),
    ink: rounded(
      ink /
        Math.max(
          inkUnder(
            pixels,
            mask.map(() => 1),
          ),
          TINY,
        ),
      4,
    ),
    top: {
      digit: after.reading.digit,
      prob: after.reading.probs[after.reading.digit],
      kept: after.reading.probs[digit],
    },
    chance: {
      kept: draws.filter((draw) => draw.digit === digit).length,
      draws: DRAWS,
      prob: rounded(draws.reduce((sum, { kept }) => sum + kept, 0) / DRAWS, 6),
    },
    middle: survives(asMuch(pixels, fromTheMiddle(pixels), ink)),
  };
  return { ...after, reading: { ...after.reading, loss } };
}

/**
 * What one network says.
 *
 * @param {Network} network @param {Float32Array} pixels @param {Float32Array} drawn what of them is the digit
 * @param {Asked} question
 * @returns {{reading: Reading, top: Uint8Array, upsampled: Float64Array, logits: Float64Array, size: [number, number]}}
 *   top: its top positions; upsampled: the map that is shown, as large as the picture
 */
export function read(network, pixels, drawn, question) {
  const side = Math.sqrt(pixels.length);
  const { logits, features, middle } = network.run(pixels, side, side);
  const { height, width, channels } = features;
  const digit = highest(logits);
  const class_idx = question.class_idx ?? digit;
  const weights = weightsOf(network, class_idx, channels);
  const cam = minMaxNormalize(weightedMap(features, weights));
  const caam = minMaxNormalize(weightedMap(features, new Float64Array(channels).fill(1)));
  let contrast = null;
  if (question.other_idx !== null) {
    const against = weightsOf(network, question.other_idx, channels);
    contrast = overLargest(
      weightedMap(
        features,
        weights.map((weight, c) => weight - against[c]),
      ),
    );
  }
  const speaking = contrast?.map((value) => Math.max(value, 0)) ?? cam; // the evidence for the class in the shown map
  const upsampled = upsample(speaking, height, width, side, side);
  const { top, area_above_half, peak } = statisticsOf(upsampled, Math.max(...speaking), pixels, drawn);
  const ood_score = oodScoreOf(network, logits, middle);
  const reading = {
    digit,
    probs: softmax(logits).map((share) => rounded(share, 6)),
    class_idx,
    other_idx: question.other_idx,
    cam: asBytes(cam),
    caam: asBytes(caam),
    contrast: contrast && asBytes(contrast, -1),
    similarity: rounded(1 - distance(cam, caam), 4),
    stroke_energy: rounded(strokeEnergy(upsampled, drawn), 4),
    area_above_half: rounded(area_above_half, 4),
    peak,
    ...(ood_score === null ? {} : { ood_score: rounded(ood_score, 4) }),
  };
  return { reading, top, upsampled, logits, size: [height, width] };
}

/** Of the head for one class. @param {Network} network @param {number} class_idx @param {number} channels */
const weightsOf = (network, class_idx, channels) =>
  network.headWeight.subarray(class_idx * channels, (class_idx + 1) * channels);

/**
 * What `inference.build_up` says, but for the frame: how CAM and CAAM arise, a few channels after the other.
 *
 * @param {Network} network @param {Float32Array} pixels @param {number} down height of the picture
 * @param {number} across its width @param {number | null} asked the class to explain, by default the one it reads
 * @param {number} shown how many channels to give one by one
 * @returns {Omit<BuildUp, "frame">}
 */
export function buildUp(network, pixels, down, across, asked, shown) {
  const { logits, features } = network.run(pixels, down, across);
  const { height, width, channels } = features;
  const class_idx = asked ?? highest(logits);
  const weights = weightsOf(network, class_idx, channels);
  const maps = Array.from({ length: channels }, (_, c) => channelOf(features, c));
  const means = maps.map((map) => map.reduce((sum, value) => sum + value, 0) / map.length);
  const adds = means.map((mean, c) => Math.abs(mean * weights[c]));
  const order = [...maps.keys()].sort((a, b) => adds[b] - adds[a]);
  const first = order.slice(0, shown);
  const peak = first.reduce((most, c) => maps[c].reduce((m, value) => Math.max(m, value), most), TINY);
  const totals = [];
  const caam = new Float64Array(height * width);
  const cam = new Float64Array(height * width);
  for (let count = 1; count <= channels; count++) {
    const c = order[count - 1];
    maps[c].forEach((value, i) => {
      caam[i] += value;
      cam[i] += value * weights[c];
    });
    if (count < channels && (count & (count - 1)) !== 0) continue; // after 1, 2, 4, ... and all of them
    const [plain, weighted] = [minMaxNormalize(caam), minMaxNormalize(cam)];
    const difference = plain.map((value, i) => Math.abs(value - weighted[i]));
    const mean = difference.reduce((sum, value) => sum + value, 0) / difference.length;
    totals.push({
      count,
      caam: asBytes(plain),
      cam: asBytes(weighted),
      difference: asBytes(difference),
      distance: rounded(mean, 4),
    });
  }
  return {
    map_size: [height, width],
    class_idx,
    channels: first.map((c) => ({
      features: asBytes(maps[c].map((value) => value / peak)),
      weight: rounded(weights[c], 4),
      pooled: rounded(network.description.pooling === "max" ? Math.max(...maps[c]) : means[c], 4),
    })),
    logit: rounded(logits[class_idx], 4),
    bias: rounded(network.headBias[class_idx], 4),
    totals,
  };
}

/**
 * How much of a score comes from where the digit lies, and how much from around it.
 *
 * @param {Network} network with average pooling @param {Float32Array} pixels of a square picture
 * @param {number} inner side of the digit's own picture in its middle @param {number[]} classes
 * @returns {{class_idx: number, inside: number, outside: number, logit: number}[]} inside and outside add up, with the
 *   head's bias, to the logit
 */
export function sharesOf(network, pixels, inner, classes) {
  const side = Math.sqrt(pixels.length);
  const { logits, features } = network.run(pixels, side, side);
  const { height, width, channels } = features;
  const start = Math.floor((side - inner) / 2);
  const isInside = (/** @type {number} */ at, /** @type {number} */ cells) => {
    const pixel = ((at + 0.5) * side) / cells;
    return pixel >= start && pixel < start + inner;
  };
  return classes.map((class_idx) => {
    const map = weightedMap(features, weightsOf(network, class_idx, channels));
    let [inside, outside] = [0, 0];
    map.forEach((value, i) => {
      if (isInside(i % width, width) && isInside(Math.floor(i / width), height)) inside += value;
      else outside += value;
    });
    const share = (/** @type {number} */ sum) => rounded(sum / map.length, 2);
    return { class_idx, inside: share(inside), outside: share(outside), logit: rounded(logits[class_idx], 2) };
  });
}

/** @param {Features} features @param {number} c */
function channelOf({ values, height, width, channels }, c) {
  return Float64Array.from(
    { length: height * width },
    (_, i) => values[cellAt(i % width, Math.floor(i / width), width, channels) + c],
  );
}
