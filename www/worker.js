// A program in a worker, by its name: what takes long, such as the key of a passphrase, leaves the page free, and so does the light client.
const { default: start } = await import(`/${self.name}.js`)
await start({ module_or_path: `/${self.name}_bg.wasm` })
