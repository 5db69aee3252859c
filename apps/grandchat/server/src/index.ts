/** GrandChat's backend, for a process that runs it beside other things. */
export { createDemo, DEMO_PASSWORD, type DemoAccount } from './demo.ts';
export { type GrandChat, type GrandChatOptions, startGrandChat } from './grandchat.ts';
export { MIGRATIONS } from './migrations.ts';
export { type Firebase, firebaseFromEnvironment } from './push/firebase.ts';
export {
  type BroadcastOptions,
  broadcastFromEnvironment,
} from './rooms/commands/mode.ts';
export { type RealtimeServer, realtimeFromEnvironment } from './rooms/commands/realtime-server.ts';
export { addScale, SCALE_ROOMS, type ScaleAdded, scaleUsername } from './scale.ts';
export { type Limits, limitsFromEnvironment } from './services.ts';
