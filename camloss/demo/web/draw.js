// The Draw tab: puts its parts together, and says what each does to the others.

import { clearAddress, fromText, readAddress, remember, remembered } from "./address.js";
import { answerTo, asksForMore, drawsOf } from "./answer.js";
import { enable, heed, say, sayNow, speak } from "./board.js";
import { cardOf } from "./card.js";
import { Column } from "./column.js";
import { button, control, find, write } from "./dom.js";
import { Found } from "./found.js";
import { fit, palettesOf } from "./heat.js";
import { liveLoop } from "./live.js";
import { Maps } from "./maps.js";
import { followPointer } from "./marks.js";
import { drawThemselves, pausedFor } from "./opening.js";
import { Pad } from "./pad.js";
import { takePhotos } from "./photos.js";
import { photoFrom } from "./picture.js";
import { DIGITS, QuestionForm } from "./question.js";
import { reader } from "./reader.js";
import { canShare, copyLink, jsonOf, pngOf, save, share } from "./save.js";
import { drawsLike, Scoreboard } from "./scoreboard.js";
import { SecondForm } from "./second.js";
import { announce, state } from "./state.js";
import { drawOn, EMPTY, isBlank, PAD } from "./strokes.js";
import { codeOf, corruptionIn, Trials } from "./trials.js";

/** @import { Corruption, DrawElement, DrawProps, Drawing, Example, Model, Outcome, Question, Server, Shown, Stroke } from "./types.d.ts" */

/** @typedef {{drawing: Drawing, isOpening: boolean, asked: Question, models: Model[], outcome: Outcome}} Reply */

/**
 * @param {DrawElement} root the tab's element @param {DrawProps} props
 * @param {Server} server
 */
