/* Line drawings on a 24 × 24 grid. */
const shapes = {
  beacon: (
    <>
      <path d="M2 21 9 11l4.5 5.5L16.5 12 22 21Z" fill="#4263eb" stroke="none" />
      <path d="M9 9C6.8 7 10.4 6 8.3 3c3.7 1.5 4.5 3.8 2.5 6Z" fill="#f76707" stroke="none" />
    </>
  ),
  device: (
    <>
      <rect x="3" y="7" width="12" height="11" rx="2" />
      <path d="m15 11 6-3v9l-6-3" />
    </>
  ),
  model: (
    <>
      <path d="M12 3 4 7.5v9L12 21l8-4.5v-9Z" />
      <path d="m4 7.5 8 4.5 8-4.5M12 12v9" />
    </>
  ),
  compression: (
    <path d="M4 4l5 5M9 5v4H5M20 20l-5-5M15 19v-4h4M20 4l-5 5M15 5v4h4M4 20l5-5M9 19v-4H5" />
  ),
  rollout: <path d="M4 12h11M11 7l5 5-5 5M20 5v14" />,
  live: <path d="M3 12h4l3-7 4 14 3-7h4" />,
  site: (
    <>
      <path d="M4 21V9l8-5 8 5v12" />
      <path d="M9 21v-6h6v6" />
    </>
  ),
  key: (
    <>
      <circle cx="8" cy="15" r="4" />
      <path d="m11 12 8-8M16 7l3 3" />
    </>
  ),
  user: (
    <>
      <circle cx="12" cy="8" r="4" />
      <path d="M4 21c1-5 4-7 8-7s7 2 8 7" />
    </>
  ),
  tick: <path d="m5 12 5 5 9-10" />,
  search: (
    <>
      <circle cx="11" cy="11" r="6" />
      <path d="m16 16 5 5" />
    </>
  ),
  up: <path d="m6 15 6-6 6 6" />,
  down: <path d="m6 9 6 6 6-6" />,
  copy: (
    <>
      <rect x="8" y="8" width="12" height="12" rx="2" />
      <path d="M16 8V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h2" />
    </>
  ),
};

export type IconName = keyof typeof shapes;

/** A drawing beside a text that says the same: hidden from screen readers. */
export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg
      viewBox="0 0 24 24"
      width={size}
      height={size}
      fill="none"
      stroke="currentColor"
      strokeWidth="1.7"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {shapes[name]}
    </svg>
  );
}
