/** An answer that is not a success; `detail` is for a person, `field` and `code` for the front end. */
export class HttpError extends Error {
  override name = 'HttpError';
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;

  constructor(status: number, detail: string, extra: { field?: string; code?: string } = {}) {
    super(detail);
    this.status = status;
    this.body = { detail, ...extra };
  }
}

export function invalid(field: string, detail: string): HttpError {
  return new HttpError(400, `${field}: ${detail}`, { field });
}

export function notFound(detail: string): HttpError {
  return new HttpError(404, detail);
}
