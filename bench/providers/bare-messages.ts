/** What the threads of the bare sender are told and tell. */
export interface BareRequest {
  readonly tokens: readonly string[];
}

export interface BareReply {
  readonly accepted: number;
  /** Milliseconds of each. */
  readonly times: Float64Array;
}
