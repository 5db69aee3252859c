import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Answer } from './service.ts';

/** Path → the page's file and its type. */
const FILES: Readonly<Record<string, readonly [string, string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
};

/** Nothing but the page's own files; what a payload says is never run. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

/** The live page, which shows what `/control/events` tells; undefined for what is none of its files. */
export function pageAnswer(method: string | undefined, path: string): Answer | undefined {
  const file = Object.hasOwn(FILES, path) ? FILES[path] : undefined;
  if (!file || method !== 'GET') return undefined;
  const [name, type] = file;
  return {
    status: 200,
    headers: {
      'Content-Type': type,
      'Content-Security-Policy': POLICY,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'Cache-Control': 'no-cache',
    },
    body: readFileSync(join(import.meta.dirname, 'page', name)),
  };
}
