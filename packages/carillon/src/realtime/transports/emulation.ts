import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeEmulation, type EmulationRequest } from '../codec/protobuf.ts';
import { isRecord } from '../commands.ts';
import type { Session } from '../session.ts';
import type { ConnectionRules } from './connection-rules.ts';
import { answer, answerPreflight, checkOrigin, isProtobuf, readBody } from './http.ts';

export interface EmulationOptions {
  readonly maxBodySize: number;
  readonly rules: ConnectionRules;
  /** This node's uid. */
  readonly node: string;
  /** The emulated connection with this key. */
  readonly session: (key: string) => Session | undefined;
}

/** Brings commands to connections whose own way leads only to the client (client-protocol, section 11). */
export class Emulation {
  readonly #options: EmulationOptions;

  constructor(options: EmulationOptions) {
    this.#options = options;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { rules, maxBodySize, node, session } = this.#options;
    if (!checkOrigin(rules, request, response)) return;
    if (request.method === 'OPTIONS') return answerPreflight(request, response);
    if (request.method !== 'POST') return answer(request, response, 405);
    const body = await readBody(request, maxBodySize);
    if (!body) return answer(request, response, 413);
    const emulation = read(body, isProtobuf(request));
    if (!emulation) return answer(request, response, 400);
    if (emulation.node !== node) return answer(request, response, 404);
    // A session that is gone is no error: its client is just learning that.
    session(emulation.session)?.receive(emulation.data);
    answer(request, response, 204);
  }
}

/** In JSON the commands stand in a text; undefined when it is no emulation request. */
function read(body: Buffer, isBinary: boolean): EmulationRequest | undefined {
  try {
    if (isBinary) return decodeEmulation(body);
    const value: unknown = JSON.parse(body.toString());
    if (!isRecord(value)) return undefined;
    const { node, session, data } = value;
    if (typeof node !== 'string' || typeof session !== 'string' || typeof data !== 'string') return undefined;
    return { node, session, data: Buffer.from(data) };
  } catch {
    return undefined;
  }
}
