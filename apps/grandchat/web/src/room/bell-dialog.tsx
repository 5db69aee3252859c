import { useBell, useChat } from '../app/context.ts';
import { Dialog } from '../components/dialog.tsx';

/** First words, then the browser's question; and what to do where the answer is no. */
export function BellDialog({ onClose }: { onClose: () => void }) {
  const { notifications } = useChat();
  const bell = useBell();
  const { support, isOn, busy, problem, isPrivate } = bell;
  const canAsk = support.state === 'default' || support.state === 'granted';
  const state = isOn ? 'on' : support.state;
  return (
    <Dialog title="Notifications" onClose={onClose}>
      <div data-testid="push-state" data-state={state}>
        {isOn && (
          <p>
            They are on for this device. You hear of new messages in all your rooms, also when GrandChat is
            closed.
          </p>
        )}
        {!isOn && canAsk && (
          <>
            <p>Hear of new messages in your rooms, also when GrandChat is closed.</p>
            <ul className="reasons">
              <li>Only on this device, and only until you log out or turn them off.</li>
              <li>Never for what you write, nor for the room that is before you.</li>
              {isPrivate ? (
                <li>Texts are encrypted on the way: your browser’s push service cannot read them.</li>
              ) : (
                <li>Texts go through Google’s Firebase, which can read them on the way.</li>
              )}
            </ul>
            {support.state === 'default' && <p className="muted">Your browser will ask you next.</p>}
          </>
        )}
        {!isOn && support.state === 'denied' && (
          <>
            <p>{support.reason}</p>
            <ul className="reasons">
              <li>Chrome and Edge: the icon left of the address → Notifications → Allow.</li>
              <li>Firefox: the crossed-out bubble left of the address → clear the block.</li>
              <li>Safari: Settings → Websites → Notifications → allow this site.</li>
              <li>From the Home Screen: the phone’s settings → Notifications → GrandChat.</li>
            </ul>
            <p className="muted">Then come back to this bell.</p>
          </>
        )}
        {!isOn && support.state === 'unsupported' && <p>{support.reason}</p>}
        {!isOn && support.state === 'needs-install' && (
          <>
            <p>On iPhone and iPad, notifications reach apps on the Home Screen. It takes a moment:</p>
            <ol className="reasons">
              <li>Tap Share, the square with an arrow.</li>
              <li>Choose “Add to Home Screen”.</li>
              <li>Open GrandChat from there, and press this bell again.</li>
            </ol>
          </>
        )}
        {problem && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
      </div>
      <div className="dialog-actions">
        <button type="button" onClick={onClose}>
          Close
        </button>
        {isOn && (
          <button type="button" onClick={() => void notifications.turnOff()}>
            Turn off
          </button>
        )}
        {!isOn && canAsk && (
          <button
            type="button"
            className="primary"
            data-testid="push-enable"
            disabled={busy}
            onClick={() => void notifications.turnOn()}
          >
            {busy ? 'Turning on …' : 'Turn on'}
          </button>
        )}
      </div>
    </Dialog>
  );
}
