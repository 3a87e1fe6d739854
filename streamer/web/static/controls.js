// The bar below the picture, and the keys.

import { element, find } from "./dom.js";

/** @typedef {import("./player.js").Player} Player */
/** @typedef {import("./prompt.js").Prompt} Prompt */

const IDLE_MS = 3000;
const STEP_SECONDS = 5; // that an arrow key moves in what can be sought in

export class Controls {
  /**
   * @param {HTMLElement} stage holds picture, prompt and bar; goes full screen as one
   * @param {Player} player
   * @param {Prompt} prompt
   * @param {{back: (checkpoint: string) => void, menu: (item: string) => void}} tell
   */
  constructor(stage, player, prompt, tell) {
    this.stage = stage;
    this.player = player;
    this.prompt = prompt;
    this.tell = tell;
    this.video = player.video;
    this.bar = find(stage, "[data-controls]");
    this.playPause = find(stage, "[data-play-pause]");
    this.time = find(stage, "[data-time]");
    this.mute = find(stage, "[data-mute]");
    this.volume = /** @type {HTMLInputElement} */ (find(stage, "[data-volume]"));
    this.quality = /** @type {HTMLSelectElement} */ (find(stage, "[data-quality]"));
    this.captions = /** @type {HTMLSelectElement} */ (find(stage, "[data-captions]"));
    this.back = /** @type {HTMLSelectElement} */ (find(stage, "[data-back]"));
    this.full = find(stage, "[data-fullscreen]");
    this.seek = /** @type {HTMLInputElement} */ (find(stage, "[data-seek]"));
    this.menu = find(stage, "[data-menu]");
    this.menuItems = find(stage, "[data-menu-items]");
    this.idle = 0;
    this.followVideo();
    this.followHands();
    this.followKeys();
  }

  /** @param {boolean} yes */
  enable(yes) {
    this.bar.hidden = !yes;
    this.wake();
  }

  /** @returns {boolean} */
  get enabled() {
    return !this.bar.hidden;
  }

  toggle() {
    if (!this.enabled || this.video.ended) return;
    if (this.video.paused) this.video.play().catch(() => {});
    else this.video.pause();
  }

  /** Qualities or captions have changed, or whether the stream is whole. */
  refresh() {
    this.seek.hidden = !this.player.whole;
    const names = this.player.qualities();
    const playing = names[this.player.playing];
    const auto = playing && this.player.quality < 0 ? `Auto (${playing})` : "Auto";
    // The list comes worst first; a menu reads better the other way round.
    const entries = names.map((name, index) => /** @type {[number, string]} */ ([index, name])).reverse();
    fill(this.quality, [[-1, auto], ...entries], this.player.quality);
    fieldOf(this.quality).hidden = names.length < 2;
    const tracks = this.player.captions().map((name, index) => /** @type {[number, string]} */ ([index, name]));
    fill(this.captions, [[-1, "Captions off"], ...tracks], this.player.caption);
    fieldOf(this.captions).hidden = tracks.length === 0;
  }

  /** @param {import("./api.js").Place[]} items where the viewer may go at any time */
  offerMenu(items) {
    const known = Array.from(this.menuItems.querySelectorAll("button"), (item) => item.dataset.item);
    if (known.join() === items.map(({ id }) => id).join()) return; // it may be open
    this.menuItems.replaceChildren(
      ...items.map(({ id, label }) => {
        const item = element("button", "menu-item", label);
        item.setAttribute("type", "button");
        item.dataset.item = id;
        return item;
      }),
    );
    this.menu.hidden = items.length === 0;
    if (this.menu.hidden) this.openMenu(false);
  }

  /** @param {boolean} yes */
  openMenu(yes) {
    this.menuItems.hidden = !yes;
    this.menu.setAttribute("aria-expanded", String(yes));
    if (yes) this.menuItems.querySelector("button")?.focus({ preventScroll: true });
    this.wake();
  }

  /** @param {import("./api.js").Place[]} checkpoints where the viewer may go back to */
  offerBack(checkpoints) {
    const entries = checkpoints.map(({ id, label }) => /** @type {[string, string]} */ ([id, label]));
    const known = Array.from(this.back.options, (option) => option.value);
    if (known.join() === ["", ...entries.map(([id]) => id)].join()) return; // the menu may be open
    fill(this.back, [["", "Go back to…"], ...entries], "");
    fieldOf(this.back).hidden = entries.length === 0;
  }

