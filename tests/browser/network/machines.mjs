// Two machines at a switch: this one, and another in a network namespace of its own. The switch is in a third.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import { pause } from '../support/judge.mjs'

/** What runs a program in a network namespace of its own: for who is root, and for who is not. */
const ALONE = process.getuid() === 0 ? ['unshare', '--net'] : ['unshare', '--user', '--map-root-user', '--net']
const THERE = '10.83.0.1'
const HERE = '10.83.0.2'

/** Plays a script where there is no network but what it makes; its exit status. */
export function alone (script) {
  const [program, ...args] = ALONE
  const { status, error } = spawnSync(program, [...args, process.execPath, script], { stdio: 'inherit', env: { ...process.env, IS_ALONE: '1' } })
  if (error !== undefined) throw error
  return status
}

const ip = (within, ...args) => {
  const [program, ...rest] = [...within, 'ip', ...args]
  execFileSync(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** A machine without anything, for as long as this process reads from it. */
class Machine {
  async start () {
    this.process = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] })
    await once(this.process, 'spawn')
    // It has a namespace of its own once `unshare` has done its work.
    const [own, its] = [() => readlinkSync('/proc/self/ns/net'), () => readlinkSync(`/proc/${this.process.pid}/ns/net`)]
    for (let turn = 0; its() === own(); turn++) {
      if (turn === 1_000) throw new Error('another machine has no network of its own')
      await pause(10)
    }
    /** What runs a program there. */
    this.within = ['nsenter', '--net', '--target', String(this.process.pid)]
    ip(this.within, 'link', 'set', 'lo', 'up')
    return this
  }

  async end () {
    const ended = once(this.process, 'exit')
    this.process.stdin.end()
    await ended
  }
}

/** The switch, and who is connected with it. */
export class Network {
  /** The address of the other machine. */
  there = THERE
  #machines = []

  async lay () {
    for (let count = 0; count < 2; count++) this.#machines.push(await new Machine().start())
    const [other, hub] = this.#machines
    this.within = other.within
    this.hub = hub.within
    ip([], 'link', 'set', 'lo', 'up')
    ip(this.hub, 'link', 'add', 'hub', 'type', 'bridge')
    ip(this.hub, 'link', 'set', 'hub', 'up')
    this.#connect([], 'to-here', process.pid)
    this.#connect(this.within, 'to-there', other.process.pid)
    ip(this.within, 'address', 'add', `${THERE}/24`, 'dev', 'cable')
    this.move(HERE)
  }

  #connect (within, port, pid) {
    ip(this.hub, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'cable', 'netns', String(pid))
    ip(this.hub, 'link', 'set', port, 'master', 'hub', 'up')
    ip(within, 'link', 'set', 'cable', 'up')
  }

  /** This machine's cable is pulled, or plugged in again. */
  pull () {
    ip([], 'link', 'set', 'cable', 'down')
  }

  plug () {
    ip([], 'link', 'set', 'cable', 'up')
  }

  /** The other machine is cut off, which nobody here is told. */
  silence (isSilent) {
    ip(this.hub, 'link', 'set', 'to-there', isSilent ? 'down' : 'up')
  }

  /** This machine has another address, and no longer the one before. */
  move (address) {
    ip([], 'address', 'flush', 'dev', 'cable')
    ip([], 'address', 'add', `${address}/24`, 'dev', 'cable')
  }

  async cut () {
    for (const machine of this.#machines) await machine.end()
  }
}
