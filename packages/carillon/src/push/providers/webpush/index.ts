export { createWebPushProvider, type WebPushProviderOptions } from './provider.ts';
export { webPushRules } from './rules.ts';
export { generateVapidKeys, type VapidKeys } from './vapid.ts';
