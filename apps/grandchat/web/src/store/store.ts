import { INITIAL_STATE, type State } from './state.ts';

/** The one place where the app's state is. Changes are pure functions of the newest state, applied at once. */
export class Store {
  #state: State = INITIAL_STATE;
  readonly #listeners = new Set<() => void>();

  get state(): State {
    return this.#state;
  }

  update(change: (state: State) => State): void {
    const next = change(this.#state);
    if (next === this.#state) return;
    this.#state = next;
    for (const listener of this.#listeners) listener();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}
