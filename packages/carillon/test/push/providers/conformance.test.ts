import { createFcmProvider } from '../../../src/push/providers/fcm/index.ts';
import { createHmsProvider } from '../../../src/push/providers/hms/index.ts';
import { createWebPushProvider } from '../../../src/push/providers/webpush/index.ts';
import { Browser, webPushConfig } from '../webpush/support.ts';
import { providerConformance, type SinkOptions } from './conformance.ts';
import { acceptFcm, acceptHms, answerJson, fcmConfig, hmsConfig, tokenTargets } from './oauth-service.ts';

const TOKEN_PATH = '/oauth/token';

const endpoints = ({ origin }: SinkOptions) => ({ origin, tokenUrl: origin + TOKEN_PATH });
const answerOAuth: NonNullable<ReturnType<Parameters<typeof providerConformance>[1]>['answerOther']> = (
  { path },
  response,
) => {
  if (path !== TOKEN_PATH) return false;
  answerJson(response, 200, { access_token: 'access', expires_in: 3599 });
  return true;
};

providerConformance('fcm', (sink) => ({
  provider: createFcmProvider(fcmConfig(endpoints(sink)), sink),
  message: { message: { notification: { title: 'hello' } } },
  targets: tokenTargets,
  accept: acceptFcm,
  answerOther: answerOAuth,
}));

providerConformance('hms', (sink) => ({
  provider: createHmsProvider(hmsConfig(endpoints(sink)), sink),
  message: { message: { data: '{"text":"hello"}' } },
  targets: tokenTargets,
  accept: acceptHms,
  answerOther: answerOAuth,
}));

const browser = new Browser();

providerConformance('webpush', (sink) => ({
  provider: createWebPushProvider(webPushConfig({ insecure_endpoint_origins: [sink.origin] }), sink),
  message: { payload: { text: 'hello' } },
  targets: (count) =>
    tokenTargets(count).map(({ token }) => browser.target(`${sink.origin}/wpush/v2/${token}`)),
  accept: (_push, response) => void response.writeHead(201).end(),
}));
