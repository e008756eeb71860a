// Starts the app in a document of the extension. Its paths are the app's own, which no file has: the popup's becomes the wallet's, and background.js
// answers a reload of any of them with the popup.
const OFFSCREEN = '/offscreen.html'
const POPUP = '/popup.html'
const PROGRAM = '/qbtc-web'
/** How often a document that is seen says so: as long as it does, the service worker stays, and with it the question that is shown. */
const BEAT_MS = 20_000

if (location.pathname !== OFFSCREEN) {
  if (location.pathname === POPUP) history.replaceState(null, '', location.hash.startsWith('#/') ? location.hash.slice(1) : '/wallet')
  const here = location.href
  // What the extension begins with has changed in another document.
  addEventListener('storage', ({ key }) => key === 'qbtc-begin' && location.replace(here))
  // A service worker that is being replaced is there for the next beat.
  const beat = () => chrome.runtime.sendMessage({ to: 'background', what: 'begin' }).catch(() => {})
  beat()
  setInterval(beat, BEAT_MS)
}

try {
  const { default: start } = await import(`${PROGRAM}.js`)
  await start({ module_or_path: `${PROGRAM}_bg.wasm` })
} catch (error) {
  const place = document.getElementById('starting') ?? document.body
  const text = document.createElement('p')
  text.textContent = `The app could not start (${error}). Reload the extension to try again.`
  place.append(text)
  throw error
}
