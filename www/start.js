// Starts the app in the page. A failure is said in the page: a blank one would tell nobody anything.
try {
  const { default: start } = await import('/qbtc-web.js')
  await start({ module_or_path: '/qbtc-web_bg.wasm' })
} catch (error) {
  const place = document.getElementById('starting') ?? document.body
  const text = document.createElement('p')
  text.textContent = `The app could not start (${error}). It needs a browser with WebAssembly; reload to try again.`
  place.append(text)
  throw error
}
