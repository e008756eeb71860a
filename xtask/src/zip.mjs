// Writes a folder as a zip archive whose bytes depend on nothing but the files: names in order, and no times. FOLDER ARCHIVE
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { deflateRawSync } from 'node:zlib'

/** Midnight of 1 January 1980, the first moment that the format knows. */
const NO_DATE = 0x21
const VERSION = 20
const DEFLATED = 8

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit += 1) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1
  return byte
})

const crc32 = (bytes) => (bytes.reduce((crc, byte) => TABLE[(crc ^ byte) & 255] ^ (crc >>> 8), 0xffffffff) ^ 0xffffffff) >>> 0

/** Numbers as the format has them: [bytes, value] each, the least byte first. */
function record (...fields) {
  return Buffer.concat(fields.map(([size, value]) => {
    const field = Buffer.alloc(size)
    field.writeUIntLE(value, 0, size)
    return field
  }))
}

const [folder, archive] = process.argv.slice(2)
const names = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)).split(sep).join('/'))
  .sort()

let offset = 0
const entries = []
const index = []
for (const name of names) {
  const bytes = readFileSync(join(folder, name))
  const packed = deflateRawSync(bytes, { level: 9 })
  const named = Buffer.from(name)
  const common = record([2, VERSION], [2, 0], [2, DEFLATED], [2, 0], [2, NO_DATE], [4, crc32(bytes)], [4, packed.length], [4, bytes.length], [2, named.length], [2, 0])
  const entry = Buffer.concat([record([4, 0x04034b50]), common, named, packed])
  index.push(Buffer.concat([record([4, 0x02014b50], [2, VERSION]), common, record([2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), named]))
  entries.push(entry)
  offset += entry.length
}
const list = Buffer.concat(index)
const end = record([4, 0x06054b50], [2, 0], [2, 0], [2, names.length], [2, names.length], [4, list.length], [4, offset], [2, 0])
writeFileSync(archive, Buffer.concat([...entries, list, end]))
