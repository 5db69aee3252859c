import { dayKey } from '../store/grouping.ts';

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const DAY_WITH_YEAR = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const SHORT_DAY = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

export function clock(time: string): string {
  return TIME.format(new Date(time));
}

export function fullTime(time: string): string {
  return FULL.format(new Date(time));
}

/** `Today`, `Yesterday`, or the date. */
export function dayName(date: Date, now = new Date()): string {
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  if (dayKey(date) === dayKey(now)) return 'Today';
  if (dayKey(date) === dayKey(yesterday)) return 'Yesterday';
  return (date.getFullYear() === now.getFullYear() ? DAY : DAY_WITH_YEAR).format(date);
}

/** For lists: the time of today's, the day of older ones. */
export function shortTime(time: string, now = new Date()): string {
  const date = new Date(time);
  return dayKey(date) === dayKey(now) ? TIME.format(date) : SHORT_DAY.format(date);
}
