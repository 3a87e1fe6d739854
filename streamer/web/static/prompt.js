// The prompt over the picture: choices, the server's countdown, what was chosen.

import { here } from "./api.js";
import { Code } from "./code.js";
import { element, find } from "./dom.js";

/**
 * @typedef {{
 *   visit: number, scene: string, decision: string, prompt: string | null,
 *   choices: Choice[], default: string | null, choice: string | null,
 *   closes_in_ms: number, window_ms: number, hold_ms: number, holding: boolean, running: boolean,
 *   input?: {type: string, length: number, given: boolean}, layout?: string, speak?: boolean, keys?: string[]
 * }} Decision
 * @typedef {{id: string, label: string, image?: string, url?: string}} Choice
 */

/** Names of keys in stories that are not what browsers call them, and what stands on a button. */
const KEYS = new Map([
  ["left", ["ArrowLeft", "←"]],
  ["right", ["ArrowRight", "→"]],
  ["up", ["ArrowUp", "↑"]],
  ["down", ["ArrowDown", "↓"]],
  ["ok", ["Enter", "OK"]],
  ["space", [" ", "space"]],
  ["red", ["ColorF0Red", "red"]],
  ["green", ["ColorF1Green", "green"]],
  ["yellow", ["ColorF2Yellow", "yellow"]],
  ["blue", ["ColorF3Blue", "blue"]],
]);

const RESULT_MS = 2400;
const TICK_MS = 100;
const GRACE_MS = 4000; // after the lock, in which the server's word on the outcome is still waited for
const SVG = "http://www.w3.org/2000/svg";

export class Prompt {
  /**
   * @param {HTMLElement} place
   * @param {HTMLElement} live announced by screen readers
   * @param {{
   *   choose: (decision: Decision, said: {choice: string} | {code: string}) => void,
   *   shown: (open: boolean) => void,
   * }} tell
   * @param {import("./speech.js").Speech} speech
   */
  constructor(place, live, tell, speech) {
    this.place = place;
    this.live = live;
    this.tell = tell;
    this.speech = speech;
    this.code = new Code(find(place, "[data-code]"), (code) => this.chooseCode(code));
    this.question = find(place, "[data-question]");
    this.list = find(place, "[data-choices]");
    this.fork = find(place, "[data-fork]");
    this.status = find(place, "[data-status]");
    this.seconds = find(place, "[data-seconds]");
    this.bar = find(place, "[data-countdown-bar]");
    /** @type {Decision | null} */
    this.decision = null;
    /** @type {string | null} what is highlighted */
    this.choice = null;
    /** @type {string | null} what the server is known to hold */
    this.known = null;
    this.settled = false;
    this.running = true;
    this.holding = false; // the lock is over, and a loop waits for the answer
    this.left = 0; // milliseconds, at the moment of `since`
    this.since = 0;
    this.ticking = 0;
    this.removing = 0;
    /** @type {Element | null} */
    this.focusBefore = null;
    this.list.addEventListener("click", (event) => {
      const button = /** @type {Element} */ (event.target).closest("button");
      if (button?.dataset.choice) this.choose(button.dataset.choice, { opens: true });
    });
  }

  /** @returns {boolean} whether choices can be made */
  get open() {
    return this.decision !== null && !this.settled;
  }

  /** @returns {boolean} whether the keyboard is on a choice */
  get focused() {
    return this.open && this.list.contains(document.activeElement);
  }

  /** @returns {boolean} whether a code is to be typed */
  get typing() {
    return this.open && this.decision?.input !== undefined;
  }

  /** @param {{visit: number, decision: string}} asked @returns {boolean} whether that is the decision that is shown */
  isOf(asked) {
    return this.open && this.decision?.visit === asked.visit && this.decision?.decision === asked.decision;
  }

  /** @param {{visit: number, decision: string}} asked @returns {boolean} whether it may be answered, as far as is known */
  mayAnswer(asked) {
    return this.isOf(asked) && (!this.running || this.remaining() > -GRACE_MS);
  }

