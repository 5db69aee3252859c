import { ApnsConnections } from './apns/connections.ts';
import {
  type ApnsCertificate,
  type ApnsCertificateOptions,
  ApnsCredentials,
  type ApnsKey,
  type ApnsKeyOptions,
} from './apns/credentials.ts';
import { ApnsDevices, type DeviceOptions, type Environment } from './apns/devices.ts';
import { createApnsService } from './apns/service.ts';
import type { Authority } from './certificates/authority.ts';
import { Phones } from './fcm/phones.ts';
import { createFcmService, type WebApp } from './fcm/service.ts';
import { Topics } from './fcm/topics.ts';
import type { FirebaseTokens } from './firebase/tokens.ts';
import { createHmsService } from './hms/service.ts';
import { HmsTokens } from './hms/tokens.ts';
import { GoogleAccounts, type ServiceAccountOptions } from './oauth/google.ts';
import { type HmsApp, HuaweiApps } from './oauth/huawei.ts';
import { createOAuthService } from './oauth/service.ts';
import type { Service, ServiceContext } from './service.ts';
import type { SendWebPush } from './webpush/send.ts';

/** Credentials that the emulator hands out, and the virtual phones that senders with them reach. */
export interface VendorControls {
  /** A new service account's key file, as text, with the emulator's token endpoint in it. */
  serviceAccount(options?: ServiceAccountOptions): string;
  /** A Google access token, for clients that get theirs elsewhere; the project needs a service account first. */
  accessToken(projectId: string): string;
  /** A new app of Huawei's. */
  hmsApp(options?: { readonly projectId?: string }): HmsApp;
  /** A new APNs key: the content of a `.p8` file, and its names. */
  apnsKey(options?: ApnsKeyOptions): ApnsKey;
  /** A new client certificate for APNs, of the emulator's own authority. */
  apnsCertificate(options?: ApnsCertificateOptions): ApnsCertificate;
  /** Ends all access tokens that are out, Google's and Huawei's, before the time that was promised. */
  expireAccessTokens(): void;
  /** How long access tokens live from now on, in seconds; the endpoints say so. */
  setAccessTokenLifetime(seconds: number): void;
  readonly fcm: FcmControls;
  readonly hms: HmsControls;
  readonly apns: ApnsControls;
}

export interface FcmControls {
  /** The token of an app on a virtual phone; `fid` is the same phone's installation ID. */
  createToken(options: { readonly projectId: string }): string;
  /** The FID of the phone of a token. */
  fidOf(token: string): string;
  /** The app was removed: later sends are answered with `UNREGISTERED`. */
  unregister(token: string): void;
}

export interface HmsControls {
  createToken(app: HmsApp): string;
  unregister(token: string): void;
  /** Whether error codes come at HTTP 200, as at first, or at the status that fits. */
  answersErrorsAt200: boolean;
}

export interface ApnsControls {
  /** What hosts that are not Apple's stand for; `production` at first. */
  environment: Environment;
  /** Whether a rejected provider token brings its connection back to one stream; true at first. */
  limitsAfterRejection: boolean;
  /** Connections that are open. */
  readonly connections: number;
  createToken(options: DeviceOptions): string;
  /** @param timestamp since when it is gone: milliseconds since the epoch; now when absent */
  unregister(token: string, timestamp?: number): void;
  /** Lets every connection open so many streams, 0 too; undefined: as APNs would. */
  forceMaxStreams(count: number | undefined): void;
  /** Whether PINGs are answered. */
  answerPings(doesAnswer: boolean): void;
  /** Makes the connections that are open dead for good, without a FIN. */
  freeze(): void;
  /** Ends the connections that are open, after the pushes that have begun; `reason` is sent as JSON, if there is one. */
  goAway(reason?: string): void;
}

export interface VendorsOptions extends ServiceContext {
  /** Origin of the emulator's plain HTTP. */
  readonly url: string;
  readonly authority: Authority;
  readonly firebaseTokens: FirebaseTokens;
  readonly sendWebPush: SendWebPush;
  /** Messages that a Google project may send in a minute. */
  readonly fcmQuotaPerMinute?: number;
}

