// What the parts of the page hand each other. Read by the type check alone; the browser never asks for it.

/** Points as x, y, x, y, ... in whole units, of which the pad has UNITS on each side; so is the width. */
export interface Stroke {
  width: number;
  points: number[];
}

/** Where the pixels of a picture lie on the pad: pixel x at left + x * unit, in the pad's units. */
export interface Placement {
  left: number;
  top: number;
  unit: number;
}

/** A picture to be read, as base64 text. */
export interface Picture extends Placement {
  text: string;
}

export interface Photo extends Picture {
  canvas: HTMLCanvasElement;
}

/** Strokes, or a photo. */
export interface Drawing {
  strokes: Stroke[];
  photo: Photo | null;
}

export interface Question {
  class_idx: number | null;
  other_idx: number | null;
  networks: string;
  corruption: Corruption | null;
  erase: number; // share of the pixels, the top positions of each network's map, that are erased
}

/** How the drawing is corrupted before the networks see it. */
export interface Corruption {
  kind: string; // a key of KINDS in corruptions.js
  strength: number; // in [0, 1]
  seed: number;
}

/** A kind of corruption: how it is made, and what the page calls it. */
export interface CorruptionKind {
  amount: (strength: number) => number;
  add: (digit: Uint8Array, amount: number, seed: number, pool: Uint8Array[]) => Uint8Array;
  usual: number; // strength
  told: (amount: number) => string;
  name: string;
  draws: string; // many of them
  among: string; // how a headline begins
}

/** What became of the digit that a network had read, once some of its ink was erased. */
export interface Loss {
  digit: number;
  mask: string; // base64 of one byte a pixel: 254 where it was erased
  ink: number; // the share of the ink that was erased
  top: { digit: number; prob: number; kept: number }; // what is read now and its probability, and the digit's
  chance: { kept: number; draws: number; prob: number };
  middle: { digit: number; prob: number; kept: number };
}

/** Where a map has its maximum: on which part of the digit, beside it, on what was added, or nowhere, where it is all 0. */
export type Peak = "hole" | "junction" | "stroke" | "beside" | "added" | "nowhere";

/** What one network says. Maps are base64 of one byte a cell: 0 is the lowest possible value, 254 is 1. */
export interface Reading {
  digit: number;
  probs: number[];
  class_idx: number;
  other_idx: number | null;
  cam: string;
  caam: string;
  contrast: string | null;
  similarity: number; // of CAM and CAAM, in [0, 1]
  // Of the evidence: the CAM, or what of the contrast speaks for class_idx, where there is one.
  stroke_energy: number; // share of it on the digit's strokes
  area_above_half: number; // share of the image on which it reaches half of its maximum
  peak: Peak;
  ood_score?: number; // in [0, 1], where the network was fitted for it
  loss?: Loss; // where something was erased
  before?: number; // what it reads in the drawing as it is, where something was added or erased
}

interface AnswerFrame {
  blank: false;
  source: string;
  seen: string;
  frame: [number, number, number];
  map_size: [number, number];
  is_corrupted?: boolean; // whether `seen` is other than the drawing
}

/** What `camloss.demo.inference.answer` returns for a drawing that is not blank, with one reading a variant. */
export type ServerAnswer = AnswerFrame & { [variant: string]: Omit<Reading, "peak"> };

/** The same with what the page adds. */
export type Answer = AnswerFrame & { summary: string; detail: string } & { [variant: string]: Reading };

/** What is said of an answer: in a few words, and how the evidence differs. */
export interface Summary {
  headline: string;
  detail: string;
}

/** The part of a reading that its maps are painted from. */
export type MapsOf = Pick<Reading, "class_idx" | "other_idx" | "cam" | "caam" | "contrast"> & {
  loss?: { mask: string };
};

/** The square that the maps cover, in the pad's units; `height` where it is none. */
export interface Square {
  left: number;
  top: number;
  side: number;
  height?: number;
}

