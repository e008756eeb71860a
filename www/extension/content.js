// Between a page and the wallet: carries calls one way, and answers and events the other. It runs apart from the page's own scripts.
//
// The wallet learns the page's origin from the browser, not from here. A page that never calls costs the wallet nothing: the port is opened at
// the first call. It ends whenever the browser stops the service worker, and is opened again at the next call, or when there is news: then the
// wallet is told what the page knows, and tells what the page has missed.
(() => {
  'use strict'
  const CHANNEL = 'qbtc-wallet'
  /** The most calls of a page that wait for an answer. */
  const WAITING_MAX = 64
  /** The most characters of a call. */
  const CALL_CHARS_MAX = 64 * 1024

  /** Which event would tell what a method answers. */
  const TOLD_BY = new Map([['qbtc_accounts', 'accountsChanged'], ['qbtc_requestAccounts', 'accountsChanged'], ['qbtc_chainId', 'chainChanged']])

  let port = null
  let hasCalled = false
  /** What the page was told last, by events and answers, under the events' names. */
  const told = {}
  /** The method of each call that waits. */
  const waiting = new Map()

  const tell = message => window.postMessage({ channel: CHANNEL, to: 'page', ...message }, window.location.origin)
  const fail = (id, code, message) => tell({ id, error: { code, message } })

  function connected() {
    if (port) return port
    port = chrome.runtime.connect({ name: 'page' })
    port.onMessage.addListener(message => {
      const event = message.event ?? (message.error ? undefined : TOLD_BY.get(waiting.get(message.id)))
      if (event !== undefined) told[event] = message.event ? message.value : message.result
      waiting.delete(message.id)
      tell(message)
    })
    // The wallet was restarted, or taken away.
    port.onDisconnect.addListener(parted)
    if (hasCalled) port.postMessage({ told })
    hasCalled = true
    return port
  }

  function parted() {
    port = null
    for (const id of waiting.keys()) fail(id, 4900, 'The wallet was restarted; ask again.')
    waiting.clear()
  }

  // A page that the browser keeps while the user is on another one loses its port there, and does not hear of it.
  window.addEventListener('pageshow', ({ persisted, isTrusted }) => {
    if (!persisted || !isTrusted || !port) return
    port.disconnect()
    parted()
    connected()
  })

  // There is news, and the wallet knows no port of this page. Where the chain is the news, it says which was before: the page may never have asked.
  chrome.runtime.onMessage.addListener(({ chainBefore }) => {
    if (!hasCalled) return
    if (chainBefore !== undefined) told.chainChanged ??= chainBefore
    if (port) port.postMessage({ told })
    else connected()
  })

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
      waiting.set(id, method)
    } catch {
      // The extension was updated or removed while this page was open.
      fail(id, 4900, 'The wallet is gone: reload the page.')
    }
  })
})()
