import { group, httpUrl, integer, optional, withDefault } from './fields.ts'
import type { Field } from './fields.ts'

/** Where traces go. */
export interface TracingConfig {
  /** `http://127.0.0.1:4318/v1/traces` */
  readonly endpoint: string
  /** Of the traces that begin here. */
  readonly samplePercent: number
}

/** The keys below `tracing`, of a server and of an agent alike. */
export const tracingFields: Field<{ readonly endpoint: string | undefined; readonly samplePercent: number }> = group({
  endpoint: optional(httpUrl()),
  samplePercent: withDefault(integer(0, 100), 10),
})

/** Unset without an endpoint: nothing is traced. */
export function tracingOf({ endpoint, samplePercent }: { readonly endpoint: string | undefined; readonly samplePercent: number }): TracingConfig | undefined {
  return endpoint === undefined ? undefined : Object.freeze({ endpoint, samplePercent })
}
