import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';

/** An HTTP response without end, read message by message: lines, or the data of server-sent events. */
export class StreamReader {
  readonly request: ClientRequest;
  readonly response: IncomingMessage;
  readonly ended: Promise<void>;
  readonly #messages: string[] = [];
  #rest = '';
  #wake: () => void = () => {};

  private constructor(sent: ClientRequest, response: IncomingMessage) {
    this.request = sent;
    this.response = response;
    const isEvents = String(response.headers['content-type']).startsWith('text/event-stream');
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      const parts = (this.#rest + chunk).split(isEvents ? '\n\n' : '\n');
      this.#rest = parts.pop() ?? '';
      this.#messages.push(...parts.map((part) => part.replace(/^\s*data: /, '')));
      this.#wake();
    });
    this.ended = new Promise((resolve) => {
      response.on('close', resolve);
      response.on('error', () => {});
    });
  }

  static async open(
    url: string,
    options: { method?: string; headers?: Record<string, string>; body?: string } = {},
  ): Promise<StreamReader> {
    const { method = options.body === undefined ? 'GET' : 'POST', headers = {}, body } = options;
    const sent = request(url, { method, headers, agent: false });
    sent.end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    sent.on('error', () => {});
    return new StreamReader(sent, response);
  }

  async next(): Promise<Record<string, unknown>> {
    while (this.#messages.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return JSON.parse(this.#messages.shift() as string);
  }

  close(): void {
    this.request.destroy();
  }
}