export function start(root, props, server) {
  const { models } = props;
  const board = find(root, ".board");
  const palettes = palettesOf(props.colours);
  const columns = models.map((model) => new Column(root, model));
  const tiles = columns.flatMap((column) => column.tiles);
  const maps = new Maps(root, tiles, palettes);
  const unmark = followPointer(root, tiles, () => {
    const { shown } = state;
    return shown && { answer: shown.answer, square: shown.answer.is_corrupted ? PAD : shown.square }; // as the pad shows it
  });

  // ---- show

  const paint = () => maps.paint(state.shown, pad.ink, hurried);

  let hurried = false; // whether one draws faster than this machine shows answers
  let toldAt = -Infinity; // when an answer was put into words for the last time
  let later = 0;
  let finish = () => {}; // show the last answer in full, where that was left out in a hurry

  /**
   * In a hurry an answer is shown by its maps alone; words come now and then.
   *
   * @param {Reply} reply @param {boolean} [isHurried]
   */
  function show(reply, isHurried = pad.isHurried) {
    const { drawing, isOpening, asked, outcome } = reply;
    delete board.dataset.link;
    const shown =
      "answer" in outcome ? { ...outcome, drawing, isOpening, question: asked, models: reply.models } : null;
    state.shown = shown;
    columns.forEach((column, i) => {
      column.take(reply.models[i]);
    });
    hurried = isHurried;
    clearTimeout(later);
    finish = hurried ? () => show(reply, false) : () => {};
    if (hurried) later = setTimeout(() => finish(), SELDOM);
    Object.assign(root, { answer: shown?.answer ?? null, square: shown?.square ?? null }); // for the console and the tests
    if (!hurried || performance.now() - toldAt > SELDOM) tell(reply, shown);
    else for (const column of columns) column.showMaps(shown?.answer[column.variant] ?? null);
    paint();
    pad.showCorrupted(shown?.answer.is_corrupted ? { seen: shown.answer.seen, square: shown.square } : null);
    board.classList.toggle("corrupted", shown?.answer.is_corrupted ?? false);
    pad.catchUp();
    if (root.marked) unmark();
    announce();
  }

  /** @param {Reply} reply @param {Shown | null} shown */
  function tell({ drawing, outcome }, shown) {
    toldAt = performance.now();
    const answer = shown?.answer ?? null;
    const readings = shown ? shown.models.map(({ variant }) => shown.answer[variant]) : [];
    const digits = new Set(readings.map(({ digit }) => digit));
    board.dataset.state = answer ? "answered" : "blank";
    board.classList.toggle("disagree", digits.size > 1);
    say(
      root,
      "error" in outcome ? outcome.error : (answer?.summary ?? (drawing.photo ? UNREAD : BLANK)),
      answer?.detail,
    );
    if (shown) write(find(root, ".source"), `${shown.answer.source}; computed ${shown.where}`);
    for (const name of ["picture", "share", "json"]) enable(root, name, answer !== null);
    question.show(readings);
    trials.show(shown);
    quote();
    scoreboard.clear(shown !== null);
    for (const column of columns) column.show(answer?.[column.variant] ?? null);
  }

  // ---- ask, while one draws

  const { refresh, hasten } = liveLoop({
    ready: () => pad.frame(),
    async ask() {
      const { strokes, photo } = pad.drawing;
      const isOpening = pad.isPreviewing;
      const drawing = { strokes: strokes.map(({ width, points }) => ({ width, points: points.slice() })), photo };
      const asked = { ...question.value, ...trials.value };
      const models = second.models(asked.networks);
      const outcome = isBlank(drawing)
        ? /** @type {Outcome} */ ({ blank: true })
        : await answerTo(drawing, asked, models, server, !pad.isDrawing);
      return { drawing, isOpening, asked, models, outcome };
    },
    show,
    lost() {
      board.dataset.link = "lost";
      say(
        root,
        `The connection is lost; trying again. ${pad.drawing.photo ? "Your photo is kept" : "Your drawing is safe"}.`,
      );
    },
    slow() {
      if (!board.dataset.link) say(root, "Reading…");
    },
    overloaded() {
      board.dataset.link = "slow";
      say(root, "The page is busy: the answer to your drawing takes a moment.");
    },
    failed(problem) {
      console.error(problem);
      say(root, "This page failed to show the answer. Your drawing is safe: change it, or reload the page.");
    },
    busy(busy) {
      find(root, ".answer").ariaBusy = String(busy);
      if (!busy && !pad.isDrawing) atRest();
    },
  });

  /** Once the pen is up and its drawing answered, whichever comes last. */
  function atRest() {
    finish();
    speak(root); // not at every move of the pen
    if (state.shown && !state.shown.isOpening) found.consider(state.shown);
  }

  let restoring = false; // what a link or a reload brings back is no edit
  const question = new QuestionForm(root, props.networks, DIGITS, () => {
    clearAddress();
    refresh();
  });
  const trials = new Trials(root, models, props.study.study, props.opening.seeds, () => {
    clearAddress();
    keep();
    refresh();
  });
  const second = new SecondForm(root, models, props.study, props.has_seconds, () => {
    clearAddress();
    keep();
    refresh();
  });

  /** What was measured of two models is said beside no others. */
  function quote() {
    const { networks } = question.value;
    const { run, study, of_pair } = props.study;
    const isOwn = second.models(networks)[1].variant === models[1].variant;
    trials.quote(isOwn && reader.isOf(networks, run) ? of_pair : study);
  }

  const scoreboard = new Scoreboard(root, props.palette, async () => {
    const corruption = trials.value.corruption ?? trials.typical("clutter");
    const { networks } = question.value;
    const models = second.models(networks);
    const asked = { draws: drawsLike(corruption), variants: models.map(({ variant }) => variant) };
    const result = await drawsOf(pad.drawing, networks, asked, server);
    return result && { kind: corruption.kind, models, result };
  });
  const found = new Found(root, models, second, (strokes, corruption, variant) => {
    trials.set(corruption);
    second.choose(variant);
    showAnother({ strokes, photo: null });
    pad.canvas.focus();
  });
  const pad = new Pad(find(root, ".pad"), {
    changed() {
      endOpening();
      inked();
      refresh();
    },
    settled() {
      const { drawing } = pad;
      hasten();
      enable(root, "undo", pad.canUndo);
      enable(root, "redo", pad.canRedo);
      enable(root, "clear", !isBlank(drawing));
      enable(root, "link", drawing.strokes.length > 0);
      keep();
      if (!restoring) clearAddress();
      if (find(root, ".answer").ariaBusy === "false") atRest();
    },
  });

  /** Over a reload. */
  const keep = () => remember(pad.drawing.strokes, { added: codeOf(trials.value.corruption), second: second.code });

  /** @type {WeakMap<Stroke[], Corruption | null>} what was added to drawings that have been cleared away */
  const cleared = new WeakMap();

  function undo() {
    pad.undo();
    const { strokes } = pad.drawing;
    const added = cleared.get(strokes);
    if (added === undefined) return;
    cleared.delete(strokes);
    add(added);
  }

  function redo() {
    const { strokes } = pad.drawing;
    pad.redo();
    if (!isBlank(pad.drawing)) return;
    cleared.set(strokes, trials.value.corruption);
    add(null);
  }

  /** @param {Corruption | null} corruption */
  function add(corruption) {
    trials.set(corruption);
    keep();
    refresh();
  }

  /** In place of the drawing that the question was about. @param {Drawing} drawing */
  function showAnother(drawing) {
    question.set(NOTHING);
    pad.set(drawing);
  }

  let isOpening = true;

  /** The first stroke takes the opening's place, with what was added to it. */
  function endOpening() {
    if (!isOpening || pad.isPreviewing) return;
    isOpening = false;
    if (!board.classList.contains("whole")) return;
    board.classList.remove("whole", "your-turn");
    trials.set(null);
  }

  function inked() {
    board.classList.toggle("inked", !isBlank(pad.drawing));
    board.classList.toggle("previewed", pad.isPreviewing);
  }

  // ---- tools

  /** @type {Record<string, () => void>} by the name of their button */
  const commands = {
    undo,
    redo,
    clear() {
      cleared.set(pad.drawing.strokes, trials.value.corruption);
      question.set(NOTHING); // it was about that drawing
      trials.set(null); // nor is the next one to be erased unasked
      pad.clear();
    },
    photo: () => control(root, "photo").click(),
    json: () => state.shown && save("camloss.json", jsonOf(state.shown)),
    picture: savePicture,
    link: () => copyLink(root, pad.drawing.strokes, choice()),
    share: sharePicture,
  };
  button(root, "share").hidden = !canShare();
  heed(root, commands);

  /** What is asked and added, as links say it. */
  const choice = () => ({
    class: control(root, "class").value,
    other: control(root, "other").value,
    added: codeOf(trials.value.corruption),
    second: second.code,
  });

  /** @param {Shown} shown */
  function cardWith(shown) {
    const { fontFamily } = getComputedStyle(root);
    return pngOf(cardOf(shown, maps.style, palettes, props.palette, fontFamily));
  }

  async function savePicture() {
    if (state.shown) save("camloss.png", await cardWith(state.shown));
  }

  async function sharePicture() {
    if (state.shown) await share(await cardWith(state.shown), state.shown, choice());
  }

  const brush = control(root, "brush");
  brush.addEventListener("input", () => {
    pad.brush = Number(brush.value);
  });
  for (const name of ["opacity", "colours", "smooth"]) control(root, name).addEventListener("input", paint);
  takePhotos(
    root,
    find(root, ".paper"),
    photoFrom,
    (photo) => showAnother({ strokes: [], photo }),
    (problem) => sayNow(root, problem),
  );
  const drawExamples = offerExamples(find(root, ".examples"), props.examples, (strokes) =>
    showAnother({ strokes, photo: null }),
  );

  // ---- what a link or a reload brings back, and what a first visit begins with

  function restore() {
    const { choice, ...link } = readAddress();
    question.set(choice);
    const { text, added, second: variant } = link.text === null ? remembered() : link;
    if (text !== null) trials.set(corruptionIn(added));
    second.choose(variant);
    if (choice.class || choice.other) find(root, "details.more").toggleAttribute("open", true);
    if (text === null) {
      pad.preview(EMPTY);
      drawThemselves(props.examples[props.opening.example].strokes, showOpening);
      return;
    }
    restoring = true;
    try {
      const strokes = fromText(text);
      if (strokes.length) pad.set({ strokes, photo: null });
      else say(root, BLANK);
    } catch (problem) {
      sayNow(root, `The link was not opened: ${/** @type {Error} */ (problem).message}.`);
    }
    restoring = false;
  }

  /** @param {Example["strokes"]} strokes @param {boolean} isWhole */
  function showOpening(strokes, isWhole) {
    if (!pad.isPreviewing) return false; // the visitor was faster
    pad.preview({ strokes, photo: null });
    enable(root, "clear", true);
    board.classList.toggle("whole", isWhole);
    inked();
    if (isWhole || reader.ready) refresh(); // the server is asked about the whole of it alone
    if (isWhole) addToOpening();
    return true;
  }

  /** What breaks one of the networks, after a moment; the visitor's own drawing begins without it. */
  async function addToOpening() {
    const { corruption, caption, run } = props.opening;
    const isAnswered = () => !pad.isPreviewing || find(root, ".answer").ariaBusy === "false";
    await pausedFor(() => (reader.ready || reader.problem !== null) && isAnswered());
    if (corruption && reader.ready && pad.isPreviewing && !trials.value.corruption) {
      trials.set(corruption);
      if (reader.isOf(question.value.networks, run)) write(find(root, ".study"), caption);
      refresh();
      await pausedFor(isAnswered);
    }
    board.classList.toggle("your-turn", pad.isPreviewing);
  }

  window.addEventListener("hashchange", () => location.hash.includes("draw=") && restore());
  new ResizeObserver(() => {
    for (const { canvas } of tiles) fit(canvas);
    paint();
  }).observe(tiles[0].canvas);
  new MutationObserver(() => {
    pad.restyle();
    drawExamples();
    found.draw();
    scoreboard.restyle();
    paint();
  }).observe(document.body, { attributeFilter: ["class"] });
  drawExamples();
  for (const { canvas } of tiles) fit(canvas);
  paint();
  restore();
  reader.listen(() => {
    trials.explain(reader.problem);
    second.offer(question.value.networks);
    quote();
    const [, model] = second.models(question.value.networks);
    if (second.code && state.shown?.models[1].variant !== model.variant) refresh();
    if (state.shown?.where === "on the server" && asksForMore(trials.value)) refresh();
  });
  reader.want(question.value.networks);
  root.dataset.ready = "";
}

const NOTHING = { class: "", other: "" }; // is asked
const SELDOM = 400; // ms between answers in words while one draws in a hurry
const BLANK = "Draw a digit, or take an example.";
const UNREAD = "No digit found in this photo: crop closer, avoid shadows.";
/**
 * A button for each example.
 *
 * @param {HTMLElement} place @param {Example[]} examples @param {(strokes: Example["strokes"]) => void} take
 * @returns {() => void} draws them in the colour of the theme
 */
function offerExamples(place, examples, take) {
  const choices = examples.map(({ title, strokes }) => {
    const choice = document.createElement("button");
    choice.type = "button";
    choice.title = title;
    choice.setAttribute("aria-label", `Example: ${title}`);
    choice.addEventListener("click", () => take(strokes));
    const canvas = document.createElement("canvas");
    canvas.width = 96;
    canvas.height = 96;
    choice.append(canvas);
    place.append(choice);
    return { canvas, strokes };
  });
  return () => {
    for (const { canvas, strokes } of choices) drawOn(canvas, { strokes, photo: null }, getComputedStyle(canvas).color);
  };
}