  /**
   * Shows a decision; one that is shown already (after a reconnection) is brought up to date.
   * @param {Decision} decision
   */
  show(decision) {
    const again = this.isOf(decision);
    if (!again) {
      this.remove({ focus: false });
      this.decision = decision;
      this.settled = false;
      this.draw(decision);
      this.takeFocus();
    }
    this.setClock(decision.running, decision.closes_in_ms, decision.holding);
    this.confirm(decision.choice, { keepPending: again });
    if (!again) {
      const seconds = Math.ceil(decision.closes_in_ms / 1000);
      const what = decision.input ? `A code of ${decision.input.length} characters` : `${decision.choices.length} choices`;
      this.live.textContent = `${decision.prompt ?? ""} ${what}, ${seconds} seconds.`.trim();
      if (decision.speak) {
        this.speech.say([decision.prompt ?? "", ...decision.choices.map((choice) => choice.label)].filter(Boolean).join(". "));
      }
      this.tell.shown(true);
    }
  }

  /**
   * The server holds this answer, given here or elsewhere.
   * @param {{visit: number, decision: string, choice: string | null, closes_in_ms?: number}} data
   */
  answered(data) {
    if (!this.isOf(data)) return;
    if (data.closes_in_ms !== undefined) this.setClock(this.running, data.closes_in_ms, this.holding);
    if (this.decision?.input) this.decision.input.given = true;
    this.confirm(data.choice, { keepPending: true });
  }

  /** @param {{running: boolean, holding: boolean, closes_in_ms: number}} data */
  clock(data) {
    if (!this.open) return;
    if (data.holding && !this.holding) this.live.textContent = "The story waits for you.";
    this.setClock(data.running, data.closes_in_ms, data.holding);
  }

  /** @param {{visit: number, decision: string, choice: string | null, by: string}} data */
  committed(data) {
    if (!this.isOf(data)) return;
    const label = this.labelOf(data.choice);
    const chosen = label ? `Chosen: ${label}` : "Your code was taken";
    const late = label && data.by === "default" ? `Time is up: ${label}` : "Time is up";
    this.settle(data.choice, data.by === "viewer" ? chosen : late);
  }

  /** @param {string} choice what was committed before the answer came */
  tooLate(choice) {
    if (!this.decision) return;
    const label = this.labelOf(choice);
    this.settle(choice, label ? `Too late: ${label} was chosen` : "Too late");
    this.place.dataset.late = "";
  }

  /** The answer goes through only after more tries. */
  retrying() {
    if (this.open) this.say("Sending your choice again…");
  }

  /** @param {string} words why the answer was not taken; the last one that was stands */
  refused(words) {
    if (!this.open) return;
    this.highlight(this.known);
    this.say(words);
  }

  /** @param {string} choice @param {{opens?: boolean}} options `opens`: a hand asks for it, so its page may open */
  choose(choice, { opens = false } = {}) {
    if (!this.decision || !this.open) return;
    const url = this.decision.choices.find((found) => found.id === choice)?.url;
    if (url && opens) window.open(url, "_blank", "noopener,noreferrer");
    if (choice === this.choice && choice === this.known) return;
    this.highlight(choice);
    this.place.dataset.pending = "";
    this.say("");
    this.tell.choose(this.decision, { choice });
  }

  /** @param {string} code */
  chooseCode(code) {
    if (!this.decision || !this.open) return;
    this.place.dataset.pending = "";
    this.say("");
    this.tell.choose(this.decision, { code });
  }

  /** @param {number} index */
  chooseAt(index) {
    const found = this.decision?.choices[index];
    if (!found || !this.open) return false;
    this.buttons()[index].focus({ preventScroll: true });
    this.choose(found.id, { opens: true });
    return true;
  }

  /** @param {string} key as the browser names it @returns {boolean} whether it is one of the decision's */
  press(key) {
    if (this.typing) return this.code.type(key);
    const named = this.decision?.keys?.findIndex((name) => keyOf(name)[0].toLowerCase() === key.toLowerCase()) ?? -1;
    if (named >= 0) return this.chooseAt(named);
    return /^[1-9]$/.test(key) && this.chooseAt(Number(key) - 1);
  }

