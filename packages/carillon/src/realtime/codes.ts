/** Errors in replies and reasons to close, with their codes (client-protocol, section 6). */

/** An error that a reply carries; the connection lives on. */
export class ClientError extends Error {
  override name = 'ClientError';
  readonly code: number;
  readonly temporary: boolean;

  constructor(code: number, message: string, temporary = false) {
    super(message);
    this.code = code;
    this.temporary = temporary;
  }
}

const CLIENT_ERRORS = {
  internal: [100, 'internal server error', true],
  unauthorized: [101, 'unauthorized'],
  unknownChannel: [102, 'unknown channel'],
  permissionDenied: [103, 'permission denied'],
  methodNotFound: [104, 'method not found'],
  alreadySubscribed: [105, 'already subscribed'],
  limitExceeded: [106, 'limit exceeded'],
  badRequest: [107, 'bad request'],
  notAvailable: [108, 'not available'],
  tokenExpired: [109, 'token expired'],
  expired: [110, 'expired'],
  tooManyRequests: [111, 'too many requests', true],
  unrecoverablePosition: [112, 'unrecoverable position'],
} as const satisfies Record<string, readonly [number, string, boolean?]>;

export function clientError(name: keyof typeof CLIENT_ERRORS): ClientError {
  const [code, message, temporary]: readonly [number, string, boolean?] = CLIENT_ERRORS[name];
  return new ClientError(code, message, temporary ?? false);
}

/** Why a connection is closed: thrown while a command is handled, or given to `Session.disconnect`. */
export class Disconnect extends Error {
  override name = 'Disconnect';
  readonly code: number;

  constructor(code: number, reason: string) {
    super(reason);
    this.code = code;
  }
}

const DISCONNECTS = {
  connectionClosed: [3000, 'connection closed'],
  shutdown: [3001, 'shutdown'],
  internal: [3004, 'internal server error'],
  connectionExpired: [3005, 'connection expired'],
  subscriptionExpired: [3006, 'subscription expired'],
  slow: [3008, 'slow'],
  writeError: [3009, 'write error'],
  insufficientState: [3010, 'insufficient state'],
  forceReconnect: [3011, 'force reconnect'],
  noPong: [3012, 'no pong'],
  tooManyRequests: [3013, 'too many requests'],
  invalidToken: [3500, 'invalid token'],
  badRequest: [3501, 'bad request'],
  stale: [3502, 'stale'],
  forceDisconnect: [3503, 'force disconnect'],
  connectionLimit: [3504, 'connection limit'],
  channelLimit: [3505, 'channel limit'],
  inappropriateProtocol: [3506, 'inappropriate protocol'],
  permissionDenied: [3507, 'permission denied'],
  notAvailable: [3508, 'not available'],
} as const satisfies Record<string, readonly [number, string]>;

export function disconnect(name: keyof typeof DISCONNECTS): Disconnect {
  return new Disconnect(...(DISCONNECTS[name] as [number, string]));
}

/** Why a connection is closed that cannot be told of an error, because it only listens. */
export function disconnectFor(error: ClientError): Disconnect {
  switch (error.code) {
    case 103:
      return disconnect('permissionDenied');
    case 109:
    case 110:
      return disconnect('connectionExpired');
    case 111:
      return disconnect('tooManyRequests');
    default:
      return disconnect('internal');
  }
}

/** Codes of an `unsubscribe` push; from 2500 on the client subscribes again by itself. */
export const UNSUBSCRIBE = {
  server: { code: 2000, reason: 'server unsubscribe' },
  insufficientState: { code: 2500, reason: 'insufficient state' },
  expired: { code: 2501, reason: 'subscription expired' },
} as const;
