// What covers the picture: the start, "Loading…", a lost connection, an error with its remedy, the end.

import { element, find } from "./dom.js";

const PATIENCE_MS = 1000; // of waiting, before it is said
const LOST_MS = 5000; // without the server's word, before it is said
const SAID_MS = 5000; // that something passing is said

/** One clear sentence each, and what the button below it says. */
const ERRORS = {
  server: ["The server does not answer.", "Try again"],
  story: ["There is no story at this address.", "See all stories"],
  expired: ["This viewing has expired, so it cannot go on.", "Start again"],
  media: ["The picture cannot be decoded by this browser.", "Try again"],
  lost: ["The connection was lost while loading the picture.", "Try again"],
  unsupported: ["This browser cannot play HLS; another one, or any HLS player, can.", "See all stories"],
};

/** @typedef {keyof typeof ERRORS} Failure */

export class Screens {
  /**
   * @param {HTMLElement} stage
   * @param {{
   *   start: () => void, again: () => void, back: (checkpoint: string) => void, menu: (item: string) => void,
   *   agree: (yes: boolean) => void, remedy: (failure: Failure) => void,
   * }} tell
   */
  constructor(stage, tell) {
    this.start = find(stage, "[data-start]");
    this.play = /** @type {HTMLButtonElement} */ (find(stage, "[data-play]"));
    this.loading = find(stage, "[data-loading]");
    this.notice = find(stage, "[data-notice]");
    this.error = find(stage, "[data-error]");
    this.errorWords = find(stage, "[data-error-words]");
    this.remedy = find(stage, "[data-remedy]");
    this.end = find(stage, "[data-end]");
    this.again = find(stage, "[data-again]");
    this.backs = find(stage, "[data-backs]");
    this.moreTime = find(stage, "[data-more-time]");
    this.hint = find(stage, "[data-hint]");
    this.consent = find(stage, "[data-consent]");
    this.poster = /** @type {HTMLImageElement} */ (find(stage, "[data-poster]"));
    this.video = /** @type {HTMLVideoElement} */ (find(stage, "video"));
    this.result = find(stage, "[data-result]");
    this.tell = tell;
    /** @type {Failure | null} */
    this.failure = null;
    this.waiting = 0;
    this.losing = 0;
    this.saying = 0;
    this.play.addEventListener("click", () => tell.start());
    this.again.addEventListener("click", () => tell.again());
    for (const button of this.consent.querySelectorAll("button")) {
      button.addEventListener("click", () => tell.agree(button.dataset.agree === "yes"));
    }
    this.remedy.addEventListener("click", () => {
      const { failure } = this;
      this.clearError();
      if (failure) tell.remedy(failure);
    });
  }

  /** @param {string} title */
  entitle(title) {
    for (const place of document.querySelectorAll("[data-title]")) place.textContent = title;
    document.title = `${title} · Branchline`;
  }

  /** @param {boolean} yes the story has more time to give */
  offerMoreTime(yes) {
    this.moreTime.hidden = !yes;
  }

  /** @returns {boolean} whether the viewer wants more time for choices */
  get wantsMoreTime() {
    return !this.moreTime.hidden && /** @type {HTMLInputElement} */ (find(this.moreTime, "input")).checked;
  }

  /** @param {boolean} yes the story asks its viewers something */
  sayThatItAsks(yes) {
    this.hint.hidden = !yes;
  }

  /** @param {boolean | null} agreed whether the story may remember the viewer; null: nobody has said yet */
  askConsent(agreed) {
    this.consent.hidden = false;
    for (const button of this.consent.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(agreed !== null && (button.dataset.agree === "yes") === agreed));
    }
  }

  /** @param {string | null} address what is shown before the picture */
  hang(address) {
    this.poster.hidden = !address;
    if (!address) return;
    this.poster.src = address;
    this.video.poster = address;
  }

  /**
   * Where the viewer may go once the story is over.
   * @param {import("./api.js").Place[]} checkpoints
   * @param {import("./api.js").Place[]} menu
   */
  offer(checkpoints, menu) {
    const quiet = (/** @type {string} */ kind, /** @type {string} */ id, /** @type {string} */ words) => {
      const button = element("button", "quiet", words);
      button.setAttribute("type", "button");
      button.dataset[kind] = id;
      return button;
    };
    const backs = checkpoints.map(({ id, label }) => {
      const button = quiet("checkpoint", id, `Go back to: ${label}`);
      button.addEventListener("click", () => this.tell.back(id));
      return button;
    });
    const items = menu.map(({ id, label }) => {
      const button = quiet("endItem", id, label);
      button.addEventListener("click", () => this.tell.menu(id));
      return button;
    });
    this.backs.replaceChildren(...backs, ...items);
  }

  /** @param {boolean} yes */
  showStart(yes) {
    this.start.hidden = !yes;
    if (yes && !this.failure) this.play.focus({ preventScroll: true });
  }

  /** The picture waits; said after a moment. @param {boolean} yes */
  wait(yes) {
    if (!yes) {
      clearTimeout(this.waiting);
      this.waiting = 0;
      this.loading.hidden = true;
    } else if (!this.waiting) {
      this.waiting = window.setTimeout(() => (this.loading.hidden = this.failure !== null), PATIENCE_MS);
    }
  }

  /** The server's events come, or do not; said after a while. @param {boolean} yes */
  connected(yes) {
    if (yes) {
      clearTimeout(this.losing);
      this.losing = 0;
      this.say("");
    } else if (!this.losing) {
      this.losing = window.setTimeout(() => this.say("The connection to the server is lost; reconnecting…"), LOST_MS);
    }
  }

  /** @param {string} words nothing: no more @param {{passing?: boolean}} [options] `passing`: for a moment only */
  say(words, { passing = false } = {}) {
    clearTimeout(this.saying);
    this.notice.textContent = words;
    this.notice.hidden = !words;
    if (passing) this.saying = window.setTimeout(() => this.say(""), SAID_MS);
  }

  /** @param {Failure} failure */
  fail(failure) {
    this.failure = failure;
    this.wait(false);
    this.connected(true);
    const [words, remedy] = ERRORS[failure];
    this.error.dataset.error = failure;
    this.errorWords.textContent = words;
    this.remedy.textContent = remedy;
    this.error.hidden = false;
    this.remedy.focus({ preventScroll: true });
  }

  clearError() {
    this.failure = null;
    this.error.hidden = true;
  }

  /** @param {boolean} yes */
  showEnd(yes) {
    this.end.hidden = !yes;
    if (yes) this.again.focus({ preventScroll: true });
  }

  /** @param {{ending: string | null, goal: boolean, score: number}} data */
  nameEnding({ ending, goal, score }) {
    this.end.dataset.end = ending ?? "";
    const words = [goal ? "You reached the goal." : "", score ? `Score: ${score}` : ""].filter(Boolean);
    this.result.textContent = words.join("\n");
    this.result.hidden = words.length === 0;
  }
}
