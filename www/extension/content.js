// Between a page and the wallet: carries calls one way, and answers and events the other. It runs apart from the page's own scripts.
//
// The wallet learns the page's origin from the browser, not from here. A page that never calls costs the wallet nothing: the port is opened at
// the first call.
(() => {
  'use strict'
  const CHANNEL = 'qbtc-wallet'
  /** The most calls of a page that wait for an answer. */
  const WAITING_MAX = 64
  /** The most characters of a call. */
  const CALL_CHARS_MAX = 64 * 1024

  let port = null
  const waiting = new Set()

  const tell = message => window.postMessage({ channel: CHANNEL, to: 'page', ...message }, window.location.origin)
  const fail = (id, code, message) => tell({ id, error: { code, message } })

  function connected() {
    if (port) return port
    port = chrome.runtime.connect({ name: 'page' })
    port.onMessage.addListener(message => {
      if (message.id !== undefined) waiting.delete(message.id)
      tell(message)
    })
    port.onDisconnect.addListener(() => {
      // The wallet was restarted, or taken away.
      port = null
      for (const id of waiting) fail(id, 4900, 'The wallet was restarted; ask again.')
      waiting.clear()
    })
    return port
  }

  window.addEventListener('message', ({ source, origin, data }) => {
    if (source !== window || origin !== window.location.origin || data?.channel !== CHANNEL || data.to !== 'wallet') return
    const { id, method, params } = data
    if (!Number.isSafeInteger(id)) return
    if (waiting.size >= WAITING_MAX) return fail(id, -32005, 'Too many calls wait for an answer.')
    let text
    try {
      text = JSON.stringify({ method, params })
    } catch {
      return fail(id, -32602, 'The parameters are no plain data.')
    }
    if (text.length > CALL_CHARS_MAX) return fail(id, -32602, `The call has ${text.length} characters of at most ${CALL_CHARS_MAX}.`)
    try {
      connected().postMessage({ id, ...JSON.parse(text) })
      waiting.add(id)
    } catch {
      // The extension was updated or removed while this page was open.
      fail(id, 4900, 'The wallet is gone: reload the page.')
    }
  })
})()
