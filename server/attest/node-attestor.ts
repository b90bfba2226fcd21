import type { SpiffeId } from '../../src/core/spiffe-id.ts'

/** A way for a node to prove which agent it is. */
export interface NodeAttestor {
  /** SPIRE's name of it, such as `join_token`; also the segment after `/spire/agent/`. */
  readonly type: string
  /** Whether an agent may attest again instead of renewing. */
  readonly canReattest: boolean
  /** The agent that this hostile payload proves, recorded as attested. @throws {MayflyError} TOKEN_INVALID, AGENT_BANNED */
  attest(payload: Uint8Array): Promise<{ readonly agentId: SpiffeId }>
}
