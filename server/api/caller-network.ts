import { isIPv6 } from 'node:net'
import { groupsOf } from '../attest/networks.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'

/** By what the attempts of one who has proven nothing are counted: its IPv4 address, or the /64 of its IPv6 address, for who has one of those has them all. Ports are many; a user of this machine is known, also one who may not administer. */
export function networkOf(caller: Caller): string {
  if (caller.kind === 'local') return nameOf(caller)
  return caller.address.startsWith('uid:') ? caller.address : networkOfAddress(caller.address.replace(/:\d+$/, ''))
}

export function networkOfAddress(address: string): string {
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? []
  if (mapped !== undefined) return mapped
  const plain = address.replace(/%.*$/, '')
  const groups = isIPv6(plain) ? groupsOf(plain) : undefined
  return groups === undefined ? address : `${groups.slice(0, 4).map((group) => group.toString(16)).join(':')}::/64`
}
