// The wallet's program in a worker: what takes long, such as the key of a passphrase, leaves the page free.
import start from '/qbtc-wallet.js'

await start({ module_or_path: '/qbtc-wallet_bg.wasm' })
postMessage('ready')
