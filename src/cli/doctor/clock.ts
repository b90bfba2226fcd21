import { decodeFrameBody, nonceBytes, openFrame } from '../../core/revocation/frame.ts'
import type { RpcChannel } from '../../rpc/channel.ts'
import type { Context } from '../context.ts'
import { fail, ok, warn } from './finding.ts'
import type { Finding } from './finding.ts'

/** From here on a fresh verifier says `clock_skew`. */
const mostMs = 1_000
const muchMs = 250

/** This machine's clock beside the one that signs the revocation stream, to half the time that asking took. */
export async function clockFinding(check: string, channel: RpcChannel, { clock, random, signal }: Context): Promise<Finding> {
  const beforeMs = clock.nowMs()
  const beforeBootMs = clock.bootMs()
  const { frame } = await channel.unary('mayfly.v1.RevocationStream', 'Time', { nonces: [Buffer.from(random.bytes(nonceBytes))] }, { signal, timeoutMs: 5_000 })
  const tookMs = clock.bootMs() - beforeBootMs
  const opened = openFrame(frame)
  const decoded = opened === undefined ? undefined : decodeFrameBody(opened.body)
  if (decoded?.kind !== 'time') return fail(check, 'the server did not answer with its time', 'compare the versions of CLI, agent and server')
  return offsetFinding(check, beforeMs + tookMs / 2 - decoded.signedAtMs, tookMs / 2)
}

/** @param offsetMs this clock less the server's @param errorMs how far off that may be */
export function offsetFinding(check: string, offsetMs: number, errorMs: number): Finding {
  const text = `${Math.abs(Math.round(offsetMs))} ms ${offsetMs >= 0 ? 'ahead of' : 'behind'} the server, ± ${Math.ceil(errorMs)} ms`
  const distance = Math.abs(offsetMs) - errorMs
  if (distance > mostMs) return fail(check, text, 'set the clock (chronyc tracking, timedatectl): past one second verifiers refuse with clock_skew')
  return distance > muchMs ? warn(check, text, 'let chrony or systemd-timesyncd keep the clock: past one second verifiers refuse') : ok(check, text)
}
