import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type ClickEvent, handleClick } from '../src/worker.ts';
import { type FakeScope, FakeWindow, fakeScope, ORIGIN, run } from './fakes.ts';

async function click(scope: FakeScope, navigate: unknown = `${ORIGIN}/rooms/5`): Promise<boolean> {
  let isClosed = false;
  const close = () => {
    isClosed = true;
  };
  await run<ClickEvent>(handleClick(scope), { notification: { data: { navigate }, close } });
  return isClosed;
}

suite('a click on a notification', () => {
  test('closes it and opens the page when the app has no window', async () => {
    const scope = fakeScope();
    assert.equal(await click(scope), true);
    assert.deepEqual(scope.opened, [`${ORIGIN}/rooms/5`]);
  });

  test('hands the URL to a window of the app and brings it forward', async () => {
    const window = new FakeWindow({ answer: true });
    const scope = fakeScope([window]);
    await click(scope);
    assert.deepEqual(window.messages, [{ type: 'carillon:open', url: `${ORIGIN}/rooms/5` }]);
    assert.equal(window.isBroughtForward, true);
    assert.deepEqual(scope.opened, []);
  });

  test('prefers the window that is there already, then the focused, then a visible one', async () => {
    const there = new FakeWindow({ answer: true });
    const elsewhere = ({ type }: { type: string }) => type === 'carillon:open';
    const make = (options: object) => new FakeWindow({ answer: elsewhere, ...options });
    const chosen = async (...windows: FakeWindow[]) => {
      await click(fakeScope(windows));
      return windows.find(({ isBroughtForward }) => isBroughtForward);
    };
    const [focused, visible] = [make({ focused: true }), make({ visible: true })];
    assert.equal(await chosen(make({}), make({ visible: true }), make({ focused: true }), there), there);
    assert.equal(await chosen(make({}), make({ visible: true }), focused), focused);
    assert.equal(await chosen(make({}), visible, new FakeWindow()), visible);
  });

  test('opens a window when the page does not take it on', async () => {
    const frozen = new FakeWindow({ focused: true });
    const scope = fakeScope([frozen]);
    await click(scope);
    assert.equal(frozen.isBroughtForward, false);
    assert.deepEqual(scope.opened, [`${ORIGIN}/rooms/5`]);
  });

  for (const [what, navigate, url] of [
    ['stays on its own origin', 'http://localhost:9000/rooms/7?a=1#m3', `${ORIGIN}/rooms/7?a=1#m3`],
    ['is not led astray by two slashes', 'https://chat.example//evil.example/x', `${ORIGIN}//evil.example/x`],
    ['takes a path', '/rooms/7', `${ORIGIN}/rooms/7`],
    ['without a URL opens the app', null, `${ORIGIN}/`],
    ['with a broken URL opens the app', 'http://', `${ORIGIN}/`],
    ['runs no script', 'javascript:alert(1)', `${ORIGIN}/`],
  ] as const) {
    test(what, async () => {
      const scope = fakeScope();
      await click(scope, navigate);
      assert.deepEqual(scope.opened, [url]);
    });
  }
});
