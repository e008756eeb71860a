// What pages see: `window.qbtc`, a provider in the shape of EIP-1193, announced by event as in EIP-6963, so that several wallets get along.
//
// It runs in the page's own world, where the page can change everything. So it holds nothing and decides nothing: it carries.
(() => {
  'use strict'
  const CHANNEL = 'qbtc-wallet'
  const waiting = new Map()
  const listeners = new Map()
  let last = 0

  const failure = ({ code, message }) => Object.assign(new Error(message), { code })

  /** Calls a method: `request({ method, params })`. Rejects with an error that has a `code`. */
  function request(call) {
    if (typeof call !== 'object' || call === null) {
      return Promise.reject(failure({ code: -32602, message: 'request takes { method, params }.' }))
    }
    const { method, params } = call
    return new Promise((resolve, reject) => {
      const id = ++last
      waiting.set(id, { resolve, reject })
      try {
        window.postMessage({ channel: CHANNEL, to: 'wallet', id, method, params }, window.location.origin)
      } catch {
        waiting.delete(id)
        reject(failure({ code: -32602, message: 'The parameters cannot be sent: they are no plain data.' }))
      }
    })
  }

  /** Hears `accountsChanged`, or `chainChanged`. */
  function on(event, listener) {
    if (!listeners.has(event)) listeners.set(event, new Set())
    listeners.get(event).add(listener)
    return provider
  }

  function removeListener(event, listener) {
    listeners.get(event)?.delete(listener)
    return provider
  }

  window.addEventListener('message', ({ source, origin, data }) => {
    if (source !== window || origin !== window.location.origin || data?.channel !== CHANNEL || data.to !== 'page') return
    if (data.event !== undefined) {
      for (const listener of [...(listeners.get(data.event) ?? [])]) {
        try {
          listener(data.value)
        } catch (error) {
          // One listener's failure is not the others'.
          reportError(error)
        }
      }
      return
    }
    const call = waiting.get(data.id)
    if (!call) return
    waiting.delete(data.id)
    if (data.error) call.reject(failure(data.error))
    else call.resolve(data.result)
  })

  const provider = Object.freeze({ isQbtc: true, request, on, removeListener })
  const info = Object.freeze({
    uuid: crypto.randomUUID?.() ?? String(Math.random()),
    name: 'qBTC wallet',
    rdns: 'org.qbtc.wallet',
    icon: 'data:image/svg+xml,' + encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="16" fill="#12161d"/><circle cx="30" cy="30" r="15" fill="none" stroke="#f2a73b" stroke-width="7"/><path d="M36 36 50 50" stroke="#f2a73b" stroke-width="7" stroke-linecap="round"/><path d="M30 22v16M24.500 30h11" stroke="#63d3b4" stroke-width="4" stroke-linecap="round"/></svg>'),
  })
  const announce = () => {
    window.dispatchEvent(new CustomEvent('qbtc:announceProvider', { detail: Object.freeze({ info, provider }) }))
  }
  window.addEventListener('qbtc:requestProvider', announce)
  if (!('qbtc' in window)) Object.defineProperty(window, 'qbtc', { value: provider, enumerable: true })
  announce()
})()
