// Wires the page that plays a story: session, stream, events, prompts, controls.

import { ApiError, describe, goBack, here, listen, listStories, openSession, takeFromMenu } from "./api.js";
import { Answers } from "./answers.js";
import { Controls } from "./controls.js";
import { find } from "./dom.js";
import { Findings } from "./findings.js";
import { agree, viewerOf } from "./memory.js";
import { Place } from "./place.js";
import { Player } from "./player.js";
import { Prompt } from "./prompt.js";
import { Screens } from "./screens.js";
import { Speech } from "./speech.js";

const NOTED = ["playing", "waiting", "stalled", "ended", "seeking", "pause", "error"];

const story = decodeURIComponent(location.pathname.split("/").filter(Boolean).pop() ?? "");
const stage = find(document, "[data-stage]");
const video = /** @type {HTMLVideoElement} */ (find(stage, "video"));

/** What tests and the curious may look at. */
const branchline = {
  video,
  hls: /** @type {any} */ (null),
  session: /** @type {import("./api.js").Session | null} */ (null),
  log: /** @type {{kind: string, at: number, time: number, detail?: unknown}[]} */ ([]),
};
Object.assign(window, { branchline });

/** @param {string} kind @param {unknown} [detail] */
function note(kind, detail) {
  branchline.log.push({ kind, at: performance.now(), time: video.currentTime, detail });
}

/** @type {Answers | undefined} */
let answers;
/** @type {{close: () => void} | undefined} */
let events;
let opening = false;
let run = 1; // of the session: a step back after the end begins a new one
/** What "Try again" does where the server did not answer. @type {() => Promise<void>} */
let unmet = greet;

const player = new Player(video, {
  failed: (kind) => fail(kind),
  changed: () => controls.refresh(),
  note,
});
const speech = new Speech(find(stage, "[data-speech]"));
const asking = {
  choose: (/** @type {import("./prompt.js").Decision} */ decision, /** @type {any} */ said) => {
    note("choose", { visit: decision.visit, ...said });
    answers?.give(decision, said);
  },
  shown: (/** @type {boolean} */ open) => {
    stage.toggleAttribute("data-deciding", open);
    controls.wake();
  },
};
const prompt = new Prompt(find(stage, "[data-prompt]"), find(stage, "[data-announce]"), asking, speech);
const place = new Place(video);
const controls = new Controls(stage, player, prompt, { back, menu });
const screens = new Screens(stage, { start: begin, again: begin, back, menu, agree: agreed, remedy });
const findings = new Findings({ served: renewed });
let remembers = false; // the story keeps something of viewers who agree

/** Opens a session and plays it from its beginning; only ever because the viewer asked. */
async function begin() {
  if (opening) return;
  if (branchline.session && video.paused && !video.ended && player.address) {
    play(); // the browser wanted one more tap
    return;
  }
  opening = true;
  unmet = begin;
  leave();
  screens.showEnd(false);
  screens.play.disabled = true;
  screens.wait(true);
  try {
    const session = await openSession(story, screens.wantsMoreTime, (remembers && viewerOf(story)) || "");
    run = 1;
    branchline.session = session;
    note("session", { id: session.id });
    screens.entitle(session.story.title);
    speech.language = session.story.language;
    answers = new Answers(session, telling, (asked) => prompt.mayAnswer(asked));
    follow(session);
    place.of(session);
    player.load(session.playback_url);
    branchline.hls = player.hls;
    if (!screens.failure) await play();
  } catch (error) {
    fail(error instanceof ApiError && error.status === 404 ? "story" : "server");
  } finally {
    opening = false;
    screens.play.disabled = false;
  }
}

/** @param {import("./api.js").Session} session */
function follow(session) {
  events?.close();
  events = listen(session, { event: heard, connected: (yes) => screens.connected(yes), gone: () => fail("expired") });
}

/** Goes back to a checkpoint that was passed. @param {string} checkpoint */
async function back(checkpoint) {
  note("back", { checkpoint });
  await go((session) => goBack(session, checkpoint), "The server did not go back; try again.");
}

/** Goes where an item of the menu leads. @param {string} item */
async function menu(item) {
  note("menu", { item });
  await go((session) => takeFromMenu(session, item), "The server did not go there; try again.");
}

/**
 * @param {(session: import("./api.js").Session) => Promise<{run: number, playback_url: string}>} asking
 * @param {string} refused what is said if that fails
 */
async function go(asking, refused) {
  const { session } = branchline;
  if (!session) return;
  try {
    const gone = await asking(session);
    if (gone.run !== run) {
      enter(gone.run, gone.playback_url);
      follow(session);
    }
  } catch (error) {
    if (error instanceof ApiError && error.status === 410) fail("expired");
    else screens.say(refused, { passing: true });
  }
}

/** Plays another run of the session. @param {number} next @param {string} address */
function enter(next, address) {
  run = next;
  prompt.remove();
  player.load(here(address));
  branchline.hls = player.hls;
  screens.showEnd(false);
  play();
}

