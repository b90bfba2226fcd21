import { lookup } from 'node:dns/promises'

/** All addresses of a name, as this host resolves names. @throws when it has none */
export async function resolve(hostName: string): Promise<readonly string[]> {
  return (await lookup(hostName, { all: true })).map(({ address }) => address)
}
