import type { ServerReflectionRequest__Output as ReflectionRequest } from '../../proto/generated/grpc/reflection/v1/ServerReflectionRequest.ts'
import type { ServerReflectionResponse as ReflectionResponse } from '../../proto/generated/grpc/reflection/v1/ServerReflectionResponse.ts'
import type { DescribedFile } from './descriptor-files.ts'
import { describeFiles } from './descriptor-files.ts'
import type { Handlers } from './handlers.ts'
import type { ServiceName } from './services.ts'

export const reflectionService = 'grpc.reflection.v1.ServerReflection'

/** gRPC server reflection (EP-17): names and descriptors of what is served here, and of nothing else. Built at the first question. */
export function reflectionHandlers(served: () => readonly ServiceName[]): Handlers<typeof reflectionService, unknown> {
  let described: { readonly services: number; readonly files: readonly DescribedFile[] } | undefined
  const files = (): readonly DescribedFile[] => {
    const services = served()
    if (described?.services !== services.length) described = { services: services.length, files: describeFiles(services) }
    return described.files
  }
  return {
    async *ServerReflectionInfo(requests) {
      for await (const request of requests) yield { validHost: request.host, originalRequest: request, ...answer(request, served(), files) }
    },
  }
}

function answer(request: ReflectionRequest, served: readonly ServiceName[], files: () => readonly DescribedFile[]): ReflectionResponse {
  switch (request.messageRequest) {
    case 'listServices':
      return { listServicesResponse: { service: served.map((name) => ({ name })) } }
    case 'fileByFilename':
      return descriptorsFrom(files(), files().find((file) => file.name === request.fileByFilename))
    case 'fileContainingSymbol':
      return descriptorsFrom(files(), files().find((file) => file.symbols.has(request.fileContainingSymbol ?? '')))
    case 'allExtensionNumbersOfType':
    case 'fileContainingExtension':
      return notFound('there are no extensions here')
    case undefined:
      return { errorResponse: { errorCode: invalidArgument, errorMessage: 'an empty question' } }
    default:
      return request.messageRequest satisfies never
  }
}

/** The file, then all that it needs. */
function descriptorsFrom(files: readonly DescribedFile[], asked: DescribedFile | undefined): ReflectionResponse {
  if (asked === undefined) return notFound('no such file or symbol here')
  const found = new Set([asked])
  for (const file of found) for (const name of file.needs) for (const needed of files) if (needed.name === name) found.add(needed)
  return { fileDescriptorResponse: { fileDescriptorProto: [...found].map((file) => Buffer.from(file.bytes)) } }
}

function notFound(errorMessage: string): ReflectionResponse {
  return { errorResponse: { errorCode: 5, errorMessage } }
}

const invalidArgument = 3
