// The drawing pad: the pen, and what can be undone.

import { fit } from "./heat.js";
import { drawPixelsOn } from "./maps.js";
import { countPoints, drawOn, drawStrokesOn, EMPTY, isBlank, MAX_POINTS, PAD, placeIn, thinned } from "./strokes.js";

/** @import { Drawing, Square, Stroke } from "./types.d.ts" */

const LATE = 50; // ms from a move of the pen until the page hears of it
const HURRY = 500; // ms after that
const WAIT = 100; // ms for which the line then waits for its answer, to be drawn along with it

export class Pad {
  /** @type {Drawing[]} */ #past = [EMPTY];
  #now = 0;
  /** @type {Stroke | null} under the pen */ #stroke = null;
  /** @type {number | null} */ #pointer = null;
  /** @type {Drawing | null} that nobody has drawn; it gives way to the first stroke */ #preview = null;
  /** @type {WeakSet<Drawing>} that a pen has ended */ #own = new WeakSet();
  #due = false; // to be drawn soon
  #timer = 0;
  #lateAt = -Infinity; // when positions of the pen came late for the last time
  #lifted = () => {}; // called when the stroke ends
  /** @type {{seen: string, square: Square} | null} what the networks are given, where it is other than the drawing */
  #corrupted = null;
  brush = 65; // width of the next stroke

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{changed: () => void, settled: () => void}} listeners `changed` is called when there is other ink, as on
   *   every move of the pen; `settled` when a stroke or another change is done, which can be undone.
   */
  constructor(canvas, { changed, settled }) {
    this.canvas = canvas;
    this.changed = changed;
    this.settled = settled;
    this.box = canvas.getBoundingClientRect();
    fit(canvas);
    this.ink = "";
    this.restyle();
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#extend(event)); // once a frame, with all positions since
    for (const name of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) {
      canvas.addEventListener(name, (event) => this.#end(event));
    }
    new ResizeObserver(() => fit(canvas) && this.draw()).observe(canvas);
    document.addEventListener("scroll", () => this.#measure(), { capture: true, passive: true }); // also during a stroke
  }

  /** With the stroke under the pen. @returns {Drawing} */
  get drawing() {
    const { strokes, photo } = this.#preview ?? this.#past[this.#now];
    return this.#stroke ? { strokes: [...strokes, this.#stroke], photo: null } : { strokes, photo };
  }

  get canUndo() {
    return this.#now > 0 || this.#stroke !== null;
  }

  get canRedo() {
    return this.#now < this.#past.length - 1;
  }

  /** Whether the visitor has drawn here, and is not drawing at this moment. */
  get isOwn() {
    return this.#own.has(this.#past[this.#now]) && !this.#stroke;
  }

  get isPreviewing() {
    return this.#preview !== null;
  }

  /** Show ink that cannot be undone and gives way to the first stroke. @param {Drawing} drawing */
  preview(drawing) {
    this.#preview = drawing;
    this.draw();
  }

  /**
   * Show in place of the drawing what the networks are given, and where that lies. A stroke is drawn over it.
   *
   * @param {{seen: string, square: Square} | null} corrupted null for the drawing itself
   */
  showCorrupted(corrupted) {
    if (this.isDrawing || corrupted === this.#corrupted) return; // nothing moves under the pen
    this.#corrupted = corrupted;
    this.draw();
  }

  /** Which part of the pad is shown: a larger canvas leaves the drawing its place in the middle. */
  get #view() {
    return this.#corrupted?.square ?? PAD;
  }

  /** @param {Drawing} drawing */
  set(drawing) {
    this.#keep(drawing);
    this.changed();
  }

  /** During a stroke: of that stroke alone. */
  undo() {
    if (this.canUndo) this.#go(this.#stroke ? this.#now : this.#now - 1);
  }

  redo() {
    if (this.canRedo && !this.#stroke) this.#go(this.#now + 1);
  }

  clear() {
    if (isBlank(this.drawing)) return;
    if (!isBlank(this.#past[this.#now])) this.set(EMPTY);
    else this.#go(this.#now); // away with the stroke under the pen, or the preview
  }

  get isDrawing() {
    return this.#stroke !== null;
  }

  /** Whether one draws faster than this machine follows. */
  get isHurried() {
    return this.isDrawing && performance.now() - this.#lateAt < HURRY;
  }

  /**
   * While one draws, the next frame: more answers than frames are of no use. The end of the stroke waits for none.
   *
   * @returns {Promise<void>}
   */
  async frame() {
    if (!this.isDrawing) return;
    await new Promise((resolve) => {
      this.#lifted = () => resolve(null);
      requestAnimationFrame(resolve);
    });
  }

  draw() {
    this.#due = false;
    clearTimeout(this.#timer);
    if (!this.#corrupted || isBlank(this.drawing)) {
      drawOn(this.canvas, this.drawing, this.ink);
      return;
    }
    drawPixelsOn(this.canvas, this.#corrupted.seen, this.ink);
    if (this.#stroke) drawStrokesOn(this.canvas, [this.#stroke], this.ink, this.#view);
  }

  /** Draw what has waited for its answer. */
  catchUp() {
    if (this.#due) this.draw();
  }

  /** Take the ink's colour from the style, which follows the theme. */
  restyle() {
    this.ink = getComputedStyle(this.canvas).color;
    this.draw();
  }

  /** @param {number} to */
  #go(to) {
    this.#now = to;
    this.#settle();
    this.changed();
  }

  /** @param {Drawing} drawing */
  #keep(drawing) {
    this.#past = [...this.#past.slice(0, this.#now + 1), drawing];
    this.#now += 1;
    this.#settle();
  }

  #settle() {
    this.#preview = null;
    this.#stroke = null;
    this.#pointer = null;
    this.#lifted();
    this.draw();
    this.settled();
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    if (this.#pointer !== null || event.button !== 0) return;
    if (this.#preview || this.drawing.photo || isBlank(this.drawing)) this.#corrupted = null; // which the stroke replaces
    this.#preview = null;
    this.#pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.#measure();
    this.#stroke = { width: this.brush, points: placeIn(this.box, event, this.#view) };
    this.draw();
    this.changed();
  }

  /** @param {PointerEvent} event */
  #extend(event) {
    if (event.pointerId !== this.#pointer || !this.#stroke) return;
    const coalesced = event.getCoalescedEvents?.() ?? [];
    const moves = coalesced.length ? coalesced : [event];
    const { points } = this.#stroke;
    const before = points.length;
    for (const move of moves) {
      const [x, y] = placeIn(this.box, move, this.#view);
      if (x !== points.at(-2) || y !== points.at(-1)) points.push(x, y);
    }
    if (points.length === before) return;
    const room = MAX_POINTS - countPoints(this.drawing.strokes) + points.length / 2;
    if (points.length / 2 > room) this.#stroke = thinned([this.#stroke], room / 2)[0];
    if (performance.now() - moves[0].timeStamp > LATE) this.#lateAt = performance.now();
    this.#drawSoon();
    this.changed();
  }

  /** @param {PointerEvent} event */
  #end(event) {
    if (event.pointerId !== this.#pointer) return;
    const { strokes, photo } = this.drawing;
    const drawing = { strokes: thinned(strokes, MAX_POINTS / 2), photo }; // there is always room for another stroke
    this.#own.add(drawing);
    this.#keep(drawing);
  }

  #measure() {
    this.box = this.canvas.getBoundingClientRect();
  }

  #drawSoon() {
    if (this.#due) return;
    this.#due = true;
    if (this.isHurried) this.#timer = setTimeout(() => this.draw(), WAIT);
    else requestAnimationFrame(() => this.catchUp());
  }
}
