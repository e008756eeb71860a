// Judges what a suite found, one line each, and tells in the end how much held.

const tally = { passed: 0, failed: 0 }
/** Whether figures are judged as well: only a machine that does nothing else can keep to them. */
const JUDGES_FIGURES = process.env.FIGURES === '1'

/** One statement that must hold; what was found, if anything, is shown beside it. */
export function judge (what, holds, found) {
  tally[holds ? 'passed' : 'failed']++
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}${found === undefined || found.length === 0 ? '' : `: ${JSON.stringify(found)}`}`)
}

/** A figure and whether it keeps to its limit. Shown always, judged with FIGURES=1. */
export function figure (what, holds, found) {
  if (JUDGES_FIGURES) return judge(what, holds, found)
  console.log(`${holds ? 'figure' : 'missed'} ${what}: ${JSON.stringify(found)}`)
}

/** Prints what `cargo xtask test` counts, and sets the exit status. */
export function finish () {
  const { passed, failed } = tally
  console.log(`test result: ${failed === 0 ? 'ok' : 'FAILED'}. ${passed} passed; ${failed} failed`)
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
}

/** Asks until the answer is something; an error after so many seconds. */
export async function until (what, seconds, ask) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await pause(100)) {
    const found = await ask()
    if (found) return found
  }
  throw new Error(`not within ${seconds} s: ${what}`)
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
export const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]
export const round = (number) => Math.round(number * 10) / 10
