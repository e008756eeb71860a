// The service worker: lets pages in by ports, opens the window in which the user decides, and keeps the wallet's document alive. What may be
// done is decided in requests.js.
//
// It can be stopped at any moment that nobody is asking. Then the ports of pages end, and the next call, or news for the pages, starts it anew;
// pages that have no port are then asked to come again. What must outlive it is in the extension's storage. It never has a key: those are in the
// documents' memory alone.
import { ProviderError } from './errors.js'
import { Permissions, isEligible } from './permissions.js'
import { Requests } from './requests.js'

/** How long the wallet may take for what needs no user, its start included. */
const CALL_TIME_MAX_MS = 30_000
/** How soon it is asked again while it starts. */
const AGAIN_MS = 100
/** How long is waited, after a yes, until the wallet's document is unlocked as well. */
const SETTLE_TIME_MAX_MS = 5_000
/** Under which name the chain is kept that pages were told last. */
const CHAIN = 'chain'
const WINDOW = { type: 'popup', width: 440, height: 700, focused: true }

const permissions = new Permissions(chrome.storage.local)
/** The ports of each origin, each with the events that its page was told last. */
const pages = new Map()
/** The question of each window. */
const windows = new Map()

const requests = new Requests({ permissions, wallet: { call: callWallet }, ask: openQuestion, now: Date.now, changed: accountsChanged })

chrome.runtime.onConnect.addListener(port => {
  const origin = port.sender?.origin
  if (port.name !== 'page' || !isEligible(origin) || port.sender.frameId !== 0) return port.disconnect()
  if (!pages.has(origin)) pages.set(origin, new Map())
  pages.get(origin).set(port, {})
  port.onMessage.addListener(async ({ id, method, params, told }) => {
    if (told) return catchUp(origin, port, told)
    const answer = await requests.handle(origin, method, params).then(
      result => ({ id, result }),
      error => ({ id, error: ProviderError.told(error) }),
    )
    if (pages.get(origin)?.has(port)) port.postMessage(answer)
  })
  port.onDisconnect.addListener(() => {
    const ports = pages.get(origin)
    ports.delete(port)
    if (ports.size > 0) return
    pages.delete(origin)
    for (const id of requests.gone(origin)) closeQuestion(id)
  })
})

// The extension's own pages. Content scripts have the page's origin, and are not listened to here.
chrome.runtime.onMessage.addListener((message, sender, respond) => {
  if (sender.id !== chrome.runtime.id || sender.origin !== self.location.origin || message?.to !== 'background') return false
  answerOwnPage(message).then(respond, error => respond({ failed: String(error?.message ?? error) }))
  return true
})

async function answerOwnPage({ what, id, decision, error, origin }) {
  switch (what) {
    case 'begin':
      await keepDocument()
      return null
    case 'restart':
      if (await chrome.offscreen.hasDocument()) await chrome.offscreen.closeDocument()
      await keepDocument()
      // Whoever has chosen need not wait until the pages know. One that is not told asks again.
      tellChain().catch(() => {})
      return null
    case 'question':
      return requests.question(id) ?? null
    case 'begun':
      return requests.begin(id)
    case 'failed':
      return requests.failed(id, error)
    case 'decide': {
      // The window stays so long: what is unlocked in it must reach the wallet's document. Closed meanwhile, it is no more a no.
      const ready = decision?.result === undefined ? undefined : settled()
      const was = requests.decide(id, decision, ready)
      await ready
      closeQuestion(id)
      return was
    }
    case 'permissions':
      return permissions.all()
    case 'revoke':
      await requests.disconnect(origin)
      return null
    case 'accounts':
      await tellAllAccounts()
      return null
    default:
      throw new Error(`there is no ${what}`)
  }
}

// The app's paths are no files: whoever loads one anew gets the app.
self.addEventListener('fetch', event => {
  const { pathname } = new URL(event.request.url)
  if (event.request.mode === 'navigate' && !/\.[a-z]+$/.test(pathname)) event.respondWith(fetch('/popup.html'))
})

chrome.windows.onRemoved.addListener(window => {
  const id = windows.get(window)
  if (id === undefined) return
  windows.delete(window)
  requests.closed(id)
})

async function openQuestion(id) {
  const opened = await chrome.windows.create({ url: `popup.html#/approve/${id}`, ...WINDOW })
  windows.set(opened.id, id)
}

function closeQuestion(id) {
  for (const [window, question] of windows) {
    if (question !== id) continue
    windows.delete(window)
    // It may be closing already.
    chrome.windows.remove(window).catch(() => {})
  }
}