/** FCM, HMS and APNs with all that belongs to them. */
export function createVendors(options: VendorsOptions) {
  const { url, authority, now, fcmQuotaPerMinute } = options;
  const google = new GoogleAccounts({ tokenUrl: () => `${url}/token`, now });
  const huawei = new HuaweiApps({ now });
  const phones = new Phones();
  const hmsTokens = new HmsTokens();
  const devices = new ApnsDevices();
  const credentials = new ApnsCredentials();
  const connections = new ApnsConnections(credentials);

  const findWebApp = webAppFinder(options, google);
  const topics = new Topics({
    google,
    projectOf(token) {
      const webApp = findWebApp(token);
      return phones.find(token)?.project.id ?? (typeof webApp === 'object' ? webApp.projectId : undefined);
    },
  });
  const hms: HmsControls = {
    answersErrorsAt200: true,
    createToken: (app) => hmsTokens.create(app),
    unregister: (token) => hmsTokens.unregister(token),
  };
  const apns = createApnsControls(devices, connections, now);
  const quota = fcmQuotaPerMinute === undefined ? {} : { quotaPerMinute: fcmQuotaPerMinute };

  const services: Service[] = [
    createOAuthService({ google, huawei }),
    createFcmService({ google, phones, topics, findWebApp, now, ...quota }),
    createHmsService({ huawei, tokens: hmsTokens, answersErrorsAt200: () => hms.answersErrorsAt200 }),
  ];
  const apnsService = createApnsService({ devices, connections, environment: () => apns.environment, now });
  const controls: VendorControls = {
    serviceAccount: (accountOptions) => google.serviceAccount(accountOptions),
    accessToken: (projectId) => google.accessToken(projectId),
    hmsApp: (appOptions) => huawei.createApp(appOptions),
    apnsKey: (keyOptions) => credentials.createKey(keyOptions),
    apnsCertificate: (certificateOptions) => credentials.createCertificate(authority, certificateOptions),
    expireAccessTokens() {
      google.tokens.expireAll();
      huawei.tokens.expireAll();
    },
    setAccessTokenLifetime(seconds) {
      google.tokens.lifetimeSeconds = seconds;
      huawei.tokens.lifetimeSeconds = seconds;
    },
    fcm: {
      createToken: ({ projectId }) => phones.create(google.ensureProject(projectId)).token,
      fidOf: (token) => phoneOf(phones, token).fid,
      unregister(token) {
        phoneOf(phones, token).isRegistered = false;
      },
    },
    hms,
    apns,
  };
  return { services, apnsService, connections, credentials, controls };
}

function createApnsControls(
  devices: ApnsDevices,
  connections: ApnsConnections,
  now: () => number,
): ApnsControls {
  return {
    environment: 'production',
    get limitsAfterRejection() {
      return connections.limitsAfterRejection;
    },
    set limitsAfterRejection(value) {
      connections.limitsAfterRejection = value;
    },
    get connections() {
      return connections.size;
    },
    createToken: (options) => devices.create(options),
    unregister: (token, timestamp = now()) => devices.unregister(token, timestamp),
    forceMaxStreams: (count) => connections.forceMaxStreams(count),
    answerPings: (doesAnswer) => connections.answerPings(doesAnswer),
    freeze: () => connections.freeze(),
    goAway: (reason) => connections.goAway(reason),
  };
}

/** Firebase's web tokens as FCM sees them: a send becomes a web push, and a subscription that has ended ends the token. */
function webAppFinder({ firebaseTokens, sendWebPush }: VendorsOptions, google: GoogleAccounts) {
  return (address: string): WebApp | 'gone' | undefined => {
    const registration = firebaseTokens.find(address);
    if (registration === undefined || registration === 'gone') return registration;
    return {
      projectId: google.project(registration.project)?.id ?? registration.project,
      deliver({ payload, headers }, cause) {
        if (sendWebPush(registration, payload, { ...headers, cause }) === 'gone')
          firebaseTokens.drop(address);
      },
    };
  };
}

function phoneOf(phones: Phones, token: string) {
  const phone = phones.find(token);
  if (!phone) throw new Error(`no phone has the token ${token.slice(0, 8)}…`);
  return phone;
}
