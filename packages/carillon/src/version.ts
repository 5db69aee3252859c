import packageJson from '../package.json' with { type: 'json' };

/** Shown in connect replies and `info`, with an edition behind it as Centrifugo does. */
export const VERSION = `${packageJson.version} Carillon`;
