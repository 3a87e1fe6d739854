// Talks to the server: stories, sessions, choices, events. docs/http-api.md describes each request.

/**
 * @typedef {{
 *   id: string, title: string, language: string, poster_url: string | null, play_url: string, watch_url: string,
 *   extended_time: boolean, remembers: boolean, asks: boolean
 * }} Story
 * @typedef {{
 *   id: string, playback_url: string, control_url: string, back_url: string, menu_url: string, position_url: string,
 *   events_url: string, token: string, expires_at: string,
 *   story: {id: string, title: string, language: string, poster_url: string | null}
 * }} Session
 * @typedef {{id: string, label: string}} Place a checkpoint, or an item of the menu
 * @typedef {{
 *   file: string, line: number, column: number, field: string, problem: string, remedy: string, level: string,
 * }} Finding
 * @typedef {{
 *   file: string, state: string, story: string, revision: string, findings: Finding[], problem: string, notes: string[],
 * }} Watched
 * @typedef {{decision: string, visit: number, choice?: string, code?: string, answer_id: string}} Answer
 * @typedef {{visit: number, decision: string, choice: string | null, committed: boolean, closes_in_ms: number}} Taken
 */

const REQUEST_MS = 8000;

/** The address that the application's own addresses begin with; pages lie directly below it or one deeper. */
const root = new URL("../", import.meta.url);

/** An answer that is no success; `status` 0 means that there was none. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   * @param {Record<string, any>} [problem] the problem document
   */
  constructor(status, detail, problem = {}) {
    super(detail);
    this.name = "ApiError";
    this.status = status;
    this.problem = problem;
  }

  /** @returns {boolean} whether the same request may succeed later */
  get passing() {
    return this.status === 0 || this.status >= 500;
  }
}

/**
 * @param {string | URL} address
 * @param {RequestInit} [options]
 * @returns {Promise<any>} the answer's JSON
 */
async function ask(address, options = {}) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), REQUEST_MS);
  try {
    const answer = await fetch(address, { cache: "no-store", ...options, signal: limit.signal });
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new ApiError(answer.status, body.detail || answer.statusText, body);
    return body;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(0, "the server does not answer");
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The server names itself as it is configured or asked; a page may only reach the host it came from.
 * @param {string} address
 * @returns {string} the same address at this page's host
 */
export function here(address) {
  const found = new URL(address, location.href);
  return new URL(found.pathname + found.search, location.origin).href;
}

/** @returns {Promise<{stories: Story[], watched?: boolean}>} `watched`: their author is at work, see watchFiles */
export function listStories() {
  return ask(new URL("api/v1/stories", root));
}

/**
 * Listens to how things stand with the story files that the server watches.
 * @param {(files: Watched[]) => void} tell
 */
export function watchFiles(tell) {
  const source = new EventSource(new URL("api/v1/watch/events", root));
  source.addEventListener("watch", (message) => tell(JSON.parse(message.data).stories));
}

/** @param {string} story its id @returns {Promise<Story & {watched?: boolean}>} `watched`: as of listStories */
export function describe(story) {
  return ask(new URL(`api/v1/stories/${encodeURIComponent(story)}`, root));
}

/**
 * The language that the viewer reads goes with every request: the browser says it.
 * @param {string} story its id
 * @param {boolean} extended more time for choices
 * @param {string} viewer who watches, where they agreed that the story remembers them; empty: nobody knows
 * @returns {Promise<Session>}
 */
export async function openSession(story, extended, viewer) {
  const utc_offset_minutes = -new Date().getTimezoneOffset();
  const known = viewer ? { viewer, consent: true } : {};
  const session = await ask(new URL("api/v1/sessions", root), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ story, extended_time: extended, utc_offset_minutes, ...known }),
  });
  const addresses = ["playback_url", "control_url", "back_url", "menu_url", "position_url", "events_url"];
  for (const name of addresses) session[name] = here(session[name]);
  return session;
}

/**
 * @param {Session} session
 * @param {Answer} answer
 * @returns {Promise<Taken>}
 */
export function sendAnswer(session, answer) {
  return ask(session.control_url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${session.token}` },
    body: JSON.stringify(answer),
  });
}

/**
 * @param {Session} session
 * @param {string} checkpoint its id
 * @returns {Promise<{run: number, playback_url: string}>}
 */
export function goBack(session, checkpoint) {
  return ask(session.back_url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${session.token}` },
    body: JSON.stringify({ checkpoint, answer_id: newAnswerId() }),
  });
}

/**
 * @param {Session} session
 * @param {string} item of the menu
 * @returns {Promise<{run: number, playback_url: string}>}
 */
export function takeFromMenu(session, item) {
  return ask(session.menu_url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${session.token}` },
    body: JSON.stringify({ item, answer_id: newAnswerId() }),
  });
}

/**
 * @param {Session} session
 * @param {number} position seconds
 * @param {boolean} paused
 * @param {number} rate of play
 * @returns {Promise<void>}
 */
export function sendPosition(session, position, paused, rate) {
  return ask(session.position_url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${session.token}` },
    body: JSON.stringify({ position, paused, rate }),
  });
}

/** @returns {string} an id that no other answer has; also where randomUUID is missing (plain http) */
export function newAnswerId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const KINDS = ["run", "scene", "cue", "decision", "answered", "clock", "committed", "back", "ended"];
const RETRY_MS = 2000;

/**
 * Listens to a session until the story has ended or `close` is called; reconnects by itself.
 * @param {Session} session
 * @param {{
 *   event: (kind: string, data: any) => void,
 *   connected: (yes: boolean) => void,
 *   gone: (error: ApiError) => void,
 * }} tell
 * @returns {{close: () => void}}
 */
export function listen(session, tell) {
  /** @type {EventSource | undefined} */
  let source;
  let closed = false;
  let timer = 0;

  const close = () => {
    closed = true;
    clearTimeout(timer);
    source?.close();
  };

  // The browser gives up on an answer that is an error, and hides which: the session itself tells.
  const refused = async () => {
    source?.close();
    try {
      await ask(session.events_url.replace(/\/events$/, ""));
    } catch (error) {
      if (!closed && error instanceof ApiError && (error.status === 404 || error.status === 410)) {
        close();
        tell.gone(error);
      }
    }
    if (!closed) timer = window.setTimeout(connect, RETRY_MS);
  };

  const connect = () => {
    const opened = new EventSource(session.events_url);
    source = opened;
    opened.onopen = () => tell.connected(true);
    opened.onerror = () => {
      if (closed) return;
      tell.connected(false);
      if (opened.readyState === EventSource.CLOSED) refused();
    };
    for (const kind of KINDS) {
      opened.addEventListener(kind, (message) => {
        if (closed) return;
        if (kind === "ended") close();
        tell.event(kind, JSON.parse(/** @type {MessageEvent} */ (message).data));
      });
    }
  };

  connect();
  return { close };
}
