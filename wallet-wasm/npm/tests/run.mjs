// Tries the packed package in every host that people use.
//
//   node run.mjs PACKAGE_FOLDER TOOLS_FOLDER VECTORS.json OUT_FOLDER
//
// PACKAGE_FOLDER is packed; each host gets a folder of its own with the tarball installed. TOOLS_FOLDER has bundlers, TypeScript, Deno and
// playwright-core in its node_modules. What the package makes goes to OUT_FOLDER/made-HOST.json, for core to check. In each host the light client
// follows a real node. CHROMIUM names the browser, QBTC the node's program (else that of CARGO_TARGET_DIR, or of ../../../target).
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Node } from '../../../tests/browser/support/programs.mjs';
import { inBrowser } from './browser.mjs';

const [packageFolder, toolsFolder, vectorsFile, outFolder] = process.argv.slice(2).map((path) => resolve(path));
const here = dirname(fileURLToPath(import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'qbtc-npm-'));
const tools = join(toolsFolder, 'node_modules');
const results = { passed: 0, failed: 0 };
/** What is to be ended in the end. */
const closing = [];

/** Runs a program; what it prints, or an error with that. */
function run(program, args, options = {}) {
  return new Promise((done, failed) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000, ...options });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text += data));
    child.on('error', failed);
    child.on('close', (code) => (code === 0 ? done(text) : failed(new Error(`${program} ${args.join(' ')}: ${code}\n${text}`))));
  });
}

async function test(name, body) {
  const started = performance.now();
  try {
    const made = await body();
    if (made) writeFileSync(join(outFolder, `made-${name}.json`), JSON.stringify(made));
    results.passed += 1;
    console.log(`test ${name} ... ok (${((performance.now() - started) / 1_000).toFixed(1)} s)`);
  } catch (error) {
    results.failed += 1;
    console.log(`test ${name} ... FAILED\n${error.stack ?? error}`);
  }
}

/** A folder with the package installed from its tarball, the scenario and the vectors. */
function host(name, type = 'module') {
  const folder = join(work, name);
  mkdirSync(folder);
  cpSync(join(work, 'installed/node_modules'), join(folder, 'node_modules'), { recursive: true });
  for (const script of ['scenario.mjs', 'live.mjs']) cpSync(join(here, script), join(folder, script));
  cpSync(vectorsFile, join(folder, 'vectors.json'));
  cpSync(join(work, 'live.json'), join(folder, 'live.json'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, type, private: true }));
  return folder;
}