/** What the networks are given, row by row, and where it lies: left, top and scale, as an answer's frame. */
export interface Sketch {
  pixels: Float32Array;
  frame: [number, number, number];
}

/** What the worker reads: strokes, or in their place a sketch. */
export interface Given {
  strokes: Stroke[];
  sketch?: Sketch;
}

/** A 3 x 3 convolution with ReLU: channels in and out, and its stride. */
export interface Layer {
  inputs: number;
  outputs: number;
  stride: number;
}

/** What a file of weights says of one network, beside the numbers. */
export interface NetworkHeader {
  layers: Layer[];
  classes: number;
  pooling: "avg" | "max";
  mean: number;
  std: number;
  ood_score: { after: number } | null; // after how many layers its channel means are taken; null where none was fitted
}

/** A network's last maps, pixel by pixel, with a border of zeros one pixel wide. */
export interface Features {
  values: Float32Array;
  height: number;
  width: number;
  channels: number;
}

/** What came back for a drawing: an answer and its square, nothing to read, or one line that says what is wrong. */
export type Outcome = { answer: Answer; square: Square; where: string } | { blank: true } | { error: string };

/** Everything that the page shows at a moment. */
export interface Shown {
  drawing: Drawing;
  isOpening: boolean; // which nobody drew
  question: Question;
  models: Model[]; // that answered
  answer: Answer;
  square: Square;
  where: string; // it was computed
}

export interface Example {
  label: number;
  title: string;
  strokes: Stroke[];
}

/** One entry a variant, in the order of the columns. */
export interface Model {
  variant: string;
  title: string;
  colour: string; // its name in the page's palette
}

/** On the test images: accuracy among clutter; of two digits, the share of a CAM's top on the right one. */
export interface OfVariant {
  clutter_8: number;
  two_digits_separation: number;
}

/** What the demo quotes, made by `camloss report`. */
export interface Measured {
  run: string | null; // the training of the pair that was measured
  study: Record<string, string>; // what the study says of each corruption, and of all under ""
  of_pair: Record<string, string>; // the same, after what was measured of that pair
  variants: Record<string, OfVariant>; // of that pair
}

/** A variant that may stand in the second column. */
export interface Second {
  variant: string;
  title: string;
  alpha: number | null; // its place on the slider, of plain CAM-loss
  file: string | null; // of its weights; null where they come with the pair's, or the server alone answers
}

/** How the maps are painted: their palette's name, opacity in [0, 1], and whether colours are interpolated. */
export interface Style {
  colours: string;
  opacity: number;
  smooth: boolean;
  isSimple?: boolean; // colours are interpolated rather than values: nearly the same, and quicker
}

export type Palette = Uint32Array;

/** The functions of camloss/demo/endpoints.py that the page may call; undefined is gradio's word for any failure. */
export interface Server {
  // biome-ignore lint/suspicious/noExplicitAny: JSON of the server
  answer(question: object): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of the server
  build_up(question: object): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of the server
  sketch(question: object): Promise<any>;
}

/** What camloss/demo/page.py gives to the Draw tab. */
export interface DrawProps {
  models: Model[];
  networks: string[];
  examples: Example[];
  opening: Opening;
  study: Measured;
  has_seconds: boolean; // whether the first pair has further variants
  colours: Record<string, string>;
  palette: Record<string, string>;
}

/** What a first visit begins with, chosen by scripts/dev/choose_opening.py. */
export interface Opening {
  example: number; // its place in the list
  corruption: Corruption | null; // null where nothing breaks one network and not the other
  seeds: Record<string, number>; // a typical draw of each kind
  caption: string;
  run: string; // the training of the pair that it was chosen by
}

/** What camloss/demo/page.py gives to the How-it-works tab. */
export interface StepsProps {
  models: Model[];
  networks: string[];
  colours: Record<string, string>;
  example: Stroke[];
  shown: number;
}

export interface BuildUpQuestion {
  variant: string;
  class_idx: number | null;
  shown: number; // channels
  corruption?: Corruption | null; // in the browser alone
}

