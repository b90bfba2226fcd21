import { isDnsName } from '../core/dns-name.ts'
import { base64, formatMessage, invalid, parseMessage } from './json.ts'

/** Where the agent says that it can be asked. */
export interface HttpChallengePlace {
  /** A DNS name in lower case, never an address. */
  readonly hostName: string
  /** Tells agents on one host apart. */
  readonly agentName: string
  readonly port: number
}

const agentNameForm = /^[a-zA-Z][a-zA-Z0-9-]{0,31}$/
const nonceForm = /^[A-Za-z0-9_-]{16,128}={0,2}$/

export function formatHttpChallengePayload({ hostName, agentName, port }: HttpChallengePlace): Uint8Array {
  return formatMessage({ hostname: hostName, agentname: agentName, port })
}

/** @throws {MayflyError} ATTESTATION_INVALID */
export function parseHttpChallengePayload(payload: Uint8Array): HttpChallengePlace {
  const { hostname, agentname, port } = parseMessage(payload, 'payload of http_challenge')
  if (typeof hostname !== 'string' || !isHostName(hostname)) throw invalid('the host of http_challenge is no DNS name: no address, user, path or port belongs to it')
  if (typeof agentname !== 'string' || !agentNameForm.test(agentname)) throw invalid('the agent name of http_challenge is a letter and up to 31 letters, digits and hyphens')
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) throw invalid('the port of http_challenge is not 1 to 65535')
  return { hostName: hostname.toLowerCase(), agentName: agentname, port }
}

/** A name that cannot be read as an address by anybody: `127.1`, `0x7f.1` and `2130706433` are addresses to a resolver. */
export function isHostName(name: string): boolean {
  const last = name.slice(name.lastIndexOf('.') + 1)
  return isDnsName(name) && !name.startsWith('*') && !/^(\d+|0[xX][0-9a-fA-F]*)$/.test(last)
}

export function isAgentName(name: string): boolean {
  return agentNameForm.test(name)
}

export function formatHttpChallenge(nonce: string): Uint8Array {
  return formatMessage({ nonce })
}

/** @throws {MayflyError} ATTESTATION_INVALID */
export function parseHttpChallenge(challenge: Uint8Array): string {
  const { nonce } = parseMessage(challenge, 'challenge of http_challenge')
  if (typeof nonce !== 'string' || !nonceForm.test(nonce)) throw invalid('the nonce of http_challenge is no base64url')
  return nonce
}

/** As SPIRE spells it: base64url with padding. */
export function httpNonceOf(bytes: Uint8Array): string {
  return base64(bytes).replaceAll('+', '-').replaceAll('/', '_')
}

/** Where the agent serves the nonce. */
export function httpChallengePath(agentName: string): string {
  return `/.well-known/spiffe/nodeattestor/http_challenge/${agentName}/challenge`
}

/** What an agent says once it serves the nonce: SPIRE's protocol wants some answer. */
export const httpChallengeAnswer: Uint8Array = new TextEncoder().encode('\n')
