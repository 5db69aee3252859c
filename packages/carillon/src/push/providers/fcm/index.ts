export { createFcmProvider, type FcmProviderOptions } from './provider.ts';
export { fcmRules } from './rules.ts';
