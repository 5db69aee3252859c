import { invalid, notFound } from './errors.ts';

export const PAGE_SIZE = 100;
const MAX_PAGE = 10_000;
const MAX_ID = Number.MAX_SAFE_INTEGER;

export interface Page<T> {
  readonly count: number;
  readonly next: string | null;
  readonly previous: string | null;
  readonly results: readonly T[];
}

/** The page's number from a query; 1 when absent. @throws HttpError 404 for what is no page */
export function pageNumber(query: Record<string, unknown>): number {
  const { page = '1' } = query;
  if (typeof page !== 'string' || !/^[1-9]\d{0,4}$/.test(page) || Number(page) > MAX_PAGE)
    throw notFound('no such page');
  return Number(page);
}

/** A numbered page with links to its neighbours. */
export function numberedPage<T>(
  path: string,
  query: Record<string, string>,
  page: number,
  count: number,
  results: readonly T[],
): Page<T> {
  const link = (number: number) => `${path}?${new URLSearchParams({ ...query, page: String(number) })}`;
  return {
    count,
    next: page * PAGE_SIZE < count ? link(page + 1) : null,
    previous: page > 1 ? link(page - 1) : null,
    results,
  };
}

/** An id in a path. @throws HttpError 404 for what is no id */
export function pathId(text: string): number {
  const id = Number(text);
  if (!/^[1-9]\d{0,15}$/.test(text) || id > MAX_ID) throw notFound('no such room');
  return id;
}

/** A whole number in a query. @throws HttpError 400 naming the field */
export function queryNumber(
  query: Record<string, unknown>,
  field: string,
  fallback: number,
  min: number,
  max: number,
): number {
  const text = query[field];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (typeof text !== 'string' || !/^\d{1,16}$/.test(text) || value < min || value > max) {
    throw invalid(
      field,
      `must be a whole number from ${min} to ${max}, got ${JSON.stringify(text).slice(0, 40)}`,
    );
  }
  return value;
}
