import { type ChannelCredentials, Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { MessageType } from '../../src/api/grpc/messages.ts';
import { apiMessages, rpcName, SERVICE } from '../../src/api/grpc/schema.ts';

/** A client of the server API over gRPC. Bytes are given and got as buffers. */
export class GrpcClient {
  readonly #client: Client;
  readonly #metadata = new Metadata();
  readonly #root = apiMessages();

  constructor(
    address: string,
    headers: Readonly<Record<string, string>> = {},
    security: ChannelCredentials = credentials.createInsecure(),
  ) {
    this.#client = new Client(address, security);
    for (const [name, value] of Object.entries(headers)) this.#metadata.set(name, value);
  }

  /** @throws ServiceError */
  call(method: string, request: object): Promise<Record<string, unknown>> {
    const name = rpcName(method);
    const types = [`${name}Request`, `${name}Response`].map((type) => new MessageType(this.#root, type));
    const [requestType, responseType] = types as [MessageType, MessageType];
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        `/${SERVICE}/${name}`,
        (message: object) => requestType.encode(message),
        (bytes: Buffer) => responseType.decode(bytes),
        request,
        this.#metadata,
        { deadline: Date.now() + 20_000 },
        (error: ServiceError | null, response?: object) =>
          error ? reject(error) : resolve(response as Record<string, unknown>),
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}
