// Uses every export with its type; is compiled, and never run. A line that must not compile says so.
import {
  QbtcError, load, type Address, type AddressBook, type AddressTree, type BookPartial, type Condition, type DecodedTransaction,
  type Effect, type ErrorCode, type Missing, type Mnemonic, type Payment, type Proven, type ProvenPlace, type PublicKey, type Receipt,
  type SignedTransaction, type SpecChain, type Wallet,
} from '@qbtc/wallet';
import {
  LightClient, QbtcError as LightError, SharedLightClient, serveConnections, type Balance, type BlockMark, type ConnectionServer, type FilterProof, type FoundEntry, type HistoryEntry,
  type LightClientOptions, type LightEvent, type LightNode, type LightStatus, type LightWarning, type Sent, type SharedLightClientOptions, type Tip, type TransactionBody,
  type WatchedCoin,
} from '@qbtc/wallet/light';
import { QbtcError as SignError, load as loadSign, type Chain as SignChain, type Sign } from '@qbtc/wallet/sign';

export async function everything(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  const qbtc: Wallet = await load({ signal, wasm: fetch('wallet.wasm') });
  const sign: Sign = await loadSign({ wasm: bytes });
  const half: Sign = qbtc;
  half.version();
  // @ts-expect-error the smaller program has no payments
  sign.AddressBook;
  const known: SignChain = sign.Chain.named('test');
  // @ts-expect-error nor rules of chains
  known.spacingSeconds;
  // @ts-expect-error nor a verifier
  sign.Partial.fromBytes(known, bytes).addSignature;

  const chain: SpecChain = qbtc.Chain.named('main');
  // @ts-expect-error no such chain
  qbtc.Chain.named('regtest');
  const numbers: number[] = [chain.spacingSeconds, chain.coinbaseMaturity, chain.expiryHeight(7)];
  const texts: string[] = [chain.name, chain.id, chain.addressPrefix, qbtc.Chain.fromBytes(chain.toBytes()).name];
  const amounts: bigint[] = [chain.dustLimit, chain.feeRateMin, qbtc.parseAmount('1')];
  const address: Address = chain.parseAddress('bqs1…');
  // @ts-expect-error a text is no address before it was parsed
  const unchecked: Address = 'bqs1…';
  chain.addressFromBytes(chain.addressToBytes(address));

  const words: Mnemonic = qbtc.Mnemonic.generate(12);
  qbtc.Mnemonic.fromEntropy(words.entropy());
  const account = qbtc.Mnemonic.parse(words.phrase()).toSeed('passphrase').account(chain, 1);
  qbtc.Seed.fromBytes(bytes).free();
  const { signing, fallback } = account.address('receive', 0, { scheme: 'ML-DSA-65', fallback: true });
  const keys: (PublicKey | undefined)[] = [signing, fallback, account.secretKey('change', 1, 'SLH-DSA-SHA2-128s').publicKey];
  const key = qbtc.SecretKey.fromSeed('ML-DSA-44', bytes);
  qbtc.verifySignature(signing, bytes, bytes);
  {
    using wiped = qbtc.Mnemonic.generate();
    texts.push(wiped.phrase(), account.path);
  }

  const conditions: Condition[] = [
    { kind: 'key', key: signing }, { kind: 'threshold', required: 1, keys: [signing] }, { kind: 'preimage', sha256: bytes },
    { kind: 'after', height: 7 },
  ];
  const tree: AddressTree = qbtc.AddressTree.of([conditions, ...qbtc.AddressTree.single(signing).alternatives()]);
  const coin = { txid: '', index: 0, amount: 1n, address: tree.address(chain) };
  const partial: BookPartial = qbtc.Partial.create(chain, { coins: [coin], outputs: [{ data: bytes }], expiryHeight: null });
  partial.choose(tree, 0);
  numbers.push(partial.sign(key), partial.addSignature(signing, bytes), partial.addPreimage(bytes));
  partial.combine(qbtc.Partial.fromBytes(chain, partial.toBytes()));
  const missing: readonly Missing[] = partial.missing();
  for (const lack of missing) {
    switch (lack.kind) {
      case 'alternative': texts.push(lack.address); break;
      case 'signatures': numbers.push(lack.count); break;
      case 'preimage': bytes = lack.sha256; break;
      default: lack satisfies never;
    }
  }
  const effect: Effect = partial.effect([address]);
  const signed: SignedTransaction = partial.finalize();
  const decoded: DecodedTransaction = qbtc.decodeTransaction(chain, signed.bytes);
  for (const output of decoded.outputs) texts.push(output.kind === 'address' ? output.address : String(output.data.length));

  const book: AddressBook = qbtc.AddressBook.create(account, {}, 5);
  qbtc.AddressBook.fromBytes(chain, book.toBytes());
  numbers.push(book.missing, book.extend(account), book.pathOf(address)?.index ?? 0, partial.signFor(account, book));
  keys.push(book.keysOf(address)?.signing);
  const isOwn: boolean = book.markUsed(address);
  const order: Payment = { coins: [coin], outputs: [{ address, amount: 1n }], change: book.nextUnused('change').address, feeRate: 1n, tip: 7 };
  // @ts-expect-error amounts are bigints
  book.pay({ ...order, feeRate: 1 });
  // @ts-expect-error change or sweepTo
  book.pay({ coins: [coin], outputs: [], feeRate: 1n, tip: 7 });
  const unsigned = book.pay(order);
  amounts.push(unsigned.fee, unsigned.effect(book).leaves, partial.effectFor(book).arrives);
  numbers.push(unsigned.sizeBytes, unsigned.change?.kind === 'data' ? 1 : 0);
  unsigned.toPartial().free();
  book.bumpFee({ transaction: unsigned.sign(account).bytes, spent: [coin], feeRate: 2n, feeFromOutput: 0 });
  book.cancel({ transaction: bytes, spent: [coin], feeRate: 2n, backTo: book.addresses('receive')[0]! });

  texts.push(account.signMessage({ branch: 'receive', index: 0 }, ''), book.signMessage(account, address, ''));
  qbtc.verifyMessage(chain, address, '', qbtc.signMessageWith(chain, tree, 0, '', [key]), 7);
  const sealed = qbtc.sealKeystore(words, { birthday: 7, labels: [{ subject: '', text: '' }], costs: { memoryKib: 64, passes: 1 } }, '');
  const { mnemonic, layout, birthday, labels } = qbtc.openKeystore(qbtc.changePassphrase(sealed, '', 'new'), 'new');
  numbers.push(qbtc.inspectKeystore(sealed).lanes, birthday, labels.length);
  texts.push(mnemonic.phrase(), layout.scheme, qbtc.formatAmount(1n), effect.text);

  const receipt: Receipt = { history: bytes, block: bytes, transaction: bytes };
  const payment = qbtc.verifyPayment(chain, signed.txid, receipt);
  const level: 'header' | 'filter' | 'validated' = payment.level;
  amounts.push(payment.proof.tip.work, qbtc.verifyReceipt(chain, bytes).work, qbtc.verifyHistoryProof(chain, bytes, bytes, '').work);
  numbers.push(qbtc.verifyBlockProof(bytes, '', 7).height, payment.confirmations);
  texts.push(...qbtc.verifyTxOutProof(bytes).txids, qbtc.verifyCommitmentsProof(bytes, bytes).filterHash, level);
  console.log(unchecked, isOwn, keys, amounts, numbers, texts);
}

