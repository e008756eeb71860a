// What the package must do in every host. Knows nothing of hosts: each harness imports the package its own way and hands it over.
//
// `vectors` is what the native program made (tests/src/bin/npm_vectors.rs). What is returned goes back to it, to be checked by core.

let checks = 0;

function check(holds, what) {
  checks += 1;
  if (!holds) throw new Error(`does not hold: ${what}`);
}

function equal(found, expected, what) {
  check(found === expected, `${what}: found ${found}, expected ${expected}`);
}

/** The error of a call, which must be one of the package's with this code. */
function refused(code, call, QbtcError) {
  try {
    call();
  } catch (error) {
    check(error instanceof QbtcError, `${code}: ${error} is an error of the package`);
    equal(error.code, code, error.message);
    check(/^[^{}]{8,}$/.test(error.message) && error.message !== code, `${code} is said in a sentence: ${error.message}`);
    return error;
  }
  throw new Error(`was not refused: ${call}`);
}

const unhex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const cheap = { memoryKib: 64, passes: 1 };

/** Tries all of the package: its three entries. What it made is for core to check. */
export async function tryAll({ wallet, sign, light }, vectors) {
  const small = await trySign(sign, vectors, wallet);
  await tryLight(light);
  const { made } = await tryWallet(wallet, vectors);
  made.transactions.push(...small.made.transactions);
  return made;
}

/** Everything that `@qbtc/wallet/sign` can do; what it makes is verified by `whole`, which is what `@qbtc/wallet` gives. */
async function trySign({ load, QbtcError }, vectors, wallet) {
  const whole = wallet && (await wallet.load());
  checks = 0;
  const qbtc = await load();
  check(/^\d+\.\d+\.\d+/.test(qbtc.version()), 'a version');
  amounts(qbtc, QbtcError);
  addresses(qbtc, QbtcError, vectors);
  words(qbtc, QbtcError);
  const made = signatures(qbtc, QbtcError, vectors, whole ?? qbtc);
  await faults(load, QbtcError);
  if (whole) for (const lacks of ['verifySignature', 'openKeystore', 'AddressBook']) check(qbtc[lacks] === undefined, `the smaller program has no ${lacks}`);
  return { checks, made };
}

/** Everything that `@qbtc/wallet` can do beyond that. */
async function tryWallet({ load, QbtcError }, vectors) {
  const { checks: before, made } = await trySign({ load, QbtcError }, vectors);
  checks = before;
  const qbtc = await load();
  specs(qbtc, QbtcError);
  cosigned(qbtc, QbtcError, vectors);
  made.keystore = keystores(qbtc, QbtcError, vectors);
  made.transactions.push(...payments(qbtc, QbtcError, vectors));
  proofs(qbtc, QbtcError, vectors);
  const fault = refused('fatal', () => qbtc.panicForTests(), QbtcError);
  check(fault.message.includes('asked to, by a test'), `a panic says why: ${fault.message}`);
  return { checks, made };
}

function amounts(qbtc, QbtcError) {
  equal(qbtc.parseAmount('12.5'), 1_250_000_000n, 'an amount');
  equal(qbtc.formatAmount(1n), '0.00000001', 'the least amount');
  equal(qbtc.parseAmount(qbtc.formatAmount(2n ** 63n - 1n)), 2n ** 63n - 1n, 'the largest amount');
  const long = refused('amount-decimals', () => qbtc.parseAmount('0.123456789'), QbtcError);
  equal(`${long.found} of ${long.expected}`, '9 of 8', 'places');
  for (const [text, code] of [['', 'amount-empty'], ['1,5', 'amount-comma'], ['1e3', 'amount-format'], ['9'.repeat(30), 'amount-too-large']]) {
    refused(code, () => qbtc.parseAmount(text), QbtcError);
  }
  for (const wrong of [1, '1', -1n, 2n ** 64n, null, undefined, {}]) {
    refused('argument', () => qbtc.formatAmount(wrong), QbtcError);
  }
}

