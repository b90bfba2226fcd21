import type { SpiffeId } from '../../src/core/spiffe-id.ts'

/** Who is at the other end of an attestation, as far as the connection says. */
export interface AttestingNode {
  /** IP address that it connects from; empty over the Unix socket. */
  readonly address: string
  /** Aborted when it goes away, or its time is up. */
  readonly signal: AbortSignal
}

/**
 * A way for a node to prove which agent it is. `prove` is a conversation: it is given the payload, yields challenges, is resumed with the answer to each, and returns
 * what is proven, or throws. Payload and answers are hostile; that they are of 1 byte to 64 KiB, come in time and are few is seen to by `conversation.ts`, which also
 * checks what is returned and has it recorded. docs/attestors.md tells how to write one.
 */
export interface NodeAttestor {
  /** SPIRE's name of it, such as `join_token`: the type of its selectors too. */
  readonly type: string
  /** @throws {MayflyError} ATTESTATION_INVALID what came is malformed; ATTESTATION_REFUSED it proves nothing; TOKEN_INVALID */
  prove(payload: Uint8Array, node: AttestingNode): AsyncGenerator<Uint8Array, NodeProof, Uint8Array>
  /** Whether nodes can attest by it now, for `mayfly doctor`; absent where nothing can be amiss. @throws {MayflyError} why they cannot */
  look?(): Promise<AttestorLook>
}

export interface AttestorLook {
  /** When the last of the authorities that it goes by ends; `undefined` when they do not. */
  readonly authoritiesEndMs: number | undefined
}

export interface NodeProof {
  /** Below `/spire/agent/`. */
  readonly agentId: SpiffeId
  /** Values of selectors of the attestor's type, such as `subject:cn:node7`. */
  readonly selectorValues: readonly string[]
  /**
   * `often`: it can prove itself again at any time. `once`: the first to come has the ID until it is evicted. `spent`: a secret was spent and the agent recorded in one
   * transaction, which the attestor has seen to.
   */
  readonly again: 'often' | 'once' | 'spent'
}
