// The drawing pad. A drawing is a list of strokes, {width, points: [x, y, x, y, ...]}, in whole units of which the pad
// has UNITS on each side: it survives a resize and a change of theme, and fits in a link. Or it is a photo.

const UNITS = 1000;
const PICTURE = 128; // pixels per side of what is sent to be read
const ROOM = 1.6; // side of that picture over the longest side of the ink
const PHOTO = 480; // pixels on the longest side of a photo, once scaled down

const EMPTY = { strokes: [], photo: null };

function isBlank(drawing) {
  return drawing.strokes.length === 0 && drawing.photo === null;
}

// Through the midpoints of the points' connections, with the points as the curves' handles.
function trace(context, { points }) {
  const last = points.length - 2;
  context.moveTo(points[0], points[1]);
  for (let i = 2; i < last; i += 2) {
    const [x, y] = [points[i], points[i + 1]];
    context.quadraticCurveTo(x, y, (x + points[i + 2]) / 2, (y + points[i + 3]) / 2);
  }
  const hair = last === 0 ? 0.1 : 0; // a line without any length is not drawn: a tap would leave no dot
  context.lineTo(points[last] + hair, points[last + 1]);
}

// `thinner` takes that many units off each stroke's width.
function drawStrokes(context, strokes, colour, thinner = 0) {
  context.strokeStyle = colour;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.lineWidth = Math.max(stroke.width - thinner, 0.01);
    context.beginPath();
    trace(context, stroke);
    context.stroke();
  }
}

function extentOf(strokes) {
  let left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity;
  for (const { width, points } of strokes) {
    for (let i = 0; i < points.length; i += 2) {
      left = Math.min(left, points[i] - width / 2);
      right = Math.max(right, points[i] + width / 2);
      top = Math.min(top, points[i + 1] - width / 2);
      bottom = Math.max(bottom, points[i + 1] + width / 2);
    }
  }
  return { left, top, right, bottom };
}

const reading = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
reading.canvas.width = reading.canvas.height = PICTURE;

// What is sent to be read: base64 text, and where its pixels lie on the pad: pixel x is at left + x * unit.
function pictureOf({ strokes, photo }) {
  if (photo) return { text: photo.text, left: photo.left, top: photo.top, unit: photo.unit };
  const { left, top, right, bottom } = extentOf(strokes);
  const side = ROOM * Math.max(right - left, bottom - top);
  const corner = [(left + right - side) / 2, (top + bottom - side) / 2];
  const scale = PICTURE / side;
  reading.setTransform(1, 0, 0, 1, 0, 0);
  reading.clearRect(0, 0, PICTURE, PICTURE);
  reading.setTransform(scale, 0, 0, scale, -corner[0] * scale, -corner[1] * scale);
  drawStrokes(reading, strokes, "#000");
  return { text: reading.canvas.toDataURL("image/png"), left: corner[0], top: corner[1], unit: 1 / scale };
}

// Decode and scale down here: the server never sees the file.
async function photoFrom(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const shrink = Math.min(1, PHOTO / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * shrink));
  canvas.height = Math.max(1, Math.round(bitmap.height * shrink));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const unit = UNITS / Math.max(canvas.width, canvas.height);
  const [left, top] = [(UNITS - canvas.width * unit) / 2, (UNITS - canvas.height * unit) / 2];
  return { canvas, text: canvas.toDataURL("image/png"), left, top, unit };
}

// Ink and paper as the screen shows them, on any square canvas.
function drawOn(canvas, { strokes, photo }, ink) {
  const context = canvas.getContext("2d");
  const scale = canvas.width / UNITS;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  if (photo) {
    const [width, height] = [photo.canvas.width * photo.unit, photo.canvas.height * photo.unit];
    context.drawImage(photo.canvas, photo.left, photo.top, width, height);
  }
  drawStrokes(context, strokes, ink);
  context.setTransform(1, 0, 0, 1, 0, 0);
}

