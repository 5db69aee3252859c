import { createApnsProvider } from '../../../src/push/providers/apns/index.ts';
import { providerConformance } from '../providers/conformance.ts';
import { apnsConfig, targets } from './support.ts';

providerConformance(
  'apns',
  (sink) => ({
    provider: createApnsProvider(apnsConfig({ endpoint: sink.origin }), sink),
    message: { payload: { aps: { alert: 'hello' } } },
    targets: (count) => targets(count, 0xabc_def),
    accept: (_push, response) => void response.writeHead(200, { 'apns-id': 'id-1' }).end(),
  }),
  { http2Only: true },
);
