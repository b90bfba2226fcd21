import type { FactSource, FoundFacts } from '../../agent/attest/fact-source.ts'

export interface MachineDeps {
  /** The text of `/etc/mayfly/machine`, which root writes; it throws when there is none. */
  readonly readFile: () => string
}

const maxChars = 4_096

/**
 * Workload attestor `machine`: `machine:<key>:<value>` for each line `key=value` of a file. The same for every process of the machine, so an entry asks for it beside what tells processes apart. It is read each
 * time: when a line goes, the SVIDs of the entries that ask for it go too.
 */
export function workloadAttestor({ readFile }: MachineDeps): FactSource {
  return {
    types: ['machine'],
    find(): FoundFacts {
      let text: string
      try {
        text = readFile()
      } catch {
        return { selectors: [], missing: [{ kind: 'machine', why: 'there is no /etc/mayfly/machine' }] }
      }
      if (text.length > maxChars) return { selectors: [], missing: [{ kind: 'machine', why: `/etc/mayfly/machine is longer than ${maxChars} characters` }] }
      const lines = text.split('\n').map((line) => /^([a-z][a-z0-9-]{0,31})=([\x21-\x7e]{1,200})$/.exec(line))
      return { selectors: lines.flatMap((line) => (line === null ? [] : [{ type: 'machine', value: `${line[1] ?? ''}:${line[2] ?? ''}` }])), missing: [] }
    },
  }
}
