import { BlockList, isIPv4, isIPv6 } from 'node:net'

/** A network as `10.0.0.0/8` or `fd00::/8`. */
export interface Network {
  readonly address: string
  readonly prefix: number
}

/** `undefined` for anything else, such as an address without prefix. */
export function parseNetwork(text: string): Network | undefined {
  const [, address = '', digits = ''] = /^([0-9a-fA-F:.]{2,45})\/(\d{1,3})$/.exec(text) ?? []
  const prefix = Number(digits)
  const most = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1
  return prefix <= most ? { address, prefix } : undefined
}

/** Where no stranger may make this server connect to: itself, its neighbours, metadata services, and what is no host at all. */
const forbidden: readonly string[] = [
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16',
  '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4',
  // of IPv6 only 2000::/3 is given to hosts of the internet
  '::/3', '4000::/2', '8000::/1', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20',
]

/** Whether a server may connect to an address that a stranger's name leads to. */
export class ReachableAddresses {
  readonly #forbidden = new Networks(forbidden.flatMap((text) => parseNetwork(text) ?? []))
  readonly #allowed: Networks

  /** @param allowed networks that would be forbidden otherwise */
  constructor(allowed: readonly Network[]) {
    this.#allowed = new Networks(allowed)
  }

  /** An IPv4 address in an IPv6 one (mapped, or of a NAT64 gateway) counts as itself. False for what is no address. */
  may(address: string): boolean {
    if (address.includes('%')) return false // of one link only
    const plain = embedded(address) ?? address
    if (!isIPv4(plain) && !isIPv6(plain)) return false
    return this.#allowed.has(plain) || !this.#forbidden.has(plain)
  }
}

/** A list for each family: one for both takes every IPv4 address for one of `::/3`. */
class Networks {
  readonly #ipv4 = new BlockList()
  readonly #ipv6 = new BlockList()

  constructor(networks: readonly Network[]) {
    for (const { address, prefix } of networks) {
      if (isIPv4(address)) this.#ipv4.addSubnet(address, prefix, 'ipv4')
      else this.#ipv6.addSubnet(address, prefix, 'ipv6')
    }
  }

  has(address: string): boolean {
    return isIPv4(address) ? this.#ipv4.check(address, 'ipv4') : this.#ipv6.check(address, 'ipv6')
  }
}

/** The IPv4 address in `::ffff:a.b.c.d` and `64:ff9b::a.b.c.d`, however they are spelled. */
function embedded(address: string): string | undefined {
  if (!isIPv6(address)) return undefined
  const groups = groupsOf(address)
  if (groups === undefined) return undefined
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  const isNat64 = groups[0] === 0x64 && groups[1] === 0xff9b && groups.slice(2, 6).every((group) => group === 0)
  if (!isMapped && !isNat64) return undefined
  const [high = 0, low = 0] = groups.slice(6)
  return `${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}`
}

/** The eight groups of an IPv6 address without a zone. */
export function groupsOf(address: string): readonly number[] | undefined {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address)
  const text = dotted === null ? address : `${dotted[1] ?? ''}${((Number(dotted[2]) << 8) | Number(dotted[3])).toString(16)}:${((Number(dotted[4]) << 8) | Number(dotted[5])).toString(16)}`
  const [left = '', right] = text.split('::')
  const numbers = (part: string): number[] => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)))
  const [head, tail] = [numbers(left), numbers(right ?? '')]
  const groups = right === undefined ? head : [...head, ...Array.from<number>({ length: 8 - head.length - tail.length }).fill(0), ...tail]
  return groups.length === 8 && groups.every((group) => group >= 0 && group <= 0xffff) ? groups : undefined
}
