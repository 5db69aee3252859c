import { type FormEvent, useEffect, useId, useRef, useState } from 'react';
import { useChat } from '../app/context.ts';

export function LoginScreen() {
  const chat = useChat();
  const [isNew, setIsNew] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState('');
  const id = useId();
  const nameRef = useRef<HTMLInputElement>(null);

  useEffect(() => {
    // On a phone the focus would bring up the keyboard.
    if (matchMedia('(hover: hover)').matches) nameRef.current?.focus();
  }, []);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setProblem('');
    try {
      await chat.signIn(
        isNew ? 'signUp' : 'login',
        String(form.get('username')),
        String(form.get('password')),
      );
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  }

  return (
    <main className="login">
      <form className="login-card" onSubmit={submit}>
        <img src="/icon.svg" alt="" width="56" height="56" />
        <h1>GrandChat</h1>
        <p className="muted">
          {isNew ? 'Choose a name and a password.' : 'Rooms that reach you, here or away.'}
        </p>
        <label htmlFor={`${id}name`}>Username</label>
        <input
          ref={nameRef}
          id={`${id}name`}
          name="username"
          data-testid="login-username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          maxLength={32}
          required
        />
        <label htmlFor={`${id}password`}>Password</label>
        <input
          id={`${id}password`}
          name="password"
          type="password"
          data-testid="login-password"
          autoComplete={isNew ? 'new-password' : 'current-password'}
          minLength={isNew ? 8 : undefined}
          maxLength={128}
          required
        />
        <p className="problem" role="alert">
          {problem}
        </p>
        <button type="submit" className="primary" data-testid="login-submit" disabled={busy}>
          {isNew ? 'Sign up' : 'Log in'}
        </button>
        <button
          type="button"
          className="link"
          data-testid="signup-toggle"
          onClick={() => {
            setIsNew(!isNew);
            setProblem('');
          }}
        >
          {isNew ? 'I have an account' : 'New here? Sign up'}
        </button>
      </form>
    </main>
  );
}
