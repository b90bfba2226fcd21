/** A JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** A schema of JSON Schema, or a part of one. */
export interface JsonSchema {
  readonly [keyword: string]: Json
}

type Keys = Readonly<Record<string, { readonly required: boolean; readonly schema: JsonSchema }>>

/**
 * What an editor needs to know of a configuration file, made of the very description that the reader goes by. It takes the usual spelling of each value; the reader takes a
 * few more (`"5"` for 5), and sees what no schema can, such as keys that belong together.
 */
export function configSchema(fields: Keys, title: string): JsonSchema {
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', title, ...schemaOf(fields) }
}

/** Of a group of keys. */
export function schemaOf(fields: Keys): JsonSchema {
  const required = Object.entries(fields).filter(([, field]) => field.required).map(([key]) => key)
  return {
    type: 'object',
    additionalProperties: false,
    ...(required.length === 0 ? {} : { required }),
    properties: Object.fromEntries(Object.entries(fields).map(([key, { schema }]) => [key, schema])),
  }
}
