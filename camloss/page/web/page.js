// The page: sends the newest drawing while the pen moves, one request at a time, and shows what comes back.

const NAMES = { ce: "Cross-entropy", cam: "CAM-loss" };
const PATIENCE = 15000; // ms until a request counts as lost
const find = (selector, root = element) => root.querySelector(selector);
const control = (name) => find(`[name=${name}]`);
const button = (name) => find(`[data-do=${name}]`);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
// Change a text in place: a new text node would make gradio's `:has()` rules restyle the whole page.
function write(place, text) {
  if (!place.firstChild) place.append("");
  if (place.firstChild.data !== String(text)) place.firstChild.data = text;
}

const percent = (share) => (share > 0.9995 ? ">99.9%" : `${(100 * share).toFixed(1)}%`);

const palettes = Object.fromEntries(Object.entries(props.colours).map(([name, hex]) => [name, paletteOf(hex)]));
const bench = find(".bench");
const pad = new Pad(find(".pad"), { changed: inkChanged, settled: drawingSettled });
let shown = null; // {answer, picture, drawing}: what the page shows

// ---- the two networks' columns

class Twin {
  constructor(variant) {
    const article = find("template.twin").content.cloneNode(true).firstElementChild;
    article.dataset.variant = variant;
    find("h2", article).textContent = NAMES[variant];
    find(".twins").append(article);
    this.variant = variant;
    this.digit = find(".digit", article);
    this.confidence = find(".confidence", article);
    this.bars = find(".bars", article);
    this.scores = ["agreement", "ink_energy"].map((score) => [score, find(`[data-score=${score}]`, article)]);
    this.tiles = [...article.querySelectorAll("figure")].map((figure) => ({
      map: figure.dataset.map,
      canvas: find("canvas", figure),
      what: find("figcaption span", figure),
      value: find("output", figure),
      heat: document.createElement("canvas"),
    }));
    for (let digit = 0; digit < 10; digit++) {
      const bar = document.createElement("span");
      bar.innerHTML = `<i></i><b>${digit}</b>`;
      bar.addEventListener("click", () => ask({ class: String(digit) }));
      this.bars.append(bar);
    }
  }

  // `answer` is null for a blank pad.
  show(answer) {
    const said = answer && answer[this.variant];
    write(this.digit, said ? said.digit : "–");
    write(this.confidence, said ? percent(said.probs[said.digit]) : "");
    [...this.bars.children].forEach((bar, digit) => {
      bar.classList.toggle("first", said?.digit === digit);
      const title = said ? `${digit}: ${percent(said.probs[digit])}` : "";
      if (bar.title === title) return; // most bars stay as they are
      bar.title = title;
      bar.firstChild.style.transform = `scaleY(${said ? said.probs[digit].toFixed(3) : 0})`;
    });
    const order = said ? [...said.probs.keys()].sort((a, b) => said.probs[b] - said.probs[a]).slice(0, 3) : [];
    const listed = order.map((digit) => `${digit} with ${percent(said.probs[digit])}`).join(", ");
    this.bars.setAttribute("aria-label", said ? `Most probable: ${listed}` : "No answer yet");
    for (const [score, place] of this.scores) {
      write(place, said ? `${Math.round(100 * said[score])}%` : "–");
      place.style.setProperty("--share", said ? said[score] : 0);
    }
    for (const tile of this.tiles) {
      const contrast = tile.map === "cam" && said?.contrast;
      tile.bytes = said && unpack(contrast || said[tile.map]);
      tile.low = contrast ? -1 : 0;
      if (tile.map !== "cam") continue;
      const what = contrast ? `${said.class_idx} rather than ${said.other_idx}` : said ? `evidence for ${said.class_idx}` : "evidence for the digit";
      write(tile.what, what);
      tile.canvas.setAttribute("aria-label", `${NAMES[this.variant]}, CAM ${what}`);
    }
  }
}

const twins = ["ce", "cam"].map((variant) => new Twin(variant));
const tiles = twins.flatMap((twin) => twin.tiles);

