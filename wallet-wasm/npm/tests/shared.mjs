// Plays tabs that share a light client, without a browser and without the program: what runs the client is played, channels are Node's, and so are locks
// where it has them (from version 24 on).
//
//   node shared.mjs PACKAGE_FOLDER
import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const module = (name) => import(pathToFileURL(join(resolve(process.argv[2]), 'esm', name)).href);
const [{ SharingClient }, { Deadline, Telling }, { QbtcError }, { wordOf }] =
  await Promise.all(['shared-client.js', 'light-events.js', 'errors.js', 'shared-words.js'].map(module));

/** Locks as browsers give them out, as far as they are used. */
class Locks {
  held = new Map();
  queues = new Map();

  async request(name, { steal, signal }, hold) {
    const queue = this.queues.get(name) ?? this.queues.set(name, []).get(name);
    const wanted = {};
    const ended = new Promise((done, failed) => Object.assign(wanted, { done, failed, hold }));
    signal?.addEventListener('abort', () => {
      if (queue.includes(wanted)) queue.splice(queue.indexOf(wanted), 1);
      if (this.held.get(name) !== wanted) wanted.failed(signal.reason);
    });
    if (steal) {
      this.held.get(name)?.failed(new DOMException('stolen', 'AbortError'));
      this.held.delete(name);
      queue.unshift(wanted);
    } else {
      queue.push(wanted);
    }
    this.next(name);
    return ended;
  }

  next(name) {
    const wanted = this.held.has(name) ? undefined : this.queues.get(name).shift();
    if (!wanted) return;
    this.held.set(name, wanted);
    Promise.resolve().then(wanted.hold).then(wanted.done, wanted.failed).finally(() => {
      if (this.held.get(name) === wanted) this.held.delete(name);
      this.next(name);
    });
  }
}

if (!globalThis.navigator?.locks) Object.defineProperty(globalThis, 'navigator', { value: { locks: new Locks() }, configurable: true });

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
async function until(what, holds) {
  for (const end = Date.now() + 15_000; Date.now() < end; await pause(20)) if (await holds()) return;
  throw new Error(`not within 15 s: ${what}`);
}

/** Plays the client of one tab. What it stores lies in `disk`, whose last claim alone may write. */
class Played extends Telling {
  asked = [];

  constructor(disk, addresses) {
    super();
    Object.assign(this, { disk, addresses: new Set(addresses), claim: Symbol('claim'), height: disk.height, phase: 'proving' });
    disk.claim = this.claim;
    disk.running.add(this);
  }

  async run() {
    await pause(5);
    this.phase = 'live';
    if (!this.isClosed) this.tell({ kind: 'status', status: this.status });
  }

  get status() {
    const tip = { height: this.height, id: `${this.height}`, time: 0, work: 1n };
    return { phase: this.phase, nodes: 1, eclipse: null, isStale: false, withheld: null, tip, traffic: { questions: 0n, bytes: 0n } };
  }

  balance() {
    const to = { height: this.height, id: `${this.height}` };
    return { value: { confirmed: BigInt(this.height), pending: 0n, immature: 0n }, level: 'filter', height: this.height, confirmations: 1, proof: { from: 0, to } };
  }

  coins = () => [...this.addresses].map((address) => ({ address, amount: 1n }));
  history = (limit) => [...Array(this.height).keys()].map((height) => ({ value: { txid: `${height}` } })).slice(0, limit);
  nodes = () => [{ address: 'node' }];
  wake = () => {};

  watch(addresses) {
    if (addresses.includes('wrong')) throw new QbtcError('address-checksum', 'wrong address', { position: 3 });
    for (const address of addresses) this.addresses.add(address);
  }

  /** A question that hangs is answered by the second client only. */
  header(height, { signal }) {
    this.asked.push(height);
    if (height === 13) this.end(new QbtcError('fatal', 'a fault'));
    if (height !== 99 || this.disk.running.size > 1) return Promise.resolve({ height, value: new Uint8Array(80) });
    return new Promise((_, failed) => signal.addEventListener('abort', () => failed(new QbtcError('aborted', 'stopped'))));
  }

  mine() {
    this.height += 1;
    this.tell({ kind: 'transaction', entry: { value: { txid: `${this.height}` } } });
    this.tell({ kind: 'balance', balance: this.balance() });
  }

  store() {
    assert.equal(this.disk.claim, this.claim, 'nobody else has claimed the store');
    this.disk.height = this.height;
  }

  async close() {
    if (this.isClosed) return;
    this.store();
    this.end();
  }

  halt() {
    this.end();
  }
}

let groups = 0;
/** Tabs of a group of their own. */
class Group {
  name = `test-${process.pid}-${(groups += 1)}`;
  disk = { height: 5, running: new Set() };
  starts = 0;
  fault = undefined;
  hangs = false;

