import { expect, test } from 'vitest'
import type { ListVerifiersResponse } from '../../../proto/generated/mayfly/v1/ListVerifiersResponse.ts'
import { verifiersService } from '../../../server/api/verifiers-service.ts'
import type { VerifierRegistry } from '../../../server/verifiers/registry.ts'
import type { Verifier } from '../../../server/verifiers/verifier.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { someId } from '../../support/verify/certificates.ts'

let all: Verifier[] = []
const registry = {
  get all() {
    return all
  },
  unregistered: 3,
  head: { epoch: 5, seq: 9, chainHash: new Uint8Array(32) },
} as unknown as VerifierRegistry // all that listing asks for

const { List } = verifiersService({ verifiers: registry, clock: new FakeClock() })
type ListCall = Parameters<NonNullable<typeof List>>[1]

async function page(pageSize: number, pageToken: string): Promise<ListVerifiersResponse> {
  return await (List?.({ pageSize, pageToken }, {} as ListCall) ?? Promise.reject(new Error('not served'))) // it looks at no call
}

function verifier(number: number): Verifier {
  const instance = number.toString(16).padStart(32, '0')
  return { registered: { instance, spiffeId: someId, class: 'strict', software: 's', agentId: someId, registeredAtMs: 1 }, key: undefined, unsigned: false, number: 1, usesNumber: 1, epoch: 5, seq: 9, receiptAtMs: 1, stateDiffers: false, heardBootMs: 1, sinceBootMs: 0 }
}

test('verifiers are listed in pages of at most a thousand, each once, however many come and go in between', async () => {
  all = Array.from({ length: 2_500 }, (_, at) => verifier((at * 7_919) % 2_500))
  const instances: string[] = []
  const sizes: number[] = []
  let token = ''
  do {
    const { verifiers = [], nextPageToken = '', unregistered, epoch, seq } = await page(sizes.length === 0 ? 0 : 5_000, token)
    expect([unregistered, epoch, seq]).toEqual([3, 5, 9])
    instances.push(...verifiers.map(({ instance = '' }) => instance))
    sizes.push(verifiers.length)
    token = nextPageToken
    all = all.filter(({ registered }) => registered.instance !== instances[0])
  } while (token !== '')
  expect(sizes).toEqual([1_000, 1_000, 500])
  expect(new Set(instances).size).toBe(2_500)
  expect(instances).toEqual(instances.toSorted())
})
