export { createHmsProvider, type HmsProviderOptions } from './provider.ts';
export { hmsRules } from './rules.ts';