  /** Shows the bar, and hides it again once nothing happens while the picture runs. */
  wake() {
    clearTimeout(this.idle);
    delete this.stage.dataset.idle;
    this.idle = window.setTimeout(() => this.rest(), IDLE_MS);
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

  rest() {
    const busy = this.bar.contains(document.activeElement) && document.activeElement?.matches("select, :focus-visible");
    if (this.video.paused || busy || !this.enabled || !this.menuItems.hidden) return;
    this.stage.dataset.idle = "";
  }

  followVideo() {
    const { video } = this;
    const running = () => {
      const word = video.paused ? "Play" : "Pause";
      this.playPause.setAttribute("aria-label", word);
      this.playPause.title = `${word} (K)`;
      this.stage.toggleAttribute("data-paused", video.paused);
      this.wake();
    };
    video.addEventListener("play", running);
    video.addEventListener("pause", running);
    video.addEventListener("timeupdate", () => {
      const { whole } = this.player;
      const words = whole ? `${clock(video.currentTime)} / ${clock(video.duration || 0)}` : clock(video.currentTime);
      if (this.time.textContent !== words) this.time.textContent = words;
      if (whole) this.showPlace();
    });
    video.addEventListener("volumechange", () => this.showVolume());
    this.showVolume();
  }

  showPlace() {
    const { currentTime, duration } = this.video;
    this.seek.max = String(duration || 0);
    this.seek.value = String(currentTime);
    this.seek.setAttribute("aria-valuetext", `${clock(currentTime)} of ${clock(duration || 0)}`);
  }

  showVolume() {
    const silent = this.video.muted || this.video.volume === 0;
    this.volume.value = String(silent ? 0 : this.video.volume);
    this.mute.setAttribute("aria-label", silent ? "Unmute" : "Mute");
    this.mute.title = `${silent ? "Unmute" : "Mute"} (M)`;
    this.stage.toggleAttribute("data-muted", silent);
  }

  toggleMute() {
    if (this.video.muted || this.video.volume === 0) {
      this.video.muted = false;
      if (this.video.volume === 0) this.video.volume = 1;
    } else {
      this.video.muted = true;
    }
  }

  followHands() {
    this.playPause.addEventListener("click", () => this.toggle());
    this.mute.addEventListener("click", () => this.toggleMute());
    this.volume.addEventListener("input", () => {
      this.video.volume = Number(this.volume.value);
      this.video.muted = this.video.volume === 0;
    });
    this.quality.addEventListener("change", () => {
      this.player.quality = Number(this.quality.value);
      this.refresh();
    });
    this.captions.addEventListener("change", () => {
      this.player.caption = Number(this.captions.value);
      this.refresh();
    });
    this.back.addEventListener("change", () => {
      const checkpoint = this.back.value;
      this.back.value = "";
      this.back.blur(); // so that keys mean the story again
      if (checkpoint) this.tell.back(checkpoint);
    });
    this.seek.addEventListener("input", () => (this.video.currentTime = Number(this.seek.value)));
    this.menu.addEventListener("click", () => this.openMenu(this.menuItems.hidden));
    this.menuItems.addEventListener("click", (event) => {
      const { item } = /** @type {HTMLElement} */ (event.target).dataset;
      if (!item) return;
      this.openMenu(false);
      this.tell.menu(item);
    });
    document.addEventListener("pointerdown", (event) => {
      const inside = /** @type {Element} */ (event.target).closest("[data-menu], [data-menu-items]");
      if (!inside && !this.menuItems.hidden) this.openMenu(false);
    });
    this.full.addEventListener("click", () => this.toggleFull());
    this.full.hidden = !document.fullscreenEnabled;
    document.addEventListener("fullscreenchange", () => {
      const word = document.fullscreenElement ? "Leave full screen" : "Full screen";
      this.full.setAttribute("aria-label", word);
      this.full.title = `${word} (F)`;
    });
    // A finger first asks to see the bar; a mouse has it in view already.
    this.video.addEventListener("pointerup", (event) => {
      if (event.pointerType === "mouse" && event.button === 0) this.toggle();
    });
    for (const kind of ["pointermove", "pointerdown", "focusin"]) {
      this.stage.addEventListener(kind, () => this.wake());
    }
  }

  toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (document.fullscreenEnabled) this.stage.requestFullscreen().catch(() => {});
  }

  followKeys() {
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const target = /** @type {Element} */ (event.target);
      if (target.matches("textarea, select, input:not([type=range]), [contenteditable]")) return;
      this.wake();
      if (this.onKey(event, target)) event.preventDefault();
    });
  }

  /** @param {KeyboardEvent} event @param {Element} target @returns {boolean} whether the key was meant for this page */
  onKey(event, target) {
    const onSlider = target.matches("input[type=range]");
    if (!this.menuItems.hidden) {
      if (event.key !== "Escape") return false;
      this.openMenu(false);
      this.menu.focus({ preventScroll: true });
      return true;
    }
    if (this.prompt.open) {
      const pressing = ["Enter", " "].includes(event.key) && target.closest("button, a, select"); // what has the focus
      if (!pressing && !onSlider && this.prompt.press(event.key)) return true;
      const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      if (step && !onSlider) {
        this.prompt.move(step);
        return true;
      }
    }
    if (this.player.whole && this.enabled && !onSlider && /^Arrow(Left|Right)$/.test(event.key)) {
      this.video.currentTime += event.key === "ArrowLeft" ? -STEP_SECONDS : STEP_SECONDS;
      return true;
    }
    if (event.repeat || !this.enabled) return false;
    switch (event.key) {
      case " ":
        if (target.closest("button, a, summary")) return false; // presses what has the focus
        this.toggle();
        return true;
      case "k":
      case "K":
        this.toggle();
        return true;
      case "f":
      case "F":
        this.toggleFull();
        return true;
      case "m":
      case "M":
        this.toggleMute();
        return true;
      default:
        return false;
    }
  }
}

/** @param {number} seconds @returns {string} "0:42", "1:02:03" */
export function clock(seconds) {
  const whole = Math.max(Math.floor(seconds), 0);
  const two = (/** @type {number} */ part) => String(part).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** @template Value @param {HTMLSelectElement} select @param {[Value, string][]} entries @param {Value} chosen */
function fill(select, entries, chosen) {
  const made = entries.map(([value, words]) => new Option(words, String(value), false, value === chosen));
  select.replaceChildren(...made);
}

/** @param {HTMLElement} control @returns {HTMLElement} the label around it */
function fieldOf(control) {
  return /** @type {HTMLElement} */ (control.closest("label"));
}