// A link's worth of strokes: widths, counts and steps from point to point as base64 of bytes, small numbers in one byte.
function toText(strokes) {
  const bytes = [];
  const write = (number) => {
    for (; number > 127; number = Math.floor(number / 128)) bytes.push((number % 128) + 128);
    bytes.push(number);
  };
  for (const { width, points } of strokes) {
    write(width);
    write(points.length / 2);
    points.forEach((value, i) => {
      const step = value - (i < 2 ? 0 : points[i - 2]);
      write(step < 0 ? -2 * step - 1 : 2 * step);
    });
  }
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// The inverse of toText; null for text that it never writes.
function fromText(text) {
  try {
    const bytes = unpack(text.replaceAll("-", "+").replaceAll("_", "/"));
    let at = 0;
    const read = () => {
      let number = 0, unit = 1;
      for (; bytes[at] > 127; unit *= 128) number += (bytes[at++] - 128) * unit;
      return number + bytes[at++] * unit;
    };
    const strokes = [];
    while (at < bytes.length) {
      const width = read(), count = read(), points = [];
      if (!(count >= 1 && count <= bytes.length && width >= 1 && width <= UNITS)) return null;
      for (let i = 0; i < 2 * count; i++) {
        const step = read();
        points.push((i < 2 ? 0 : points[i - 2]) + (step % 2 ? -(step + 1) / 2 : step / 2));
      }
      if (!points.every((value) => Math.abs(value) <= 2 * UNITS)) return null;
      strokes.push({ width, points });
    }
    return strokes;
  } catch {
    return null;
  }
}

// Where an event happened in a box, in whole units; a little outside is fine, where the pen was dragged there.
function placeIn(box, event) {
  const units = (offset, side) => Math.round(Math.min(Math.max(offset / side, -1), 2) * UNITS);
  return [units(event.clientX - box.left, box.width), units(event.clientY - box.top, box.height)];
}

class Pad {
  // `changed` is called when there is other ink, as on every move of the pen; `settled` when a stroke or another deed
  // is done, which can be undone.
  constructor(canvas, { changed, settled }) {
    this.canvas = canvas;
    this.changed = changed;
    this.settled = settled;
    this.past = [EMPTY];
    this.now = 0;
    this.stroke = null;
    this.pointer = null;
    this.brush = 65;
    this.due = false; // to be drawn in the next frame
    fit(canvas);
    this.restyle();
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    // Moves as they come, where the browser gives them: elsewhere they wait for the next frame.
    const move = "onpointerrawupdate" in window ? "pointerrawupdate" : "pointermove";
    canvas.addEventListener(move, (event) => this.extend(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(name, (event) => this.end(event));
    }
    new ResizeObserver(() => fit(canvas) && this.draw()).observe(canvas);
  }

  // With the stroke under the pen.
  get drawing() {
    const { strokes, photo } = this.past[this.now];
    return this.stroke ? { strokes: [...strokes, this.stroke], photo: null } : { strokes, photo };
  }

  get canUndo() {
    return this.now > 0;
  }

  get canRedo() {
    return this.now < this.past.length - 1;
  }

  set(drawing) {
    this.keep(drawing);
    this.changed();
  }

  undo() {
    if (this.canUndo) this.go(this.now - 1);
  }

  redo() {
    if (this.canRedo) this.go(this.now + 1);
  }

  clear() {
    if (!isBlank(this.past[this.now])) this.set(EMPTY);
  }

  go(to) {
    this.now = to;
    this.settle();
    this.changed();
  }

  keep(drawing) {
    this.past = [...this.past.slice(0, this.now + 1), drawing];
    this.now += 1;
    this.settle();
  }

  settle() {
    this.stroke = this.pointer = null;
    this.draw();
    this.settled();
  }

  begin(event) {
    if (this.pointer !== null || event.button !== 0) return;
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.box = this.canvas.getBoundingClientRect();
    this.stroke = { width: this.brush, points: placeIn(this.box, event) };
    this.draw();
    this.changed();
  }

  extend(event) {
    if (event.pointerId !== this.pointer) return;
    const moves = event.getCoalescedEvents?.() ?? [];
    const { points } = this.stroke;
    const before = points.length;
    for (const move of moves.length ? moves : [event]) {
      const [x, y] = placeIn(this.box, move);
      if (x !== points.at(-2) || y !== points.at(-1)) points.push(x, y);
    }
    if (points.length === before) return;
    this.drawInNextFrame();
    this.changed();
  }

  end(event) {
    if (event.pointerId === this.pointer) this.keep(this.drawing);
  }

  drawInNextFrame() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.due = false;
    drawOn(this.canvas, this.drawing, this.ink);
    if (this.stroke) this.box = this.canvas.getBoundingClientRect(); // the page may have been scrolled meanwhile
  }

  restyle() {
    this.ink = getComputedStyle(this.canvas).color;
    this.draw();
  }
}