async function pack() {
  const packed = await run('npm', ['pack', '--json', '--pack-destination', work, packageFolder], { cwd: work });
  const [{ filename }] = Object.values(JSON.parse(packed.slice(packed.search(/^[[{]/m))));
  const folder = join(work, 'installed');
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{}');
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', join(work, filename)], { cwd: folder });
}

/** A node that has mined a payment, for the light clients: how to reach it, whom it pays how many quanta, and at which height. */
async function live() {
  const node = new Node();
  closing.push(() => node.remove());
  await node.start('--p2p', '/ip4/127.0.0.1/tcp/0/ws');
  const [miner, address] = [node.newAddress(), node.newAddress('watched')];
  node.rpc('generatetoaddress', '12', miner);
  node.pay(address, '1.5');
  node.rpc('generatetoaddress', '1', miner);
  writeFileSync(join(work, 'live.json'), JSON.stringify({ nodes: [node.address], sockets: [node.socket], address, height: 13, paid: 150_000_000 }));
}

/** For a module of Node or Deno. */
const PROGRAM = `
  import { readFileSync } from 'node:fs';
  import * as wallet from '@qbtc/wallet';
  import * as sign from '@qbtc/wallet/sign';
  import * as light from '@qbtc/wallet/light';
  import { tryAll } from './scenario.mjs';
  import { follow } from './live.mjs';
  const read = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));
  console.log('MADE ' + JSON.stringify(await tryAll({ wallet, sign, light }, read('vectors.json'))));
  await follow(light, read('live.json'));`;

function madeIn(text) {
  const line = text.split('\n').find((line) => line.startsWith('MADE '));
  if (!line) throw new Error(`nothing was made:\n${text}`);
  return JSON.parse(line.slice(5));
}

/** Node before version 22 has its WebSocket behind a flag. */
const SOCKETS = typeof WebSocket === 'undefined' ? ['--experimental-websocket'] : [];

async function nodeModule() {
  const folder = host('node-module');
  writeFileSync(join(folder, 'main.js'), PROGRAM);
  return madeIn(await run(process.execPath, [...SOCKETS, 'main.js'], { cwd: folder }));
}

async function nodeRequire() {
  const folder = host('node-require', 'commonjs');
  writeFileSync(join(folder, 'main.js'), `
    const wallet = require('@qbtc/wallet');
    const sign = require('@qbtc/wallet/sign');
    const light = require('@qbtc/wallet/light');
    Promise.all([import('./scenario.mjs'), import('./live.mjs')]).then(async ([{ tryAll }, { follow }]) => {
      console.log('MADE ' + JSON.stringify(await tryAll({ wallet, sign, light }, require('./vectors.json'))));
      await follow(light, require('./live.json'));
    });`);
  return madeIn(await run(process.execPath, [...SOCKETS, '--no-experimental-require-module', 'main.js'], { cwd: folder }));
}

async function deno() {
  const folder = host('deno');
  writeFileSync(join(folder, 'main.js'), PROGRAM);
  const args = ['run', '--no-remote', '--node-modules-dir=manual', '--allow-read', '--allow-net=127.0.0.1', 'main.js'];
  const env = { ...process.env, DENO_DIR: join(work, 'deno-cache'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' };
  return madeIn(await run(process.execPath, [join(tools, 'deno/bin.cjs'), ...args], { cwd: folder, env }));
}

async function types(name, compilerOptions, type, file) {
  const folder = host(name, type);
  cpSync(join(here, 'types.ts'), join(folder, file));
  const options = { target: 'ES2022', lib: ['ES2022', 'DOM', 'ESNext.Disposable'], strict: true, noEmit: true, types: [], exactOptionalPropertyTypes: true };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...options, ...compilerOptions }, files: [file] }));
  await run(process.execPath, [join(tools, 'typescript/bin/tsc'), '-p', folder]);
}

/** The page that each bundler is given, and its worker. */
const PAGE = `
  import * as wallet from '@qbtc/wallet';
  import * as sign from '@qbtc/wallet/sign';
  import * as light from '@qbtc/wallet/light';
  import { tryAll } from './scenario.mjs';
  import { follow, followInWorker } from './live.mjs';
  import vectors from './vectors.json';
  import live from './live.json';
  globalThis.outcome = tryAll({ wallet, sign, light }, vectors).then(async (made) => {
    await follow(light, live);
    await followInWorker(light, live, new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }));
    return made;
  });`;
const WORKER = `
  import * as light from '@qbtc/wallet/light';
  import { serve } from './live.mjs';
  serve(light);`;

function bundled(name) {
  const folder = host(name);
  writeFileSync(join(folder, 'main.js'), PAGE);
  writeFileSync(join(folder, 'worker.js'), WORKER);
  return folder;
}

async function vite() {
  const folder = bundled('vite');
  writeFileSync(join(folder, 'index.html'), '<!doctype html><meta charset="utf-8"><title>Vite</title><script type="module" src="./main.js"></script>');
  await run(process.execPath, [join(tools, 'vite/bin/vite.js'), 'build', '--base', './', '--logLevel', 'warn'], { cwd: folder });
  return join(folder, 'dist');
}

