// How it works, on the user's own drawing: features, and the two sums of them, a few channels more at each step.

const find = (selector) => element.querySelector(selector);
const palettes = { heat: paletteOf(props.colours.cividis) };
const sums = [...element.querySelectorAll(".sums canvas")];
const heat = document.createElement("canvas");
let source = null; // {drawing, picture, class_idx, networks}
let told = null; // what the server said of it
let stale = true;

for (let i = 0; i < props.shown; i++) {
  const channel = document.createElement("div");
  channel.innerHTML = '<div class="tile"><canvas role="img"></canvas></div><p>&nbsp;</p>';
  find(".channels").append(channel);
}
const channels = [...find(".channels").children];

function refresh() {
  stale = true;
  if (element.offsetParent === null) return; // on the tab that is not shown
  stale = false;
  const drawn = globalThis.camloss;
  const drawing = drawn ? drawn.drawing : { strokes: props.example, photo: null };
  source = { drawing, picture: pictureOf(drawing), class_idx: drawn?.class_idx ?? null, networks: drawn?.networks };
  ask();
}

async function ask() {
  const { picture, class_idx, networks } = source;
  const variant = find("[name=variant]:checked").value;
  try {
    const answer = await server.build_up({ picture: picture.text, class_idx, variant, networks });
    if (!answer) throw new Error("the connection is lost");
    if (answer.error || answer.blank) throw new Error(answer.error ?? "there is nothing to read");
    told = answer;
  } catch (problem) {
    find(".note").textContent = `This did not work: ${problem.message}`;
    return;
  }
  const whose = globalThis.camloss ? "" : " An example, until you draw one.";
  find(".note").textContent = `Evidence for ${told.class_idx}.${whose}`;
  const slider = find("[name=step]");
  const atEnd = slider.value === slider.max;
  slider.max = told.totals.length - 1;
  if (atEnd) slider.value = slider.max;
  paint();
}

function paintTile(canvas, bytes) {
  fit(canvas);
  const context = canvas.getContext("2d");
  drawOn(canvas, source.drawing, getComputedStyle(canvas).color);
  const { left, top, unit } = source.picture;
  const [x, y, scale] = told.frame;
  const pixel = canvas.width / UNITS;
  const side = 28 * scale * unit * pixel;
  colour(heat, bytes, told.map_size, palettes.heat, true);
  context.globalAlpha = 0.8;
  context.drawImage(heat, (left + x * unit) * pixel, (top + y * unit) * pixel, side, side);
  context.globalAlpha = 1;
}

function paint() {
  if (!told || element.offsetParent === null) return;
  const total = told.totals[Number(find("[name=step]").value)];
  find(".count output").textContent = `${total.count} of ${told.totals.at(-1).count}`;
  told.channels.forEach(({ features, weight }, i) => {
    const canvas = channels[i].querySelector("canvas");
    paintTile(canvas, unpack(features));
    const said = (weight < 0 ? "−" : "+") + Math.abs(weight).toFixed(2);
    canvas.setAttribute("aria-label", `Feature map with weight ${said}`);
    channels[i].querySelector("p").textContent = said;
    channels[i].querySelector(".tile").classList.toggle("added", i < total.count);
  });
  ["caam", "cam", "difference"].forEach((name, i) => paintTile(sums[i], unpack(total[name])));
  find(".distance").textContent = `${(100 * total.distance).toFixed(1)}%`;
}

let player = null;
function play() {
  const slider = find("[name=step]");
  if (player) return stop();
  slider.value = 0;
  find("[data-do=play]").textContent = "Pause";
  paint();
  player = setInterval(() => {
    slider.value = Number(slider.value) + 1;
    paint();
    if (slider.value === slider.max) stop();
  }, 700);
}

function stop() {
  clearInterval(player);
  player = null;
  find("[data-do=play]").textContent = "Play";
}

find("[data-do=play]").addEventListener("click", play);
find("[name=step]").addEventListener("input", () => (player && stop(), paint()));
find("fieldset").addEventListener("change", ask);
document.addEventListener("camloss", refresh);
new ResizeObserver(() => (stale ? refresh() : paint())).observe(find(".steps"));
new MutationObserver(paint).observe(document.body, { attributeFilter: ["class"] });
refresh();
