// Pages and an extension in one Chromium.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { extname, join, normalize } from 'node:path';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.json': 'application/json', '.wasm': 'application/wasm' };
/** What a strict page allows: no eval and no inline scripts, but WebAssembly. */
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";
const FLAGS = [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
const LIMIT_MS = 60_000;

/** Serves folders by name on a free port of this machine. */
async function serve(folders) {
  const server = createServer(async (request, response) => {
    const [, name, ...rest] = new URL(request.url, 'http://localhost').pathname.split('/');
    const path = normalize(rest.join('/') || 'index.html');
    try {
      if (!(name in folders) || path.startsWith('..')) throw new Error('not here');
      const bytes = await readFile(join(folders[name], path));
      response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', 'content-security-policy': POLICY });
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return server;
}

/** Opens each page and waits for what it makes. */
export async function inBrowser({ chromium, pages, extension, playwright, profile, test }) {
  const { chromium: browser } = createRequire(import.meta.url)(playwright);
  const server = await serve(pages);
  const context = await browser.launchPersistentContext(profile, {
    executablePath: chromium,
    args: [...FLAGS, `--disable-extensions-except=${extension}`, `--load-extension=${extension}`],
    ignoreDefaultArgs: ['--disable-extensions'],
    timeout: LIMIT_MS,
  });
  try {
    for (const name of Object.keys(pages)) {
      await test(`page-${name}`, () => outcome(context, `http://127.0.0.1:${server.address().port}/${name}/`));
    }
    await test('page-extension', async () => {
      const [worker] = context.serviceWorkers();
      const { host } = new URL((worker ?? (await context.waitForEvent('serviceworker', { timeout: LIMIT_MS }))).url());
      return outcome(context, `chrome-extension://${host}/index.html`);
    });
  } finally {
    await context.close();
    server.close();
  }
}

async function outcome(context, url) {
  const page = await context.newPage();
  const said = [];
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(String(error)));
  try {
    await page.goto(url, { timeout: LIMIT_MS });
    // Asked again and again: Playwright's own way of waiting needs eval, which the policy forbids.
    const until = Date.now() + LIMIT_MS;
    while (!(await page.evaluate('globalThis.outcome !== undefined'))) {
      if (Date.now() > until) throw new Error('its script did not run');
      await new Promise((done) => setTimeout(done, 50));
    }
    return await page.evaluate('globalThis.outcome');
  } catch (error) {
    throw new Error(`${url}: ${error}\nthe page said:\n${said.join('\n')}`);
  } finally {
    await page.close();
  }
}
