// Which pages may see the wallet, by origin. What is granted stays until it is taken back; nothing is granted but by the user.
import { ProviderError } from './errors.js'

const KEY = 'permissions'
/** The most pages that are connected at once: a list that people can still read. */
export const ORIGINS_MAX = 100

/**
 * Whether pages of this origin may ask at all: those that nobody on the way can have written, or that are on this machine.
 *
 * @param {unknown} origin as the browser tells it, never as the page does
 */
export function isEligible(origin) {
  if (typeof origin !== 'string') return false
  let url
  try {
    url = new URL(origin)
  } catch {
    return false
  }
  if (url.origin !== origin) return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && ['localhost', '127.0.0.1'].includes(url.hostname))
}

/** The permissions, kept in the extension's storage. */
export class Permissions {
  #storage
  // Changes follow one another: each reads what the one before has written.
  #last = Promise.resolve()

  /** @param {{ get(key: string): Promise<object>, set(items: object): Promise<void> }} storage `chrome.storage.local` */
  constructor(storage) {
    this.#storage = storage
  }

  /** All of them: origin → { since }. */
  async all() {
    const { [KEY]: granted } = await this.#storage.get(KEY)
    return granted ?? {}
  }

  async has(origin) {
    return Object.hasOwn(await this.all(), origin)
  }

  /** Connects an origin. */
  grant(origin, now) {
    return this.#change(granted => {
      if (!Object.hasOwn(granted, origin) && Object.keys(granted).length >= ORIGINS_MAX) {
        throw ProviderError.limit(`${ORIGINS_MAX} pages are connected already: disconnect some in the wallet.`)
      }
      granted[origin] = { since: now }
    })
  }

  /** Disconnects an origin; says whether it was connected. */
  async revoke(origin) {
    let was = false
    await this.#change(granted => {
      was = Object.hasOwn(granted, origin)
      delete granted[origin]
    })
    return was
  }

  #change(change) {
    const next = this.#last.then(async () => {
      const granted = await this.all()
      change(granted)
      await this.#storage.set({ [KEY]: granted })
    })
    // One that failed does not stop those after it.
    this.#last = next.catch(() => {})
    return next
  }
}