async function play() {
  try {
    screens.showStart(false);
    controls.enable(true);
    await video.play();
  } catch (error) {
    // Some browsers forget within a second that somebody pressed Play.
    if (error instanceof DOMException && error.name === "NotAllowedError") {
      screens.wait(false);
      screens.showStart(true);
    }
  }
}

/** Ends what a former session left behind. */
function leave() {
  events?.close();
  answers?.stop();
  place.leave();
  prompt.remove();
  player.unload();
  branchline.session = null;
  branchline.hls = null;
}

const telling = {
  taken: (/** @type {import("./api.js").Taken} */ taken) => {
    note("taken", taken);
    if (!taken.committed) prompt.answered(taken);
  },
  retrying: () => prompt.retrying(),
  refused: (/** @type {ApiError} */ error, /** @type {import("./api.js").Answer} */ answer) => {
    note("refused", { status: error.status, answer });
    const committed = error.problem.committed;
    if (committed?.choice) prompt.tooLate(committed.choice);
    else if (error.status === 410) fail("expired");
    else if (error.status === 429) prompt.refused("That was changed too often; the last answer stands.");
    else if (error.passing) prompt.refused("The server did not hear your choice in time.");
    else prompt.refused("The server did not take that choice; choose again.");
  },
};

/** @param {string} kind @param {any} data */
function heard(kind, data) {
  note(`sse:${kind}`, data);
  switch (kind) {
    case "scene":
      stage.dataset.scene = data.scene;
      controls.offerBack(data.checkpoints);
      controls.offerMenu(data.menu);
      screens.offer(data.checkpoints, data.menu);
      // A decision that was missed while the line was down.
      if (prompt.open && prompt.decision && data.visit > prompt.decision.visit) prompt.remove();
      break;
    case "cue":
      document.dispatchEvent(new CustomEvent("branchline:cue", { detail: data }));
      break;
    case "decision":
      prompt.show(data);
      break;
    case "answered":
      prompt.answered(data);
      break;
    case "clock":
      prompt.clock(data);
      break;
    case "committed":
      prompt.committed(data);
      break;
    case "back":
      prompt.remove();
      player.goTo(Number(data.start));
      break;
    case "run":
      if (data.run !== run) enter(data.run, data.playback_url);
      break;
    case "ended":
      screens.nameEnding(data);
      break;
  }
}

/** @param {import("./screens.js").Failure} failure */
function fail(failure) {
  note("failed", failure);
  video.pause();
  if (failure !== "lost" && failure !== "media") {
    leave();
    controls.enable(false);
  }
  screens.fail(failure);
}

/** @param {import("./screens.js").Failure} failure what the viewer wants mended */
async function remedy(failure) {
  if (failure === "story" || failure === "unsupported") {
    location.assign(new URL("../", import.meta.url));
  } else if (failure === "lost" || failure === "media") {
    screens.wait(true);
    player.reload();
    branchline.hls = player.hls;
    await play();
  } else {
    await unmet();
  }
}

/** A story was packaged anew while its author looks on. @param {string} changed its id */
function renewed(changed) {
  if (changed !== story) return;
  if (branchline.session) {
    screens.say("The story has changed; load the page again to see it anew.", { passing: true });
  } else {
    screens.clearError();
    greet();
  }
}

/** Shows what there is to watch, before anything is loaded. */
async function greet() {
  screens.play.disabled = true;
  try {
    const found = await describe(story);
    if (found.watched) findings.listen();
    screens.entitle(found.title);
    screens.hang(found.poster_url && here(found.poster_url));
    screens.sayThatItAsks(found.asks);
    screens.offerMoreTime(found.extended_time);
    remembers = found.remembers;
    const viewer = viewerOf(story);
    if (remembers) screens.askConsent(viewer === null ? null : viewer !== "");
    screens.play.disabled = false;
    screens.showStart(true);
  } catch (error) {
    const isMissing = error instanceof ApiError && error.status === 404;
    fail(isMissing ? "story" : "server");
    if (isMissing) await awaited();
  }
}

/** A story that is not there yet may be at work: then its author hears of it, and it is greeted once it is packaged. */
async function awaited() {
  try {
    if ((await listStories()).watched) findings.listen();
  } catch {
    // What is wrong is on the screen already.
  }
}

/** The viewer said whether the story may remember them. @param {boolean} yes */
function agreed(yes) {
  agree(story, yes);
  screens.askConsent(yes);
}

for (const kind of NOTED) video.addEventListener(kind, () => note(kind, video.error?.message));
for (const kind of ["waiting", "stalled"]) {
  video.addEventListener(kind, () => screens.wait(!video.paused && video.readyState < 3));
}
for (const kind of ["playing", "pause", "ended", "timeupdate"]) {
  video.addEventListener(kind, () => screens.wait(false));
}
video.addEventListener("ended", () => {
  prompt.remove({ focus: false });
  controls.enable(false);
  screens.showEnd(true);
});
// The session ends with the page; its requests need not wait for time-outs.
window.addEventListener("pagehide", (event) => {
  if (!event.persisted) leave();
});

greet();
