/** What the parts log through; pino's interface, as far as it is used. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A push token or endpoint as it may stand in a log: enough to tell two apart, too little to use. */
export function shorten(token: string): string {
  return token.length <= 16 ? '…' : `${token.slice(0, 8)}…${token.slice(-4)}`;
}
