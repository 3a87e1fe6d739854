// What is wrong in the story files that the server watches for their author; nothing is shown where all is well.

import { watchFiles } from "./api.js";
import { element, find } from "./dom.js";

/** @typedef {import("./api.js").Watched} Watched */

export class Findings {
  /** @param {{served: (story: string) => void}} tell `served`: a story has a new revision */
  constructor(tell) {
    this.panel = find(document, "[data-findings]");
    this.fold = /** @type {HTMLDetailsElement} */ (find(document, "[data-findings-fold]"));
    this.summary = find(document, "[data-findings-summary]");
    this.list = find(document, "[data-findings-list]");
    this.tell = tell;
    /** @type {Map<string, string>} revisions by file, as last heard */
    this.revisions = new Map();
    this.listens = false;
  }

  /** Listens from now on; asked again, it does nothing more. */
  listen() {
    if (this.listens) return;
    this.listens = true;
    watchFiles((files) => this.heard(files));
  }

  /** @param {Watched[]} files */
  heard(files) {
    this.show(files);
    for (const { file, story, revision } of files) {
      const before = this.revisions.get(file);
      this.revisions.set(file, revision);
      if (before !== undefined && revision !== before) this.tell.served(story);
    }
  }

  /** @param {Watched[]} files */
  show(files) {
    const mistakes = files.reduce((sum, file) => sum + countOf(file, "error"), 0);
    const warnings = files.reduce((sum, file) => sum + countOf(file, "warning"), 0);
    const packaging = files.filter((file) => file.state === "packaging");
    const words = [];
    if (mistakes) words.push(mistakes === 1 ? "1 mistake" : `${mistakes} mistakes`);
    if (warnings) words.push(warnings === 1 ? "1 warning" : `${warnings} warnings`);
    if (packaging.length) words.push(`packaging ${packaging.map(({ file }) => nameOf(file)).join(", ")}…`);
    this.panel.hidden = words.length === 0;
    this.panel.toggleAttribute("data-mistakes", mistakes > 0);
    this.summary.textContent = words.join(", ");
    this.list.replaceChildren(...files.flatMap(entries));
    // What only warns, or only takes its time, stays out of the way.
    this.fold.open = mistakes > 0;
  }
}

/** @param {Watched} file @param {string} level @returns {number} */
function countOf(file, level) {
  const found = file.findings.filter((finding) => finding.level === level).length;
  return found + (level === "error" && file.problem ? 1 : 0);
}

/** @param {Watched} file @returns {HTMLElement[]} */
function entries(file) {
  const found = file.findings.map((finding) => {
    const place = finding.line ? `${nameOf(finding.file)}:${finding.line}:${finding.column}` : nameOf(finding.file);
    return entry(finding.level, `${place} ${finding.field}`.trim(), `${finding.problem}.`, `${finding.remedy}.`);
  });
  return file.problem ? [...found, entry("error", nameOf(file.file), file.problem, "")] : found;
}

/** @param {string} level @param {string} place @param {string} problem @param {string} remedy @returns {HTMLElement} */
function entry(level, place, problem, remedy) {
  const made = element("li", "finding");
  made.dataset.level = level;
  made.append(element("code", "finding-place", place), element("p", "finding-problem", problem));
  if (remedy) made.append(element("p", "finding-remedy", remedy));
  return made;
}

/** @param {string} path @returns {string} its last part */
function nameOf(path) {
  return path.split(/[\\/]/).pop() ?? path;
}
