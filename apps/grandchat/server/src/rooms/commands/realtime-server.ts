/** The server that has the real-time connections, where that is not Carillon. */
export interface RealtimeServer {
  /** Of a server that speaks Centrifugo's client protocol and server API, without a slash at the end. */
  readonly url: string;
  /** Needed in modes that call its API. */
  readonly apiKey: string;
}

/**
 * `GRANDCHAT_REALTIME_URL` and `GRANDCHAT_REALTIME_API_KEY`; undefined when there is no URL: then it is Carillon.
 * @throws naming the variable, its value and what is allowed
 */
export function realtimeFromEnvironment(env: NodeJS.ProcessEnv): RealtimeServer | undefined {
  const { GRANDCHAT_REALTIME_URL: text, GRANDCHAT_REALTIME_API_KEY: apiKey = '' } = env;
  if (!text) return undefined;
  const url = URL.parse(text);
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new Error(
      `GRANDCHAT_REALTIME_URL is ${JSON.stringify(text)}: an address such as http://localhost:8001 is allowed`,
    );
  }
  return { url: text.replace(/\/$/, ''), apiKey };
}
