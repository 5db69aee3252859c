import type { IncomingHttpHeaders } from 'node:http';

/** What a sender asks of the push service (RFC 8030, sections 5.2 to 5.4). */
export interface PushHeaders {
  /** Seconds, already cut to what the service keeps. */
  readonly ttl: number;
  readonly urgency: Urgency;
  readonly topic?: string;
  /** Absent when there is no body. */
  readonly encoding?: 'aes128gcm';
}

const URGENCIES = ['very-low', 'low', 'normal', 'high'] as const;
export type Urgency = (typeof URGENCIES)[number];

const TOPIC = /^[0-9A-Za-z_-]+=*$/;
const MAX_TOPIC_LENGTH = 32;

/** Why the headers of a push were refused; `errno` as Mozilla numbers it. */
export class HeaderError extends Error {
  override name = 'HeaderError';
  readonly errno: number | null;
  constructor(errno: number | null, message: string) {
    super(message);
    this.errno = errno;
  }
}

/**
 * @param bodyLength bytes
 * @param maxTtl seconds; a longer TTL is cut to it without a word but in the answer's `TTL`
 * @throws HeaderError
 */
export function readPushHeaders(
  headers: IncomingHttpHeaders,
  bodyLength: number,
  maxTtl: number,
): PushHeaders {
  const encoding = readEncoding(headers, bodyLength);
  const ttlText = single(headers.ttl);
  if (ttlText === undefined || !/^-?\d+$/.test(ttlText)) throw new HeaderError(111, 'Missing TTL value');
  const ttl = Number(ttlText);
  if (ttl < 0) throw new HeaderError(114, 'TTL must be greater than 0');

  const topic = single(headers.topic);
  if (topic !== undefined && topic.length > MAX_TOPIC_LENGTH) {
    throw new HeaderError(113, 'Topic must be no greater than 32 characters');
  }
  if (topic !== undefined && !TOPIC.test(topic)) {
    throw new HeaderError(113, 'Topic must be URL and Filename safe Base64 alphabet');
  }
  // Mozilla's service does not look at it; RFC 8030 and the other services do, so a wrong one is a sender's error.
  const urgency = single(headers.urgency) ?? 'normal';
  if (!isUrgency(urgency)) {
    throw new HeaderError(null, `Urgency is ${JSON.stringify(urgency)}: ${URGENCIES.join(', ')} are allowed`);
  }
  return {
    ttl: Math.min(ttl, maxTtl),
    urgency,
    ...(topic !== undefined && { topic }),
    ...(encoding && { encoding }),
  };
}

function readEncoding(headers: IncomingHttpHeaders, bodyLength: number): 'aes128gcm' | undefined {
  if (bodyLength === 0) return undefined;
  const encoding = headers['content-encoding'];
  if (encoding === undefined) throw new HeaderError(110, 'Missing Content-Encoding header');
  // The older `aesgcm` is not spoken here: RFC 8291 leaves `aes128gcm` alone.
  if (encoding !== 'aes128gcm') throw new HeaderError(110, 'Unknown Content-Encoding header');
  return encoding;
}

function isUrgency(text: string): text is Urgency {
  return (URGENCIES as readonly string[]).includes(text);
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