  async open(addresses = ['first'], signal = undefined) {
    // Each tab has a document of its own, which can be frozen.
    const document = (globalThis.document = new EventTarget());
    const start = async (all, _, stop) => {
      this.starts += 1;
      await (this.hangs ? new Promise(() => {}) : pause(5));
      if (this.fault) throw this.fault;
      stop.throwIfAborted();
      return new Played(this.disk, all);
    };
    const client = new SharingClient(this.name, start, addresses, 0);
    const tab = { client, document, events: [] };
    delete globalThis.document;
    await client.ready(() => client.join(new Deadline(3_000), signal), signal);
    tab.reading = (async () => {
      for await (const event of client.events) tab.events.push(event);
    })();
    return tab;
  }

  /** The client that runs last. */
  get played() {
    return [...this.disk.running].at(-1);
  }
}

const told = ({ events }, kind) => events.filter((event) => event.kind === kind);
const code = (promise) => Promise.resolve(promise).then(() => 'nothing', (error) => (error instanceof QbtcError ? error.code : `no QbtcError: ${error}`));

const STORIES = {
  async 'two tabs, one client'() {
    const group = new Group();
    const [first, second] = [await group.open(), await group.open(['second'])];
    assert.deepEqual([first.client.isLeader, second.client.isLeader, group.starts], [true, false, 1]);
    assert.equal(second.client.status.phase, 'live');
    assert.equal(second.client.balance().value.confirmed, 5n);
    assert.deepEqual(second.client.coins(), [{ address: 'first', amount: 1n }, { address: 'second', amount: 1n }]);
    assert.equal(second.client.history(2).length, 2);
    group.played.mine();
    await until('both hear it', () => [first, second].every((tab) => told(tab, 'transaction').length === 1));
    assert.equal(second.client.balance().height, 6);
    assert.equal((await second.client.header(7)).height, 7);
    assert.equal(await code(second.client.watch(['wrong'])), 'address-checksum');
    await second.client.watch(['third'], 3);
    assert.equal(second.client.coins().length, 3);
    assert.equal(await code(second.client.header(() => 0)), 'argument');
    assert.equal(await code(second.client.header(7, { signal: AbortSignal.abort() })), 'aborted');
    const stop = new AbortController();
    const stopped = code(second.client.header(99, { signal: stop.signal }));
    await until('it is asked', () => group.played.asked.includes(99));
    stop.abort();
    assert.equal(await stopped, 'aborted');
    await first.client.close();
    await second.client.close();
    assert.equal(second.client.status.phase, 'closed');
    assert.equal(await code(second.client.header(1)), 'closed');
    assert.throws(() => second.client.balance(), { code: 'closed' });
    await second.reading;
  },

  async 'the next one goes on from what was stored, and is asked again'() {
    const group = new Group();
    const [first, second] = [await group.open(), await group.open(['second'])];
    group.played.mine();
    await until('it is heard', () => told(second, 'transaction').length === 1);
    const hanging = second.client.header(99);
    await until('it is asked', () => group.played.asked.includes(99));
    const begin = Date.now();
    await first.client.close();
    assert.equal((await hanging).height, 99);
    assert.ok(Date.now() - begin < 1_000, 'at once');
    assert.deepEqual([second.client.isLeader, second.client.balance().height, group.starts], [true, 6, 2]);
    assert.deepEqual([...group.played.addresses].sort(), ['first', 'second'], 'it watches all that any watches');
    assert.equal(told(second, 'rolled-back').length, 0);
    await second.client.close();
  },

  async 'a tab that is frozen leads no more, and takes part again'() {
    const group = new Group();
    const [first, second] = [await group.open(), await group.open()];
    const frozen = group.played;
    group.played.mine();
    await until('it is heard', () => told(second, 'transaction').length === 1);
    const begin = Date.now();
    first.document.dispatchEvent(new Event('freeze'));
    assert.equal(frozen.isClosed, true, 'within the event');
    assert.equal(first.client.status.phase, 'connecting');
    await until('the second leads', () => second.client.isLeader && second.client.status.phase === 'live');
    assert.ok(Date.now() - begin < 1_000, 'at once');
    // What was not stored comes again, and that is said.
    assert.deepEqual(told(second, 'rolled-back').map(({ to }) => to.height), [5]);
    group.played.mine();
    await pause(50);
    first.document.dispatchEvent(new Event('resume'));
    await until('the first follows', () => first.client.status.phase === 'live' && first.client.balance().height === 6);
    assert.equal(first.client.isLeader, false);
    await second.client.close();
    await until('the first leads again', () => first.client.isLeader);
    await first.client.close();
  },

  async 'a follower that is frozen does not wait for the lock'() {
    const group = new Group();
    const [first, second] = [await group.open(), await group.open()];
    second.document.dispatchEvent(new Event('freeze'));
    await first.client.close();
    const third = await group.open();
    assert.equal(third.client.isLeader, true);
    await Promise.all([second, third].map(({ client }) => client.close()));
  },

  async 'a leader that falls silent is replaced, and stores nothing any more'() {
    const group = new Group();
    const [first, second] = [await group.open(), await group.open()];
    const { channel } = first.client;
    const silent = group.played;
    const hear = channel.onmessage;
    channel.onmessage = null;
    channel.postMessage = () => {};
    clearInterval(first.client.timer);
    const begin = Date.now();
    await until('the second leads', () => second.client.isLeader);
    assert.ok(Date.now() - begin < 12_000, 'within seconds');
    await until('the first notices', () => silent.isClosed);
    assert.notEqual(group.disk.claim, silent.claim);
    assert.ok(told(second, 'status').some(({ status }) => status.phase === 'connecting'));
    delete channel.postMessage;
    channel.onmessage = hear;
    await until('the first follows', async () => (await first.client.header(8)).height === 8);
    assert.equal(first.client.isLeader, false);
    assert.equal(group.starts, 2);
    await Promise.all([first, second].map(({ client }) => client.close()));
  },

  async 'a fault ends what waits, and nothing else'() {
    const group = new Group();
    const [first, second] = [await group.open(), await group.open()];
    group.played.mine();
    await until('it is heard', () => [first, second].every((tab) => told(tab, 'transaction').length === 1));
    assert.equal(await code(second.client.header(13)), 'fatal');
    await until('the second leads', () => second.client.isLeader && second.client.status.phase === 'live');
    assert.deepEqual(told(first, 'warning').map(({ warning }) => warning.code), ['fatal']);
    await until('both hear what comes again', () => [first, second].every((tab) => told(tab, 'rolled-back')[0]?.to.height === 5));
    await until('the first follows', async () => (await first.client.header(8)).height === 8);
    await Promise.all([first, second].map(({ client }) => client.close()));
  },

  async 'what cannot begin is refused, and the next tab tries'() {
    const group = new Group();
    group.fault = new QbtcError('bad-address', 'no node has this address');
    assert.equal(await code(group.open()), 'bad-address');
    group.fault = undefined;
    const first = await group.open();
    assert.equal(await code(group.open(['wrong'])), 'address-checksum');
    assert.equal(await code(group.open(['first'], AbortSignal.abort())), 'aborted');
    const stop = new AbortController();
    const second = await group.open(['first'], stop.signal);
    stop.abort();
    assert.equal(second.client.status.phase, 'closed');
    await first.client.close();
  },

  async 'a client that does not begin makes way'() {
    const group = new Group();
    const { setTimeout } = globalThis;
    group.hangs = true;
    // The limit, sooner.
    globalThis.setTimeout = (then, ms) => setTimeout(then, ms === 90_000 ? 300 : ms);
    try {
      const first = code(group.open());
      await until('the first begins', () => group.starts === 1);
      group.hangs = false;
      const second = await group.open();
      assert.equal(await first, 'timeout');
      assert.equal(second.client.isLeader, true);
      await second.client.close();
    } finally {
      globalThis.setTimeout = setTimeout;
    }
  },

  async 'words of another shape are none'() {
    const words = [null, 7, 'hello', [], {}, { from: 'a', kind: 'toString' }, { from: 'a', kind: 'hello' }, { from: 'a', kind: 'here', term: '7' },
      { from: 'a', kind: 'state', term: 1, view: {}, events: [] }, { from: 'a', kind: 'fault', error: null }, { from: 7, kind: 'bye' },
      { from: 'a', kind: 'answer', to: 'b', number: 1, error: { code: 'fatal' } }, { from: 'a', kind: 'ask', number: 1, method: 'header', args: {} }];
    assert.deepEqual(words.map((word) => wordOf(word)), words.map(() => undefined));
    assert.deepEqual(wordOf({ from: 'a', kind: 'bye' }), { from: 'a', kind: 'bye' });
    const group = new Group();
    const { client } = await group.open();
    const other = new BroadcastChannel(group.name);
    for (const word of words) other.postMessage(word);
    other.postMessage({ from: 'a', kind: 'ask', number: 1, method: 'constructor', args: [] });
    const answer = await new Promise((done) => {
      other.onmessage = ({ data }) => data.kind === 'answer' && done(data);
    });
    assert.equal(answer.error.code, 'not-spoken');
    other.close();
    await client.close();
  },

  async 'without locks it is refused'() {
    const { navigator } = globalThis;
    Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true });
    try {
      assert.throws(() => new SharingClient('alone', () => undefined, [], 0), { code: 'unsupported' });
    } finally {
      Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
    }
  },
};

for (const [name, story] of Object.entries(STORIES)) {
  await story();
  console.log(`ok ${name}`);
}
