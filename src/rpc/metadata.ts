import { Metadata as GrpcMetadata } from '@grpc/grpc-js'

/** Metadata of a call, names in lower case. */
export interface Metadata {
  /** Every value of a text key, in order; empty when it is absent. */
  values(name: string): readonly string[]
}

/** Text keys and values to send. */
export type MetadataInit = Readonly<Record<string, string>>

export function metadataView(metadata: GrpcMetadata): Metadata {
  return { values: (name) => metadata.get(name).filter((value) => typeof value === 'string') }
}

export function toGrpcMetadata(init: MetadataInit = {}): GrpcMetadata {
  const metadata = new GrpcMetadata()
  for (const [name, value] of Object.entries(init)) metadata.set(name, value)
  return metadata
}
