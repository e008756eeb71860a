// Gives short names to the functions that a program of WebAssembly imports. wasm-bindgen names each with a hash, which nothing compresses: 2 kB for the
// light client, in the program and in its glue.

/** The section of imports, and the kind of an import that is a function. */
const IMPORTS = 2;
const FUNCTION = 0;
/** The bytes before the first section: magic and version. */
const HEAD = 8;

/** Reads a program's bytes in order. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  /** A number as LEB128. */
  number() {
    for (let value = 0, shift = 0; ; shift += 7) {
      const byte = this.bytes[this.at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  take(length) {
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

function numberBytes(value) {
  const bytes = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return Buffer.from([...bytes, value]);
}

const named = (bytes) => Buffer.concat([numberBytes(bytes.length), bytes]);

/** The section with short names; `names` is told which. Anything but a function is refused: there is none. */
function renamed(section, names) {
  const reader = new Reader(section);
  const count = reader.number();
  const parts = [numberBytes(count)];
  for (let index = 0; index < count; index += 1) {
    const module = reader.take(reader.number());
    const name = reader.take(reader.number()).toString();
    if (reader.number() !== FUNCTION) throw new Error(`the program imports ${name}, which is no function`);
    // With the glue's own mark, which keeps it from being shown to callers.
    const short = `__${index.toString(36)}`;
    names.set(name, short);
    parts.push(named(module), named(Buffer.from(short)), numberBytes(FUNCTION), numberBytes(reader.number()));
  }
  return Buffer.concat(parts);
}

/** The program with short names for its imports, and which name stands for which. */
export function renameImports(wasm) {
  const [reader, names] = [new Reader(wasm), new Map()];
  const parts = [reader.take(HEAD)];
  while (reader.at < wasm.length) {
    const id = reader.number();
    const section = reader.take(reader.number());
    parts.push(numberBytes(id), named(id === IMPORTS ? renamed(section, names) : section));
  }
  return { wasm: Buffer.concat(parts), names };
}
