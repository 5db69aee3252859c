import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Codec, Encoded } from '../codec/codec.ts';
import { jsonCodec } from '../codec/json.ts';
import { protobufCodec } from '../codec/protobuf.ts';
import { uniJsonCodec } from '../codec/uni-json.ts';
import type { Session } from '../session.ts';
import type { ConnectionRules } from './connection-rules.ts';
import { answer, answerPreflight, checkOrigin, isProtobuf, readBody } from './http.ts';
import { disconnectPush, queryOf, type Transport } from './transport.ts';

/** Who takes nothing for so long, the last words included, is cut off. */
const WRITE_TIMEOUT_MS = 1_000;
/** The system finds out by then that a silent client is gone, and by as many probes as it makes. */
const TCP_KEEP_ALIVE_MS = 30_000;

export interface StreamOptions {
  readonly name: 'http_stream' | 'sse' | 'uni_http_stream' | 'uni_sse';
  readonly maxBodySize: number;
  readonly rules: ConnectionRules;
  readonly open: (transport: Transport, request: IncomingMessage) => Session;
}

/**
 * Transports that are one HTTP response without end (client-protocol, section 11): lines of JSON or Protobuf messages after a
 * POST, or server-sent events after a GET or POST. The first commands come with the request. Later ones come through
 * `Emulation`, or never, for clients that only listen.
 */
export class StreamTransport {
  readonly #options: StreamOptions;
  readonly #isEvents: boolean;
  readonly #isUnidirectional: boolean;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#isEvents = options.name.endsWith('sse');
    this.#isUnidirectional = options.name.startsWith('uni_');
  }

  /** Answers a request; the response stays open when it is let in. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { rules, maxBodySize } = this.#options;
    if (!checkOrigin(rules, request, response)) return;
    let first: Buffer | undefined;
    if (request.method === 'POST') {
      first = await readBody(request, maxBodySize);
      if (!first) return answer(request, response, 413);
    } else if (request.method === 'GET' && this.#isEvents) {
      first = Buffer.from(queryOf(request).get('cf_connect') || (this.#isUnidirectional ? '{}' : ''));
      if (first.length === 0) return answer(request, response, 400);
    } else if (request.method === 'OPTIONS' && !this.#isEvents) {
      return answerPreflight(request, response);
    } else {
      return answer(request, response, 405);
    }
    const codec = this.#codec(request);
    if (this.#isUnidirectional && !isDecodable(codec, first)) return answer(request, response, 400);
    if (!rules.admits()) return answer(request, response, 503);
    this.#start(request, response, codec).receive(first);
  }

  #codec(request: IncomingMessage): Codec {
    if (this.#isUnidirectional) return uniJsonCodec;
    return !this.#isEvents && isProtobuf(request) ? protobufCodec : jsonCodec;
  }

  #start(request: IncomingMessage, response: ServerResponse, codec: Codec): Session {
    response.writeHead(200, {
      'Content-Type': this.#contentType(codec),
      'Cache-Control': 'private, no-cache, no-store, must-revalidate, max-age=0',
      Pragma: 'no-cache',
      'X-Accel-Buffering': 'no',
      Connection: 'keep-alive',
    });
    request.socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    // Some clients take a connection for open when its first bytes come.
    if (this.#isEvents) response.write('\r\n');
    else response.flushHeaders();
    const transport: Transport = {
      name: this.#options.name,
      codec,
      unidirectional: this.#isUnidirectional,
      emulated: !this.#isUnidirectional,
      writeTimeoutMs: WRITE_TIMEOUT_MS,
      write: (messages) => response.write(this.#frame(codec, messages)),
      buffered: () => response.writableLength,
      close: (code, reason) => {
        response.write(this.#frame(codec, [codec.encode(disconnectPush(code, reason))]));
        endSoon(response);
      },
    };
    const session = this.#options.open(transport, request);
    response.on('close', () => session.onTransportClosed());
    response.on('error', () => session.onTransportClosed());
    return session;
  }

  #contentType(codec: Codec): string {
    if (this.#isEvents) return 'text/event-stream; charset=utf-8';
    return codec === protobufCodec ? 'application/octet-stream' : 'application/x-ndjson; charset=utf-8';
  }

  #frame(codec: Codec, messages: readonly Encoded[]): Encoded {
    if (this.#isEvents) return messages.map((message) => `data: ${message}\n\n`).join('');
    return codec === protobufCodec ? codec.frame(messages) : `${codec.frame(messages)}\n`;
  }
}

function isDecodable(codec: Codec, frame: Buffer): boolean {
  try {
    codec.decode(frame);
    return true;
  } catch {
    return false;
  }
}

/** Ends a response, and cuts the line when the peer does not take what is left. */
function endSoon(response: ServerResponse): void {
  const { socket } = response;
  const timer = setTimeout(() => response.destroy(), WRITE_TIMEOUT_MS);
  timer.unref();
  response.once('close', () => clearTimeout(timer));
  // A connection kept for more requests would hold up a shutdown.
  response.end(() => socket?.destroySoon());
}
