/** Small files of the agent's data folder, each replaced whole; `src/system/files.ts` keeps it. */
export interface StateFiles {
  /** `undefined` when there is none. @throws {MayflyError} LIMIT_EXCEEDED, INVALID_ARGUMENT */
  read(name: string, maxBytes: number): Promise<Uint8Array | undefined>
  /** Mode 0600. */
  write(name: string, content: string): Promise<void>
  remove(name: string): Promise<void>
}
