import fc from 'fast-check'

const real = [
  '4242 (node) S 1 4242 4242 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 100 200 18446744073709551615 1 1 0\n',
  'Name:\tno\\nde\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t4242\nUid:\t1000\t1001\t1002\t1003\nGid:\t100\t101\t102\t103\nFDSize:\t64\nGroups:\t4 24 27 \nCapPrm:\t00000000a80425fb\n',
  '9:name=systemd:/\n4:memory:/a/b\n3:cpu,cpuacct:/x:y\n0::/system.slice/db.service\n',
  '24 30 0:22 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n33 30 0:30 / /odd\\040place rw - cgroup2 none rw\n',
  'root:x:0:0:root:/root:/bin/bash\n+nis\nalice:x:1000:1000::/home/alice:/bin/sh\nstaff:x:50:alice,bob\n',
]
const marks = ['Uid:', 'Groups:', 'CapPrm:\t0', '0::', '1 (', ') S', ') ', ':', ' - cgroup2 ', 'x:y:0:', '\0', '\n', '\t', ' ', '-1', '99999999999999999999', '\\777', '\u2028']

/** A real text with pieces taken out and put in. */
const mutated = fc
  .tuple(fc.constantFrom(...real), fc.array(fc.record({ at: fc.nat(300), drop: fc.nat(12), put: fc.oneof(fc.constantFrom(...marks), fc.string({ maxLength: 8 })) }), { maxLength: 6 }))
  .map(([text, edits]) => edits.reduce((edited, { at, drop, put }) => edited.slice(0, at % (edited.length + 1)) + put + edited.slice((at % (edited.length + 1)) + drop), text))

const pieces = fc.array(fc.oneof(fc.string(), fc.constantFrom(...marks)), { maxLength: 40 }).map((parts) => parts.join(''))
const bytes = fc.uint8Array({ maxLength: 400 }).map((octets) => new TextDecoder().decode(octets))

/** Texts that a file of /proc or /etc might hold, and should not. */
export const procText: fc.Arbitrary<string> = fc.oneof({ arbitrary: mutated, weight: 3 }, pieces, bytes)