function paint() {
  const side = tiles[0].canvas.width;
  const ink = shown && inkLayer(side);
  const edges = {}; // by colour, of those that are needed
  const field = fieldOf(shown);
  for (const tile of tiles) {
    const { canvas } = tile;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!shown) continue;
    context.drawImage(ink, 0, 0);
    const scale = canvas.width / UNITS;
    const palette = palettes[tile.low < 0 ? "diverging" : control("colours").value];
    colour(tile.heat, tile.bytes, shown.answer.map_size, palette, control("smooth").checked);
    context.globalAlpha = Number(control("opacity").value);
    context.imageSmoothingEnabled = control("smooth").checked;
    context.drawImage(tile.heat, field.left * scale, field.top * scale, field.side * scale, field.side * scale);
    context.globalAlpha = 1;
    const edge = tile.low < 0 ? "#000a" : "#fffd";
    context.drawImage((edges[edge] ??= edgeLayer(side, edge)), 0, 0);
  }
  paintLegend();
  const seen = find(".seen canvas");
  const frame = seen.getContext("2d");
  frame.clearRect(0, 0, 28, 28);
  if (shown) colour(seen, unpack(shown.answer.seen), [28, 28], palettes.ink, false);
}

// The ink, and its outline alone, at the size of the tiles: drawn once for the four of them.
function inkLayer(side) {
  const canvas = square("ink", side);
  drawOn(canvas, shown.drawing, pad.ink);
  return canvas;
}

function edgeLayer(side, colour) {
  const canvas = square(colour, side);
  drawOn(canvas, { ...shown.drawing, photo: null }, colour);
  const context = canvas.getContext("2d");
  const scale = side / UNITS;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.globalCompositeOperation = "destination-out";
  drawStrokes(context, shown.drawing.strokes, "#000", (OUTLINE * UNITS) / side);
  context.globalCompositeOperation = "source-over";
  return canvas;
}

const OUTLINE = 2.4 * (window.devicePixelRatio || 1); // both edges of a stroke together, in a canvas's pixels
const squares = {};
function square(name, side) {
  squares[name] ??= document.createElement("canvas");
  if (squares[name].width !== side) squares[name].width = squares[name].height = side;
  return squares[name];
}

// The square that the maps cover, in the pad's units.
function fieldOf(shown) {
  if (!shown) return null;
  const { left, top, unit } = shown.picture;
  const [x, y, scale] = shown.answer.frame;
  return { left: left + x * unit, top: top + y * unit, side: 28 * scale * unit };
}

function paintLegend() {
  const contrast = tiles[0].low < 0;
  const name = contrast ? "diverging" : control("colours").value;
  const { dataset } = find(".legend");
  if (dataset.colours !== name) {
    dataset.colours = name;
    const image = new ImageData(256, 1);
    new Uint32Array(image.data.buffer).set(palettes[name]);
    find(".legend canvas").getContext("2d").putImageData(image, 0, 0);
  }
  const { class_idx, other_idx } = shown?.answer.ce ?? {};
  const sameClass = shown && class_idx === shown.answer.cam.class_idx;
  const words = contrast
    ? [`−1 for ${other_idx}`, "0", sameClass ? `for ${class_idx} +1` : "for its own +1"]
    : ["0 least", "evidence", "most 1"];
  ["low", "middle", "high"].forEach((end, i) => write(find(`[data-end=${end}]`), words[i]));
}

function show(next) {
  shown = next;
  const answer = next?.answer;
  bench.dataset.state = next ? "answered" : "blank";
  bench.classList.toggle("disagree", Boolean(next && answer.ce.digit !== answer.cam.digit));
  for (const twin of twins) twin.show(answer ?? null);
  paint();
  if (element.marked) mark(null);
  say(next ? answer.summary : "Draw a digit, or take an example.");
  if (next) write(find(".source"), answer.source);
  for (const name of ["picture", "json"]) button(name).disabled = !next;
  Object.assign(element, { answer: answer ?? null, field: fieldOf(next) }); // for the console and the tests
  globalThis.camloss = next && { drawing: next.drawing, ...question() }; // for the other tab
  document.dispatchEvent(new CustomEvent("camloss"));
}

let words = "";
function say(text) {
  if (text === words) return; // screen readers would read it again
  words = text;
  write(find(".verdict"), text);
}

// ---- live

let wanted = 0; // number of the newest state
let busy = false;

function refresh() {
  wanted += 1;
  pump();
}

async function pump() {
  if (busy) return;
  busy = true;
  find(".answer").ariaBusy = "true";
  let delay = 250;
  for (let request = send(); request; ) {
    let answer;
    try {
      answer = await request.answer;
    } catch {
      bench.dataset.link = "lost";
      say("The connection is lost; trying again. Your drawing is safe.");
      await pause(delay);
      delay = Math.min(2 * delay, 2000);
      request = send();
      continue;
    }
    delete bench.dataset.link;
    const next = request.version < wanted ? send() : null; // on its way while this one is painted
    show(answer.blank || answer.error ? null : { answer, picture: request.picture, drawing: request.drawing });
    if (answer.error) say(answer.error);
    request = next;
  }
  busy = false;
  find(".answer").ariaBusy = "false";
}

