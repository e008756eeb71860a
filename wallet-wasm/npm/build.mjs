// Makes the npm package of what wasm-bindgen and wasm-opt left: glue, entries for each kind of host, types, the programs.
//
//   node build.mjs VERSION GLUE_FOLDER TOOLS_FOLDER OUT_FOLDER
//
// GLUE_FOLDER holds, for each program, NAME/qbtc_bg.js and NAME/qbtc_bg.wasm; TOOLS_FOLDER has TypeScript in its node_modules. OUT_FOLDER is made
// anew: OUT_FOLDER/package is what is packed. `cargo xtask npm` calls this.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { renameImports } from './imports.mjs';

const [version, glueFolder, toolsFolder, outFolder] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(outFolder);
const pack = join(out, 'package');
const programs = ['wallet', 'sign', 'light'];

/** A module's text without what is there for who reads it: comments on lines of their own, indents. */
function bare(text) {
  // A text over several lines would lose its own.
  const split = text.split('\n').find((line) => line.split('`').length % 2 === 0 && !line.trimStart().startsWith('//'));
  if (split) throw new Error(`a template over several lines: ${split}`);
  return text.replace(/^\s*\/\*\*[\s\S]*?\*\/\n/gm, '').replace(/^\s*\/\/.*\n/gm, '').replace(/^\s+/gm, '');
}

/**
 * Makes a function of wasm-bindgen's module, so that each call has its own instance and memory. The module is a list of declarations, some of
 * them exported; anything else is refused, since it would be lost.
 */
function factory(text) {
  const names = [];
  // The types document what people call.
  const body = bare(text).replace(/^export (function|class|const) (\w+)/gm, (_, kind, name) => {
    names.push(name);
    return `${kind} ${name}`;
  });
  const stray = body.match(/^(?:import|export)\b.*$/m);
  if (stray) throw new Error(`wasm-bindgen wrote what this does not know: ${stray[0]}`);
  return { body, names };
}

/** A program and its glue, with short names for what it imports. */
function programOf(name) {
  const { wasm, names } = renameImports(readFileSync(join(glueFolder, name, 'qbtc_bg.wasm')));
  const glue = readFileSync(join(glueFolder, name, 'qbtc_bg.js'), 'utf8').replace(/\b__\w+/g, (word) => names.get(word) ?? word);
  return { wasm, glue };
}

function writeGlue(name, folder, isModule) {
  const { body, names } = factory(programOf(name).glue);
  const head = isModule ? 'export function createGlue() {' : "'use strict';\nexports.createGlue = function createGlue() {";
  mkdirSync(join(folder, 'glue'), { recursive: true });
  writeFileSync(join(folder, 'glue', `${name}.js`), `${head}\n${body}\nreturn { ${names.join(', ')} };\n};\n`);
}

/** Compiles one kind of modules; which kind says the package.json beside the sources. */
function compile(kind, isOfKind) {
  const folder = join(out, kind);
  const source = join(folder, 'src');
  cpSync(join(here, 'src'), source, { recursive: true });
  for (const file of readdirSync(source)) if (!isOfKind(file)) rmSync(join(source, file));
  mkdirSync(join(source, 'glue'));
  for (const name of programs) {
    writeFileSync(join(source, 'glue', `${name}.d.ts`), "import type { Glue } from '../guard.js';\nexport function createGlue(): Glue;\n");
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: kind === 'esm' ? 'module' : 'commonjs' }));
  cpSync(join(here, 'tsconfig.json'), join(folder, 'tsconfig.json'));
  symlinkSync(join(resolve(toolsFolder), 'node_modules'), join(folder, 'node_modules'), 'dir');
  // The types with their documentation, and the code without, which would only be loaded.
  for (const what of [['--emitDeclarationOnly'], ['--declaration', 'false', '--removeComments']]) {
    execFileSync(process.execPath, [join(toolsFolder, 'node_modules/typescript/bin/tsc'), '-p', folder, ...what], { stdio: 'inherit' });
  }
  for (const file of readdirSync(join(folder, 'out')).filter((file) => file.endsWith('.js'))) {
    writeFileSync(join(folder, 'out', file), bare(readFileSync(join(folder, 'out', file), 'utf8')));
  }
  cpSync(join(folder, 'out'), join(pack, kind), { recursive: true });
  cpSync(join(source, 'glue'), join(pack, kind, 'glue'), { recursive: true });
  for (const name of programs) writeGlue(name, join(pack, kind), kind === 'esm');
}

rmSync(out, { recursive: true, force: true });
mkdirSync(join(pack, 'wasm'), { recursive: true });
compile('esm', (file) => !file.endsWith('.require.ts'));
compile('cjs', (file) => file.endsWith('.require.ts') || !/^(wallet|sign|light)\./.test(file));
writeFileSync(join(pack, 'cjs/package.json'), '{ "type": "commonjs" }\n');
for (const name of programs) writeFileSync(join(pack, 'wasm', `${name}.wasm`), programOf(name).wasm);
const manifest = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
writeFileSync(join(pack, 'package.json'), `${JSON.stringify({ ...manifest, version }, null, 2)}\n`);
for (const name of ['LICENSE-APACHE', 'LICENSE-MIT']) cpSync(join(here, '../..', name), join(pack, name));
if (existsSync(join(here, 'README.md'))) cpSync(join(here, 'README.md'), join(pack, 'README.md'));
