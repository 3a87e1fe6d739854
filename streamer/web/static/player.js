// Plays a session's stream: hls.js where Media Source Extensions exist, else the browser's own HLS.

/** @typedef {{height: number, bitrate: number}} Level */

/**
 * hls.js's own settings are right for a list that grows, all but these: without parts, low-latency mode reacts later;
 * and of decisions the page hears by events, not by EXT-X-DATERANGE.
 */
const HLS_SETTINGS = { lowLatencyMode: false, enableDateRangeMetadataCues: false };
const GONE = [404, 410];
const AGAIN_MS = 1000;
const LOOK_MS = 100;
const LOST_MS = 15000; // a server that starts anew, or a tunnel, is back within this

export class Player {
  /**
   * @param {HTMLVideoElement} video
   * @param {{
   *   failed: (kind: "lost" | "expired" | "media" | "unsupported") => void,
   *   changed: () => void,
   *   note: (kind: string, detail?: unknown) => void,
   * }} tell `changed`: qualities or captions
   */
  constructor(video, tell) {
    this.video = video;
    this.tell = tell;
    /** @type {any} the Hls instance, if hls.js plays */
    this.hls = null;
    this.address = "";
    this.whole = false; // all of it is known: a film, in which viewers may seek
    this.recovered = false;
    this.lostSince = 0;
    this.retrying = 0;
    this.going = 0;
    video.addEventListener("error", () => {
      if (!this.hls && video.error && this.address) this.tell.failed("media");
    });
    video.addEventListener("loadedmetadata", () => {
      if (!this.hls) this.become(Number.isFinite(video.duration));
    });
  }

  /**
   * Loads a stream; playing it is the caller's to ask for.
   * @param {string} address
   * @param {number} [from] seconds; -1: where the stream says
   */
  load(address, from = -1) {
    this.unload();
    this.address = address;
    this.recovered = false;
    this.lostSince = 0;
    const Hls = /** @type {any} */ (window).Hls;
    if (Hls?.isSupported()) {
      this.hls = new Hls({ ...HLS_SETTINGS, startPosition: from });
      this.follow(Hls);
      this.hls.loadSource(address);
      this.hls.attachMedia(this.video);
    } else if (this.video.canPlayType("application/vnd.apple.mpegurl")) {
      this.video.src = address;
      if (from > 0) this.video.addEventListener("loadedmetadata", () => (this.video.currentTime = from), { once: true });
    } else {
      this.tell.failed("unsupported");
    }
  }

  /** Loads the same stream again, at the same place. */
  reload() {
    this.load(this.address, this.video.currentTime || -1);
  }

  /**
   * Goes on at a place as soon as the list has come there.
   * @param {number} at seconds
   */
  goTo(at) {
    clearInterval(this.going);
    this.going = window.setInterval(() => {
      const { seekable } = this.video;
      if (this.video.currentTime < at && (!seekable.length || seekable.end(seekable.length - 1) <= at)) return;
      clearInterval(this.going);
      if (this.video.currentTime < at) this.video.currentTime = at;
    }, LOOK_MS);
  }

  unload() {
    this.become(false);
    clearTimeout(this.retrying);
    clearInterval(this.going);
    this.address = "";
    if (this.hls) {
      this.hls.destroy();
      this.hls = null;
    } else if (this.video.hasAttribute("src")) {
      this.video.removeAttribute("src");
      this.video.load();
    }
  }

  // ── qualities and captions ─────────────────────────────────────────────────────────────────────────────────────

  /** @returns {string[]} names of the qualities, best last; empty where the browser itself decides */
  qualities() {
    /** @type {Level[]} */
    const levels = this.hls?.levels ?? [];
    const heights = levels.map((level) => level.height);
    return levels.map((level, index) => {
      if (!level.height) return `${Math.round(level.bitrate / 1000)} kbit/s`;
      const alone = heights.indexOf(level.height) === index && heights.lastIndexOf(level.height) === index;
      return alone ? `${level.height}p` : `${level.height}p, ${(level.bitrate / 1e6).toFixed(1)} Mbit/s`;
    });
  }

  /** @returns {number} the quality on screen; -1: unknown */
  get playing() {
    return this.hls?.currentLevel ?? -1;
  }

  /** @returns {number} the quality asked for; -1: automatic */
  get quality() {
    return this.hls?.autoLevelEnabled === false ? this.hls.loadLevel : -1;
  }

  /** @param {number} index counts from the next segment on, so that nothing stops */
  set quality(index) {
    if (this.hls) this.hls.loadLevel = index;
  }

  /** @returns {string[]} */
  captions() {
    return (this.hls?.subtitleTracks ?? []).map((/** @type {any} */ track) => track.name || track.lang || "Captions");
  }

  /** @returns {number} */
  get caption() {
    return this.hls?.subtitleTrack ?? -1;
  }

  /** @param {number} index -1: none */
  set caption(index) {
    if (!this.hls) return;
    this.hls.subtitleDisplay = index >= 0;
    this.hls.subtitleTrack = index;
  }

  /** @param {boolean} whole */
  become(whole) {
    if (whole === this.whole) return;
    this.whole = whole;
    this.tell.changed();
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

  // hls.js gives up within a second or two where connections are refused at once; the picture may still have more
  // than that in hand.
  /** @returns {boolean} whether it is tried again */
  persists() {
    const now = performance.now();
    if (!this.lostSince) this.lostSince = now;
    if (now - this.lostSince > LOST_MS) return false;
    clearTimeout(this.retrying);
    this.retrying = window.setTimeout(() => {
      if (!this.hls || this.video.paused) return; // resumed by play
      if (this.hls.levels?.length) this.hls.startLoad(this.video.currentTime, true);
      else this.hls.loadSource(this.address);
    }, AGAIN_MS);
    return true;
  }

  /** @param {any} Hls */
  follow(Hls) {
    const { Events, ErrorTypes } = Hls;
    for (const name of ["LEVEL_LOADED", "FRAG_LOADED"]) this.hls.on(Events[name], () => (this.lostSince = 0));
    this.hls.on(Events.LEVEL_LOADED, (/** @type {string} */ _name, /** @type {any} */ data) => {
      this.become(data.details.type === "VOD");
    });
    const changes = ["MANIFEST_PARSED", "LEVEL_SWITCHED", "LEVELS_UPDATED", "SUBTITLE_TRACKS_UPDATED", "SUBTITLE_TRACK_SWITCH"];
    for (const name of changes) this.hls.on(Events[name], () => this.tell.changed());
    this.hls.on(Events.ERROR, (/** @type {string} */ _name, /** @type {any} */ data) => {
      this.tell.note("hls-error", { details: data.details, fatal: data.fatal, code: data.response?.code });
      const gone = GONE.includes(data.response?.code);
      const list = /^(manifest|level|audioTrack)LoadError$/.test(data.details);
      if (!data.fatal && !(gone && list)) return;
      if (data.type === ErrorTypes.MEDIA_ERROR && !this.recovered) {
        this.recovered = true;
        this.hls.recoverMediaError();
        this.video.play().catch(() => {});
        return;
      }
      if (data.type === ErrorTypes.NETWORK_ERROR && !gone && this.persists()) return;
      this.hls.stopLoad();
      if (gone) this.tell.failed("expired");
      else this.tell.failed(data.type === ErrorTypes.NETWORK_ERROR ? "lost" : "media");
    });
  }
}
