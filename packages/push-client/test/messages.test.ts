import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { answerIsOpen, listenForOpen } from '../src/index.ts';

/** A page's end of the line to the service worker. `ask` gives the page's answer, undefined when it gives none. */
function fakeContainer() {
  const container = new EventTarget();
  const ask = (data: unknown): unknown => {
    let answer: unknown;
    const port = { postMessage: (value: unknown) => (answer = value) };
    container.dispatchEvent(Object.assign(new Event('message'), { data, ports: [port] }));
    return answer;
  };
  return { container: container as ServiceWorkerContainer, ask };
}

suite('what a page answers its service worker', () => {
  test('whether a tag is open', () => {
    const { container, ask } = fakeContainer();
    const stop = answerIsOpen((tag) => tag === 'room-1', container);
    assert.equal(ask({ type: 'carillon:is-open', tag: 'room-1' }), true);
    assert.equal(ask({ type: 'carillon:is-open', tag: 'room-2' }), false);
    stop();
    assert.equal(ask({ type: 'carillon:is-open', tag: 'room-1' }), undefined);
  });

  test('whether it is at a URL, whatever the fragment', () => {
    const { container, ask } = fakeContainer();
    listenForOpen(assert.fail, container, () => 'https://chat.example/rooms/1#m5');
    assert.equal(ask({ type: 'carillon:is-at', url: 'https://chat.example/rooms/1' }), true);
    assert.equal(ask({ type: 'carillon:is-at', url: 'https://chat.example/rooms/12' }), false);
  });

  test('that it goes to a URL', () => {
    const { container, ask } = fakeContainer();
    const opened: string[] = [];
    const stop = listenForOpen(
      (url) => opened.push(url),
      container,
      () => '',
    );
    assert.equal(ask({ type: 'carillon:open', url: 'https://chat.example/rooms/1' }), true);
    stop();
    ask({ type: 'carillon:open', url: 'https://chat.example/rooms/2' });
    assert.deepEqual(opened, ['https://chat.example/rooms/1']);
  });

  test('nothing to what is not meant for it', () => {
    const { container, ask } = fakeContainer();
    answerIsOpen(() => assert.fail(), container);
    listenForOpen(assert.fail, container, () => assert.fail());
    for (const message of [
      null,
      'open',
      { type: 'other' },
      { type: 'carillon:open' },
      { type: 'carillon:is-open', tag: 5 },
    ]) {
      assert.equal(ask(message), undefined);
    }
  });
});