function addresses(qbtc, QbtcError, vectors) {
  const seed = qbtc.Mnemonic.parse(vectors.words).toSeed();
  check(vectors.addresses.length >= 12, 'vectors of addresses');
  for (const vector of vectors.addresses) {
    const chain = qbtc.Chain.named(vector.chain);
    const account = seed.account(chain, vector.account);
    const made = account.address(vector.branch, vector.index, { scheme: vector.scheme, fallback: vector.fallback });
    equal(made.address, vector.address, 'the address of the native wallet');
    equal(made.signing.scheme, vector.scheme, 'its scheme');
    equal(made.fallback !== undefined, vector.fallback, 'its fallback');
    equal(chain.parseAddress(vector.address.toUpperCase()), vector.address, 'in capitals, as in a QR code');
    equal(chain.addressFromBytes(chain.addressToBytes(vector.address)), vector.address, 'its bytes');
    if (!vector.fallback) equal(qbtc.AddressTree.single(made.signing).address(chain), vector.address, 'as a tree');
  }
  mistypedAddresses(qbtc, QbtcError, vectors.addresses[0]);
}

function mistypedAddresses(qbtc, QbtcError, { chain: name, address }) {
  const chain = qbtc.Chain.named(name);
  const at = (place, character) => address.slice(0, place - 1) + character + address.slice(place);
  const place = 20;
  const other = address[place - 1] === 'q' ? 'p' : 'q';
  equal(refused('address-checksum', () => chain.parseAddress(at(place, other)), QbtcError).position, place, 'the mistyped character');
  const strange = refused('address-character', () => chain.parseAddress(at(place, 'b')), QbtcError);
  equal(`${strange.found} at ${strange.position}`, `b at ${place}`, 'the strange character');
  refused('address-length', () => chain.parseAddress(address.slice(0, -1)), QbtcError);
  refused('address-mixed-case', () => chain.parseAddress(at(place, address[place - 1] === 'q' ? 'P' : 'Q')), QbtcError);
  refused('address-network', () => qbtc.Chain.named('dev').parseAddress(address), QbtcError);
  refused('argument', () => chain.addressFromBytes(new Uint8Array(31)), QbtcError);
  refused('chain-unknown', () => qbtc.Chain.named('regtest'), QbtcError);
}

function words(qbtc, QbtcError) {
  const { Mnemonic } = qbtc;
  equal(Mnemonic.generate().phrase().split(' ').length, 24, 'words by default');
  const made = Mnemonic.generate(12);
  check(made.phrase() !== Mnemonic.generate(12).phrase(), 'words are new each time');
  equal(Mnemonic.parse(` ${made.phrase().toUpperCase()}\n`).phrase(), made.phrase(), 'words however they are typed');
  equal(Mnemonic.fromEntropy(made.entropy()).phrase(), made.phrase(), 'words of entropy');
  const wrong = refused('mnemonic-unknown-word', () => Mnemonic.parse('legal winner thnak year wave sausage worth useful legal winner thank yellow'), QbtcError);
  equal(`${wrong.found} at ${wrong.position}`, 'thnak at 3', 'the wrong word');
  refused('mnemonic-word-count', () => Mnemonic.parse('legal'), QbtcError);
  refused('mnemonic-word-count', () => Mnemonic.generate(13), QbtcError);
  refused('argument', () => Mnemonic.generate(24.5), QbtcError);
  refused('mnemonic-checksum', () => Mnemonic.parse('abandon '.repeat(24)), QbtcError);
  // Composed or decomposed, an accent gives one seed.
  const chain = qbtc.Chain.named('dev');
  const seed = made.toSeed();
  for (const index of [2 ** 32, -1, 0.5, NaN, '1']) refused('argument', () => seed.account(chain, index), QbtcError);
  refused('argument', () => Mnemonic.fromEntropy('00'), QbtcError);
  const first = (passphrase) => made.toSeed(passphrase).account(chain).address('receive', 0).address;
  equal(first('caf\u00e9'), first('cafe\u0301'), 'one passphrase in two forms');
  check(first('cafe') !== first(undefined), 'a passphrase counts');
}

