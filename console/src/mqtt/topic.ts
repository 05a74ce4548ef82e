/** A topic of the fleet: `noroshi/v1/<org>/<site>/<device>/<kind>/<name>`. */
export interface Topic {
  org: string;
  site: string;
  device: string;
  kind: string;
  name: string;
}

const id = /^[a-z0-9-]{1,40}$/;

/** Reads a topic; null for text that is none of ours. */
export function parseTopic(text: string): Topic | null {
  const levels = text.split("/");
  if (levels.length !== 7) return null;
  const [root, version, org, site, device, kind, name] = levels as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  if (root !== "noroshi" || version !== "v1") return null;
  if (![org, site, device, kind, name].every((level) => id.test(level))) return null;
  return { org, site, device, kind, name };
}

/** What a filter fixes; what is left out is any. */
export interface Scope {
  site?: string;
  device?: string;
}

function filter(org: string, scope: Scope, kind: string, name: string): string {
  return `noroshi/v1/${org}/${scope.site ?? "+"}/${scope.device ?? "+"}/${kind}/${name}`;
}

/** The filter for live results. */
export function liveFilter(org: string, scope: Scope = {}): string {
  return filter(org, scope, "live", "+");
}

/** The filter for presence. */
export function statusFilter(org: string, scope: Scope = {}): string {
  return filter(org, scope, "status", "agent");
}

/** Whether a filter (with `+` for one level) lets a topic through. */
export function matches(filterText: string, topic: string): boolean {
  const wanted = filterText.split("/");
  const levels = topic.split("/");
  return (
    wanted.length === levels.length &&
    wanted.every((level, place) => level === "+" || level === levels[place])
  );
}
