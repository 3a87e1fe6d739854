// Lists the stories, with the address that any HLS player opens.

import { here, listStories } from "./api.js";
import { find } from "./dom.js";
import { Findings } from "./findings.js";

const COPIED_MS = 2000;

const status = find(document, "[data-status]");
const retry = find(document, "[data-retry]");
const list = find(document, "[data-stories]");
const empty = find(document, "[data-empty]");
const template = /** @type {HTMLTemplateElement} */ (find(document, "[data-story-template]"));

const findings = new Findings({ served: () => show() });

async function show() {
  retry.hidden = true;
  try {
    const { stories, watched } = await listStories();
    if (watched) findings.listen();
    list.replaceChildren(...stories.map(entry));
    empty.hidden = stories.length > 0;
    status.textContent = "";
  } catch {
    status.textContent = "The server does not answer.";
    retry.hidden = false;
  }
}

/** @param {import("./api.js").Story} story @returns {DocumentFragment} */
function entry(story) {
  const made = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  find(made, "li").dataset.story = story.id;
  const poster = /** @type {HTMLImageElement} */ (find(made, "[data-poster]"));
  poster.hidden = !story.poster_url;
  if (story.poster_url) poster.src = here(story.poster_url);
  const watch = /** @type {HTMLAnchorElement} */ (find(made, "[data-watch]"));
  watch.href = `watch/${encodeURIComponent(story.id)}`;
  watch.textContent = story.title;
  find(made, "[data-address]").textContent = story.play_url;
  const copy = find(made, "[data-copy]");
  copy.setAttribute("aria-label", `Copy the play address of ${story.title}`);
  copy.addEventListener("click", () => copyAddress(copy, story.play_url));
  return made;
}

/** @param {HTMLElement} button @param {string} address */
async function copyAddress(button, address) {
  try {
    await navigator.clipboard.writeText(address);
    button.textContent = "Copied";
    status.textContent = "The play address is on the clipboard.";
  } catch {
    // Without https there is no clipboard: mark the address, so that the keyboard copies it.
    const code = button.parentElement?.querySelector("code");
    if (code) getSelection()?.selectAllChildren(code);
    button.textContent = "Marked";
    status.textContent = "The play address is marked; copy it with the keyboard.";
  }
  setTimeout(() => {
    button.textContent = "Copy";
    status.textContent = "";
  }, COPIED_MS);
}

retry.addEventListener("click", () => {
  status.textContent = "Loading…";
  show();
});
show();