/** Signs, and gives back what core must find right. `whole` verifies. */
function signatures(qbtc, QbtcError, vectors, whole) {
  const chain = qbtc.Chain.named('dev');
  const rules = whole.Chain.named('dev');
  const account = qbtc.Mnemonic.parse(vectors.words).toSeed().account(chain);
  const { address } = account.address('receive', 0);
  const { message, payment } = vectors;
  equal(address, message.address, 'the published address of the dev chain');
  const text = `signed by the package in ${typeof document === 'undefined' ? 'a program' : 'a page'}: ä€😀`;
  const proof = account.signMessage({ branch: 'receive', index: 0 }, text);
  whole.verifyMessage(rules, address, text, proof);

  const partial = qbtc.Partial.fromBytes(chain, unhex(payment.partial));
  equal(hex(partial.toBytes()), payment.partial, 'the native wallet\'s partial transaction');
  refused('bytes-malformed', () => qbtc.Partial.fromBytes(chain, unhex(payment.partial).slice(0, 99)), QbtcError);
  refused('partial-not-one', () => qbtc.Partial.fromBytes(chain, new Uint8Array(9)), QbtcError);
  refused('partial-other-chain', () => qbtc.Partial.fromBytes(qbtc.Chain.named('main'), partial.toBytes()), QbtcError);
  equal(partial.txid, payment.txid, 'its id');
  const effect = partial.effect([address]);
  equal(`${effect.fee} ${effect.leaves} ${effect.ownInputs}`, '100000000 1000000000 1', 'its effect');
  check(effect.text.includes('10 QBTC leave your wallet in all'), 'its effect in words');
  equal(partial.missing()[0].kind, 'signatures', 'what it lacks');
  refused('partial-incomplete', () => partial.finalize(), QbtcError);
  equal(partial.sign(account.secretKey('receive', 1)), 0, 'another key signs nothing');
  equal(partial.sign(account.secretKey('receive', 0)), 1, 'its key signs');
  const signed = partial.finalize();
  equal(signed.txid, payment.txid, 'signing keeps the id');
  const spent = [{ amount: '1000000000', address }];

  const seed = new Uint8Array(32).fill(9);
  const { publicKey } = qbtc.SecretKey.fromSeed('ML-DSA-44', seed);
  const made = { message: { address, text, proof }, seed: hex(seed), publicKey: hex(publicKey.bytes) };
  const signatures = [severalSigners(qbtc, QbtcError, chain, whole), dormantKey(qbtc, account, chain, whole)];
  made.transactions = [{ bytes: hex(signed.bytes), txid: signed.txid, spent }, ...signatures];
  return made;
}

