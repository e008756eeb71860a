// What pages can call, and which parameters are right. Every value here was made by a stranger.
import { ProviderError } from './errors.js'

/** The most characters of a message to sign. */
export const MESSAGE_CHARS_MAX = 10_000
/** The most outputs of a payment. */
export const OUTPUTS_MAX = 100
/** The most characters of an address or amount: longer ones are neither. */
const TEXT_CHARS_MAX = 120

/**
 * Each method: `needs` is 'nothing', 'connection' (the origin is connected) or 'approval' (the user is asked each time); `check` returns the
 * parameters, and nothing else that came with them.
 */
export const METHODS = {
  qbtc_chainId: { needs: 'nothing', check: none },
  qbtc_requestAccounts: { needs: 'nothing', check: none },
  qbtc_accounts: { needs: 'nothing', check: none },
  qbtc_getBalance: { needs: 'connection', check: none },
  qbtc_signMessage: { needs: 'approval', check: signMessage },
  qbtc_sendTransaction: { needs: 'approval', check: sendTransaction },
  wallet_getPermissions: { needs: 'nothing', check: none },
  wallet_revokePermissions: { needs: 'nothing', check: none },
}

/**
 * The method of this name, with its parameters checked.
 *
 * @param {unknown} method
 * @param {unknown} params an object, or an array with it alone, or nothing
 */
export function checkCall(method, params) {
  if (typeof method !== 'string' || !Object.hasOwn(METHODS, method)) {
    throw ProviderError.unsupported(typeof method === 'string' ? method.slice(0, 64) : method === null ? 'null' : typeof method)
  }
  const given = Array.isArray(params) ? params : params === undefined || params === null ? [] : [params]
  if (given.length > 1) throw ProviderError.params(`${method} takes one object, and ${given.length} values were given.`)
  const { needs, check } = METHODS[method]
  return { method, needs, params: check(given[0], method) }
}

function none(given, method) {
  if (given === undefined) return {}
  if (typeof given === 'object' && given !== null && Object.keys(given).length === 0) return {}
  throw ProviderError.params(`${method} takes no parameters.`)
}

function signMessage(given, method) {
  const { message, address } = object(given, method, ['message', 'address'])
  if (typeof message !== 'string' || message.length === 0) throw ProviderError.params('`message` is a text that is not empty.')
  if (message.length > MESSAGE_CHARS_MAX) {
    throw ProviderError.params(`\`message\` has ${message.length} characters of at most ${MESSAGE_CHARS_MAX}.`)
  }
  return { message, ...(address === undefined ? {} : { address: text(address, 'address') }) }
}

function sendTransaction(given, method) {
  const { outputs, feeRate } = object(given, method, ['outputs', 'feeRate'])
  if (!Array.isArray(outputs) || outputs.length === 0) throw ProviderError.params('`outputs` is a list of at least one.')
  if (outputs.length > OUTPUTS_MAX) throw ProviderError.params(`${outputs.length} outputs of at most ${OUTPUTS_MAX}.`)
  const checked = outputs.map(output => {
    const { address, amount } = object(output, 'an output', ['address', 'amount'])
    // Decimal QBTC as text: a number of JavaScript cannot tell all amounts apart.
    return { address: text(address, 'address'), amount: text(amount, 'amount') }
  })
  if (feeRate !== undefined && !(Number.isSafeInteger(feeRate) && feeRate > 0)) {
    throw ProviderError.params('`feeRate` is a whole number of quanta for 1,000 bytes.')
  }
  return { outputs: checked, ...(feeRate === undefined ? {} : { feeRate }) }
}

function object(given, of, names) {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw ProviderError.params(`${of} takes an object of ${names.join(', ')}.`)
  }
  const odd = Object.keys(given).find(name => !names.includes(name))
  if (odd !== undefined) {
    throw ProviderError.params(`${of} knows no ${JSON.stringify(odd.slice(0, 32))}, only ${names.join(', ')}.`)
  }
  return given
}

function text(value, name) {
  if (typeof value !== 'string' || value.length === 0 || value.length > TEXT_CHARS_MAX) {
    throw ProviderError.params(`\`${name}\` is a text of at most ${TEXT_CHARS_MAX} characters.`)
  }
  return value
}
