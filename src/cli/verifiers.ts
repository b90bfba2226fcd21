import type { AwaitReceiptsResponse__Output as AwaitReceiptsResponse } from '../../proto/generated/mayfly/v1/AwaitReceiptsResponse.ts'
import type { RegisteredVerifier__Output as RegisteredVerifier } from '../../proto/generated/mayfly/v1/RegisteredVerifier.ts'
import type { ListVerifiersResponse__Output as ListVerifiersResponse } from '../../proto/generated/mayfly/v1/ListVerifiersResponse.ts'
import { MayflyError } from '../core/errors.ts'
import type { RpcChannel } from '../rpc/channel.ts'
import type { Context } from './context.ts'
import { exitCodes } from './exit-code.ts'
import { timeText } from './when.ts'

/** A verifier as `--json` prints it. */
export interface VerifierJson {
  readonly instance: string
  readonly spiffeId: string
  readonly class: string
  readonly software: string
  readonly agentId: string
  readonly registeredAt: string
  readonly epoch: number
  readonly seq: number
  readonly receiptAt: string
  readonly stateDiffers: boolean
  readonly unsigned: boolean
}

export function verifierToJson({ registeredAtMs, receiptAtMs, ...rest }: RegisteredVerifier): VerifierJson {
  return { ...rest, registeredAt: timeText(registeredAtMs), receiptAt: timeText(receiptAtMs) }
}

/** Every page put together; head and count of readers are those of the last, so that nobody looks further behind than he is. */
export async function allVerifiers(server: RpcChannel, signal: AbortSignal): Promise<Omit<ListVerifiersResponse, 'nextPageToken'>> {
  const verifiers: RegisteredVerifier[] = []
  for (let pageToken = ''; ; ) {
    const page = await server.unary('mayfly.v1.Verifiers', 'List', { pageToken }, { signal })
    verifiers.push(...page.verifiers)
    if (page.nextPageToken === '') return { ...page, verifiers }
    pageToken = page.nextPageToken
  }
}

/** Which one: what it is, and enough of its instance to tell two processes of one identity apart. */
export function verifierText({ spiffeId, instance, class: wanted, software }: RegisteredVerifier): string {
  return `${spiffeId === '' ? 'without an SVID' : spiffeId} ${instance.slice(0, 8)} (${wanted}, ${software})`
}

export function count(number: number, word: string, words: string = `${word}s`): string {
  return `${number} ${number === 1 ? word : words}`
}

/** Until nobody is waited for any more; the last word. @throws {MayflyError} UNAVAILABLE when the server went away */
export async function waitForReceipts({ epoch, streamSeq }: { readonly epoch: number; readonly streamSeq: number }, server: RpcChannel, { signal, output }: Context): Promise<AwaitReceiptsResponse> {
  for await (const step of server.serverStream('mayfly.v1.Verifiers', 'AwaitReceipts', { epoch, seq: streamSeq }, { signal })) {
    if (step.done) {
      output.progress('')
      return step
    }
    output.progress(`${step.receipted} of ${count(step.verifiers, 'verifier')}`)
  }
  throw new MayflyError('UNAVAILABLE', 'the server ended before every verifier was heard', { hint: 'the revocation itself is done: mayfly revocation status says how far it is' })
}

/** Someone who may still accept is a failure; who is not known cannot be waited for, and is only said. */
export function exitCodeAfter(waited: AwaitReceiptsResponse | undefined): number {
  return waited === undefined || waited.uncovered.length === 0 ? exitCodes.ok : exitCodes.failed
}

/** What a wait for receipts came to, for people: who has it, who refuses anyway, and who may still accept. */
export function waitLines(last: AwaitReceiptsResponse): readonly string[] {
  const lines = [`${last.receipted} of ${count(last.verifiers, 'verifier')} ${last.verifiers === 1 ? 'has' : 'have'} receipted it`]
  if (last.pastLimit.length > 0) lines.push(`${last.pastLimit.length} have not, and refuse until they are fresh:`, ...last.pastLimit.map((verifier) => `  ${verifierText(verifier)}`))
  if (last.uncovered.length > 0) lines.push(`${last.uncovered.length} have not, and may still accept:`, ...last.uncovered.map((verifier) => `  ${verifierText(verifier)}`))
  if (last.unregistered > 0) lines.push(`not known: ${count(last.unregistered, 'reader')} of the stream that did not register`)
  if (last.unsigned > 0) lines.push(`not relied on: ${count(last.unsigned, 'verifier')} without a live SVID to sign with`)
  return lines
}

/** The same for programs. */
export function waitJson(last: AwaitReceiptsResponse): Record<string, unknown> {
  return {
    verifiers: last.verifiers,
    receipted: last.receipted,
    pastLimit: last.pastLimit.map((verifier) => verifierToJson(verifier)),
    uncovered: last.uncovered.map((verifier) => verifierToJson(verifier)),
    unregistered: last.unregistered,
    unsigned: last.unsigned,
  }
}
