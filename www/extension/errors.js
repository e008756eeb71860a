// The errors that pages see: EIP-1193's codes and JSON-RPC's, each with a sentence.

/** An error with a code, as a provider rejects with. */
export class ProviderError extends Error {
  /**
   * @param {number} code EIP-1193's or JSON-RPC's
   * @param {string} message a whole sentence
   */
  constructor(code, message) {
    super(message)
    this.code = code
  }

  /** The user said no. */
  static rejected(message = 'The user said no.') {
    return new ProviderError(4001, message)
  }

  /** The page may not do this, or not yet. */
  static unauthorized(message = 'This page is not connected: call qbtc_requestAccounts first.') {
    return new ProviderError(4100, message)
  }

  /** There is no such method. */
  static unsupported(method) {
    return new ProviderError(4200, `There is no method ${JSON.stringify(method)}.`)
  }

  /** The wallet is not reached, or has gone meanwhile. */
  static disconnected(message = 'The wallet was restarted; ask again.') {
    return new ProviderError(4900, message)
  }

  /** The parameters are not those of the method. */
  static params(message) {
    return new ProviderError(-32602, message)
  }

  /** Too many requests. */
  static limit(message) {
    return new ProviderError(-32005, message)
  }

  /** Our own fault. */
  static internal(message = 'The wallet failed; see its own window.') {
    return new ProviderError(-32603, message)
  }

  /** What is sent to a page of any error: nothing of one that was not meant for it. */
  static told(error) {
    const known = error instanceof ProviderError ? error : ProviderError.internal()
    return { code: known.code, message: known.message }
  }
}