/** What a class's logit is made of: with the head's bias, inside and outside add up to it. */
export interface ScoreShare {
  class_idx: number;
  inside: number; // from where the digit lies
  outside: number;
  logit: number;
}

export interface BuildUp {
  frame: [number, number, number];
  map_size: [number, number];
  class_idx: number;
  channels: { features: string; weight: number; pooled: number }[]; // each adds weight times pooled to the logit
  logit: number;
  bias: number;
  seen?: string; // what the network is given, where something was added
  shares?: ScoreShare[]; // of the digit that it read before, and of the one that it reads now, on a larger canvas
  totals: { count: number; caam: string; cam: string; difference: string; distance: number }[];
}

/** What the training's record says of an epoch after which the weights were kept. */
export interface Epoch {
  epoch: number;
  alpha: number; // weight of the CAM-loss in it
  accuracy: Record<string, number>; // on the validation images, by variant
}

/** What each network is asked about an epoch. */
export interface EpochQuestion {
  epoch: number;
  classes: Record<string, number>; // what to explain, by variant
  corruption: Corruption | null;
}

/** What each network, by variant, said after an epoch. */
export type AtEpoch = Record<string, Reading & { map_size: [number, number] }>;

/** A tab's element, with the cell of the maps that is pointed at. */
export interface Marked extends HTMLElement {
  marked: [number, number] | null;
}

/** The Draw tab's element, with what the console and the tests read from it. */
export interface DrawElement extends Marked {
  answer: Answer | null;
  square: Square | null;
}

/** What the networks, in their order, read in the drawing as it is, and in each draw of a corruption. */
export interface Draws {
  before: number[];
  draws: { seen: string; digits: number[] }[]; // seen: base64 of one byte a pixel
}

/** A picture for the Images tab. */
export interface Photograph {
  canvas: HTMLCanvasElement; // as it is shown
  title: string; // what it is called
  texts: Map<number, string>; // as it was sent, by the pixels of its shorter side: base64 of a PNG
}

/** A part of a picture, in shares of its width and height. */
export interface Part {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** What became of the class that a network had predicted, once the top positions of its map were erased. */
export interface ImageLoss {
  before: number;
  mask: string; // base64 of one byte a cell: 254 where it was erased
  top: { now: number; prob: number }; // what is predicted now, and the probability of the class before
  middle: { now: number; prob: number };
  elsewhere: { kept: number; draws: number; prob: number }; // a hole of the same shape elsewhere
}

/** What one network says of a picture; maps as in `Reading`. */
export type ImageReading = Omit<MapsOf, "loss"> & {
  predicted: number;
  probs: number[];
  similarity: number;
  area_above_half: number;
  loss?: ImageLoss;
};

/** What `camloss.demo.images.answer` returns, with one reading a variant. */
export type ImageAnswer = {
  source: string;
  classes: string[];
  frame: [number, number, number, number]; // left, top, width and height of the part that the networks see, in pixels
  map_size: [number, number];
} & { [variant: string]: ImageReading };

export interface ImageQuestion {
  class_idx: number | null;
  other_idx: number | null;
  networks: string;
  erase: number; // share of the positions
}

/** Everything that the Images tab shows at a moment. */
export interface ImageShown {
  picture: Photograph;
  answer: ImageAnswer;
  part: Part; // of the picture, that the networks see
  square: Square; // the same on the paper
}

export interface ImagesServer {
  // biome-ignore lint/suspicious/noExplicitAny: JSON of the server
  answer_image(question: object): Promise<any>;
}

export interface ImagePair {
  name: string;
  classes: string[];
  size: [number, number]; // height and width of what the networks see, in pixels
  examples: { file: string; title: string }[];
}

/** What camloss/demo/page.py gives to the Images tab. */
export interface ImagesProps {
  models: Model[];
  study: string; // what the study on photographs found
  pairs: ImagePair[];
}

/** The Images tab's element, with what the console and the tests read from it. */
export interface ImagesElement extends Marked {
  answer: ImageAnswer | null;
}
