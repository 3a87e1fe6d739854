// A code that is typed: on the keyboard, or on the keys that are shown.

import { element } from "./dom.js";

const ROWS = ["1234567890", "QWERTYUIOP", "ASDFGHJKL", "ZXCVBNM"];
const BACK = "⌫";

export class Code {
  /**
   * @param {HTMLElement} place holds nothing else
   * @param {(code: string) => void} given a whole code
   */
  constructor(place, given) {
    this.place = place;
    this.given = given;
    this.length = 0;
    this.input = /** @type {HTMLInputElement} */ (element("input", "code-input"));
    this.input.type = "text";
    // The keys are shown; a telephone's own keyboard would cover the picture.
    const manners = { inputmode: "none", autocomplete: "off", autocapitalize: "characters", spellcheck: "false" };
    for (const [name, value] of Object.entries(manners)) this.input.setAttribute(name, value);
    this.pad = element("div", "code-pad");
    this.pad.setAttribute("role", "group");
    this.pad.setAttribute("aria-label", "Keys");
    for (const row of ROWS) this.pad.append(this.rowOf(row));
    place.append(this.input, this.pad);
    this.input.addEventListener("input", () => this.changed());
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.submit();
      else if (this.isWhole && event.key.length === 1 && !event.ctrlKey && !event.metaKey) this.input.value = ""; // anew
    });
  }

  /** @param {number} length characters of the code; 0: none is asked for */
  ask(length) {
    this.length = length;
    this.place.hidden = length === 0;
    this.input.value = "";
    this.input.maxLength = length || 1;
    this.input.placeholder = "·".repeat(length);
    this.input.setAttribute("aria-label", `Code of ${length} characters`);
    this.input.style.setProperty("--length", String(length));
    this.close(false);
  }

  /** @param {boolean} yes nothing can be typed any more */
  close(yes) {
    this.input.readOnly = yes;
    for (const key of this.pad.querySelectorAll("button")) key.disabled = yes;
  }

  focus() {
    this.input.focus({ preventScroll: true });
  }

  /** @param {string} character as typed somewhere on the page @returns {boolean} whether it belongs to a code */
  type(character) {
    if (character === "Backspace") this.input.value = this.isWhole ? "" : this.input.value.slice(0, -1);
    else if (/^[\p{L}\p{N}]$/u.test(character)) this.input.value = (this.isWhole ? "" : this.input.value) + character;
    else return false;
    this.changed();
    return true;
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** @returns {boolean} */
  get isWhole() {
    return this.input.value.length >= this.length;
  }

  changed() {
    this.input.value = this.input.value.toUpperCase().replace(/[^\p{L}\p{N}]/gu, "");
    if (this.isWhole) this.submit();
  }

  submit() {
    if (this.isWhole && !this.input.readOnly) this.given(this.input.value);
  }

  /** @param {string} characters @returns {HTMLElement} */
  rowOf(characters) {
    const row = element("div", "code-row");
    const keys = [...characters, ...(characters === ROWS[ROWS.length - 1] ? [BACK] : [])];
    for (const character of keys) {
      const key = element("button", "code-key", character);
      key.setAttribute("type", "button");
      key.dataset.key = character === BACK ? "Backspace" : character;
      if (character === BACK) key.setAttribute("aria-label", "Delete");
      key.addEventListener("click", () => this.type(key.dataset.key ?? ""));
      row.append(key);
    }
    return row;
  }
}
