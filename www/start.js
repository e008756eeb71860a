// Starts the app in the page: the explorer's program, or that of the wallet, which is larger and has the explorer in it. A failure is said in
// the page: a blank one would tell nobody anything.
const name = /^\/wallet(\/|$)/.test(location.pathname) ? '/qbtc-wallet' : '/qbtc-web'

try {
  const { default: start } = await import(`${name}.js`)
  await start({ module_or_path: `${name}_bg.wasm` })
} catch (error) {
  const place = document.getElementById('starting') ?? document.body
  const text = document.createElement('p')
  text.textContent = `The app could not start (${error}). It needs a browser with WebAssembly; reload to try again.`
  place.append(text)
  throw error
}