export function errors(error: unknown): ErrorCode | undefined {
  if (error instanceof QbtcError || error instanceof SignError) {
    // @ts-expect-error no such code
    if (error.code === 'no-such-code') return undefined;
    return error.code;
  }
  return undefined;
}

export async function light(options: LightClientOptions, wallet: Wallet, bytes: Uint8Array): Promise<void> {
  await using client: LightClient = await LightClient.connect({ ...options, chain: wallet.Chain.named('dev'), store: 'name' });
  // @ts-expect-error nodes must be named
  await LightClient.connect({ chain: 'main' });
  const seen: (Tip | LightStatus | LightWarning | BlockMark | null | Proven<Balance, FilterProof> | Proven<HistoryEntry, FilterProof>)[] = [];
  for await (const event of client.events) {
    const told: LightEvent = event;
    switch (told.kind) {
      case 'status': seen.push(told.status); break;
      case 'tip': seen.push(told.tip, told.fork); break;
      case 'balance': seen.push(told.balance); break;
      case 'transaction': seen.push(told.entry); break;
      case 'rolled-back': seen.push(told.to); break;
      case 'warning': seen.push(told.warning); if (told.warning.kind === 'client-failed') errors(new LightError(told.warning.code, '')); break;
      default: told satisfies never;
    }
  }
  const amounts: bigint[] = [client.balance().value.confirmed, ...(await client.fees([1, 6])).rates, client.status.traffic.bytes, client.status.tip.work];
  const newest: FoundEntry | undefined = client.history(1)[0];
  if (newest?.level === 'none') newest.value.state satisfies 'pending' | 'confirmed';
  const proven: readonly Proven<WatchedCoin, FilterProof>[] = client.coins();
  const coins: readonly WatchedCoin[] = proven.map(({ value }) => value);
  const account = wallet.Mnemonic.generate().toSeed().account(wallet.Chain.named('dev'));
  const book: AddressBook = wallet.AddressBook.create(account);
  client.watch([...book.addresses('receive')], 7);
  const change = book.nextUnused('change').address;
  const { bytes: signed } = book.pay({ coins, outputs: [], sweepTo: change, feeRate: 1n, tip: client.status.tip.height }).sign(account);
  const sent: Sent = await client.send(signed, { signal: AbortSignal.timeout(1) });
  const found = await client.transaction(sent.txid);
  const value: TransactionBody = found.value;
  // @ts-expect-error only what is in a block has a proof
  found.proof;
  if (found.state === 'confirmed') {
    const place: ProvenPlace = wallet.verifyPlace(wallet.Chain.named('dev'), found.proof, value.bytes);
    seen.push(place.tip, found.block, (await client.header(7)).block);
  }
  const nodes: readonly LightNode[] = client.nodes();
  client.addNode(nodes[0]!.address);
  client.wake();
  const server: ConnectionServer = await serveConnections(new MessageChannel().port1, { wasm: bytes });
  server.close();
  console.log(amounts, seen, client.history(3)[0]?.value.fee, new LightError('closed', '') instanceof Error);
}

export async function shared(options: SharedLightClientOptions): Promise<void> {
  await using client: SharedLightClient = await SharedLightClient.connect({ ...options, name: 'wallet' });
  const alike: LightClient = client;
  const watched: Promise<void> = client.watch(['bqs1…'], 7);
  await Promise.all([watched, client.addNode('/ip4/…')]);
  // @ts-expect-error one of its own cannot be led
  (await LightClient.connect(options)).isLeader;
  console.log(client.isLeader, alike.status.phase);
}
