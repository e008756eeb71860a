// Writes NAME.gz and NAME.br beside each file of the folder given, and prints what each takes: one JSON object a line.
import { readdirSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

const folder = process.argv[2]
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !/\.(br|gz|zip|tgz)$/.test(entry.name))
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))

/** Compresses a file both ways, on threads of their own. */
async function compressed(file) {
  const bytes = await readFile(file)
  const forms = await Promise.all([
    promisify(gzip)(bytes, { level: 9 }),
    promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
  ])
  await Promise.all([writeFile(`${file}.gz`, forms[0]), writeFile(`${file}.br`, forms[1])])
  return { name: relative(folder, file), raw: bytes.length, gzip: forms[0].length, brotli: forms[1].length }
}

for (const sizes of await Promise.all(files.sort().map(compressed))) console.log(JSON.stringify(sizes))