  /** @param {number} step moves the keyboard between choices */
  move(step) {
    const buttons = this.buttons();
    const at = buttons.findIndex((button) => button === document.activeElement);
    const next = at < 0 ? this.entry() : buttons[(at + step + buttons.length) % buttons.length];
    next?.focus({ preventScroll: true });
  }

  /** Takes the prompt away. */
  remove({ focus = true } = {}) {
    clearTimeout(this.removing);
    clearInterval(this.ticking);
    const held = this.place.contains(document.activeElement);
    this.place.hidden = true;
    if (this.decision) {
      this.speech.stop();
      this.tell.shown(false);
    }
    this.decision = null;
    if (focus && held && this.focusBefore instanceof HTMLElement && this.focusBefore.isConnected) {
      this.focusBefore.focus({ preventScroll: true });
    }
    if (focus) this.focusBefore = null;
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** @param {Decision} decision */
  draw(decision) {
    this.question.textContent = decision.prompt ?? "Your choice";
    this.question.classList.toggle("sr-only", decision.prompt === null);
    this.place.dataset.prompt = decision.decision;
    this.place.dataset.layout = decision.layout ?? "";
    this.place.toggleAttribute("data-pictures", decision.choices.some((choice) => choice.image));
    this.place.toggleAttribute("data-typing", decision.input !== undefined);
    this.code.ask(decision.input?.length ?? 0);
    this.place.dataset.visit = String(decision.visit);
    delete this.place.dataset.settled;
    delete this.place.dataset.late;
    delete this.place.dataset.pending;
    const buttons = decision.choices.map((choice, index) => {
      const button = element("button", "choice");
      button.setAttribute("type", "button");
      button.dataset.choice = choice.id;
      button.setAttribute("aria-pressed", "false");
      button.append(element("span", "node"));
      if (choice.image) button.append(pictureOf(choice.image));
      const label = element("span", "choice-label", choice.label);
      button.append(label);
      const key = decision.keys?.[index];
      if (key || index < 9) button.setAttribute("aria-keyshortcuts", key ? keyOf(key)[0] : String(index + 1));
      if (key) {
        const cap = element("kbd", "choice-key", keyOf(key)[1]);
        cap.setAttribute("aria-hidden", "true");
        label.append(" ", cap);
      }
      const isDefault = choice.id === decision.default;
      if (isDefault) button.dataset.default = "";
      const notes = [choice.url ? "opens a page ↗" : "", isDefault ? "if you do not choose" : ""].filter(Boolean);
      if (notes.length) button.append(element("span", "choice-note", notes.join(" · ")));
      return button;
    });
    this.list.replaceChildren(...buttons);
    this.list.style.setProperty("--choices", String(decision.choices.length));
    this.drawFork(decision.choices);
    this.say("");
    this.place.hidden = false;
  }

  /** @param {{id: string}[]} choices */
  drawFork(choices) {
    const wide = choices.map((choice, index) => {
      const x = ((index + 0.5) / choices.length) * 100;
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", `M50 0 V3 C50 15 ${x} 5 ${x} 20`);
      path.setAttribute("data-branch", choice.id);
      return path;
    });
    this.fork.replaceChildren(...wide);
  }

  takeFocus() {
    const active = document.activeElement;
    if (active?.matches("input:not([type=range]), textarea, select, [contenteditable]")) return;
    if (!this.focusBefore) this.focusBefore = active;
    if (this.typing) this.code.focus();
    else this.entry()?.focus({ preventScroll: true });
  }

  /** @returns {HTMLElement[]} */
  buttons() {
    return Array.from(this.list.querySelectorAll("button"));
  }

  /** @returns {HTMLElement | undefined} where the keyboard enters */
  entry() {
    return this.buttons().find((button) => button.dataset.choice === this.choice) ?? this.buttons()[0];
  }

  /** @param {string | null} choice @returns {string} empty: the viewer knows no choices, or none was taken */
  labelOf(choice) {
    return this.decision?.choices.find((found) => found.id === choice)?.label ?? "";
  }

  /** @param {string | null} choice @param {{keepPending: boolean}} options */
  confirm(choice, { keepPending }) {
    const pending = "pending" in this.place.dataset;
    this.known = choice;
    if (keepPending && pending && choice !== this.choice) return; // a newer answer is on its way
    delete this.place.dataset.pending;
    this.highlight(choice);
    if (this.decision?.input) this.say(this.decision.input.given ? "The code is in; you can still type another." : "");
    else this.say(choice === null ? "" : "You can still change your mind.");
  }

  /** @param {string | null} choice */
  highlight(choice) {
    this.choice = choice;
    if (choice === this.known) delete this.place.dataset.pending;
    for (const button of this.buttons()) {
      button.setAttribute("aria-pressed", String(button.dataset.choice === choice));
    }
    for (const path of this.fork.children) {
      path.classList.toggle("lit", path.getAttribute("data-branch") === choice);
    }
    this.place.toggleAttribute("data-answered", choice !== null);
  }

  /** @param {string | null} choice @param {string} words */
  settle(choice, words) {
    this.settled = true;
    this.known = choice;
    this.highlight(choice);
    this.place.dataset.settled = choice ?? "";
    this.code.close(true);
    this.speech.stop();
    delete this.place.dataset.pending;
    clearInterval(this.ticking);
    for (const button of this.buttons()) button.setAttribute("aria-disabled", "true");
    this.say(words);
    this.live.textContent = words;
    clearTimeout(this.removing);
    this.removing = window.setTimeout(() => this.remove(), RESULT_MS);
  }

  /** @param {boolean} running @param {number} left @param {boolean} holding */
  setClock(running, left, holding) {
    this.running = running;
    this.holding = holding;
    this.left = left;
    this.since = performance.now();
    clearInterval(this.ticking);
    if (running) this.ticking = window.setInterval(() => this.tick(), TICK_MS);
    this.tick();
  }

  /** @returns {number} milliseconds to the lock; below 0 once it has passed */
  remaining() {
    return this.running ? this.left - (performance.now() - this.since) : this.left;
  }

  tick() {
    const left = Math.max(this.remaining(), 0);
    const whole = this.holding ? this.decision?.hold_ms : this.decision?.window_ms;
    const window_ms = Math.max(whole ?? 1, 1);
    this.place.toggleAttribute("data-stopped", !this.running);
    this.place.toggleAttribute("data-holding", this.holding);
    this.place.toggleAttribute("data-hurry", this.running && left < 3000 && !this.waits());
    this.bar.style.transform = `scaleX(${Math.min(left / window_ms, 1).toFixed(4)})`;
    if (this.running && left === 0) this.say(""); // the server's word is on its way
    const words = !this.running ? "paused" : this.holding ? "the story waits for you" : `${Math.ceil(left / 1000)} s`;
    if (this.seconds.textContent !== words) this.seconds.textContent = words;
    if (this.running && !this.waits() && this.remaining() < -2 * GRACE_MS) this.remove(); // nobody says what became of it
  }

  /** @returns {boolean} whether a loop follows the lock, so that there is no hurry */
  waits() {
    return !this.holding && (this.decision?.hold_ms ?? 0) > 0;
  }

  /** @param {string} words */
  say(words) {
    this.status.textContent = words;
  }
}

/** @param {string} name of a key, in a story @returns {string[]} what browsers call it, and what stands on it */
function keyOf(name) {
  return KEYS.get(name.toLowerCase()) ?? [name, name];
}

/** @param {string} address @returns {HTMLElement} the label beside it says what it shows */
function pictureOf(address) {
  const picture = /** @type {HTMLImageElement} */ (element("img", "choice-picture"));
  picture.alt = "";
  picture.src = here(address);
  return picture;
}
