import protobuf from 'protobufjs/light.js';

/**
 * The messages between Chromium and Google's services, with the fields that matter here: those of the check-in, and those of the
 * message socket (MCS). Fields that are not listed are skipped when read.
 */
const root = protobuf.Root.fromJSON({
  nested: {
    CheckinRequest: {
      fields: {
        id: { type: 'int64', id: 2 },
        securityToken: { type: 'fixed64', id: 13 },
        version: { type: 'int32', id: 14 },
      },
    },
    CheckinResponse: {
      fields: {
        statsOk: { type: 'bool', id: 1 },
        timeMs: { type: 'int64', id: 3 },
        androidId: { type: 'fixed64', id: 7 },
        securityToken: { type: 'fixed64', id: 8 },
      },
    },
    Heartbeat: {
      fields: {
        streamId: { type: 'int32', id: 1 },
        lastStreamIdReceived: { type: 'int32', id: 2 },
      },
    },
    LoginRequest: {
      fields: {
        user: { type: 'string', id: 3 },
        resource: { type: 'string', id: 4 },
        authToken: { type: 'string', id: 5 },
        receivedPersistentId: { rule: 'repeated', type: 'string', id: 10 },
      },
    },
    ErrorInfo: {
      fields: {
        code: { type: 'int32', id: 1 },
        message: { type: 'string', id: 2 },
      },
    },
    LoginResponse: {
      fields: {
        id: { type: 'string', id: 1 },
        error: { type: 'ErrorInfo', id: 3 },
        streamId: { type: 'int32', id: 5 },
        lastStreamIdReceived: { type: 'int32', id: 6 },
        serverTimestamp: { type: 'int64', id: 8 },
      },
    },
    Close: { fields: {} },
    IqStanza: {
      fields: {
        lastStreamIdReceived: { type: 'int32', id: 10 },
      },
    },
    AppData: {
      fields: {
        key: { type: 'string', id: 1 },
        value: { type: 'string', id: 2 },
      },
    },
    DataMessageStanza: {
      fields: {
        from: { type: 'string', id: 3 },
        category: { type: 'string', id: 5 },
        appData: { rule: 'repeated', type: 'AppData', id: 7 },
        persistentId: { type: 'string', id: 9 },
        ttl: { type: 'int32', id: 17 },
        sent: { type: 'int64', id: 18 },
        rawData: { type: 'bytes', id: 21 },
        immediateAck: { type: 'bool', id: 24 },
      },
    },
  },
});

/** 64-bit numbers are read as decimal text, and written as numbers up to 2^53. */
export interface Messages {
  CheckinRequest: { id?: string; securityToken?: string; version?: number };
  CheckinResponse: { statsOk: boolean; timeMs: number; androidId: number; securityToken: number };
  Heartbeat: { streamId?: number; lastStreamIdReceived?: number };
  LoginRequest: { user?: string; resource?: string; authToken?: string; receivedPersistentId?: string[] };
  LoginResponse: {
    id: string;
    error?: { code: number; message: string };
    streamId?: number;
    lastStreamIdReceived?: number;
    serverTimestamp: number;
  };
  Close: Record<string, never>;
  IqStanza: { lastStreamIdReceived?: number };
  DataMessageStanza: {
    from: string;
    category: string;
    appData: { key: string; value: string }[];
    persistentId: string;
    ttl: number;
    sent: number;
    rawData?: Buffer;
    immediateAck: boolean;
  };
}
export type MessageName = keyof Messages;

export function encodeMessage<N extends MessageName>(name: N, message: Messages[N]): Buffer {
  return Buffer.from(root.lookupType(name).encode(message).finish());
}

/** @throws when the bytes are no such message */
export function decodeMessage<N extends MessageName>(name: N, bytes: Uint8Array): Messages[N] {
  const type = root.lookupType(name);
  return type.toObject(type.decode(bytes), { longs: String }) as Messages[N];
}
