// The extension in Chromium: a wallet in its popup, a site that asks, and a user who decides. See README.md.
import { spawnSync } from 'node:child_process'
import { Node, until } from '../app/harness.mjs'
import { finish, judge } from '../support/judge.mjs'
import { Extension } from './harness.mjs'
import { begin } from './popup.mjs'
import { ask } from './site.mjs'
import { share } from './share.mjs'

const { status, stdout } = spawnSync(process.execPath, ['--test', 'requests.test.mjs'], { encoding: 'utf8' })
judge('which page gets what, without a browser', status === 0, status === 0 ? [] : stdout)

const node = await Node.start()
const extension = await Extension.start()
const sites = []
try {
  const scene = { node, extension, other: (await node.get('/api/v1/blocks/0/transactions')).transactions[0].outputs[0].address }
  await begin(scene)
  const site = await extension.site()
  sites.push(site)
  await ask(scene, site)
  const second = await extension.site()
  sites.push(second)
  await share(scene, site, second)
} catch (error) {
  judge('the suite got to its end', false, error.stack)
  let number = 0
  for (const page of extension.context.pages()) await extension.shoot(page, `failed-${++number}`).catch(() => {})
  console.log(extension.faults)
} finally {
  await extension.stop()
  sites.forEach((site) => site.stop())
  await node.stop()
}
finish()
