import { MayflyError } from '../core/errors.ts'
import { parseSerial, formatSerial } from '../core/serial.ts'
import { isAgentId, parseSpiffeId } from '../core/spiffe-id.ts'
import type { RpcChannel } from '../rpc/channel.ts'
import { typedId } from './ids.ts'
import type { Target } from '../../proto/generated/mayfly/v1/Target.ts'

/** Options that name the kind of a target, where its form alone does not. */
export const targetOptions = {
  serial: { type: 'string', value: 'SERIAL', help: 'a credential, by its serial' },
  id: { type: 'string', value: 'ID', help: 'all of a SPIFFE ID' },
  entry: { type: 'string', value: 'ENTRY', help: 'all of an entry' },
  agent: { type: 'string', value: 'ID', help: 'an agent and all that it obtained' },
  owner: { type: 'string', value: 'NAME', help: 'all of an owner' },
} as const

export interface TargetChoice {
  readonly serial?: string | undefined
  readonly id?: string | undefined
  readonly entry?: string | undefined
  readonly agent?: string | undefined
  readonly owner?: string | undefined
}

/** One target, by an option or by the form of the argument. @throws {MayflyError} USAGE when there is none or more than one */
export function targetOf(argument: string | undefined, choice: TargetChoice): Target {
  const chosen: Target[] = []
  if (choice.serial !== undefined) chosen.push({ serial: formatSerial(parseSerial(choice.serial)) })
  if (choice.id !== undefined) chosen.push({ spiffeId: parseSpiffeId(choice.id) })
  if (choice.entry !== undefined) chosen.push({ entryId: choice.entry })
  if (choice.agent !== undefined) chosen.push({ agentId: parseSpiffeId(choice.agent) })
  if (choice.owner !== undefined) chosen.push({ owner: choice.owner })
  if (argument !== undefined) chosen.push(guess(argument))
  const [target, second] = chosen
  if (target === undefined || second !== undefined) {
    throw new MayflyError('USAGE', target === undefined ? 'nothing is named' : 'more than one thing is named', { hint: 'name one: a serial, a SPIFFE ID, an entry ID, or --owner NAME' })
  }
  return target
}

/** As {@link targetOf}, where an ID may also be its path, such as `/web`, in the server's own trust domain. */
export async function resolveTarget(argument: string | undefined, choice: TargetChoice, server: RpcChannel, signal: AbortSignal): Promise<Target> {
  const whole = async (text: string | undefined): Promise<string | undefined> => (text?.startsWith('/') === true ? await typedId(text, server, signal) : text)
  return targetOf(await whole(argument), { ...choice, id: await whole(choice.id) })
}

export function targetText(target: Target): string {
  if (target.serial !== undefined) return `serial ${target.serial}`
  if (target.spiffeId !== undefined) return target.spiffeId
  if (target.entryId !== undefined) return `entry ${target.entryId}`
  if (target.agentId !== undefined) return target.agentId
  return `owner ${target.owner ?? ''}`
}

/** The option that names this target without a guess. */
export function targetOption(target: Target): string {
  if (target.serial !== undefined) return `--serial ${target.serial}`
  if (target.spiffeId !== undefined) return `--id ${target.spiffeId}`
  if (target.entryId !== undefined) return `--entry ${target.entryId}`
  if (target.agentId !== undefined) return `--agent ${target.agentId}`
  return `--owner ${JSON.stringify(target.owner ?? '')}`
}

/** 34 hexadecimal digits are a serial, spiffe:// an ID or an agent's, anything else an entry's ID. */
function guess(text: string): Target {
  if (text.startsWith('spiffe://')) {
    const id = parseSpiffeId(text)
    return isAgentId(id) ? { agentId: id } : { spiffeId: id }
  }
  if (/^[0-9a-fA-F]{34}$/.test(text.replaceAll(':', ''))) return { serial: formatSerial(parseSerial(text)) }
  if (/^[a-zA-Z0-9._-]{1,255}$/.test(text)) return { entryId: text }
  throw new MayflyError('USAGE', `${JSON.stringify(text.slice(0, 60))} is neither a serial nor a SPIFFE ID nor an entry's ID`, { hint: 'say which it is: --serial, --id, --entry, --agent or --owner' })
}
