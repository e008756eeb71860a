// What pages ask, and what comes of it: who may, who must be asked first, and how many at once. Knows neither windows nor the browser:
// those are handed in, so that this can be tested by itself.
import { ProviderError } from './errors.js'
import { checkCall } from './methods.js'
import { Pace } from './pace.js'

/** The most questions to the user that wait, of all pages. One page has one. */
export const QUESTIONS_MAX = 8
/** The most origins whose pace is remembered; the one that has been quiet longest is forgotten first. */
const PACES_MAX = 500

/**
 * @typedef {object} Wallet What does the work: the app, wherever it runs.
 * @property {(method: string) => Promise<unknown>} call answers what needs no user: chainId, accounts (none, while it is locked), getBalance
 */

/** The requests of all pages. */
export class Requests {
  #permissions
  #wallet
  #ask
  #now
  #changed
  #paces = new Map()
  #questions = new Map()

  /**
   * @param {object} around
   * @param {import('./permissions.js').Permissions} around.permissions
   * @param {Wallet} around.wallet
   * @param {(id: string) => Promise<void>} around.ask opens the window in which the user decides about a question
   * @param {() => number} around.now milliseconds
   * @param {(origin: string) => void} around.changed is told when an origin is connected or disconnected
   */
  constructor({ permissions, wallet, ask, now, changed }) {
    this.#permissions = permissions
    this.#wallet = wallet
    this.#ask = ask
    this.#now = now
    this.#changed = changed
  }

  /**
   * What a page of this origin gets for its call.
   *
   * @param {string} origin as the browser tells it
   * @param {unknown} method
   * @param {unknown} params
   */
  async handle(origin, method, params) {
    const pace = this.#pace(origin)
    if (!pace.take(this.#now())) throw ProviderError.limit('Too many requests: slow down.')
    const call = checkCall(method, params)
    const isConnected = await this.#permissions.has(origin)
    switch (call.method) {
      case 'qbtc_requestAccounts': {
        const accounts = isConnected ? await this.#wallet.call('accounts') : []
        // Nothing is seen of a wallet that is locked: the window unlocks it.
        return accounts.length > 0 ? accounts : this.#connect(origin, pace)
      }
      case 'qbtc_accounts':
        return isConnected ? this.#wallet.call('accounts') : []
      case 'wallet_getPermissions':
        return isConnected ? [{ parentCapability: 'qbtc_accounts', invoker: origin }] : []
      case 'wallet_revokePermissions':
        await this.disconnect(origin)
        return null
    }
    if (call.needs !== 'nothing' && !isConnected) throw ProviderError.unauthorized()
    if (call.needs === 'approval') return this.#question(origin, call, pace)
    return this.#wallet.call(call.method.replace(/^qbtc_/, ''))
  }

  /** The question with this id, for the window that shows it. */
  question(id) {
    const question = this.#questions.get(id)
    // The window that had it done was loaded again: nobody knows what became of it, and it must not be done twice.
    if (question?.isBegun && question.failure === undefined) {
      this.closed(id)
      return undefined
    }
    return question && { id, origin: question.origin, method: question.method, params: question.params }
  }

  /** Notes that the user has said yes, and that it is being done from now on. Says whether the page still waits for it. */
  begin(id) {
    const question = this.#questions.get(id)
    if (question) Object.assign(question, { isBegun: true, failure: undefined })
    return question !== undefined
  }

  /** Notes that it could not be done, and why, in a sentence. The user reads it; the page hears of it with what the user decides then. */
  failed(id, error) {
    const question = this.#questions.get(id)
    if (question && typeof error === 'string') question.failure = error
    return question !== undefined
  }

  /**
   * The window of a question was closed. That is a no, unless it could not be done, which the page hears; or what was asked for is being done: then only
   * the wallet knows what became of it.
   */
  closed(id) {
    const { isBegun, failure } = this.#questions.get(id) ?? {}
    if (failure !== undefined) return this.decide(id, { error: failure })
    return this.decide(id, isBegun ? { error: 'The window was closed while it was being done: the user sees in the wallet whether it was.' } : {})
  }

  /**
   * Ends a question with what the user decided: `{ result }`, `{ error }` with a sentence, or anything else for a no. Whatever comes after is too
   * late, also while a page's answer waits until the wallet is ready.
   */
  decide(id, { result, error } = {}, ready = undefined) {
    const question = this.#questions.get(id)
    if (!question) return false
    this.#questions.delete(id)
    if (result !== undefined) {
      question.pace.allowed()
      question.resolve(Promise.resolve(ready).then(() => result))
    } else {
      // A window that ends without a yes has been in the user's way, but a page that is connected is not to blame for what the wallet cannot do.
      if (typeof error !== 'string' || question.method === 'qbtc_requestAccounts') question.pace.refused(this.#now())
      question.reject(typeof error === 'string' ? new ProviderError(-32000, error) : ProviderError.rejected())
    }
    return true
  }

  /** Ends the questions of an origin whose pages have gone, and returns their ids. Nobody has said no. */
  gone(origin) {
    const ids = [...this.#questions].filter(([, question]) => question.origin === origin).map(([id]) => id)
    for (const id of ids) {
      const { pace, method } = this.#questions.get(id)
      // Reloading is no way to ask without end.
      if (method !== 'qbtc_requestAccounts') pace.refused(this.#now())
      this.decide(id, { error: 'The page has gone.' })
    }
    return ids
  }

  /** Disconnects an origin. */
  async disconnect(origin) {
    if (await this.#permissions.revoke(origin)) this.#changed(origin)
  }

  async #connect(origin, pace) {
    const accounts = await this.#question(origin, { method: 'qbtc_requestAccounts', params: {} }, pace)
    await this.#permissions.grant(origin, this.#now())
    this.#changed(origin)
    return accounts
  }

  #question(origin, { method, params }, pace) {
    if (!pace.mayAsk(this.#now())) {
      throw ProviderError.limit('The user has been asked several times without a yes: wait a minute before you ask again.')
    }
    if ([...this.#questions.values()].some(question => question.origin === origin)) {
      throw ProviderError.limit('A question of this page waits for the user already.')
    }
    if (this.#questions.size >= QUESTIONS_MAX) throw ProviderError.limit('Too many questions wait for the user.')
    // Never used again: a window that outlived the scripts must not answer the question of another page.
    const id = crypto.randomUUID()
    const decided = new Promise((resolve, reject) => {
      this.#questions.set(id, { origin, method, params, pace, resolve, reject })
    })
    // A window that cannot be opened is nobody's no.
    this.#ask(id).catch(() => this.decide(id, { error: 'The window of the wallet could not be opened.' }))
    return decided
  }

  #pace(origin) {
    const pace = this.#paces.get(origin) ?? new Pace(this.#now())
    // The last asked stands last.
    this.#paces.delete(origin)
    this.#paces.set(origin, pace)
    if (this.#paces.size > PACES_MAX) this.#paces.delete(this.#paces.keys().next().value)
    return pace
  }
}
