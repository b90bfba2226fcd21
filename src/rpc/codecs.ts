import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type * as Protobuf from 'protobufjs'
import minimal from 'protobufjs/minimal.js'
import { descriptors } from '../../proto/generated/descriptors.ts'
import type { Services } from '../../proto/generated/services.ts'
import { MayflyError } from '../core/errors.ts'

/** Turns plain objects into bytes, by way of a message, and back. */
export interface MessageCodec {
  fromObject(value: object): object
  encode(message: object): { finish(): Uint8Array }
  decode(bytes: Uint8Array): object
  toObject(message: object, shape: object): object
}

/** Of the messages of a service, by the names that its descriptor has for them. */
export type Codecs = (type: string) => MessageCodec

/** The code of protobufjs for a service: as the build wrote it down, or, in the source tree, made now, which is the same and takes longer. */
export function codecsOf(service: keyof Services): Codecs {
  const file = fileURLToPath(new URL(`../../proto/generated/codecs/${service}.cjs`, import.meta.url))
  return existsSync(file) ? builtCodecs(file) : madeCodecs(service)
}

/** @param file as tools/codecs.ts writes it */
export function builtCodecs(file: string): Codecs {
  const codecs = (require(file) as (protobuf: object) => Readonly<Record<string, MessageCodec>>)(minimal) // require returns any
  return (type) => {
    const codec = codecs[type]
    if (codec === undefined) throw new MayflyError('INTERNAL', `no codec of ${type} in ${file}`)
    return codec
  }
}

/** Made by reflection, from the descriptor. */
export function madeCodecs(service: keyof Services): Codecs {
  const { Root } = require('protobufjs/light.js') as typeof Protobuf // without parser, which only the generator needs; the package's own types
  const root = Root.fromJSON(JSON.parse(descriptors[service]) as Protobuf.INamespace).resolveAll() // our own generator wrote it
  const { parent } = root.lookupService(service)
  return (type) => (parent ?? root).lookupType(type)
}

const require = createRequire(import.meta.url)
