// A site: it finds wallets by event, and asks the first.
const wallets = []
const accounts = []
const chains = []
window.addEventListener('qbtc:announceProvider', ({ detail }) => wallets.push(detail))
window.dispatchEvent(new Event('qbtc:requestProvider'))
wallets[0]?.provider.on('accountsChanged', (value) => accounts.push(value))
wallets[0]?.provider.on('chainChanged', (value) => chains.push(value))

const ask = (method, params) =>
  wallets[0].provider.request({ method, params }).then((result) => ({ result }), ({ code, message }) => ({ code, message }))

// Kept by the browser while the user was on another page.
window.addEventListener('pageshow', ({ persisted }) => { window.hasReturned = persisted })

window.parts = {
  found: () => wallets.map(({ info, provider }) => ({ ...info, isQbtc: provider.isQbtc, isGlobal: window.qbtc === provider })),
  ask,
  /** So many calls at once: how often each code came, 0 for an answer. */
  flood: async (method, count) => {
    const answers = await Promise.all(Array.from({ length: count }, () => ask(method)))
    const codes = {}
    for (const { code = 0 } of answers) codes[code] = (codes[code] ?? 0) + 1
    return codes
  },
  accounts: () => accounts,
  chains: () => chains,
  frame: async () => {
    const frame = document.body.appendChild(document.createElement('iframe'))
    await new Promise((resolve) => { frame.onload = resolve; frame.src = '/' })
    return 'qbtc' in frame.contentWindow
  }
}
window.isReady = true