function send() {
  const { strokes, photo } = pad.drawing;
  if (isBlank(pad.drawing)) return { version: wanted, answer: { blank: true } };
  const picture = pictureOf({ strokes, photo });
  return {
    version: wanted,
    picture,
    drawing: { strokes: strokes.map(({ width, points }) => ({ width, points: points.slice() })), photo },
    answer: soon(server.answer({ picture: picture.text, ...question() })),
  };
}

// An answer in time, or a rejection; gradio's client gives undefined where it could not reach the server.
async function soon(promise) {
  const answer = await Promise.race([promise, pause(PATIENCE)]);
  if (answer === undefined) throw new Error("no answer");
  return answer;
}

function question() {
  const number = (name) => (control(name).value === "" ? null : Number(control(name).value));
  return { class_idx: number("class"), other_idx: number("other"), networks: control("networks").value };
}

function ask(choice) {
  for (const [name, value] of Object.entries(choice)) control(name).value = value;
  const { class_idx, other_idx } = question();
  if (class_idx !== null && class_idx === other_idx) control("other").value = "";
  refresh();
}

function inkChanged() {
  bench.classList.toggle("inked", !isBlank(pad.drawing));
  refresh();
}

function drawingSettled() {
  const { drawing } = pad;
  button("undo").disabled = !pad.canUndo;
  button("redo").disabled = !pad.canRedo;
  button("clear").disabled = isBlank(drawing);
  button("link").disabled = drawing.strokes.length === 0;
  remember(drawing);
}

// ---- the same place everywhere

function mark(place) {
  const field = fieldOf(shown);
  const [height, width] = shown?.answer.map_size ?? [1, 1];
  const cell = field && place && [
    Math.floor(((place[0] - field.left) / field.side) * width),
    Math.floor(((place[1] - field.top) / field.side) * height),
  ];
  const inside = cell && cell[0] >= 0 && cell[1] >= 0 && cell[0] < width && cell[1] < height;
  for (const frame of element.querySelectorAll("i.cell")) {
    frame.hidden = !inside;
    if (!inside) continue;
    const percentOf = (units) => `${(100 * units) / UNITS}%`;
    frame.style.left = percentOf(field.left + (cell[0] * field.side) / width);
    frame.style.top = percentOf(field.top + (cell[1] * field.side) / height);
    frame.style.width = percentOf(field.side / width);
    frame.style.height = percentOf(field.side / height);
  }
  for (const tile of tiles) {
    const value = inside ? tile.low + (tile.bytes[cell[1] * width + cell[0]] / TOP) * (1 - tile.low) : null;
    write(tile.value, inside ? value.toFixed(2).replace("-", "−") : "");
  }
  element.marked = inside ? cell : null;
}

for (const { canvas } of tiles) {
  const follow = (event) => mark(placeIn(canvas.getBoundingClientRect(), event));
  canvas.addEventListener("pointermove", follow);
  canvas.addEventListener("pointerdown", follow);
  canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && mark(null));
  canvas.addEventListener("blur", () => mark(null));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step || !shown) return;
    event.preventDefault();
    const field = fieldOf(shown);
    const [height, width] = shown.answer.map_size;
    const from = element.marked ?? [Math.floor(width / 2), Math.floor(height / 2)];
    const to = [from[0] + step[0], from[1] + step[1]];
    mark([field.left + ((to[0] + 0.5) * field.side) / width, field.top + ((to[1] + 0.5) * field.side) / height]);
  });
}

// ---- tools

const deeds = {
  undo: () => pad.undo(),
  redo: () => pad.redo(),
  clear: () => pad.clear(),
  photo: () => control("photo").click(),
  json: () => save("camloss.json", new Blob([JSON.stringify(exported(), null, 1)], { type: "application/json" })),
  picture: savePicture,
  link: copyLink,
};
for (const [name, deed] of Object.entries(deeds)) button(name).addEventListener("click", deed);

element.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select")) return;
  const command = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  const deed =
    command && key === "z" ? (event.shiftKey ? "redo" : "undo")
    : command && key === "y" ? "redo"
    : !command && (key === "delete" || key === "backspace") ? "clear"
    : null;
  if (!deed) return;
  event.preventDefault();
  deeds[deed]();
});

control("brush").addEventListener("input", () => (pad.brush = Number(control("brush").value)));
for (const name of ["opacity", "colours", "smooth"]) control(name).addEventListener("input", paint);
control("class").addEventListener("change", () => ask({}));
control("other").addEventListener("change", () => ask({}));
control("networks").addEventListener("change", refresh);

for (let digit = 0; digit < 10; digit++) {
  for (const name of ["class", "other"]) control(name).add(new Option(digit, digit));
}