/** Tells a page an event, unless it is what it was told last. */
function tell(port, told, event, value) {
  if (JSON.stringify(told[event]) === JSON.stringify(value)) return
  told[event] = value
  port.postMessage({ event, value })
}

async function accountsOf(origin) {
  return (await permissions.has(origin)) ? callWallet('accounts').catch(() => []) : []
}

/** Tells the pages of an origin which accounts they see now. */
async function tellAccounts(origin) {
  const accounts = await accountsOf(origin)
  for (const [port, told] of pages.get(origin) ?? []) tell(port, told, 'accountsChanged', accounts)
}

/** What an origin sees has changed. */
function accountsChanged(origin) {
  tellAccounts(origin)
  callAgain()
}

/** The same for all pages that are connected. Others are not to see when the wallet is used. */
async function tellAllAccounts() {
  callAgain()
  const connected = await permissions.all()
  await Promise.all([...pages.keys()].filter(origin => Object.hasOwn(connected, origin)).map(tellAccounts))
}

/**
 * After the documents were made anew: tells all pages the chain, if it is not the one that they were told last, and what they see of a wallet that
 * is another one, or locked.
 */
async function tellChain() {
  const chain = await callWallet('chainId')
  const { [CHAIN]: before } = await chrome.storage.local.get(CHAIN)
  if (chain !== before) {
    await chrome.storage.local.set({ [CHAIN]: chain })
    for (const [port, told] of [...pages.values()].flatMap(ports => [...ports])) tell(port, told, 'chainChanged', chain)
    callAgain({ chainBefore: before ?? null })
  }
  await tellAllAccounts()
}

/** Asks pages without a port to come again, if they have ever called: {@link catchUp} tells them what there is. Which tabs they are in, nobody knows. */
async function callAgain(news = {}) {
  const here = new Set([...pages.values()].flatMap(ports => [...ports.keys()]).map(port => port.sender.tab?.id))
  for (const { id } of await chrome.tabs.query({})) {
    // In most tabs nobody listens.
    if (id !== undefined && !here.has(id)) chrome.tabs.sendMessage(id, news, { frameId: 0 }).catch(() => {})
  }
}

/** Tells a page that has come again what it has missed: `known` is what it was told, under the events' names. */
async function catchUp(origin, port, known) {
  const told = pages.get(origin)?.get(port)
  if (!told) return
  for (const event of ['accountsChanged', 'chainChanged']) told[event] ??= known[event]
  const { [CHAIN]: chain } = await chrome.storage.local.get(CHAIN)
  // One that was never told of a chain, or of accounts that it may not see, is not told now.
  const hears = { chain: told.chainChanged !== undefined && chain !== undefined }
  hears.accounts = told.accountsChanged?.length > 0 || (await permissions.has(origin))
  const accounts = hears.accounts ? await accountsOf(origin) : []
  if (!pages.get(origin)?.has(port)) return
  if (hears.chain) tell(port, told, 'chainChanged', chain)
  if (hears.accounts) tell(port, told, 'accountsChanged', accounts)
}

/** Waits until what the user has unlocked in a window is unlocked in the wallet's document: a page that was let in is not told that it is locked. */
async function settled() {
  for (const end = Date.now() + SETTLE_TIME_MAX_MS; Date.now() < end; await pause(AGAIN_MS)) {
    if ((await callWallet('accounts').catch(() => [])).length > 0) return
  }
}

let starting = null

/** Makes sure that the document that holds the connections is there. */
function keepDocument() {
  starting ??= (async () => {
    if (await chrome.offscreen.hasDocument()) return
    await chrome.offscreen.createDocument({
      url: 'offscreen.html',
      reasons: ['WEB_RTC'],
      justification: 'Connections to full nodes, which only a document can hold.',
    })
  })().finally(() => {
    starting = null
  })
  return starting
}

/** Asks the wallet's document. One that never answers is ended, and the next call starts another, which is locked. */
async function callWallet(method) {
  await keepDocument()
  for (const end = Date.now() + CALL_TIME_MAX_MS; Date.now() < end; await pause(AGAIN_MS)) {
    // Until its program runs, nobody hears.
    const answer = await chrome.runtime.sendMessage({ to: 'wallet', method }).catch(() => undefined)
    if (answer?.error) throw new ProviderError(answer.error.code, answer.error.message)
    if (answer?.result !== undefined) return answer.result
  }
  await chrome.offscreen.closeDocument().catch(() => {})
  throw ProviderError.internal('The wallet does not answer.')
}

function pause(ms) {
  return new Promise(resolve => setTimeout(resolve, ms))
}