/** Two of three keys, or one after a height. */
function severalSigners(qbtc, QbtcError, chain, whole) {
  const keys = [1, 2, 3].map((byte) => qbtc.SecretKey.fromSeed('ML-DSA-65', new Uint8Array(32).fill(byte)));
  const tree = qbtc.AddressTree.of([
    [{ kind: 'threshold', required: 2, keys: keys.map((key) => key.publicKey) }],
    [{ kind: 'key', key: keys[0].publicKey }, { kind: 'after', height: 1_000 }],
  ]);
  equal(tree.alternatives()[1][1].height, 1_000, 'an alternative');
  const address = tree.address(chain);
  const coin = { txid: 'ab'.repeat(32), index: 0, amount: 500_000_000n, address };
  const order = { coins: [coin], outputs: [{ address, amount: 499_000_000n }, { data: new Uint8Array([1, 2, 3]) }] };
  const partial = qbtc.Partial.create(chain, order);
  refused('partial-too-early', () => partial.choose(tree, 1), QbtcError);
  equal(partial.effect([address]).text, [
    `keeps 4.99 QBTC at ${address} (your own)`, 'writes 3 bytes of data for everybody to read', 'fee 0.01 QBTC', '0.01 QBTC leave your wallet in all', 'never expires',
  ].join('\n'), 'its effect in words');
  partial.choose(tree, 0);
  // Now the size is known; and seen by a stranger, all of it belongs to others.
  const { sizeBytes, feeRate, text } = partial.effect();
  equal(text, [
    `pays 4.99 QBTC to ${address}`, 'writes 3 bytes of data for everybody to read', `fee 0.01 QBTC, for ${sizeBytes} bytes: ${feeRate} quanta per 1000 bytes`,
    '1 of the 1 coins spent are not yours', '0 QBTC leave your wallet in all', 'never expires',
  ].join('\n'), 'its effect on others');
  const { text: incoming } = qbtc.Partial.create(chain, { ...order, expiryHeight: 9, coins: [{ ...coin, address: chain.addressFromBytes(new Uint8Array(32)) }] }).effect([address]);
  check(incoming.endsWith('4.99 QBTC arrive in your wallet in all\nexpires if no block up to height 9 holds it'), `what arrives: ${incoming}`);
  partial.sign(keys[0]);
  equal(partial.missing()[0].count, 1, 'one of two has signed');
  const passedOn = qbtc.Partial.fromBytes(chain, partial.toBytes());
  passedOn.sign(keys[2]);
  equal(passedOn.missing().length, 0, 'two of three have signed');
  const signed = passedOn.finalize();
  equal(signed.bytes.length, sizeBytes, 'the size was known');
  const rules = whole.Chain.named('dev');
  const decoded = whole.decodeTransaction(rules, signed.bytes);
  equal(decoded.outputs.find((output) => output.kind === 'data').data.length, 3, 'data');
  equal(decoded.witnesses[0].address, address, 'whose witness');
  equal(decoded.sizeBytes, signed.bytes.length, 'its size');
  const proof = qbtc.signMessageWith(chain, tree, 0, 'together', [keys[0], keys[1]]);
  whole.verifyMessage(rules, address, 'together', proof);
  refused('freed', () => keys[0].publicKey, QbtcError);
  return { bytes: hex(signed.bytes), txid: signed.txid, spent: [{ amount: '500000000', address }] };
}

/** The hash-based key that stands beside the ordinary one. */
function dormantKey(qbtc, account, chain, whole) {
  const { address, signing, fallback } = account.address('receive', 7, { fallback: true });
  const tree = qbtc.AddressTree.of([signing, fallback].map((key) => [{ kind: 'key', key }]));
  equal(tree.address(chain), address, 'both keys make the address');
  const coin = { txid: 'ef'.repeat(32), index: 3, amount: 200_000_000n, address };
  const partial = qbtc.Partial.create(chain, { coins: [coin], outputs: [{ address, amount: 199_000_000n }] });
  partial.choose(tree, 1);
  equal(partial.sign(account.secretKey('receive', 7)), 0, 'the ordinary key is not asked for');
  equal(partial.sign(account.secretKey('receive', 7, 'SLH-DSA-SHA2-128s')), 1, 'the dormant key signs');
  const signed = partial.finalize();
  equal(whole.decodeTransaction(whole.Chain.named('dev'), signed.bytes).witnesses[0].proofs[0].signature.length, 7_856, 'its signature');
  return { bytes: hex(signed.bytes), txid: signed.txid, spent: [{ amount: '200000000', address }] };
}

/** Chains by their specs. */
function specs(qbtc, QbtcError) {
  const chain = qbtc.Chain.named('test');
  equal(qbtc.Chain.fromBytes(chain.toBytes()).id, chain.id, 'a chain by its spec');
  refused('bytes-malformed', () => qbtc.Chain.fromBytes(chain.toBytes().slice(1)), QbtcError);
}

