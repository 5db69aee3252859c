import { isUtf8 } from 'node:buffer';
import { disconnect } from '../codes.ts';
import { isRecord } from '../commands.ts';
import { encodeJson } from '../json.ts';
import type { Codec } from './codec.ts';

/**
 * JSON for clients that only listen: what they send is one connect request with nothing around it (`null` for an empty
 * one), and what they get is pushes with nothing around them, the first of them `connect`.
 */
export const uniJsonCodec: Codec = {
  name: 'json',
  decode(frame) {
    if (!isUtf8(frame)) throw disconnect('badRequest');
    let request: unknown;
    try {
      request = JSON.parse(frame.toString()) ?? {};
    } catch {
      throw disconnect('badRequest');
    }
    if (!isRecord(request)) throw disconnect('badRequest');
    return [{ id: 1, name: 'connect', request, bytes: frame.length }];
  },
  encode(message) {
    const { push, connect } = message as { push?: object; connect?: object };
    return encodeJson(push ?? (connect ? { connect } : {}));
  },
  frame: (messages) => messages.join('\n'),
};
