// Writes NAME.gz and NAME.br beside each file of the folder given, and prints what each takes: one JSON object a line.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const folder = process.argv[2]
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !/\.(br|gz|zip|tgz)$/.test(entry.name))
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))

for (const file of files.sort()) {
  const bytes = readFileSync(file)
  const gzip = gzipSync(bytes, { level: 9 })
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } })
  writeFileSync(`${file}.gz`, gzip)
  writeFileSync(`${file}.br`, brotli)
  console.log(JSON.stringify({ name: relative(folder, file), raw: bytes.length, gzip: gzip.length, brotli: brotli.length }))
}
