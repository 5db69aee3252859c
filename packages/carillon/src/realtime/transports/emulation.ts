import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { UnavailableError } from '../../errors.ts';
import { decodeEmulation, type EmulationRequest } from '../codec/protobuf.ts';
import { isRecord } from '../commands.ts';
import type { ConnectionRules } from './connection-rules.ts';
import { answer, answerPreflight, checkOrigin, isProtobuf, readBody } from './http.ts';

export interface EmulationOptions {
  readonly maxBodySize: number;
  readonly rules: ConnectionRules;
  /** Brings commands to the node that has the connection; false when there is no such node. @throws UnavailableError */
  readonly emulate: (request: EmulationRequest) => Promise<boolean>;
}

/** Brings commands to connections whose own way leads only to the client (client-protocol, section 11). */
export class Emulation {
  readonly #options: EmulationOptions;

  constructor(options: EmulationOptions) {
    this.#options = options;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { rules, maxBodySize, emulate } = this.#options;
    if (!checkOrigin(rules, request, response)) return;
    if (request.method === 'OPTIONS') return answerPreflight(request, response);
    if (request.method !== 'POST') return answer(request, response, 405);
    const body = await readBody(request, maxBodySize);
    if (!body) return answer(request, response, 413);
    const emulation = read(body, isProtobuf(request));
    if (!emulation) return answer(request, response, 400);
    try {
      answer(request, response, (await emulate(emulation)) ? 204 : 404);
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      answer(request, response, 503);
    }
  }
}

/** In JSON the commands stand in a text; undefined when it is no emulation request. */
function read(body: Buffer, isBinary: boolean): EmulationRequest | undefined {
  try {
    if (isBinary) return decodeEmulation(body);
    if (!isUtf8(body)) return undefined;
    const value: unknown = JSON.parse(body.toString());
    if (!isRecord(value)) return undefined;
    const { node, session, data } = value;
    if (typeof node !== 'string' || typeof session !== 'string' || typeof data !== 'string') return undefined;
    return { node, session, data: Buffer.from(data) };
  } catch {
    return undefined;
  }
}