/** What others have signed. */
function cosigned(qbtc, QbtcError, vectors) {
  const chain = qbtc.Chain.named('dev');
  const { message, payment } = vectors;
  qbtc.verifyMessage(chain, message.address, message.text, message.proof);
  refused('signature-invalid', () => qbtc.verifyMessage(chain, message.address, `${message.text} `, message.proof), QbtcError);
  refused('message-base64', () => qbtc.verifyMessage(chain, message.address, message.text, '#'), QbtcError);
  equal(qbtc.decodeTransaction(chain, unhex(payment.signed)).wtxid, payment.wtxid, 'the native wallet\'s transaction');
  refused('bytes-malformed', () => qbtc.decodeTransaction(chain, unhex(payment.signed).slice(0, 99)), QbtcError);

  const [key, other] = [7, 8].map((byte) => qbtc.SecretKey.fromSeed('ML-DSA-44', new Uint8Array(32).fill(byte)));
  const { publicKey } = key;
  const bytes = new Uint8Array(32);
  refused('signature-length', () => qbtc.verifySignature(publicKey, bytes, new Uint8Array(7)), QbtcError);
  refused('signature-invalid', () => qbtc.verifySignature(publicKey, bytes, new Uint8Array(2420)), QbtcError);

  const tree = qbtc.AddressTree.of([[{ kind: 'key', key: publicKey }, { kind: 'key', key: other.publicKey }]]);
  const coin = { txid: 'ab'.repeat(32), index: 0, amount: 500_000_000n, address: tree.address(chain) };
  const copies = [0, 1, 2].map(() => qbtc.Partial.create(chain, { coins: [coin], outputs: [{ data: bytes }] }));
  copies.forEach((copy) => copy.choose(tree, 0));
  copies[0].sign(key);
  copies[1].sign(other);
  copies[0].combine(copies[1]);
  equal(copies[0].missing().length, 0, 'both have signed');
  const [ours, theirs] = qbtc.decodeTransaction(chain, copies[0].finalize().bytes).witnesses[0].proofs;
  equal(copies[2].addSignature(publicKey, ours.signature), 1, 'a signature made elsewhere');
  refused('signature-invalid', () => copies[2].addSignature(publicKey, theirs.signature), QbtcError);
}

function keystores(qbtc, QbtcError, vectors) {
  const { file, passphrase } = vectors.keystore;
  const opened = qbtc.openKeystore(unhex(file), passphrase);
  equal(opened.mnemonic.phrase(), vectors.words.trim(), 'the native wallet\'s words');
  equal(`${opened.layout.scheme} ${opened.layout.fallback} ${opened.birthday} ${opened.labels[0].text}`, 'ML-DSA-65 true 123456 Zoë\'s gift', 'what is kept beside');
  equal(qbtc.inspectKeystore(unhex(file)).memoryKib, 64, 'its costs');
  refused('wrong-passphrase', () => qbtc.openKeystore(unhex(file), 'cafe au lait'), QbtcError);
  refused('keystore-truncated', () => qbtc.openKeystore(unhex(file).slice(0, 100), ''), QbtcError);
  refused('keystore-not-one', () => qbtc.openKeystore(new Uint8Array(3), ''), QbtcError);
  const mnemonic = qbtc.Mnemonic.generate();
  const sealed = qbtc.sealKeystore(mnemonic, { costs: cheap, labels: [{ subject: 'a', text: 'b' }] }, 'first');
  const changed = qbtc.changePassphrase(sealed, 'first', 'caf\u00e9');
  equal(qbtc.openKeystore(changed, 'cafe\u0301').mnemonic.phrase(), mnemonic.phrase(), 'the new passphrase');
  refused('keystore-costs', () => qbtc.sealKeystore(mnemonic, { costs: { memoryKib: 2 ** 30, passes: 1 } }, ''), QbtcError);
  return { file: hex(changed), passphrase: 'caf\u00e9', words: mnemonic.phrase() };
}

/** A panic ends one instance and nothing else. */
async function faults(load, QbtcError) {
  const [dying, other] = [await load(), await load()];
  const chain = dying.Chain.named('dev');
  refused('fatal', () => dying.panicForTests(), QbtcError);
  refused('fatal', () => dying.version(), QbtcError);
  refused('fatal', () => chain.name, QbtcError);
  chain.free();
  equal(other.Chain.named('dev').name, 'dev', 'another instance');
  const freed = other.Chain.named('dev');
  freed.free();
  freed.free();
  refused('freed', () => freed.name, QbtcError);
  refused('argument', () => other.Seed.fromBytes(new Uint8Array(3)), QbtcError);
  refused('argument', () => other.AddressTree.of('x'), QbtcError);
  await stopped(load, QbtcError);
}

async function stopped(load, QbtcError) {
  for (const [options, code] of [[{ signal: AbortSignal.abort() }, 'aborted'], [{ wasm: new Uint8Array(8) }, 'load']]) {
    const error = await load(options).then(() => null, (error) => error);
    check(error instanceof QbtcError && error.code === code, `${code}: ${error}`);
  }
}

