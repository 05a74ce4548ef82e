import { useCallback, useMemo } from "react";
import { useSearchParams } from "react-router";

/** The part of the page's state that is in its address: named texts, absent when empty. */
export function useAddress<Name extends string>(names: readonly Name[]) {
  const [search, setSearch] = useSearchParams();
  const text = search.toString();
  const state = useMemo(() => {
    const from = new URLSearchParams(text);
    const entries = names.map((name) => [name, from.get(name) ?? undefined]);
    return Object.fromEntries(entries) as Partial<Record<Name, string>>;
    // `names` is a constant of the page.
  }, [text]);
  const change = useCallback(
    (changes: Partial<Record<Name, string | undefined>>, replace = false) => {
      setSearch(
        (before) => {
          const after = new URLSearchParams(before);
          for (const [name, value] of Object.entries<string | undefined>(changes)) {
            if (value) after.set(name, value);
            else after.delete(name);
          }
          return after;
        },
        { replace },
      );
    },
    [setSearch],
  );
  return [state, change] as const;
}