async function webpack() {
  const folder = bundled('webpack');
  symlinkSync(tools, join(folder, 'tools'), 'dir');
  writeFileSync(join(folder, 'webpack.config.cjs'), `module.exports = { mode: 'production', entry: './main.js', performance: false,
    output: { path: ${JSON.stringify(join(folder, 'dist'))} } };`);
  await run(process.execPath, [join(tools, 'webpack/bin/webpack.js'), '--config', 'webpack.config.cjs'], {
    cwd: folder, env: { ...process.env, NODE_PATH: tools },
  });
  writeFileSync(join(folder, 'dist/index.html'), '<!doctype html><meta charset="utf-8"><title>webpack</title><script defer src="main.js"></script>');
  return join(folder, 'dist');
}

/** A page without any build: the package's own files. */
function plain(name) {
  const folder = host(name);
  const unbuilt = (script) => script.replace(/'@qbtc\/wallet(?:\/(sign|light))?'/g, (_, entry = 'wallet') => `'./package/esm/${entry}.js'`)
    .replace(/import (\w+) from '(\S+\.json)';/g, "const $1 = await (await fetch('$2')).json();");
  cpSync(join(folder, 'node_modules/@qbtc/wallet'), join(folder, 'package'), { recursive: true });
  rmSync(join(folder, 'node_modules'), { recursive: true });
  writeFileSync(join(folder, 'main.js'), unbuilt(PAGE));
  writeFileSync(join(folder, 'worker.js'), unbuilt(WORKER));
  writeFileSync(join(folder, 'index.html'), '<!doctype html><meta charset="utf-8"><title>plain</title><script type="module" src="main.js"></script>');
  return folder;
}

/** The same page in an extension, under the policy that MV3 demands. */
function extension() {
  const folder = plain('extension');
  writeFileSync(join(folder, 'background.js'), '');
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({
    manifest_version: 3, name: 'qbtc test', version: '1',
    background: { service_worker: 'background.js', type: 'module' },
    content_security_policy: { extension_pages: "script-src 'self' 'wasm-unsafe-eval'; object-src 'self'" },
  }));
  return folder;
}

async function main() {
  mkdirSync(outFolder, { recursive: true });
  await test('the package packs and installs', async () => void (await pack()));
  await test('a node for light clients', async () => void (await live()));
  await test('node-module', nodeModule);
  await test('node-require', nodeRequire);
  await test('deno', deno);
  await test('types-nodenext', () => types('types-nodenext', { module: 'nodenext' }, 'module', 'use.ts'));
  await test('types-require', () => types('types-require', { module: 'nodenext', esModuleInterop: true }, 'commonjs', 'use.cts'));
  await test('types-bundler', () => types('types-bundler', { module: 'esnext', moduleResolution: 'bundler' }, 'module', 'use.ts'));
  await test('examples', () => examples());
  await test('shared', async () => void (await run(process.execPath, [join(here, 'shared.mjs'), packageFolder])));
  const pages = {};
  await test('vite-build', async () => void (pages.vite = await vite()));
  await test('webpack-build', async () => void (pages.webpack = await webpack()));
  pages.plain = plain('plain');
  const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
  if (existsSync(chromium)) {
    await inBrowser({ chromium, pages, extension: extension(), playwright: join(tools, 'playwright-core'), profile: join(work, 'profile'), test });
  } else {
    console.log(`skipped: pages, since there is no ${chromium}`);
  }
}

/** Every block of JavaScript in the package's README and in the project's runs as it stands. */
async function examples() {
  const blocks = ['../README.md', '../../../README.md'].flatMap((name) => {
    const found = [...readFileSync(join(here, name), 'utf8').matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code);
    if (found.length === 0) throw new Error(`${name} has no examples`);
    return found;
  });
  const folder = host('examples');
  for (const [place, code] of blocks.entries()) {
    writeFileSync(join(folder, `example-${place}.js`), code);
    await run(process.execPath, [`example-${place}.js`], { cwd: folder });
  }
}

try {
  await main();
} finally {
  for (const close of closing) await close();
  rmSync(work, { recursive: true, force: true });
}
const { passed, failed } = results;
console.log(`test result: ${failed === 0 ? 'ok' : 'FAILED'}. ${passed} passed; ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
