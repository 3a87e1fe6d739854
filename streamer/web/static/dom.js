// Small helpers for the page's elements.

/**
 * @param {ParentNode} place
 * @param {string} selector
 * @returns {HTMLElement} the first match; the page is broken without it
 */
export function find(place, selector) {
  const found = /** @type {HTMLElement | null} */ (place.querySelector(selector));
  if (!found) throw new Error(`the page lacks ${selector}`);
  return found;
}

/**
 * @param {string} name
 * @param {string} look its class
 * @param {string} [words]
 * @returns {HTMLElement}
 */
export function element(name, look, words = "") {
  const made = document.createElement(name);
  made.className = look;
  made.textContent = words;
  return made;
}