for (const example of props.examples) {
  const choice = document.createElement("button");
  choice.type = "button";
  choice.title = example.title;
  choice.setAttribute("aria-label", `Example: ${example.title}`);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 96;
  choice.append(canvas);
  choice.addEventListener("click", () => pad.set({ strokes: example.strokes, photo: null }));
  find(".examples").append(choice);
}

function drawExamples() {
  [...find(".examples").children].forEach((choice, i) => {
    drawOn(find("canvas", choice), { strokes: props.examples[i].strokes, photo: null }, getComputedStyle(choice).color);
  });
}

for (const name of props.networks) control("networks").add(new Option(name, name));
find(".pair").hidden = props.networks.length < 2;

// ---- a photo: chosen, dropped or pasted

async function take(file) {
  if (!file) return;
  try {
    pad.set({ strokes: [], photo: await photoFrom(file) });
  } catch {
    say(`${file.name || "This"} is not a picture that the browser can read.`);
  }
}

control("photo").addEventListener("change", () => {
  take(control("photo").files[0]);
  control("photo").value = ""; // so that the same file can be chosen again
});
find(".paper").addEventListener("dragover", (event) => event.preventDefault());
find(".paper").addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
  if (file && element.isConnected && !event.target.matches?.("input, textarea")) take(file);
});

// ---- take away

function exported() {
  const { answer, drawing } = shown;
  const plain = (text, low, [height, width]) => {
    const bytes = unpack(text);
    const value = (byte) => Number((low + (byte / TOP) * (1 - low)).toFixed(3));
    return Array.from({ length: height }, (_, y) => Array.from(bytes.subarray(y * width, (y + 1) * width), value));
  };
  const told = (said) => ({
    ...said,
    cam: plain(said.cam, 0, answer.map_size),
    caam: plain(said.caam, 0, answer.map_size),
    contrast: said.contrast && plain(said.contrast, -1, answer.map_size),
  });
  const maps = { seen: plain(answer.seen, 0, [28, 28]), ce: told(answer.ce), cam: told(answer.cam) };
  return { ...answer, ...maps, strokes: drawing.strokes };
}

async function savePicture() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 600;
  drawOn(canvas, shown.drawing, "#1a1c22");
  const { text: picture, left, top, unit } = shown.picture;
  const place = { left: left / UNITS, top: top / UNITS, unit: unit / UNITS };
  const colours = control("colours").value;
  const request = { ...question(), picture, drawing: canvas.toDataURL("image/png"), place, colours };
  button("picture").disabled = true;
  try {
    const { png, error } = await soon(server.picture(request));
    if (error) say(error);
    else save("camloss.png", new Blob([unpack(png)], { type: "image/png" }));
  } catch {
    say("The connection is lost: the picture could not be made. Try again.");
  }
  button("picture").disabled = !shown;
}

function save(name, blob) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10000);
}

async function copyLink() {
  const facts = { draw: toText(pad.drawing.strokes) };
  for (const name of ["class", "other"]) if (control(name).value !== "") facts[name] = control(name).value;
  history.replaceState(history.state, "", `#${new URLSearchParams(facts)}`);
  const label = button("link");
  try {
    await navigator.clipboard.writeText(location.href);
    label.textContent = "Copied";
  } catch {
    label.textContent = "In the address bar"; // the clipboard may be forbidden
  }
  await pause(1500);
  label.textContent = "Copy link";
}

// ---- what outlives a reload

function remember({ strokes }) {
  try {
    sessionStorage.setItem("camloss", toText(strokes));
  } catch {
    // private windows may have no storage: then a reload starts afresh
  }
}

function remembered() {
  const facts = new URLSearchParams(location.hash.slice(1));
  for (const name of ["class", "other"]) {
    if (/^[0-9]$/.test(facts.get(name) ?? "")) control(name).value = facts.get(name);
  }
  try {
    return fromText(facts.get("draw") ?? sessionStorage.getItem("camloss") ?? "") ?? [];
  } catch {
    return [];
  }
}

function restore() {
  const strokes = remembered();
  if (strokes.length) pad.set({ strokes, photo: null });
}

window.addEventListener("hashchange", () => location.hash.includes("draw=") && restore());
new ResizeObserver(() => (tiles.forEach((tile) => fit(tile.canvas)), paint())).observe(tiles[0].canvas);
new MutationObserver(() => (pad.restyle(), drawExamples(), paint())).observe(document.body, { attributeFilter: ["class"] });
drawExamples();
tiles.forEach((tile) => fit(tile.canvas));
paint();
restore();
element.dataset.ready = "";
