import type { NodeAttestor } from './node-attestor.ts'

/** Shows a join token, once: when it is not known what came of it, it may be spent. */
export function joinToken(token: string): NodeAttestor {
  return {
    type: 'join_token',
    again: false,
    async *attest() {
      yield new TextEncoder().encode(token)
    },
  }
}
