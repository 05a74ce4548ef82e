import { useEffect, useRef, useState } from "react";

import { readLive, type LiveResult } from "../../mqtt/payload";
import { useFeed } from "../../mqtt/useFeed";

/** A result with the number of its arrival. */
export interface Row extends LiveResult {
  arrival: number;
}

const kept = 200;
const flushMs = 250;

/**
 * The newest results on the filters, newest first. They come in bursts: the page is drawn
 * again at most four times a second. While `paused`, nothing moves and nothing is kept.
 */
export function useLiveRows(filters: readonly string[], paused: boolean): Row[] {
  const [rows, setRows] = useState<Row[]>([]);
  const fresh = useRef<Row[]>([]);
  const arrivals = useRef(0);

  useFeed(filters, (topic, payload) => {
    const result = paused ? null : readLive(topic, payload);
    if (!result) return;
    arrivals.current += 1;
    fresh.current.push({ ...result, arrival: arrivals.current });
    if (fresh.current.length > kept) fresh.current.shift();
  });

  useEffect(() => {
    const timer = setInterval(() => {
      const arrived = fresh.current;
      if (arrived.length === 0) return;
      fresh.current = [];
      setRows((before) => [...arrived.reverse(), ...before].slice(0, kept));
    }, flushMs);
    return () => clearInterval(timer);
  }, []);

  return rows;
}
