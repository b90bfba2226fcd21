import { expect, test } from 'vitest'
import { networkOf, networkOfAddress } from '../../../server/api/caller-network.ts'

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['', ''],
])('%s counts as %s', (address, network) => {
  expect(networkOfAddress(address)).toBe(network)
})

test('ports are left out, and users of this machine are told apart', () => {
  expect(networkOf({ kind: 'anonymous', address: '2001:db8:1:2::1:34567' })).toBe('2001:db8:1:2::/64')
  expect(networkOf({ kind: 'anonymous', address: '192.0.2.7:1' })).toBe('192.0.2.7')
  expect(networkOf({ kind: 'refused', code: 'PERMISSION_DENIED', message: '', hint: '', address: 'uid:1001' })).toBe('uid:1001')
})