/** What `@qbtc/wallet/light` can do where there is no node: refuse. That it follows a real one shows live.mjs. */
async function tryLight({ LightClient, QbtcError, serveConnections }) {
  const identity = 'p2p/12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5';
  const direct = `/ip4/127.0.0.1/udp/9/webrtc-direct/certhash/uEiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g/${identity}`;
  const options = { chain: 'dev', nodes: [], timeoutMs: 20_000 };
  const hasWebRtc = typeof RTCPeerConnection !== 'undefined';
  for (const [changes, code] of [
    [{ timeoutMs: 100 }, 'timeout'], [{ nodes: [direct], timeoutMs: 2_000 }, hasWebRtc ? 'timeout' : 'unsupported'],
    [{ nodes: ['/ip4/127.0.0.1/udp/9/quic-v1'] }, 'bad-address'], [{ chain: 'regtest' }, 'chain-unknown'], [{ addresses: ['nobody'] }, 'address-separator'],
    [{ signal: AbortSignal.abort() }, 'aborted'], [{ wasm: new Uint8Array(8) }, 'load'], [{ nodes: [7] }, 'argument'],
    // A program that never comes counts as well.
    [{ wasm: new Promise(() => {}), timeoutMs: 100 }, 'timeout'], [{ timeoutMs: 'soon' }, 'argument'],
    [{ birthday: 2 ** 32 + 1 }, 'argument'], [{ birthday: 0.5 }, 'argument'],
  ]) {
    const error = await LightClient.connect({ ...options, ...changes }).then(() => null, (error) => error);
    check(error instanceof QbtcError && error.code === code, `${code}: ${error?.code} ${error}`);
    if (code === 'unsupported') check(error.message.includes('/ws/'), `says what to do: ${error.message}`);
  }
  const { port1, port2 } = new MessageChannel();
  const server = await serveConnections(port1);
  server.close();
  port2.close();
}

function payments(qbtc, QbtcError, vectors) {
  const chain = qbtc.Chain.named('dev');
  const account = qbtc.Mnemonic.parse(vectors.words).toSeed().account(chain);
  let book = qbtc.AddressBook.create(account, {}, 2);
  book = qbtc.AddressBook.fromBytes(chain, book.toBytes());
  equal(book.addresses('receive').length, 2, 'the gap');
  const { address } = book.nextUnused('receive');
  check(book.markUsed(address), 'its own address');
  equal(`${book.missing} ${book.extend(account)} ${book.missing}`, '1 1 0', 'the gap is filled');
  equal(book.pathOf(book.nextUnused('receive').address).index, 1, 'the next address');
  equal(book.pathOf(vectors.addresses.at(-1).address), undefined, 'another account\'s');
  qbtc.verifyMessage(chain, address, 'x', book.signMessage(account, address, 'x'));

  const to = chain.parseAddress(vectors.addresses.at(-1).address);
  const change = book.nextUnused('change').address;
  const coins = [{ txid: 'cd'.repeat(32), index: 1, amount: 5_000_000_000n, address }];
  const order = { coins, outputs: [{ address: to, amount: 1_000_000_000n }], change, feeRate: 2_000n, tip: 100 };
  const unsigned = book.pay(order);
  const signed = unsigned.sign(account);
  equal(signed.bytes.length, unsigned.sizeBytes, 'the size was known');
  equal(unsigned.fee, BigInt(Math.ceil(unsigned.sizeBytes * 2)), 'the fee is that of the rate');
  equal(unsigned.change.amount, 4_000_000_000n - unsigned.fee, 'the change');
  equal(unsigned.effect(book).leaves, 1_000_000_000n + unsigned.fee, 'what leaves');
  equal(qbtc.decodeTransaction(chain, signed.bytes).expiryHeight, chain.expiryHeight(100), 'when it expires');
  const elsewhere = qbtc.Partial.fromBytes(chain, unsigned.toPartial().toBytes());
  equal(elsewhere.signFor(account, book), 1, 'signed elsewhere');
  equal(elsewhere.effectFor(book).arrives, 0n, 'nothing arrives');
  equal(elsewhere.finalize().txid, signed.txid, 'the same transaction');
  const spent = [{ amount: '5000000000', address }];
  const made = [{ bytes: hex(signed.bytes), txid: signed.txid, spent }];
  for (const replacement of [
    book.bumpFee({ transaction: signed.bytes, spent: coins, feeRate: 3_000n, change }),
    book.cancel({ transaction: signed.bytes, spent: coins, feeRate: 3_000n, backTo: change }),
  ]) {
    check(replacement.fee > unsigned.fee, 'a replacement pays more');
    const { bytes, txid } = replacement.sign(account);
    made.push({ bytes: hex(bytes), txid, spent });
  }
  const sweep = book.pay({ ...order, outputs: [], sweepTo: to, change: undefined });
  equal(sweep.effect(book).leaves, 5_000_000_000n, 'all of it');
  refusedPayments(qbtc, QbtcError, book, order, to);
  return made;
}

