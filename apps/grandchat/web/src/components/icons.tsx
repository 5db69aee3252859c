import type { ReactNode } from 'react';

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg
      className="icon"
      viewBox="0 0 24 24"
      aria-hidden="true"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.9"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      {children}
    </svg>
  );
}

export function BackIcon() {
  return (
    <Icon>
      <path d="M15 5l-7 7 7 7" />
    </Icon>
  );
}
export function BellIcon() {
  return (
    <Icon>
      <path d="M6 10a6 6 0 0 1 12 0c0 5 2 6 2 7H4c0-1 2-2 2-7zM10 20a2 2 0 0 0 4 0" />
    </Icon>
  );
}
export function BellOnIcon() {
  return (
    <Icon>
      <path d="M6 10a6 6 0 0 1 12 0c0 5 2 6 2 7H4c0-1 2-2 2-7z" fill="currentColor" />
      <path d="M10 20a2 2 0 0 0 4 0M3 6a8 8 0 0 1 2-3M21 6a8 8 0 0 0-2-3" />
    </Icon>
  );
}
export function BellOffIcon() {
  return (
    <Icon>
      <path d="M4 4l16 16M6.5 8A6 6 0 0 1 18 10c0 2 .4 3.4 .9 4.4M6 10c0 5-2 6-2 7h13M10 20a2 2 0 0 0 4 0" />
    </Icon>
  );
}
export function CompassIcon() {
  return (
    <Icon>
      <circle cx="12" cy="12" r="9" />
      <path d="M15.5 8.5l-2 5-5 2 2-5z" />
    </Icon>
  );
}
export function PlusIcon() {
  return (
    <Icon>
      <path d="M12 5v14M5 12h14" />
    </Icon>
  );
}
export function SendIcon() {
  return (
    <Icon>
      <path d="M4 12l16-8-6 16-3-7z" />
    </Icon>
  );
}
export function SmileIcon() {
  return (
    <Icon>
      <circle cx="12" cy="12" r="9" />
      <path d="M8.5 14a4.5 4.5 0 0 0 7 0M9 9.5h.01M15 9.5h.01" />
    </Icon>
  );
}
export function DownIcon() {
  return (
    <Icon>
      <path d="M12 5v14M6 13l6 6 6-6" />
    </Icon>
  );
}
export function DoorIcon() {
  return (
    <Icon>
      <path d="M14 4H6v16h8M10 12h11M18 9l3 3-3 3" />
    </Icon>
  );
}
export function PeopleIcon() {
  return (
    <Icon>
      <circle cx="9" cy="8" r="3.5" />
      <path d="M3 20a6 6 0 0 1 12 0M16 5a3.5 3.5 0 0 1 0 6.5M18 14.5a6 6 0 0 1 3 5.5" />
    </Icon>
  );
}
export function SearchIcon() {
  return (
    <Icon>
      <circle cx="11" cy="11" r="6.5" />
      <path d="M16 16l4.5 4.5" />
    </Icon>
  );
}
