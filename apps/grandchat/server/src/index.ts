/** GrandChat's backend, for a process that runs it beside other things. */
export type { DemoAccount } from './demo.ts';
export { type GrandChat, type GrandChatOptions, startGrandChat } from './grandchat.ts';
export { type Firebase, firebaseFromEnvironment } from './push/firebase.ts';
export { type Limits, limitsFromEnvironment } from './services.ts';
