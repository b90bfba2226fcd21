import { MayflyError } from '../../../src/core/errors.ts'
import type { AgentClient } from '../product/agent-client.ts'

export interface IssueResult {
  /** gRPC's. */
  readonly status: number
  readonly message: string
  readonly chain: readonly Uint8Array[]
}

/** One SVID of one entry, asked for as an agent does. */
export async function askForSvid(client: AgentClient, entryId: string, csr: Uint8Array): Promise<IssueResult> {
  const { results } = await client.channel.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params: [{ entryId, csr: Buffer.from(csr) }] })
  const [result] = results
  return { status: result?.status?.code ?? -1, message: result?.status?.message ?? '', chain: (result?.svid?.certChain ?? []).map((der) => new Uint8Array(der)) }
}

/** The code that a call is refused with; `undefined` when it is not. */
export async function codeOf(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call
    return undefined
  } catch (error) {
    if (error instanceof MayflyError) return error.code
    throw error
  }
}
