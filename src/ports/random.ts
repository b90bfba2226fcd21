/** Randomness comes in through this port; the only real one is in `src/system`. */
export interface Random {
  /** `length` bytes fit for keys and serial numbers. */
  bytes(length: number): Uint8Array
}