function refusedPayments(qbtc, QbtcError, book, order, to) {
  const pay = (changes) => () => book.pay({ ...order, ...changes });
  const poor = refused('insufficient-funds', pay({ outputs: [{ address: to, amount: 5_000_000_000n }] }), QbtcError);
  equal(poor.found, '50', 'what there is');
  equal(refused('payment-dust', pay({ outputs: [{ address: to, amount: 1n }] }), QbtcError).position, 1, 'which output');
  refused('payment-empty', pay({ outputs: [] }), QbtcError);
  refused('payment-fee-rate', pay({ feeRate: 1n }), QbtcError);
  refused('payment-never-valid', pay({ expiryHeight: 99 }), QbtcError);
  refused('payment-fee-too-high', pay({ maxFee: 1n }), QbtcError);
  refused('coin-foreign', pay({ coins: [{ ...order.coins[0], address: to }] }), QbtcError);
  refused('address-separator', pay({ change: 'nobody' }), QbtcError);
  for (const wrong of [{ feeRate: 2_000 }, { tip: '100' }, { tip: -1 }, { tip: 0.5 }, { coins: {} }, { outputs: [null] }, { change: undefined }]) {
    refused('argument', pay(wrong), QbtcError);
  }
}

function proofs(qbtc, QbtcError, vectors) {
  const { receipt } = vectors;
  const chain = qbtc.Chain.named(receipt.chain);
  const parts = { history: unhex(receipt.history), block: unhex(receipt.block), transaction: unhex(receipt.transaction) };
  const proven = qbtc.verifyPayment(chain, receipt.txid, parts);
  equal(`${proven.value} ${proven.level} ${proven.height} ${proven.confirmations}`, `${receipt.txid} header ${receipt.height} ${receipt.confirmations}`, 'the payment');
  equal(proven.proof.block.header.id, receipt.blockId, 'its block');
  const tip = qbtc.verifyReceipt(chain, parts.history);
  check(tip.work > 300_000n && tip.height === proven.height + proven.confirmations - 1, `the work: ${tip.work}`);
  equal(qbtc.verifyBlockProof(parts.block, tip.historyRoot, tip.blocks).height, receipt.height, 'the block');
  equal(qbtc.verifyTxOutProof(parts.transaction).txids[0], receipt.txid, 'the transaction');
  // Another chain, another transaction, and every part with a changed byte.
  refused('proof-history', () => qbtc.verifyReceipt(qbtc.Chain.named('main'), parts.history), QbtcError);
  refused('proof-other-transaction', () => qbtc.verifyPayment(chain, '00'.repeat(32), parts), QbtcError);
  for (const [name, bytes] of Object.entries(parts)) {
    for (let at = 0; at < bytes.length; at += Math.ceil(bytes.length / 25)) {
      const changed = bytes.slice();
      changed[at] ^= 1;
      let error = null;
      try {
        qbtc.verifyPayment(chain, receipt.txid, { ...parts, [name]: changed });
      } catch (caught) {
        error = caught;
      }
      check(error instanceof QbtcError && error.code !== 'fatal', `${name} with byte ${at} changed is refused: ${error}`);
    }
  }
}
