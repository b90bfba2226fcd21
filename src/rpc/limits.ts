/** Bounds on what one caller, and all together, may take. */
export interface RpcLimits {
  /** Largest request message. */
  readonly maxReceiveBytes: number
  /** Largest response message; gRPC clients take 4 MB unless told otherwise. */
  readonly maxSendBytes: number
  /** Calls in progress on one connection. */
  readonly maxConcurrentCalls: number
  /** Connections at once; further ones are closed. */
  readonly maxConnections: number
  /** Longest unary call, whatever the caller's deadline. */
  readonly maxUnaryMs: number
  /** A connection without a call for so long is closed. */
  readonly maxIdleMs: number
  /** A ping each so often finds dead peers, … */
  readonly keepaliveMs: number
  /** … which have so long to answer. */
  readonly keepaliveTimeoutMs: number
}

export const defaultLimits: RpcLimits = {
  maxReceiveBytes: 4 * 1024 * 1024,
  maxSendBytes: 4 * 1024 * 1024,
  maxConcurrentCalls: 256,
  maxConnections: 12_000,
  maxUnaryMs: 30_000,
  maxIdleMs: 300_000,
  keepaliveMs: 60_000,
  keepaliveTimeoutMs: 20_000,
}
