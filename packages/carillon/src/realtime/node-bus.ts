/** Brings messages from node to node, each at most once. */
export interface NodeBus {
  /** Whether messages come at the moment. */
  readonly isReady: boolean;
  /** Listens to what is for all nodes and to what is for this one; `onBack` is called after messages may have been lost. */
  open(uid: string, onMessage: (message: string) => void, onBack: () => void): Promise<void>;
  /** Sends to all nodes, this one included. @returns how many got it @throws UnavailableError */
  toAll(message: string): Promise<number>;
  /** @returns false when nobody got it @throws UnavailableError */
  to(uid: string, message: string): Promise<boolean>;
  /** How many nodes listen. @throws UnavailableError */
  count(): Promise<number>;
}
