export { emulatorAgent } from './agent.ts';
export type { ApnsCertificate, ApnsCertificateOptions, ApnsKey, ApnsKeyOptions } from './apns/credentials.ts';
export type { DeviceOptions, Environment } from './apns/devices.ts';
export { type ChromiumArgumentsOptions, chromiumArguments } from './browsers/chromium.ts';
export { firefoxPreferences } from './browsers/firefox.ts';
export {
  type EmulatorOptions,
  type PushEmulator,
  type SubscriptionInfo,
  startPushEmulator,
} from './emulator.ts';
export type { Fault, Faults } from './faults.ts';
export type { PushRecord, PushState } from './journal.ts';
export type { ServiceAccountOptions } from './oauth/google.ts';
export type { HmsApp } from './oauth/huawei.ts';
export { redirectVendors } from './redirect.ts';
export type { ServiceName } from './service.ts';
export type { SinkReply, SinkRequest } from './sink/messages.ts';
export { type Sink, type SinkCounts, type SinkOptions, sinkProcess, startSink } from './sink/sink.ts';
export type { ApnsControls, FcmControls, HmsControls, VendorControls } from './vendors.ts';
export type { SubscriptionKeys } from './webpush/encryption.ts';
export type { PushHeaders, Urgency } from './webpush/headers.ts';
export type { VapidClaims } from './webpush/vapid.ts';
export type { PushSubscriptionJson, SubscribeOptions } from './webpush/virtual.ts';
