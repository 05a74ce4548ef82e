import { useOrganisation } from "../api/organisation";
import { dateTime } from "../text/format";

/** Says that releases are signed by a development root, and until when. */
export function DevelopmentBanner({ className }: { className: string }) {
  const expires = useOrganisation().data?.root_expires_ms;
  return (
    <aside className={className} aria-label="Development root">
      <strong>Development root.</strong> Releases are signed with keys made on this machine
      {expires ? ` that expire on ${dateTime(expires)}` : ""}. Not for production.
    </aside>
  );
}
