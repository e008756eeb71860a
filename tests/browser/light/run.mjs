// Starts Chromium, and has it go through all stories. See README.md.
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FORBIDS_ALTERED_OFFERS, launch, launchPlain, serve } from '../support/browser.mjs'
import { finish } from '../support/judge.mjs'
import { tell } from './stories.mjs'

const server = await serve(dirname(fileURLToPath(import.meta.url)))
const browser = await launch(FORBIDS_ALTERED_OFFERS)
const plain = await launchPlain(FORBIDS_ALTERED_OFFERS)
try {
  await tell(await browser.newContext(), server.url, plain)
} finally {
  await plain.close()
  await browser.close()
  server.close()
}
finish()
