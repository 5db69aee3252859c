import { randomUUID } from 'node:crypto';
import type { ServerHttp2Session } from 'node:http2';
import type { PushRecord } from '../journal.ts';
import type { Judgement, Service, ServiceContext, ServiceRequest } from '../service.ts';
import type { ApnsConnections, Connection } from './connections.ts';
import type { ApnsDevices, Environment } from './devices.ts';
import { apnsErrorAnswer, type Reason, reasonAnswer } from './reasons.ts';
import { bundleIdOf, isForTopic, isMessageId, wrongHeader, wrongPayload } from './rules.ts';

const PATH = /^\/3\/device\/([^/]*)$/;
const MAX_BODY_BYTES = 16_384;
const TOKEN = /^([0-9a-f]{2}){8,}$/i;

export interface ApnsOptions extends ServiceContext {
  readonly devices: ApnsDevices;
  readonly connections: ApnsConnections;
  /** What a host that is not Apple's stands for. */
  readonly environment: () => Environment;
}

/**
 * Apple's provider API over HTTP/2 (vendors.md 2), for a listener of its own. Checks in the order of the spec's mock: ID, method,
 * topic, collapse ID, expiration, priority, push type → path, token's form, whether it is known, registered and for that topic →
 * provider token or certificate → body.
 */
export function createApnsService({ devices, connections, environment, now }: ApnsOptions): Service {
  function judge(path: string, request: ServiceRequest, record: PushRecord): Judgement {
    const { headers, session, body } = request;
    const connection = session && connections.get(session);
    if (!session || !connection) throw new Error('APNs speaks HTTP/2 on its own listener alone');
    const id = isMessageId(headers['apns-id']) ? headers['apns-id'] : randomUUID().toUpperCase();
    const place = environmentOf(request.origin) ?? environment();
    record.payload = readJson(body);
    const refuse = (reason: Reason, timestamp?: number): Judgement => ({
      answer: reasonAnswer(reason, id, timestamp),
      refusal: reason,
    });

    const topic = topicOf(request, connection);
    const hasCertificate = connection.certificate !== undefined;
    const wrong = wrongHeader(request.method, headers, topic, hasCertificate);
    if (wrong || topic === undefined) return refuse(wrong ?? 'MissingTopic');
    const token = PATH.exec(path)?.[1];
    if (token === undefined) return refuse('BadPath');
    if (token === '') return refuse('MissingDeviceToken');
    const device = TOKEN.test(token) ? devices.find(token) : undefined;
    if (!device || device.environment !== place) return refuse('BadDeviceToken');
    if (device.goneAt !== undefined) return refuse('Unregistered', device.goneAt);
    if (!isForTopic(device, topic)) return refuse('DeviceTokenNotForTopic');
    const unauthorized = authorize(request, connection, session, topic, place);
    if (unauthorized) return refuse(unauthorized);
    const bad = wrongPayload(body, headers['apns-push-type'], topic);
    if (bad) return refuse(bad);
    connections.trust(session, true);
    return {
      answer: {
        status: 200,
        headers: {
          'apns-id': id,
          ...(place === 'development' && { 'apns-unique-id': randomUUID() }),
        },
      },
    };
  }

  function authorize(
    { headers }: ServiceRequest,
    { certificate, tokens }: Connection,
    session: ServerHttp2Session,
    topic: string,
    place: Environment,
  ): Reason | undefined {
    if (certificate !== undefined && (certificate !== 'bad' || headers.authorization === undefined)) {
      if (certificate === 'bad') return 'BadCertificate';
      if (certificate.environment !== place) return 'BadCertificateEnvironment';
      return certificate.topics.includes(topic) ? undefined : 'TopicDisallowed';
    }
    const key = tokens.check(headers.authorization, now(), place);
    if (typeof key !== 'string')
      return key.bundleIds.includes(bundleIdOf(topic)) ? undefined : 'TopicDisallowed';
    connections.trust(session, false);
    return key;
  }

  return {
    name: 'apns',
    route: (_, path) => ({
      kind: 'push',
      maxBody: MAX_BODY_BYTES,
      target: PATH.exec(path)?.[1] ?? '',
      judge: (request, record) => judge(path, request, record),
    }),
    errorAnswer(fault, request) {
      const id = request?.headers['apns-id'];
      return apnsErrorAnswer(fault, isMessageId(id) ? id : randomUUID().toUpperCase(), now());
    },
  };
}

/** Of Apple's own hosts. */
function environmentOf(origin: string): Environment | undefined {
  const host = URL.parse(origin)?.hostname ?? '';
  if (!host.endsWith('.push.apple.com')) return undefined;
  return /\.(sandbox|development)\./.test(host) ? 'development' : 'production';
}

/** A certificate of one topic stands for it. */
function topicOf({ headers }: ServiceRequest, { certificate }: Connection): string | undefined {
  const topic = headers['apns-topic'];
  if (topic !== undefined) return String(topic);
  return typeof certificate === 'object' && certificate.topics.length === 1
    ? certificate.topics[0]
    : undefined;
}

function readJson(body: Buffer | undefined): unknown {
  try {
    return JSON.parse(String(body));
  } catch {
    return undefined;
  }
}
