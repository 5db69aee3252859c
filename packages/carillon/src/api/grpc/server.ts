import { createHash, timingSafeEqual } from 'node:crypto';
import {
  type handleUnaryCall,
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import type { Config } from '../../config/config.ts';
import { readPem } from '../../config/pem.ts';
import type { ApiError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { Dispatcher } from '../dispatch.ts';
import { errorBody, toApiError } from '../replies.ts';
import { MessageType, toRequest } from './messages.ts';
import { apiMessages, METHOD_NUMBERS, rpcName, SERVICE } from './schema.ts';
import { statusDetails } from './status-details.ts';

/** Bytes: gRPC's own. */
const DEFAULT_MESSAGE_SIZE = 4_194_304;
const MAX_CONCURRENT_STREAMS = 1_000;

/** Error codes of the API → statuses of gRPC, in the mode that uses them (server-api, section 3). */
const STATUSES: Readonly<Record<number, status>> = {
  102: status.NOT_FOUND,
  104: status.NOT_FOUND,
  107: status.INVALID_ARGUMENT,
  108: status.INVALID_ARGUMENT,
  112: status.OUT_OF_RANGE,
  113: status.ALREADY_EXISTS,
};

const CALL = { wantsResult: true, protocol: 'grpc' } as const;

export interface GrpcApiOptions {
  readonly config: Pick<Config, 'grpc_api' | 'http_api' | 'shutdown'>;
  readonly dispatcher: Dispatcher;
  readonly logger: Logger;
}

export interface GrpcApi {
  readonly port: number;
  /** Takes no more calls, and ends when those under way have ended or `shutdown.timeout` is over. */
  close(): Promise<void>;
}

/** Serves the server API over gRPC, by the same methods as HTTP. @throws when the port cannot be had */
export async function startGrpcApi(options: GrpcApiOptions): Promise<GrpcApi> {
  const { grpc_api: api, shutdown } = options.config;
  const server = new Server({
    'grpc.max_receive_message_length': api.max_receive_message_size || DEFAULT_MESSAGE_SIZE,
    'grpc.max_concurrent_streams': MAX_CONCURRENT_STREAMS,
  });
  const { definition, handlers } = createService(options);
  server.addService(definition, handlers);
  const address = `${api.address.includes(':') ? `[${api.address}]` : api.address || '0.0.0.0'}:${api.port}`;
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, credentialsOf(api.tls), (error, bound) => {
      if (error) reject(new Error(`gRPC cannot listen at ${address}: ${error.message}`));
      else resolve(bound);
    });
  });
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.forceShutdown(), shutdown.timeout);
        server.tryShutdown(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}

function createService({ config, dispatcher, logger }: GrpcApiOptions) {
  const { grpc_api: api, http_api } = config;
  const isAuthorized = api.insecure ? () => true : keyChecker(api.key || http_api.key);
  const root = apiMessages();
  const definition: Record<string, MethodDefinition<object, object>> = {};
  const handlers: Record<string, handleUnaryCall<object, object>> = {};
  for (const method of [...Object.keys(METHOD_NUMBERS), 'batch']) {
    const name = rpcName(method);
    const request = new MessageType(root, `${name}Request`);
    const response = new MessageType(root, `${name}Response`);
    definition[name] = {
      path: `/${SERVICE}/${name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: (message: object) => request.encode(message),
      requestDeserialize: (bytes: Buffer) => request.decode(bytes),
      responseSerialize: (message: object) => response.encode(message),
      responseDeserialize: (bytes: Buffer) => response.decode(bytes),
    };
    const run = async (message: object, wantsStatus: boolean): Promise<object> => {
      try {
        const result = await dispatcher.dispatch(method, toRequest(message), CALL);
        return method === 'batch' ? result : { result };
      } catch (error) {
        const apiError = toApiError(error, method, logger);
        if (wantsStatus) throw statusError(apiError);
        return { error: errorBody(apiError) };
      }
    };
    handlers[name] = ({ request: message, metadata }, callback) => {
      if (!isAuthorized(metadata)) {
        callback({ code: status.UNAUTHENTICATED, details: 'unauthenticated' });
        return;
      }
      const isTransport =
        api.error_mode === 'transport' || metadata.get('x-centrifugo-error-mode')[0] === 'transport';
      run(message, isTransport).then(
        (reply) => callback(null, reply),
        (error: ServiceError) => callback(error),
      );
    };
  }
  return { definition, handlers };
}

/** An error that the status tells; its code and message stand in the details once more. */
function statusError(error: ApiError): Partial<ServiceError> {
  const code = error.status === 503 ? status.UNAVAILABLE : (STATUSES[error.code] ?? status.INTERNAL);
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', statusDetails(code, errorBody(error)));
  return { code, details: error.message, metadata };
}

/** `authorization: apikey <KEY>`. An empty key lets nobody in. */
function keyChecker(key: string): (metadata: Metadata) => boolean {
  // Digests have one length, so the comparison tells nothing of the key's.
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const expected = digest(`apikey ${key}`);
  return (metadata) => {
    const [given] = metadata.get('authorization');
    return key !== '' && typeof given === 'string' && timingSafeEqual(digest(given), expected);
  };
}

function credentialsOf(tls: Config['grpc_api']['tls']): ServerCredentials {
  if (!tls.enabled) return ServerCredentials.createInsecure();
  const read = (key: 'cert_pem' | 'key_pem' | 'client_ca_pem') =>
    Buffer.from(readPem(tls[key], `grpc_api.tls.${key}`));
  const clientCa = tls.client_ca_pem ? read('client_ca_pem') : null;
  const pair = { cert_chain: read('cert_pem'), private_key: read('key_pem') };
  return ServerCredentials.createSsl(clientCa, [pair], clientCa !== null);
}
