// What this browser keeps between visits; nothing where it keeps nothing.

import { newAnswerId } from "./api.js";

const VIEWER = "branchline.viewer.";

/** @param {string} name @returns {string | null} */
export function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** @param {string} name @param {string} value */
export function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // It is asked again next time.
  }
}

/**
 * Says by what name a story may remember the viewer: a random one of this browser and this story.
 * @param {string} story
 * @returns {string | null} empty: not at all; null: they were not asked
 */
export function viewerOf(story) {
  return remembered(VIEWER + story);
}

/** @param {string} story @param {boolean} agrees */
export function agree(story, agrees) {
  remember(VIEWER + story, agrees ? viewerOf(story) || newAnswerId() : "");
}
