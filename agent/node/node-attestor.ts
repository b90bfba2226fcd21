/**
 * How this node proves which agent it is; the other half is `server/attest/node-attestor.ts`. `attest` is a conversation: begun, it yields the payload; resumed with a
 * challenge, it yields the answer. It is closed when the server has answered or the attempt is given up: what it holds open ends with it. docs/attestors.md tells how to write one.
 */
export interface NodeAttestor {
  /** SPIRE's name of it, such as `x509pop`. */
  readonly type: string
  /** It can be begun again: nothing was spent. */
  readonly again: boolean
  /** @throws {MayflyError} CONFIG_INVALID a file is missing or is not what it should be; ATTESTATION_INVALID the challenge is none */
  attest(signal: AbortSignal): AsyncGenerator<Uint8Array, void, Uint8Array>
}
