// Tells the server where the viewer is, so that its countdown is theirs and stands still with them.

import { sendPosition } from "./api.js";

const EVERY_MS = 5000;
const MOMENTS = ["playing", "pause", "seeked", "waiting", "ratechange"];

export class Place {
  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.video = video;
    /** @type {import("./api.js").Session | null} */
    this.session = null;
    this.timer = 0;
    for (const moment of MOMENTS) video.addEventListener(moment, () => this.tell());
  }

  /** @param {import("./api.js").Session} session tells of this one from now on */
  of(session) {
    this.leave();
    this.session = session;
    this.timer = setInterval(() => {
      if (!this.video.paused) this.tell();
    }, EVERY_MS);
  }

  leave() {
    clearInterval(this.timer);
    this.session = null;
  }

  // A word that is lost is made good by the next one; of the end the server knows by itself.
  tell() {
    const { currentTime, paused, playbackRate, ended } = this.video;
    if (this.session && !ended) sendPosition(this.session, currentTime, paused, playbackRate).catch(() => {});
  }
}
