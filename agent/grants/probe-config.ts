import { checked, duration, list, optional, record, required, text, withDefault } from '../../src/config/fields.ts'
import type { Field } from '../../src/config/fields.ts'
import type { Probe } from './probes.ts'

const maxProbes = 64

/** One item of `probes` in `agent.yaml`: a name and one of file, command, kernel. */
export interface RawProbe {
  readonly name: string
  readonly file: string | undefined
  readonly sha256: string | undefined
  readonly command: readonly string[] | undefined
  /** Of a command, ms. */
  readonly timeout: number
  readonly kernel: string | undefined
  readonly value: string | undefined
}

const probeField: Field<RawProbe> = record({
  name: required(text(64)),
  file: optional(text()),
  sha256: optional(text(64)),
  command: optional(list(text(), 64)),
  timeout: withDefault(duration(100, 60_000), 5_000),
  kernel: optional(text(200)),
  value: optional(text(200)),
})

/** The items of `probes`, each of which makes a probe. */
export const probesField: Field<readonly RawProbe[]> = checked(list(probeField, maxProbes), (items, problem) => void probesOf(items, (at, message) => problem(`[${at}]`, message)))

/** @param problem told of each item that makes no probe, by its place; there is none among those that {@link probesField} read */
export function probesOf(raw: readonly RawProbe[], problem: (at: number, message: string) => void = () => undefined): readonly Probe[] {
  const names = new Set<string>()
  return raw.flatMap((item, at): readonly Probe[] => {
    const { name } = item
    if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(name)) problem(at, 'the name of a probe has lower-case letters, digits and -')
    if (names.has(name)) problem(at, `there are two probes named ${name}`)
    names.add(name)
    const probe = probeOf(item)
    if (typeof probe !== 'string') return [Object.freeze(probe)]
    problem(at, probe)
    return []
  })
}

/** The probe, or what is wrong with it. */
function probeOf({ name, file, sha256, command, timeout, kernel, value }: RawProbe): Probe | string {
  if ([file, command, kernel].filter((each) => each !== undefined).length !== 1) return 'a probe looks at one of file, command and kernel'
  if (sha256 !== undefined && (file === undefined || !/^[0-9a-f]{64}$/.test(sha256))) return 'sha256 is that of a file, 64 hexadecimal digits in lower case'
  if ((kernel === undefined) !== (value === undefined)) return 'kernel and value belong together'
  if (file !== undefined) return file.startsWith('/') ? { kind: 'file', name, path: file, sha256 } : 'the path of a file begins with /'
  if (kernel !== undefined && value !== undefined) return /^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$/.test(kernel) ? { kind: 'kernel', name, key: kernel, value } : 'kernel is a name such as kernel.randomize_va_space'
  const [program] = command ?? []
  return program?.startsWith('/') === true ? { kind: 'command', name, argv: command ?? [], limitMs: timeout } : 'a command begins with the path of its program'
}
