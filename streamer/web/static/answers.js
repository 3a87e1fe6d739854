// Brings the viewer's answers to the server: one at a time, the newest wins, the same answer_id until it is taken.

import { ApiError, newAnswerId, sendAnswer } from "./api.js";

/** @typedef {import("./api.js").Session} Session */

const FIRST_RETRY_MS = 300;
const LAST_RETRY_MS = 1500;

export class Answers {
  /**
   * @param {Session} session
   * @param {{
   *   taken: (taken: import("./api.js").Taken) => void,
   *   retrying: () => void,
   *   refused: (error: ApiError, answer: import("./api.js").Answer) => void,
   * }} tell
   * @param {(asked: {visit: number, decision: string}) => boolean} isOpen whether it may still be answered
   */
  constructor(session, tell, isOpen) {
    this.session = session;
    this.tell = tell;
    this.isOpen = isOpen;
    /** @type {import("./api.js").Answer | null} */
    this.wanted = null;
    this.busy = false;
  }

  /**
   * @param {{visit: number, decision: string}} decision
   * @param {{choice: string} | {code: string}} said
   */
  give(decision, said) {
    this.wanted = { decision: decision.decision, visit: decision.visit, ...said, answer_id: newAnswerId() };
    if (!this.busy) this.run();
  }

  // Two requests at once could arrive in the wrong order, and the last to arrive wins: so one waits for the other.
  async run() {
    this.busy = true;
    let pause = FIRST_RETRY_MS;
    for (let answer = this.wanted; answer; answer = this.wanted) {
      try {
        const taken = await sendAnswer(this.session, answer);
        pause = FIRST_RETRY_MS;
        if (answer === this.wanted) {
          this.wanted = null;
          this.tell.taken(taken);
        }
      } catch (thrown) {
        const error = thrown instanceof ApiError ? thrown : new ApiError(0, String(thrown));
        if (answer !== this.wanted) continue;
        if (error.passing && this.isOpen(answer)) {
          this.tell.retrying();
          await new Promise((done) => setTimeout(done, pause));
          pause = Math.min(pause * 2, LAST_RETRY_MS);
        } else {
          this.wanted = null;
          this.tell.refused(error, answer);
        }
      }
    }
    this.busy = false;
  }

  /** Forgets what has not been taken yet. */
  stop() {
    this.wanted = null;
  }
}
