export { type ApnsProviderOptions, createApnsProvider } from './provider.ts';
export { apnsRules } from './rules.ts';
