// What a first page is made of: with all else held back that `cargo xtask web` does not count for it (xtask/src/web.rs), it is there and can be used. And a
// chunk that cannot be had is said, with what helps.
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from './harness.mjs'
import { judge } from '../support/judge.mjs'
import { PASSPHRASE } from './wallet.mjs'

const SNIPPETS = resolve(dirname(fileURLToPath(import.meta.url)), '../../../web/dist/snippets')
const FILE = /\.(css|js|svg|wasm)$/
const MISSING = 'A part of this app could not be loaded'

export async function chunks (node, browser) {
  await explorer(node, browser)
  await wallet(node, browser)
  await missing(node, browser)
}

/** The files that are counted for the first page of a part of the app, beside the page itself. */
function counted (part) {
  const folder = readdirSync(SNIPPETS).find((name) => name.startsWith('qbtc-web-'))
  const list = JSON.parse(readFileSync(join(SNIPPETS, folder, 'chunks.json'), 'utf8'))
  const files = ['load.js', ...list[part].map((name) => `${name}.wasm`)].map((name) => `/snippets/${folder}/${name}`)
  return ['/base.css', '/icon.svg', '/pages.css', '/parts.css', '/qbtc-web.js', '/qbtc-web_bg.wasm', '/start.js', ...files].sort()
}

/** A page in a fresh browser, at which nothing else arrives until it is let through. */
async function held (browser, part) {
  const files = counted(part)
  const page = await browser.fresh()
  const asked = new Set()
  const others = []
  let isHeld = true
  await browser.context.route('**/*', async (route) => {
    const path = new URL(route.request().url()).pathname
    if (files.includes(path)) asked.add(path)
    if (!isHeld || !FILE.test(path) || files.includes(path)) return route.continue()
    others.push({ path, route })
  })
  const release = async () => {
    isHeld = false
    await Promise.all(others.map(({ route }) => route.continue()))
  }
  /** All that is counted was asked for: the list is no longer than it has to be. */
  const judgeAsked = () => judge(`chunks: the first page of ${part} has asked for all that is counted for it`, [...asked].sort().join() === files.join(), [...asked])
  return { page, others, release, judgeAsked }
}

async function explorer (node, browser) {
  const { page, release, judgeAsked } = await held(browser, 'explorer')
  await page.goto(node.url)
  await page.locator('.block-strip li').first().waitFor()
  judge('chunks: the explorer is there with what is counted for it', true)
  judgeAsked()
  await page.getByRole('link', { name: 'Wallet', exact: true }).click()
  await page.getByText('Loading…').first().waitFor()
  await browser.check('chunk-loading')
  await release()
  await page.getByRole('button', { name: 'Create a wallet' }).waitFor()
  judge('chunks: its link leads into the wallet, once that is there', true)
}

async function wallet (node, browser) {
  const { page, others, release, judgeAsked } = await held(browser, 'setup')
  await page.goto(`${node.url}/wallet`)
  await page.getByRole('button', { name: 'Create a wallet' }).click()
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await page.getByLabel('The same again').fill('something else')
  await page.getByRole('button', { name: 'Create a wallet' }).click()
  await page.getByText('The two passphrases differ').waitFor()
  judge('chunks: the wallet’s first page can be used with what is counted for it', true)
  judgeAsked()
  await until('the rest is fetched by itself', async () => others.some(({ path }) => path.endsWith('.wasm')))
  await page.getByLabel('The same again').fill(PASSPHRASE)
  await page.getByRole('button', { name: 'Create a wallet' }).click()
  await release()
  await page.getByTestId('address').waitFor()
  judge('chunks: and makes a wallet once the rest is there', true)
}

async function missing (node, browser) {
  let page = await browser.fresh()
  const gone = (name) => browser.context.route(`**/${name}.wasm`, (route) => route.fulfill({ status: 404, body: 'gone' }))
  await gone('split_explorer')
  await page.goto(node.url)
  await page.getByText(MISSING).waitFor()
  const told = await page.locator('main').innerText()
  judge('chunks: a page that cannot be had is said, with what helps', told.includes('reload the page'), told)
  browser.faults.splice(0)
  await browser.check('chunk-missing')
  await browser.context.unrouteAll()
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.locator('.block-strip li').first().waitFor()
  judge('chunks: and is there when it can be had again', true)

  page = await browser.fresh()
  await gone('split_wallet')
  await page.goto(`${node.url}/wallet`)
  await page.getByRole('button', { name: 'Create a wallet' }).click()
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await page.getByLabel('The same again').fill(PASSPHRASE)
  await page.getByRole('button', { name: 'Create a wallet' }).click()
  await page.getByText(MISSING).waitFor()
  judge('chunks: what is behind a form and cannot be had is said as well', true)
  await browser.context.unrouteAll()
  await page.getByRole('button', { name: 'Create a wallet' }).click()
  await page.getByTestId('address').waitFor()
  judge('chunks: and works on the next try, with what was typed', true)
  browser.faults.splice(0)
}
