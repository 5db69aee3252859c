import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Question {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

/** What is done with a request: JSON is sent, or whatever a function does. */
type Answer = object | Responder;
export type Responder = (response: ServerResponse) => void;

/** The backend of an application, as proxies ask it: an answer for each path, and a record of what was asked. */
export class Application {
  readonly questions: Question[] = [];
  /** The most connections that were open at a time. */
  peakConnections = 0;
  readonly url: string;
  readonly #answers = new Map<string, (question: Question) => Answer>();
  readonly #close: () => Promise<void>;

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url;
    this.#close = close;
  }

  static async start(): Promise<Application> {
    const server = createServer((request, response) => {
      application.#take(request, response).catch(() => response.destroy());
    });
    let open = 0;
    server.on('connection', (socket) => {
      open += 1;
      application.peakConnections = Math.max(application.peakConnections, open);
      socket.on('close', () => {
        open -= 1;
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const application = new Application(
      `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      async () => {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      },
    );
    return application;
  }

  /** What is answered from now on. */
  answer(path: string, answer: Answer): void {
    this.#answers.set(path, () => answer);
  }

  /** The same, by what is asked. */
  decide(path: string, answer: (question: Question) => object): void {
    this.#answers.set(path, answer);
  }

  close(): Promise<void> {
    return this.#close();
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const path = request.url ?? '';
    const question = { path, headers: request.headers, body: JSON.parse(Buffer.concat(chunks).toString()) };
    this.questions.push(question);
    const answer = this.#answers.get(path)?.(question) ?? {};
    if (typeof answer === 'function') answer(response);
    else response.end(JSON.stringify(answer));
  }
}
