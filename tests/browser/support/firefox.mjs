// Firefox, as Debian ships it: driven over WebDriver BiDi by Puppeteer, since Playwright has a Firefox of its own only. Its pages have what support/browser.mjs wants
// of Playwright's.
import puppeteer from 'puppeteer-core'

/**
 * Firefox offers no connection from 127.0.0.1, where the nodes of the tests are, unless it is told to, and none but from the address of its default route to a page
 * that may not use a microphone. These lift both.
 */
export const FROM_LOOPBACK = { 'media.peerconnection.ice.loopback': true, 'permissions.default.microphone': 1, 'permissions.default.camera': 1 }

/** Firefox asks the user whether a page may keep what it stores, and nobody is there to answer. */
const KEEPS = { 'permissions.default.persistent-storage': 1 }

export function launchFirefox (preferences) {
  const executablePath = process.env.FIREFOX ?? '/usr/bin/firefox-esr'
  return puppeteer.launch({ browser: 'firefox', executablePath, headless: true, extraPrefsFirefox: { ...KEEPS, ...preferences } })
}
