// Speaks what a decision asks, where the story wants that and the viewer has not turned it off.

import { remember, remembered } from "./memory.js";

const MEMORY = "branchline.speech";

export class Speech {
  /** @param {HTMLElement} toggle shown once the story speaks */
  constructor(toggle) {
    this.toggle = toggle;
    this.voice = window.speechSynthesis;
    this.words = "";
    this.language = "en";
    toggle.addEventListener("click", () => this.turn(!this.on));
    this.show();
  }

  /** @returns {boolean} */
  get on() {
    return remembered(MEMORY) !== "off";
  }

  /** @param {string} words */
  say(words) {
    if (!this.voice) return;
    this.toggle.hidden = false;
    this.words = words;
    if (this.on) this.speak();
  }

  /** What is spoken is over. */
  stop() {
    this.words = "";
    this.voice?.cancel();
  }

  /** @param {boolean} on */
  turn(on) {
    remember(MEMORY, on ? "on" : "off");
    this.show();
    if (!on) this.voice?.cancel();
    else if (this.words) this.speak();
  }

  speak() {
    const said = new SpeechSynthesisUtterance(this.words);
    said.lang = this.language;
    this.voice.cancel();
    this.voice.speak(said);
  }

  show() {
    this.toggle.setAttribute("aria-pressed", String(this.on));
    this.toggle.title = this.on ? "Questions are spoken" : "Questions are not spoken";
  }
}

