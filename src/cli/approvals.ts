import type { PendingApproval__Output } from '../../proto/generated/mayfly/v1/PendingApproval.ts'
import type { ApprovalVerb } from '../core/approval/statement.ts'
import type { RpcChannel } from '../rpc/channel.ts'
import type { Context } from './context.ts'
import { readNamedFile } from './read-file.ts'
import { sign, signerOf, type SigningOptions } from './signing.ts'

export interface WordOptions extends SigningOptions {
  readonly signature: string | undefined
  readonly print: boolean
}

/** What a person brings to the server. */
export interface SignedWord {
  readonly approver: string
  readonly signature: string
}

/** Fetches what waits by its ID, shows the words and has them signed; `undefined` when they were only to be printed. */
export async function signedWord(server: RpcChannel, id: string, verb: ApprovalVerb, options: WordOptions, context: Context): Promise<SignedWord | undefined> {
  const { output, signal, cwd } = context
  const { approvals } = await server.unary('mayfly.v1.Approvals', 'List', { id }, { signal })
  const words = wordsOf(approvals[0], verb)
  if (options.print) {
    output.raw(words)
    return undefined
  }
  const approver = signerOf(options, context)
  if (options.signature !== undefined) return { approver, signature: await readNamedFile(options.signature, cwd) }
  output.note(words.trimEnd())
  return { approver, signature: await sign(words, approvals[0]?.namespace ?? '', options, context) }
}

/** The server sends the words of an approval; those of another verb differ in the first line alone. */
function wordsOf(waiting: PendingApproval__Output | undefined, verb: ApprovalVerb): string {
  return (waiting?.canonical ?? '').replace(/^mayfly approve/, `mayfly ${verb}`)
}
