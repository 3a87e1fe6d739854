// The bar below the picture, and the keys.

import { find } from "./dom.js";

/** @typedef {import("./player.js").Player} Player */
/** @typedef {import("./prompt.js").Prompt} Prompt */

const IDLE_MS = 3000;

export class Controls {
  /**
   * @param {HTMLElement} stage holds picture, prompt and bar; goes full screen as one
   * @param {Player} player
   * @param {Prompt} prompt
   * @param {{back: (checkpoint: string) => void}} tell
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

  /** Qualities or captions have changed. */
  refresh() {
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

  /** @param {import("./api.js").Checkpoint[]} checkpoints where the viewer may go back to */
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
    if (this.video.paused || busy || !this.enabled) return;
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
      const words = clock(video.currentTime);
      if (this.time.textContent !== words) this.time.textContent = words;
    });
    video.addEventListener("volumechange", () => this.showVolume());
    this.showVolume();
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
    if (this.prompt.open) {
      if (/^[1-9]$/.test(event.key)) return this.prompt.chooseAt(Number(event.key) - 1);
      const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      if (step && !onSlider) {
        this.prompt.move(step);
        return true;
      }
    }
    if (event.repeat || !this.enabled) return false;
    switch (event.key) {
      case " ":
        if (target.closest("button, a")) return false; // presses what has the focus
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
