// How often a page may ask: a bucket of tokens for each, which fills with time. Time is handed in.

/** Requests a second, in the long run. */
export const RATE_PER_S = 20
/** Requests at once. */
export const BURST = 60
/** After so many questions that ended without the user's yes within {@link REFUSALS_MS}, the page may not open windows for {@link COOL_DOWN_MS}. */
export const REFUSALS_MAX = 3
export const REFUSALS_MS = 60_000
export const COOL_DOWN_MS = 60_000

/** The pace of one page. */
export class Pace {
  #tokens = BURST
  #at
  #refusals = []
  #coolUntil = 0

  /** @param {number} now milliseconds */
  constructor(now) {
    this.#at = now
  }

  /** Takes a token; says whether there was one. */
  take(now) {
    const passed = Math.max(0, now - this.#at)
    this.#at = now
    this.#tokens = Math.min(BURST, this.#tokens + (passed * RATE_PER_S) / 1000)
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  /** Notes that the user was asked, and did not say yes. */
  refused(now) {
    this.#refusals = this.#refusals.filter(at => now - at < REFUSALS_MS)
    this.#refusals.push(now)
    if (this.#refusals.length >= REFUSALS_MAX) {
      this.#coolUntil = now + COOL_DOWN_MS
      this.#refusals = []
    }
  }

  /** Notes that the user said yes: what was refused before counts no more. */
  allowed() {
    this.#refusals = []
  }

  /** Whether the page may ask the user something. */
  mayAsk(now) {
    return now >= this.#coolUntil
  }
}
